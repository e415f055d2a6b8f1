"""local_response_norm."""

from __future__ import annotations

import math

import rushlight as rl


def local_response_norm(
    input: rl.Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> rl.Tensor:
    """input / (k + alpha m)^beta, m the mean square over size channels around each.

    [b, c, *s] -> [b, c, *s].
    Raises: ContractError for fewer than 3 axes.
    Source: Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional
    neural networks, section 3.3.
    """
    if input.ndim < 3:
        raise rl.ContractError(f"local_response_norm: {input.spec}; give [b, c, *s]")
    b, c, *image = input.shape
    squares = (input * input).reshape(b, 1, c, math.prod(image))
    around = rl.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = rl.avg_pool2d(around, (size, 1), 1).reshape(input.shape) if input.numel() else input
    return input / (means * alpha + k) ** beta
