"""Channels and pixels that change places."""

from __future__ import annotations

import rushlight as rl


def pixel_shuffle(input: rl.Tensor, upscale_factor: int) -> rl.Tensor:
    """Channels become squares of r x r pixels, r the factor.

    [*b, c r r, h, w] -> [*b, c, h r, w r].

    Raises: ContractError unless r * r divides the channels.
    Source: Shi et al. 2016, arXiv:1609.05158, eq. 4.
    """
    r = upscale_factor
    if type(r) is not int or r < 1 or input.ndim < 3 or input.shape[-3] % (r * r):
        raise rl.ContractError(
            f"pixel_shuffle: {input.spec} by {r!r}; give [*b, c, h, w] with c divisible by its "
            "square"
        )
    *before, c, h, w = input.shape
    n = len(before)
    z = input.reshape(*before, c // (r * r), r, r, h, w)
    z = z.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return z.reshape(*before, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: rl.Tensor, downscale_factor: int) -> rl.Tensor:
    """Squares of r x r pixels become channels, r the factor: pixel_shuffle undone.

    [*b, c, h r, w r] -> [*b, c r r, h, w].

    Raises: ContractError unless r divides height and width.
    Source: Shi et al. 2016, arXiv:1609.05158, eq. 4.
    """
    r = downscale_factor
    if type(r) is not int or r < 1 or input.ndim < 3 or any(m % r for m in input.shape[-2:]):
        raise rl.ContractError(
            f"pixel_unshuffle: {input.spec} by {r!r}; give [*b, c, h, w], h and w divisible by it"
        )
    *before, c, h, w = input.shape
    n = len(before)
    z = input.reshape(*before, c, h // r, r, w // r, r)
    z = z.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return z.reshape(*before, c * r * r, h // r, w // r)


def channel_shuffle(input: rl.Tensor, groups: int) -> rl.Tensor:
    """Channels, group after group, become the first of each group, the second, ..

    [b, groups k, *s] -> [b, k groups, *s].

    Raises: ContractError unless groups divides the channels.
    Source: Zhang, Zhou, Lin, Sun 2017, arXiv:1707.01083, section 3.1.
    """
    if type(groups) is not int or groups < 1 or input.ndim < 3 or input.shape[1] % groups:
        raise rl.ContractError(
            f"channel_shuffle: {input.spec} in {groups!r} groups; give [b, c, *s], c divisible "
            "by groups"
        )
    b, c, *image = input.shape
    return input.reshape(b, groups, c // groups, *image).transpose(1, 2).reshape(input.shape)
