"""The networks of LeNet's and ResNet's rows, as users of PyTorch write them.

`nn` is torch.nn or rushlight_nn; the numbers of their layers are those of rows.py.
"""

from __future__ import annotations

from typing import Any

from rows import STAGES


def lenet(nn: Any) -> Any:
    """Two convolutions and three linear layers.  [b, 1, 28, 28] -> [b, 10]."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def resnet(nn: Any) -> Any:
    """Three stages of one block with 16, 32 and 64 channels.  [b, 3, 32, 32] -> [b, 10].

    Source: He, Zhang, Ren, Sun 2015, arXiv:1512.03385, section 4.2: n = 1, and projections where
    shapes change.
    """
    F = nn.functional

    class Block(nn.Module):
        def __init__(self, a: int, b: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(a, b, 3, stride=stride, padding=1, bias=False)
            self.norm1 = nn.BatchNorm2d(b)
            self.conv2 = nn.Conv2d(b, b, 3, padding=1, bias=False)
            self.norm2 = nn.BatchNorm2d(b)
            self.shortcut = nn.Sequential()
            if stride > 1:
                projection = nn.Conv2d(a, b, 1, stride=stride, bias=False)
                self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(b))

        def forward(self, x: Any) -> Any:
            z = F.relu(self.norm1(self.conv1(x)))
            z = self.norm2(self.conv2(z))
            return F.relu(z + self.shortcut(x))

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 16, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(16)
            self.blocks = nn.Sequential(*(Block(*sizes) for sizes in STAGES))
            self.linear = nn.Linear(64, 10)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.norm(self.conv(x)))
            x = self.blocks(x).mean((2, 3))
            return self.linear(x)

    return ResNet()
