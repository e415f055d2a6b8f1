"""Dropout of channels, and of networks of SELU."""

from __future__ import annotations

import rushlight as rl


def dropout1d(
    input: rl.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> rl.Tensor:
    """Dropout of whole channels.  [b, c, t] -> [b, c, t], or [c, t] -> [c, t]."""
    return _drop_channels("dropout1d", input, (2, 3), p, training, inplace)


def dropout2d(
    input: rl.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> rl.Tensor:
    """Dropout of whole channels.  [b, c, h, w] -> [b, c, h, w]."""
    return _drop_channels("dropout2d", input, (4,), p, training, inplace)


def dropout3d(
    input: rl.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> rl.Tensor:
    """Dropout of whole channels.  [b, c, d, h, w] -> [b, c, d, h, w], or without b."""
    return _drop_channels("dropout3d", input, (4, 5), p, training, inplace)


def _drop_channels(
    op: str, input: rl.Tensor, ndims: tuple[int, ...], p: float, training: bool, inplace: bool
) -> rl.Tensor:
    """Dropout of one number per channel.  ndims: of the input; with the last, it is a batch."""
    if not 0 <= p <= 1:
        raise rl.ContractError(f"{op}: p={p}; a probability is from 0 to 1")
    if input.ndim not in ndims:
        wanted = " or ".join(map(str, ndims))
        raise rl.ContractError(f"{op}: {input.spec}; give {wanted} axes")
    if not training or p == 0:
        return input
    kept = 2 if input.ndim == ndims[-1] else 1
    shape = (*input.shape[:kept], *(1 for _ in input.shape[kept:]))
    mask = rl.dropout(rl.ones(shape, dtype=input.dtype, device=input.device), p)
    return input.mul_(mask) if inplace else input * mask


def alpha_dropout(
    input: rl.Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> rl.Tensor:
    """Dropout that keeps mean 0 and variance 1: to SELU's lower bound, not to 0.  [*s] -> [*s].

    Raises: ContractError unless 0 <= p <= 1.
    Source: Klambauer et al. 2017, arXiv:1706.02515, section 2, "new dropout technique".
    """
    return _alpha_drop("alpha_dropout", input, tuple(input.shape), p, training, inplace)


def feature_alpha_dropout(
    input: rl.Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> rl.Tensor:
    """alpha_dropout of whole channels.  [b, c, *s] -> [b, c, *s]."""
    shape = (*input.shape[:2], *(1 for _ in input.shape[2:]))
    return _alpha_drop("feature_alpha_dropout", input, shape, p, training, inplace)


def _alpha_drop(
    op: str, input: rl.Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool
) -> rl.Tensor:
    """alpha_dropout of one number per element of this shape."""
    if not 0 <= p <= 1:
        raise rl.ContractError(f"{op}: p={p}; a probability is from 0 to 1")
    if not training or p == 0:
        return input
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    low = -1.7580993408473766  # of selu: -scale alpha
    scale = ((1 - p) * (1 + p * low * low)) ** -0.5
    kept = rl.rand(shape, dtype=input.dtype, device=input.device) >= p
    z: rl.Tensor = (rl.where(kept, input, low) - p * low) * scale
    return input.assign_(z) if inplace else z
