"""RunFolder: what a training leaves on disk, and how it is read again.

    config.json             what was asked for, and what the network and its images are like
    metrics.jsonl           a line for each epoch
    model.safetensors       the weights
    checkpoint.safetensors  all that is needed to go on
    curves.png, confusion.png, mistakes.png    when the training is done

Every file is replaced whole.  The checkpoint holds the records too and is written last, so whatever
moment a machine fails at, what is there belongs together or is written again on the way on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rushlight as rl
from rushlight import ContractError, DeviceError, FileRefused

from .. import checkpoint
from .claim import Claimed, claim
from .record import Record

CONFIG, METRICS = "config.json", "metrics.jsonl"
MODEL, CHECKPOINT = "model.safetensors", "checkpoint.safetensors"
PICTURES = ("curves.png", "confusion.png", "mistakes.png")
FILES = (CONFIG, METRICS, MODEL, CHECKPOINT, *PICTURES)


class RunFolder:
    """The folder of one run; it comes into being with the first thing that is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.replaces = False  # whether the first thing written clears an older run away

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other runs out of this folder for the `with` block.

        Raises: FileRefused if one is in it.
        """
        try:
            with claim(self.path):
                yield
        except Claimed as claimed:
            raise FileRefused(
                f"{self.path}: another run is being trained in it; wait for its end, "
                "or give another --out"
            ) from claimed

    def prepare(self, *, force: bool) -> None:
        """Make sure that a new run can be written here, and would harm none.

        force: an older run here is replaced, once there is something to replace it with.
        Raises: FileRefused.
        """
        try:
            there = [name for name in FILES if (self.path / name).exists()]
        except OSError as failed:
            raise FileRefused(f"{self.path}: {failed.strerror}; give another --out") from failed
        if there and not force:
            raise FileRefused(
                f"{self.path}: holds a run ({there[0]} is there); go on with --resume {self.path}, "
                "give another --out, or replace it with --force"
            )
        self.replaces = bool(there)
        ancestor = next(
            path for path in (self.path, *self.path.absolute().parents) if path.exists()
        )
        if not ancestor.is_dir() or not os.access(ancestor, os.W_OK | os.X_OK):
            raise FileRefused(
                f"{self.path}: nothing can be written in {ancestor}; give another --out"
            )

    def save(
        self,
        config: Mapping[str, Any],
        state: Mapping[str, Any],
        records: Sequence[Record],
    ) -> None:
        """Write the run as it stands.

        state: of the trainer; its "model" is also written alone.
        Raises: FileRefused if the disk does not take it.
        """
        with self.writing():
            self.path.mkdir(parents=True, exist_ok=True)
            if self.replaces:
                for name in FILES:
                    (self.path / name).unlink(missing_ok=True)
                self.replaces = False
            if not (self.path / CONFIG).exists():
                self.write(CONFIG, json.dumps(config, indent=2) + "\n")
            self.write_model(state["model"])
            self.write(METRICS, lines(records))
            checkpoint.save(state, self.path / CHECKPOINT)

    def mend(
        self, model: Mapping[str, rl.Tensor], records: Sequence[Record], device: rl.device
    ) -> Iterator[str]:
        """Write anew what is missing or cut of a finished run; a sentence for each such file.

        model, records: those of the checkpoint.  Metrics that say something else stay as they are.
        Raises: FileRefused if one cannot be read, or the disk does not take it.
        """
        again = "written again from the checkpoint"
        try:
            self.weights(device)
        except FileRefused:
            with self.writing():
                self.write_model(model)
            yield f"{self.path / MODEL}: was missing or damaged; {again}"
        path, expected = self.path / METRICS, lines(records).encode()
        with self.reading(METRICS):
            found = path.read_bytes() if path.exists() else b""
        if found == expected:
            return
        if expected.startswith(found):
            with self.writing():
                self.write(METRICS, expected)
            yield f"{path}: ended at offset {len(found)} of {len(expected)}; {again}"
        else:
            yield (
                f"{path}: is not what the checkpoint holds; "
                "remove it and resume again to have it written anew"
            )

    def write_model(self, model: Mapping[str, rl.Tensor]) -> None:
        """Replace model.safetensors.  Raises: OSError."""
        weights = {name: tensor.numpy() for name, tensor in model.items()}
        checkpoint.write(weights, self.path / MODEL)

    def write(self, name: str, content: str | bytes) -> None:
        """Replace one file.  Raises: OSError."""
        with checkpoint.replacing(self.path / name) as part:
            part.write_bytes(content.encode() if isinstance(content, str) else content)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raises: FileRefused where the block raises OSError."""
        try:
            yield
        except OSError as failed:
            raise FileRefused(
                f"{self.path}: cannot be written ({failed.strerror or failed}); "
                "make room for it or give another --out"
            ) from failed

    def config(self) -> dict[str, Any]:
        """What config.json says.  Raises: FileRefused if this is no run folder."""
        path = self.path / CONFIG
        with self.reading(CONFIG):
            text = path.read_bytes()
        try:
            config = json.loads(text)
        except json.JSONDecodeError as wrong:
            raise FileRefused(
                f"{path}: is no JSON at offset {wrong.pos} ({wrong.msg}); "
                "expected what `rushlight train` wrote"
            ) from wrong
        except UnicodeDecodeError as wrong:
            raise FileRefused(
                f"{path}: is no text at offset {wrong.start}; expected what `rushlight train` wrote"
            ) from wrong
        if not isinstance(config, dict):
            raise FileRefused(f"{path}: is no object; expected what `rushlight train` wrote")
        return config

    def weights(self, device: rl.device) -> dict[str, rl.Tensor]:
        """What model.safetensors holds.  Raises: FileRefused if it is missing or damaged."""
        with self.reading(MODEL):
            weights: dict[str, rl.Tensor] = checkpoint.load(self.path / MODEL, device)
            return weights

    def state(self, device: rl.device) -> Any:
        """What checkpoint.safetensors holds.  Raises: FileRefused if it is missing or damaged."""
        with self.reading(CHECKPOINT):
            try:
                return checkpoint.load(self.path / CHECKPOINT, device)
            except FileRefused as wrong:
                told = f"{wrong}; if there is no other, begin a new run"
                raise FileRefused(told) from wrong

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Raises: FileRefused where the block raises OSError."""
        try:
            yield
        except OSError as failed:
            raise FileRefused(
                f"{self.path}: no run that can be read ({name}: {failed.strerror or failed}); "
                "give a folder that `rushlight train` wrote"
            ) from failed

    @contextmanager
    def fitting(self, name: str) -> Iterator[None]:
        """Raises: FileRefused where the block finds that a file says something strange."""
        try:
            yield
        except (FileRefused, DeviceError):
            raise
        except (KeyError, TypeError, ValueError, AttributeError, ContractError) as wrong:
            told = f"{type(wrong).__name__}: {wrong}"
            if isinstance(wrong, ContractError) and name != CONFIG:  # it names every key
                told = f"its tensors do not fit the network of {CONFIG}"
            raise FileRefused(
                f"{self.path / name}: does not belong to this run or was changed ({told}); "
                "expected what `rushlight train` wrote"
            ) from wrong


def lines(records: Sequence[Record]) -> str:
    """What metrics.jsonl holds."""
    return "".join(f"{record.json()}\n" for record in records)


def unused(parent: Path, name: str) -> Path:
    """A folder in parent that does not exist: name, name-2, name-3 and so on."""
    number = 1
    while (path := parent / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return path
