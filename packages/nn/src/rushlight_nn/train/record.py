"""Record: what one epoch measured; Tally: the sums it is made of."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import NamedTuple


class Record(NamedTuple):
    """One line of metrics.jsonl.  Losses are in nats per sample, accuracies fractions of 1."""

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float

    def json(self) -> str:
        """As a JSON object; a loss that is not finite, which JSON cannot say, becomes null."""
        fields = self._asdict().items()
        return json.dumps({name: x if math.isfinite(x) else None for name, x in fields})


@dataclass
class Tally:
    """Sums over the samples seen so far."""

    loss: float = 0.0
    right: int = 0
    seen: int = 0

    def add(self, mean_loss: float, right: int, seen: int) -> None:
        """Count one batch in."""
        self.loss += mean_loss * seen
        self.right += right
        self.seen += seen

    @property
    def mean_loss(self) -> float:
        """Loss per sample; 0 before the first."""
        return self.loss / max(self.seen, 1)

    @property
    def accuracy(self) -> float:
        """Fraction of samples classified right; 0 before the first."""
        return self.right / max(self.seen, 1)
