"""A folder that holds one folder of images per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rushlight import FileRefused

from .image import grey, read_colour, resized
from .memory import require
from .samples import Samples, Source, split

Grey = npt.NDArray[np.uint8]

SIZE = 32  # pixels of either side, unless said otherwise
PIXEL_BYTES = 3  # while images are read, put in one array and parted into training and test


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without what begins with a dot.

    Raises: FileRefused if it is none, or cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as failed:
        raise FileRefused(f"{folder}: {failed.strerror}; expected a folder") from failed


def read_folder(folder: Path, size: int = SIZE) -> Source:
    """Every image of every class folder, grey, size x size; a stratified fifth is held out.

    Classes are the names of the folders, sorted; files beside them are not looked at.
    Raises: FileRefused if there are fewer than two classes, a class without images, or a file in a
    class folder that is no whole image; OutOfMemory if so many so large images cannot fit.
    """
    folders = [path for path in visible(folder) if path.is_dir()]
    if len(folders) < 2:
        plural = "s" * (len(folders) != 1)
        raise FileRefused(
            f"{folder}: holds {len(folders)} folder{plural}; expected one folder of images per "
            "class, at least 2"
        )
    classes = [contents(members) for members in folders]
    count = sum(map(len, classes))
    require(
        f"{folder}: {count} images of {size} x {size} pixels take",
        PIXEL_BYTES * count * size**2,
        "give a smaller --size",
    )
    images = [shrunk(path, size) for paths in classes for path in paths]
    labels = np.repeat(np.arange(len(classes)), [len(paths) for paths in classes])
    samples = Samples(
        np.stack(images), labels.astype(np.int64), tuple(path.name for path in folders)
    )
    train, test = split(str(folder), samples)
    return Source("folder", {"folder": str(folder.resolve()), "size": size}, train, test)


def contents(members: Path) -> list[Path]:
    """The image files of a class folder, by name.  Raises: FileRefused if it holds others."""
    paths = visible(members)
    if not paths:
        raise FileRefused(f"{members}: is empty; expected the images of one class")
    for path in paths:
        if path.is_dir():
            raise FileRefused(f"{path}: is a folder; expected an image of class {members.name!r}")
    return paths


def shrunk(path: Path, size: int) -> Grey:
    """An image file in grey values 0..255.  -> [size, size].  Raises: FileRefused."""
    values = resized(grey(read_colour(path)), (size, size))
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
