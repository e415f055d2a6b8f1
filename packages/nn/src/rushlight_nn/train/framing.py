"""Framing: how the training images show their subject, so that a picture can be shown alike.

Digits of MNIST are light on black, scaled to 20 of 28 pixels and centred; those of scikit-learn
fill their 8 rows.  A photograph of one is nothing like that, and a network that learnt from the one
is blind to the other.  So the framing is measured on the training images, and a picture is brought
to it; what they leave free (the ground, the size of the subject, its place) stays the picture's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .image import Floats, grey, resized

Stack = npt.NDArray[np.float32]

COMMON = 0.9  # of the images must agree before something counts as their framing
EXTREME = 0.3  # a common ground is so close to black or to white
SPREAD = 0.06  # deviation of places and extents, in sides, beyond which they are the images' own
NEAR, ASPECT = 0.1, 1.5  # a picture framed so nearly alike, in sides, is taken as it is
PLAIN = 0.15  # of the contrast: ground is what differs less from the border
VISIBLE, FAINT = 0.999, 1 / 64  # a picture is not plain if a thousandth of it stands out so far
LOOKED_AT = 2000  # images at most; more would say the same
WORKING_SIDE = 256  # pixels; larger pictures are reduced first, which also averages specks away


@dataclass(frozen=True)
class Framing:
    """What the training images have in common.

    ground: the grey value behind every subject; None if they have no plain ground in common.
    strength: how far the subject's strongest pixel is from the ground; None if that varies.
    extent: the longer side of the subject as a fraction of the image's; None if it varies.
    centre: where its mass lies, as fractions of height and width.
    """

    ground: float | None = None
    strength: float | None = None
    extent: float | None = None
    centre: tuple[float, float] = (0.5, 0.5)

    @classmethod
    def measure(cls, images: Stack) -> Framing:
        """The framing of training images.  [n, h, w], 0..1."""
        images = images[:: -(-len(images) // LOOKED_AT)]
        grounds = np.median(border(images), axis=1)
        ground = float(np.median(grounds))
        common = np.mean(np.abs(grounds - ground) < PLAIN) >= COMMON
        if not common or min(ground, 1 - ground) > EXTREME:
            return cls()
        inks = np.abs(images - ground)
        kept = inks[inks.max((1, 2)) > PLAIN]
        if not len(kept):
            return cls()
        strengths = kept.max((1, 2))
        strength = None if strengths.std() > SPREAD else float(np.median(strengths))
        found = [placement(ink) for ink in kept]
        extents = np.array([extent for extent, _ in found])
        centres = np.array([centre for _, centre in found])
        if extents.std() > SPREAD or centres.std(axis=0).max() > SPREAD:
            return cls(ground, strength)
        y, x = centres.mean(axis=0).tolist()
        return cls(ground, strength, float(np.median(extents)), (y, x))

    def apply(self, colour: Floats, size: tuple[int, int]) -> Floats | None:
        """A picture of any size as the training images are.  [h, w, 3] -> size, 0..1.

        Ink is what differs from the colour of the border: it may be darker, lighter or of another
        hue.  None if there is none: nothing is painted on the picture.
        """
        if self.ground is None:
            plain = np.ptp(colour, axis=(0, 1)).max() <= FAINT
            return None if plain else resized(grey(colour), size)
        ink = contrast(reduced(colour))
        if ink is None:
            return None
        framed = resized(ink, size) if self.holds(ink, size) else self.placed(ink, size)
        if self.strength is not None:
            framed = framed * np.float32(self.strength / framed.max())
        side = 1 if self.ground < 0.5 else -1  # lighter than the ground, or darker
        result: Floats = np.clip(np.float32(self.ground) + side * framed, 0, 1)
        return result

    def holds(self, ink: Floats, size: tuple[int, int]) -> bool:
        """Whether a picture is framed this way as it is, a small change of its aspect included."""
        if self.extent is None:
            return True
        height, width = ink.shape
        if not 1 / ASPECT <= height / width / (size[0] / size[1]) <= ASPECT:
            return False
        extent, centre = placement(ink)
        away = np.abs(centre - self.centre).max()
        return abs(extent - self.extent) <= NEAR and bool(away <= NEAR)

    def placed(self, ink: Floats, size: tuple[int, int]) -> Floats:
        """The ink scaled to the extent, aspect kept, its mass at the centre.  [h, w] -> size."""
        assert self.extent is not None
        height, width = size
        top, bottom, left, right = box(ink)
        # Source pixels that become one pixel of the result.
        step = max((bottom - top) / height, (right - left) / width) / self.extent
        y, x = centre_of_mass(ink)
        y0 = window(y - self.centre[0] * height * step, height * step, top, bottom)
        x0 = window(x - self.centre[1] * width * step, width * step, left, right)
        return cut(ink, y0, x0, step, size)


def placement(ink: Floats) -> tuple[float, npt.NDArray[np.float64]]:
    """The longer side of the ink, and its centre of mass [2], as fractions of the frame."""
    top, bottom, left, right = box(ink)
    height, width = ink.shape
    extent = max((bottom - top) / height, (right - left) / width)
    return extent, centre_of_mass(ink) / (height, width)


def window(start: float, length: float, low: float, high: float) -> float:
    """The start of a window of this length, moved so that low..high lies within, if it can."""
    return min(max(start, high - length), low)


def border(images: Stack) -> Stack:
    """The outermost pixels.  [n, h, w] -> [n, 2h + 2w]."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    return np.concatenate(edges, axis=1)


