"""Trainer: the training loop, which can stop after any batch and go on there, bit for bit.

Knows no files and no terminal: callbacks keep records, draw progress and save.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from time import perf_counter
from typing import Any

import rushlight as rl

from ..data import DataLoader
from ..data.sampler import set_epoch
from ..layers import CrossEntropyLoss
from ..module import Module
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler
from .record import Record, Tally


class Callback:
    """What is told of a training as it goes; each method may be left as it is."""

    def batch_end(self, trainer: Trainer, samples: int) -> None:
        """One more batch of so many samples was learnt from."""

    def epoch_end(self, trainer: Trainer, record: Record) -> None:
        """An epoch was learnt and tested; the trainer is ready for the next."""

    def stopped(self, trainer: Trainer) -> None:
        """The training stops here because it was asked to, within an epoch or after one."""


class Trainer:
    """Trains a classifier by cross-entropy, and tests it after every epoch.

    model: [b, *s] -> scores [b, classes].
    train, test: loaders of pairs of inputs [b, *s] and labels [b].
    epochs: how many there will be in all.
    compile: whether a step of training is traced and replayed.

    records: one for each epoch done; tally: the sums of the epoch in progress.
    Law: load_state_dict(state_dict()) into a trainer made alike, also within an epoch, then fit()
    leaves the same weights and records, seconds excepted, as fit() without a stop.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        schedule: LRScheduler,
        train: DataLoader,
        test: DataLoader,
        epochs: int,
        *,
        compile: bool = False,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self.train, self.test, self.epochs = train, test, epochs
        self.callbacks = list(callbacks)
        self.loss = CrossEntropyLoss()
        self.records: list[Record] = []
        self.tally = Tally()
        self.seconds = 0.0  # spent on the epoch in progress
        self.stopping = False
        self._step = rl.compile(self.step) if compile else self.step

    @property
    def finished(self) -> bool:
        """Whether every epoch is done."""
        return len(self.records) >= self.epochs

    @property
    def batch(self) -> int:
        """How many batches of the epoch in progress are done."""
        return int(self.train.state_dict()["batch"] or 0)

    def stop(self) -> None:
        """Make fit() return after the batch it is at."""
        self.stopping = True

    def fit(self) -> bool:
        """Train until every epoch is done, or stop() is called; returns whether it is done.

        A stop() before the call counts: it may come from a signal, at any moment.
        """
        while not self.finished and not self.stopping:
            self._epoch()
        if self.stopping:
            self.stopping = False
            for callback in self.callbacks:
                callback.stopped(self)
        return self.finished

    def step(self, inputs: rl.Tensor, labels: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
        """One step of training: the batch's mean loss, and how many labels were met."""
        self.optimizer.zero_grad()
        scores = self.model(inputs)
        loss: rl.Tensor = self.loss(scores, labels)
        loss.backward()
        self.optimizer.step()
        return loss.detach(), (scores.argmax(1) == labels).sum()

    def _epoch(self) -> None:
        """Learn from what is left of an epoch and test, or stop on the way."""
        spent, start = self.seconds, perf_counter()
        set_epoch(self.train.dataset, len(self.records))
        self.model.train()
        for inputs, labels in self.train:
            loss, right = self._step(inputs, labels)
            self.tally.add(loss.item(), right.item(), len(labels))
            self.seconds = spent + perf_counter() - start
            for callback in self.callbacks:
                callback.batch_end(self, len(labels))
            if self.stopping:
                self.train.load_state_dict(self.train.state_dict())  # the next `for` goes on here
                return
        tested = self.evaluate()
        self.schedule.step()
        self.seconds = spent + perf_counter() - start
        record = Record(
            epoch=len(self.records) + 1,
            train_loss=self.tally.mean_loss,
            train_accuracy=self.tally.accuracy,
            test_loss=tested.mean_loss,
            test_accuracy=tested.accuracy,
            seconds=round(self.seconds, 3),
        )
        self.records.append(record)
        self.tally, self.seconds = Tally(), 0.0
        for callback in self.callbacks:
            callback.epoch_end(self, record)

    def evaluate(self) -> Tally:
        """Loss and accuracy on the test samples, in evaluation mode."""
        tally = Tally()
        for scores, labels in self._tested():
            loss = self.loss(scores, labels)
            tally.add(loss.item(), (scores.argmax(1) == labels).sum().item(), len(labels))
        return tally

    def probabilities(self) -> rl.Tensor:
        """Of each class, for every test sample.  -> [n, classes]."""
        return rl.cat([rl.softmax(scores, dim=1) for scores, _ in self._tested()])

    def _tested(self) -> list[tuple[rl.Tensor, rl.Tensor]]:
        """Scores and labels of every test batch."""
        self.model.eval()
        with rl.no_grad():
            return [(self.model(inputs), labels) for inputs, labels in self.test]

    def state_dict(self) -> dict[str, Any]:
        """All that decides how the training goes on: plain data and tensors."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "order": self.train.state_dict(),
            "random": rl.get_rng_state(),
            "records": [record._asdict() for record in self.records],
            "tally": asdict(self.tally),
            "seconds": self.seconds,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where that state was taken.

        Raises: KeyError, TypeError, ValueError or ContractError if it is of another training.
        """
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.train.load_state_dict(state["order"])
        self.records = [Record(**record) for record in state["records"]]
        self.tally = Tally(**state["tally"])
        self.seconds = float(state["seconds"])
        rl.set_rng_state(state["random"])
