"""A job: one run of `rushlight train`, begun or gone on with, from its source to its pictures."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import rushlight as rl
from rushlight import FileRefused

from ..optim import AdamW
from ..optim.lr_scheduler import CosineAnnealingLR
from . import picture
from .batch import Numbers, loader
from .digits import read_digits
from .extra import apps
from .folder import SIZE, read_folder
from .framing import Framing
from .idx import read_idx_source
from .loop import Callback, Trainer
from .memory import require
from .network import ConvNet
from .progress import Progress
from .record import Record
from .run import CHECKPOINT, CONFIG, PICTURES, RunFolder
from .samples import Source

WEIGHT_DECAY = 1e-2
STEP_BYTES = 400  # for each pixel of a batch, measured on numpy from 64 x 64 to 600 x 600
VALUE_BYTES = 4  # for each pixel of all training images, while they are measured
DECISIVE = ("epochs", "batch_size", "lr", "seed", "augment")  # options, beside the samples


@dataclass(frozen=True)
class Options:
    """What decides a training, beside its samples.

    lr: at the beginning; it falls to 0 along a cosine.
    augment: whether training images are shifted, stretched and turned a little, anew every epoch.
    """

    epochs: int
    batch_size: int
    lr: float
    seed: int
    device: str
    compile: bool
    augment: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Options:
        """Those of a run.  Raises: KeyError, TypeError or ValueError if config.json was changed."""
        return cls(
            epochs=int(config["epochs"]),
            batch_size=int(config["batch_size"]),
            lr=float(config["lr"]),
            seed=int(config["seed"]),
            device=str(config["device"]),
            compile=bool(config["compile"]),
            augment=bool(config["augment"]),
        )


def read_source(name: str, options: Mapping[str, Any]) -> Source:
    """The samples of a source, by its name in config.json.

    Raises: FileRefused, and ValueError or KeyError for a source or an option that is unknown.
    """
    if name == "digits":
        return read_digits()
    if name == "idx":
        paths = {key: Path(options[key]) for key in ("images", "labels")}
        tests = {
            key: Path(options[key]) for key in ("test_images", "test_labels") if key in options
        }
        return read_idx_source(**paths, **tests)
    if name == "folder":
        return read_folder(Path(options["folder"]), int(options.get("size", SIZE)))
    raise ValueError(f"source {name!r} is none of digits, idx, folder")


@dataclass(frozen=True)
class Outcome:
    """What came out of a run, on how many held-out images."""

    folder: RunFolder
    records: list[Record]
    test: int


def recognise(path: Path, own: Mapping[str, Any], stated: Mapping[str, Any]) -> None:
    """Raises: FileRefused if a checkpoint with this statement is another run's."""
    if other := [name for name in own if stated.get(name) != own[name]]:
        theirs, ours = ([f"{name} {of.get(name)}" for name in other] for of in (stated, own))
        raise FileRefused(
            f"{path}: is of another run, with {', '.join(theirs)}; "
            f"expected {', '.join(ours)}, bring back this run's or begin a new run"
        )


def decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a run from others: what decides its weights."""
    said = {name: config[name] for name in DECISIVE}
    return {**said, "SHA-256 of samples": config["source"]["fingerprint"]}


def finished(folder: RunFolder, device: rl.device) -> tuple[Outcome, list[str]] | None:
    """What came out of a run in which nothing is left to do; None if there is.

    Its samples are not asked for.  What its folder has lost is written again, with a sentence for
    each file.
    Raises: FileRefused if the folder holds no run, a damaged one, or another's checkpoint.
    """
    config = folder.config()
    if not all((folder.path / name).exists() for name in PICTURES):
        return None
    state = folder.state(device)
    with folder.fitting(CONFIG):
        own, epochs, test = decisive(config), int(config["epochs"]), int(config["source"]["test"])
    with folder.fitting(CHECKPOINT):
        recognise(folder.path / CHECKPOINT, own, state.get("run", own))
        records = [Record(**record) for record in state["records"]]
        if len(records) < epochs:
            return None
        return Outcome(folder, records, test), list(folder.mend(state["model"], records, device))


def smaller(source: str | None) -> str:
    """What to do where memory is short; None for a source that is not known."""
    return f"give a smaller {'' if source in {'digits', 'idx'} else '--size or '}--batch-size"


class Job(Callback):
    """One run: its trainer, and the folder in which every epoch is saved."""

    def __init__(
        self,
        folder: RunFolder,
        source: Source,
        options: Options,
        device: rl.device,
        config: dict[str, Any] | None = None,
    ) -> None:
        """config: of the run that is gone on with; None for a new one."""
        self.folder, self.source, self.device = folder, source, device
        self.fit_memory(options)
        images = source.train.values()
        framing = Framing.measure(images)
        self.config = config or {
            "rushlight": 1,
            "source": {
                "name": source.name,
                "options": source.options,
                "fingerprint": source.fingerprint(),
                "train": len(source.train),
                "test": len(source.test),
            },
            "classes": list(source.train.classes),
            "size": list(source.train.size),
            "framing": asdict(framing),
            **asdict(options),
        }
        rl.manual_seed(options.seed)
        mean, std = float(images.mean(dtype=np.float64)), float(images.std(dtype=np.float64))
        with device:
            model = ConvNet(len(source.train.classes), source.train.size, mean, max(std, 1e-3))
        optimizer = AdamW(model.parameters(), lr=options.lr, weight_decay=WEIGHT_DECAY)
        distortions = options.seed if options.augment else None
        train = Numbers(source.train, device, distortions, framing.ground)
        self.trainer = Trainer(
            model,
            optimizer,
            CosineAnnealingLR(optimizer, options.epochs),
            loader(train, options.batch_size, options.seed),
            loader(Numbers(source.test, device), options.batch_size),
            options.epochs,
            compile=options.compile,
            callbacks=[self],
        )

    @classmethod
    def resumed(cls, folder: RunFolder, device: rl.device) -> Job:
        """The job of a run folder, as far as it got.

        Raises: FileRefused if the folder holds no run, a damaged one, or another's checkpoint, or
        if the samples changed.
        """
        config = folder.config()
        with folder.fitting(CONFIG):
            options = replace(Options.of(config), device=device.name)
            stated = config["source"]
            source = read_source(stated["name"], stated["options"])
            if source.fingerprint() != stated["fingerprint"]:
                raise FileRefused(
                    f"{folder.path}: the {stated['name']} images or labels have changed since this "
                    f"run began; expected {stated['train']} + {stated['test']} samples of "
                    f"SHA-256 {stated['fingerprint']}, bring them back or begin a new run"
                )
            job = cls(folder, source, options, device, config)
        state = folder.state(device)
        with folder.fitting(CHECKPOINT):
            own = decisive(config)
            recognise(folder.path / CHECKPOINT, own, state.get("run", own))  # earlier ones lack it
            job.trainer.load_state_dict(state)
        return job

    def fit_memory(self, options: Options) -> None:
        """Raises: OutOfMemory if the images, or one step of training on numpy, cannot fit."""
        height, width = self.source.train.size
        count = len(self.source.train)
        batch = min(options.batch_size, count)
        sizes = f"{height} x {width} pixels"
        advice = smaller(self.source.name)
        require(
            f"train: {count} images of {sizes} take", VALUE_BYTES * count * height * width, advice
        )
        if self.device.type == "numpy":
            require(
                f"train: a step on {batch} images of {sizes} takes about",
                STEP_BYTES * batch * height * width,
                advice,
            )

    @property
    def outcome(self) -> Outcome:
        """What has come out so far."""
        return Outcome(self.folder, self.trainer.records, len(self.source.test))

    @property
    def saved(self) -> bool:
        """Whether there is a checkpoint to go on from."""
        return (self.folder.path / CHECKPOINT).exists() and not self.folder.replaces

    def run(self) -> bool:
        """Train, save and draw; returns whether it was finished, and not interrupted."""
        picture.figure(1, 1)  # a missing package is missed now, and not after the training
        with single_threaded(self.device):
            with self._interruptible(), Progress(self.trainer, len(self.source.train)) as progress:
                self.trainer.callbacks = [progress, self]
                finished = self.trainer.fit()
            if finished:
                self.draw()
        return finished

    def save(self) -> None:
        """Write all but the pictures."""
        state = {**self.trainer.state_dict(), "run": decisive(self.config)}
        self.folder.save(self.config, state, self.trainer.records)

    def epoch_end(self, trainer: Trainer, record: Record) -> None:
        self.save()

    def stopped(self, trainer: Trainer) -> None:
        self.save()

    def mend(self) -> Iterator[str]:
        """Write what a finished run has lost; a sentence for each file."""
        if self.trainer.finished:
            model = self.trainer.model.state_dict()
            yield from self.folder.mend(model, self.trainer.records, self.device)

    def draw(self) -> None:
        """Write the pictures."""
        test = self.source.test
        probabilities = self.trainer.probabilities().numpy()
        guess = probabilities.argmax(axis=1)
        curves, confusion, mistakes = PICTURES
        with self.folder.writing():
            self.folder.write(curves, picture.curves(self.trainer.records))
            self.folder.write(confusion, picture.confusion(test.labels, guess, test.classes))
            self.folder.write(mistakes, picture.mistakes(test, probabilities))

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C ends the training after the batch it is at; a second one ends it at once.

        Where it was ignored, as under nohup, it stays so.
        """
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        if ignored or threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(_number: int, _frame: FrameType | None) -> None:
            signal.signal(signal.SIGINT, before)
            self.trainer.stop()

        before = signal.getsignal(signal.SIGINT) or signal.SIG_DFL  # None where C code set it
        signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


@contextmanager
def single_threaded(device: rl.device) -> Iterator[None]:
    """Let numpy's products use one thread, if it is numpy that computes.

    They are small here: on 2 cores 10 epochs of digits took 2.9 s with one thread and 2.8 s with
    two, but 20 s with two beside another busy process, since OpenBLAS spins while it waits.  And
    weights do not depend on the number of cores.
    """
    if device.type != "numpy":
        yield
        return
    with apps("train"):
        from threadpoolctl import threadpool_limits
    with threadpool_limits(1, "blas"):
        yield
