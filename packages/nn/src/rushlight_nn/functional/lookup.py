"""Rows of a table by their numbers."""

from __future__ import annotations

import math

import rushlight as rl


def embedding(
    input: rl.Tensor, weight: rl.Tensor, padding_idx: int | None = None,
    max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> rl.Tensor:  # fmt: skip
    """Row input[i] of weight for each i.  int[*s], [n, d] -> [*s, d].

    padding_idx: a row to which no gradient goes.
    max_norm: rows that input names and that are longer, by their norm_type-norm, are first made so
        long, in weight itself and unseen by autograd.
    Raises: ContractError for a padding_idx that is no row, and for scale_grad_by_freq and sparse,
    which are not supported.
    """
    _supported("embedding", scale_grad_by_freq, sparse)
    if max_norm is not None:
        _shorten(weight, input, max_norm, norm_type)
    rows = rl.embedding(input, weight)
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise rl.ContractError(
            f"embedding: padding_idx {padding_idx} of {weight.shape[0]} rows; give one of them"
        )
    padding = rl.eq(input, padding_idx % weight.shape[0]).unsqueeze(-1)
    passing: rl.Tensor = rl.where(padding, rows.detach(), rows)
    return passing


def _supported(op: str, scale_grad_by_freq: bool, sparse: bool) -> None:
    """Raises: ContractError for options that there are in PyTorch alone."""
    if scale_grad_by_freq or sparse:
        raise rl.ContractError(
            f"{op}: scale_grad_by_freq and sparse are not supported; leave them out"
        )


def _shorten(weight: rl.Tensor, input: rl.Tensor, max_norm: float, norm_type: float) -> None:
    """The rows of weight that input names become no longer than max_norm."""
    with rl.no_grad():
        index = input.reshape(-1)
        rows = rl.embedding(index, weight)
        long = rl.norm(rows, norm_type, 1, True)
        # the small number is PyTorch's
        rows = rl.where(long > max_norm, rows * (max_norm / (long + 1e-7)), rows)
        weight.index_copy_(0, index, rows)


def embedding_bag(
    input: rl.Tensor, weight: rl.Tensor, offsets: rl.Tensor | None = None,
    max_norm: float | None = None, norm_type: float = 2.0, scale_grad_by_freq: bool = False,
    mode: str = "mean", sparse: bool = False, per_sample_weights: rl.Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> rl.Tensor:  # fmt: skip
    """The sum, mean or max of rows of weight, by bag; 0 of none.

    int[b, l], [n, d] -> [b, d], or int[l], [n, d], int[b] -> [b, d].

    offsets: where in a flat input each bag begins; with include_last_offset, then where the last
        one ends.
    max_norm, norm_type: as in `embedding`.
    mode: "sum", "mean" or "max"; the max of a flat input takes memory for [b, l, d].
    per_sample_weights: a factor for each row, in the shape of input; of sums only.
    padding_idx: a row that counts nothing.
    Raises: ContractError if arguments do not fit, and for scale_grad_by_freq and sparse, which are
    not supported.
    """
    _supported("embedding_bag", scale_grad_by_freq, sparse)
    _check_bags(input, offsets, mode, per_sample_weights)
    rows = embedding(input, weight, padding_idx, max_norm, norm_type)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    seen = rl.ones_like(input) > 0
    if padding_idx is not None:
        seen = rl.ne(input, padding_idx % weight.shape[0])
    if offsets is None:
        return _bagged(rows, seen, mode)
    b = offsets.shape[0] - include_last_offset
    bag = rl.searchsorted(offsets, rl.arange(input.shape[0], device=input.device), right=True) - 1
    seen = seen & (bag >= 0) & (bag < b)
    if mode == "max":
        seen = seen & (bag == rl.arange(b, device=input.device).unsqueeze(1))
        return _bagged(rows.unsqueeze(0).expand(b, *rows.shape), seen, mode)
    zeros, bag = rl.zeros(b, 1, dtype=rows.dtype, device=rows.device), bag.clamp(0, max(b - 1, 0))
    rows = rl.where(seen.unsqueeze(-1), rows, 0.0)
    total = zeros.expand(b, rows.shape[1]).index_add(0, bag, rows)
    if mode == "sum":
        return total
    return total / zeros.index_add(0, bag, seen.to(rows.dtype).unsqueeze(-1)).clamp(min=1)


def _check_bags(
    input: rl.Tensor, offsets: rl.Tensor | None, mode: str, factors: rl.Tensor | None
) -> None:
    """Raises: ContractError unless these make bags."""
    op = "embedding_bag"
    if mode not in ("sum", "mean", "max"):
        raise rl.ContractError(f"{op}: mode {mode!r}; give 'sum', 'mean' or 'max'")
    if input.ndim not in (1, 2) or (offsets is None or offsets.ndim != 1) != (input.ndim == 2):
        given = None if offsets is None else offsets.spec
        raise rl.ContractError(
            f"{op}: {input.spec} with offsets {given}; give [b, l], or [l] and offsets [b]"
        )
    if factors is not None and (mode != "sum" or factors.shape != input.shape):
        raise rl.ContractError(
            f"{op}: per_sample_weights {factors.spec} for {input.spec}, mode {mode!r}; give "
            "them input's shape, and mode 'sum'"
        )


def _bagged(rows: rl.Tensor, seen: rl.Tensor, mode: str) -> rl.Tensor:
    """The sum, mean or max over those that are seen.  [b, l, d], bool[b, l] -> [b, d]."""
    if mode == "max" and rows.shape[1]:
        most = rl.where(seen.unsqueeze(-1), rows, -math.inf).max(1).values
        largest: rl.Tensor = rl.where(seen.any(1, keepdim=True), most, 0.0)
        return largest
    total: rl.Tensor = rl.where(seen.unsqueeze(-1), rows, 0.0).sum(1)
    return total / seen.sum(1, keepdim=True).clamp(min=1) if mode == "mean" else total
