"""Batches of samples as tensors on a device, distorted anew in every epoch if asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import rushlight as rl

from ..data import DataLoader, Dataset
from .augment import amounts, distorted
from .samples import Samples


class Numbers(Dataset[int]):
    """Samples by number only: what they hold is gathered for a whole batch at once.

    seed: of the distortions, which are a function of (seed, epoch, sample); None for none.
    ground: the grey value beyond the frame of an image; None for that of its edge.
    """

    def __init__(
        self,
        samples: Samples,
        device: rl.device,
        seed: int | None = None,
        ground: float | None = None,
    ) -> None:
        self.samples, self.device, self.seed, self.ground = samples, device, seed, ground
        self.set_epoch(0)

    def __getitem__(self, index: int) -> int:
        return index

    def __len__(self) -> int:
        return len(self.samples)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose distortions are applied next."""
        if self.seed is not None:
            self.amounts = amounts(len(self), np.random.default_rng((self.seed, epoch)))

    def collate(self, numbers: Sequence[int]) -> tuple[rl.Tensor, rl.Tensor]:
        """The images [b, 1, h, w] of values 0..1 and the labels [b] of these samples."""
        index = np.asarray(numbers)
        images = self.samples.values(index)
        if self.seed is not None:
            images = distorted(images, self.amounts[index], self.ground)
        labels = self.samples.labels[index]
        return rl.tensor(images[:, None], device=self.device), rl.tensor(labels, device=self.device)


def loader(numbers: Numbers, batch_size: int, shuffle_seed: int | None = None) -> DataLoader:
    """Batches in order, or with a seed in a new order every epoch."""
    return DataLoader(
        numbers,
        batch_size,
        shuffle=shuffle_seed is not None,
        seed=shuffle_seed,
        collate_fn=numbers.collate,
    )
