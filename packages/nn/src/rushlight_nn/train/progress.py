"""A progress bar on the terminal, nothing elsewhere; and lines of what a device says meanwhile."""

from __future__ import annotations

import logging
import os
import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from .loop import Callback, Trainer
from .record import Record

FORMAT = "{desc} |{bar}| {rate_fmt} {remaining}{postfix}"  # of 80 columns, 9 for the bar
COLUMNS, ROWS = 80, 24
LOGGER = logging.getLogger("rushlight")  # what all parts of Rushlight log
PREFIX = "rushlight: "  # of each line


class Lines(logging.Handler):
    """A line on standard error for each record, above the bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage().removeprefix(PREFIX)  # of what others print without a bar
        tqdm.write(PREFIX + message, file=sys.stderr)


class Progress(Callback):
    """One bar over all epochs on standard error, with loss, accuracy and samples/s.

    Open it in a `with` block, around fit().
    """

    def __init__(self, trainer: Trainer, samples: int) -> None:
        """samples: in an epoch."""
        done = len(trainer.records) * samples + trainer.tally.seen
        self.tested = ""
        shown = sys.stderr.isatty()
        # Terminals without a window, as of a container, say that they have no columns.
        sized = shown and os.get_terminal_size(sys.stderr.fileno()).columns > 0
        self.bar = tqdm(
            desc=self.title(trainer),
            total=trainer.epochs * samples,
            initial=done,
            unit=" samples",
            unit_scale=True,
            bar_format=FORMAT,
            disable=not shown,
            dynamic_ncols=sized,
            ncols=None if sized else COLUMNS,
            nrows=None if sized else ROWS,
        )
        self.lines = Lines()

    @staticmethod
    def title(trainer: Trainer) -> str:
        """What stands before the bar."""
        epoch = min(len(trainer.records) + 1, trainer.epochs)
        return f"epoch {epoch}/{trainer.epochs}"

    def batch_end(self, trainer: Trainer, samples: int) -> None:
        tally = trainer.tally
        self.bar.set_postfix_str(
            f"loss {tally.mean_loss:.3f}, acc {tally.accuracy:.1%}{self.tested}", refresh=False
        )
        self.bar.update(samples)

    def epoch_end(self, trainer: Trainer, record: Record) -> None:
        self.tested = f", test {record.test_accuracy:.1%}"
        self.bar.set_description_str(self.title(trainer), refresh=False)

    def __enter__(self) -> Self:
        LOGGER.addHandler(self.lines)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        LOGGER.removeHandler(self.lines)
        self.bar.close()
