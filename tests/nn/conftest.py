"""Data that tests of training write: small enough to learn in a second."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def idx_files(tmp_path_factory) -> list[str]:
    """--images and --labels of 60 images, 8 x 8: rows or columns that shine, on noise."""
    folder = tmp_path_factory.mktemp("idx")
    random = np.random.default_rng(0)
    labels = (np.arange(60) % 2).astype(np.uint8)
    images = random.integers(0, 60, (60, 8, 8)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        line = random.integers(0, 8)
        (image if label else image.T)[line] = 255
    (folder / "images").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 60, 8, 8) + images.tobytes())
    (folder / "labels").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 60) + labels.tobytes())
    return ["--images", str(folder / "images"), "--labels", str(folder / "labels")]


@pytest.fixture
def rushlight(capsys) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process; returns the exit code, the output and the errors."""
    from rushlight.cli import main

    def run(*words: str | Path) -> tuple[int, str, str]:
        try:
            code = main([str(word) for word in words])
        except SystemExit as end:  # argparse's
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
