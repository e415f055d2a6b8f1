"""Small distortions of training images: shifts, stretches, turns.  numpy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Stack = npt.NDArray[np.float32]

# Measured on scikit-learn's digits, seeds 0 and 1, 30 epochs: 98.9 % and 98.3 % of the held-out
# images right without, 99.4 % and 99.4 % with these.  Of pictures in which those are 4/3 too wide
# 96 % and 98 % without, 99 % with; 4/3 too high, 93 % without, 98 % with.
SHIFT = 1 / 16  # of the side, either way
STRETCH = 0.3  # exponent of the width, either way; a third of it for the height
TURN = 0.1  # radians, either way


def amounts(count: int, random: np.random.Generator) -> Stack:
    """How far to distort each image, of what is allowed.  [count, 5], -1..1."""
    return random.uniform(-1, 1, (count, 5)).astype(np.float32)


def distorted(images: Stack, amount: Stack, ground: float | None) -> Stack:
    """Each image shifted, stretched and turned about its middle.  [n, h, w], [n, 5] -> [n, h, w].

    Values between pixels are bilinear; beyond the frame there is `ground`, or the nearest pixel if
    that is None.
    """
    _, h, w = images.shape
    wide, high, turned, down, right = amount.T[..., None, None]  # [n, 1, 1] each
    stretch, squash = np.exp(STRETCH * wide), np.exp(STRETCH / 3 * high)
    cos, sin = np.cos(TURN * turned), np.sin(TURN * turned)
    middle_y, middle_x = np.float32((h - 1) / 2), np.float32((w - 1) / 2)
    rows, columns = np.mgrid[:h, :w].astype(np.float32)
    rows, columns = rows - middle_y, columns - middle_x
    # Where each pixel comes from.  [n, h, w]
    y = (cos * rows + sin * columns) * squash + np.float32(SHIFT * h) * down + middle_y
    x = (cos * columns - sin * rows) * stretch + np.float32(SHIFT * w) * right + middle_x
    return bilinear(images, y, x, ground)


def bilinear(images: Stack, y: Stack, x: Stack, ground: float | None) -> Stack:
    """The images' values at rows y and columns x.  [n, h, w], [n, *s], [n, *s] -> [n, *s]."""
    n, h, w = images.shape
    frame = ((0, 0), (1, 1), (1, 1))
    if ground is None:
        padded = np.pad(images, frame, mode="edge")
    else:
        padded = np.pad(images, frame, constant_values=ground)
    y, x = np.clip(y + 1, 0, h + 1), np.clip(x + 1, 0, w + 1)
    upper, left = np.minimum(y.astype(np.intp), h), np.minimum(x.astype(np.intp), w)
    down, right = y - upper, x - left
    which = np.arange(n).reshape(-1, *[1] * (y.ndim - 1))
    above = padded[which, upper, left] * (1 - right) + padded[which, upper, left + 1] * right
    below = (
        padded[which, upper + 1, left] * (1 - right) + padded[which, upper + 1, left + 1] * right
    )
    mixed: Stack = above * (1 - down) + below * down
    return mixed.astype(np.float32, copy=False)
