"""Samples: labelled grey images in memory, and how they are parted into training and test.

Knows no file: readers make Samples, the loop and the pictures use them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rushlight import FileRefused

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

TEST_FRACTION = 0.2
SPLIT_SEED = 0


@dataclass(frozen=True)
class Samples:
    """Images [n, h, w] of values 0..top, and which of the classes [n] each one shows."""

    images: Images
    labels: Labels
    classes: tuple[str, ...]
    top: int = 255

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every image."""
        return self.images.shape[1], self.images.shape[2]

    def values(self, index: Labels | None = None) -> npt.NDArray[np.float32]:
        """The images at these places, or all, with values 0..1.  -> [n, h, w]."""
        chosen = self.images if index is None else self.images[index]
        return np.divide(chosen, np.float32(self.top), dtype=np.float32)

    def take(self, index: Labels) -> Samples:
        """The samples at these places, in this order."""
        return Samples(self.images[index], self.labels[index], self.classes, self.top)


@dataclass(frozen=True)
class Source:
    """What one run learns from, what it is tested on, and the options that read it again.

    notes: sentences on what was met while reading.
    """

    name: str
    options: dict[str, str | int]
    train: Samples
    test: Samples
    notes: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 of every image and label: equal fingerprints, equal data."""
        digest = hashlib.sha256()
        for samples in (self.train, self.test):
            digest.update(repr((samples.images.shape, samples.classes, samples.top)).encode())
            digest.update(samples.images.tobytes())
            digest.update(samples.labels.tobytes())
        return digest.hexdigest()


def split(
    what: str, samples: Samples, fraction: float = TEST_FRACTION, seed: int = SPLIT_SEED
) -> tuple[Samples, Samples]:
    """Training and test samples, the same fraction of every class held out, order kept.

    Each class gives round(fraction * n) samples to the test, at least one, and keeps at least one.
    Raises: FileRefused if a class has fewer than two samples.
    """
    random = np.random.default_rng(seed)
    held = np.zeros(len(samples), bool)
    for label, name in enumerate(samples.classes):
        members = np.flatnonzero(samples.labels == label)
        if len(members) < 2:
            raise FileRefused(
                f"{what}: class {name!r} has {len(members)} image{'s' * (len(members) != 1)}; "
                "give at least 2 of each class, one to learn from and one to test on"
            )
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        held[random.permutation(members)[:count]] = True
    return samples.take(np.flatnonzero(~held)), samples.take(np.flatnonzero(held))
