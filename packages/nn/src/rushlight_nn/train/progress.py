"""A progress bar on the terminal; nothing at all elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from .loop import Callback, Trainer
from .record import Record

FORMAT = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}"


class Progress(Callback):
    """One bar over all epochs on standard error, with loss, accuracy and samples/s.

    Open it in a `with` block, around fit().
    """

    def __init__(self, trainer: Trainer, samples: int) -> None:
        """samples: in an epoch."""
        done = len(trainer.records) * samples + trainer.tally.seen
        self.tested = ""
        self.bar = tqdm(
            desc=self.title(trainer),
            total=trainer.epochs * samples,
            initial=done,
            unit=" samples",
            bar_format=FORMAT,
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    @staticmethod
    def title(trainer: Trainer) -> str:
        epoch = min(len(trainer.records) + 1, trainer.epochs)
        return f"epoch {epoch}/{trainer.epochs}"

    def batch_end(self, trainer: Trainer, samples: int) -> None:
        tally = trainer.tally
        self.bar.set_postfix_str(
            f"loss {tally.mean_loss:.4f}, accuracy {tally.accuracy:.1%}{self.tested}", refresh=False
        )
        self.bar.update(samples)

    def epoch_end(self, trainer: Trainer, record: Record) -> None:
        self.tested = f", held out {record.test_accuracy:.1%}"
        self.bar.set_description_str(self.title(trainer), refresh=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.close()
