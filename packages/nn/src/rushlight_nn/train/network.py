"""The network of `rushlight train`: convolutions until the image is small, then a linear layer."""

from __future__ import annotations

import rushlight as rl

from ..layers import BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU, Sequential
from ..module import Module

WIDTH = 16  # channels of the first convolution
WIDEST = 64
SMALL = 4  # pixels of the shorter side at which halving ends
LARGE = 16  # pixels of the shorter side from which the first convolution is followed by a halving
DROPOUT = 0.25


def block(inputs: int, outputs: int, *, halve: bool) -> list[Module]:
    """A convolution with its norm, and a halving of both sides if asked."""
    layers: list[Module] = [
        Conv2d(inputs, outputs, 3, padding=1, bias=False),
        BatchNorm2d(outputs),
        ReLU(),
    ]
    return [*layers, MaxPool2d(2)] if halve else layers


class ConvNet(Module):
    """Grey images of one size to a score for each class.  [b, 1, h, w] -> [b, classes].

    size: height and width; 8 x 8 passes 2 convolutions, 28 x 28 passes 3.
    mean, std: of the training images; subtracted and divided by, and kept with the weights.
    """

    mean: rl.Tensor
    std: rl.Tensor

    def __init__(
        self, classes: int, size: tuple[int, int], mean: float = 0.0, std: float = 1.0
    ) -> None:
        super().__init__()
        self.register_buffer("mean", rl.tensor(mean))
        self.register_buffer("std", rl.tensor(std))
        height, width = size
        channels = WIDTH
        first = min(height, width) > LARGE
        layers = block(1, channels, halve=first)
        if first:
            height, width = height // 2, width // 2
        while True:
            halve = min(height, width) > SMALL
            wider = min(2 * channels, WIDEST)
            layers += block(channels, wider, halve=halve)
            channels = wider
            if not halve:
                break
            height, width = height // 2, width // 2
            if min(height, width) <= SMALL:
                break
        self.features = Sequential(*layers)
        self.classifier = Sequential(
            Flatten(), Dropout(DROPOUT), Linear(channels * height * width, classes)
        )

    def forward(self, images: rl.Tensor) -> rl.Tensor:
        """The scores, whose softmax are the probabilities.  [b, 1, h, w] -> [b, classes]."""
        scores: rl.Tensor = self.classifier(self.features((images - self.mean) / self.std))
        return scores