def reduced(colour: Floats) -> Floats:
    """A picture of at most WORKING_SIDE, aspect kept.  [h, w, 3] -> [h', w', 3]."""
    height, width = colour.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    if scale >= 1:
        return colour
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    return np.stack([resized(colour[..., c], size) for c in range(3)], axis=2)


def contrast(colour: Floats) -> Floats | None:
    """How far each pixel is from the colour of the border.  [h, w, 3] -> [h, w], 0..1.

    1 is from black to white.  None if nothing stands out of the border's own noise.
    """
    edges = border(colour.transpose(2, 0, 1))  # [3, 2h + 2w]
    ground = np.median(edges, axis=1)
    distance = np.linalg.norm(colour - ground, axis=2) / np.sqrt(3)
    noise = float(np.median(np.linalg.norm(edges.T - ground, axis=1))) / np.sqrt(3)
    ink: Floats = np.maximum(distance - 3 * noise, 0).astype(np.float32)
    return ink if np.quantile(ink, VISIBLE) > FAINT else None


def box(ink: Floats) -> tuple[int, int, int, int]:
    """The rows top..bottom and columns left..right that hold all ink, ends excluded."""
    there = ink > PLAIN * ink.max()
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def centre_of_mass(ink: Floats) -> npt.NDArray[np.float64]:
    """Row and column of the ink's mass, in pixels from the upper left corner.  [h, w] -> [2]."""
    total = ink.sum(dtype=np.float64)
    y = ink.sum(axis=1, dtype=np.float64) @ (np.arange(ink.shape[0]) + 0.5)
    x = ink.sum(axis=0, dtype=np.float64) @ (np.arange(ink.shape[1]) + 0.5)
    centre: npt.NDArray[np.float64] = np.array((y, x)) / total
    return centre


def cut(ink: Floats, y0: float, x0: float, step: float, size: tuple[int, int]) -> Floats:
    """The window from (y0, x0), of size times step, as size; 0 beyond the ink's own frame."""
    height, width = size
    pad = (
        (max(0, int(np.ceil(-y0))), max(0, int(np.ceil(y0 + height * step - ink.shape[0])))),
        (max(0, int(np.ceil(-x0))), max(0, int(np.ceil(x0 + width * step - ink.shape[1])))),
    )
    upper, left = y0 + pad[0][0], x0 + pad[1][0]
    padded = np.pad(ink, pad)
    lower = min(upper + height * step, padded.shape[0])  # rounding must not lead out of the frame
    right = min(left + width * step, padded.shape[1])
    return resized(padded, size, (left, upper, right, lower))
