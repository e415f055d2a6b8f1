"""A folder that holds one folder of images per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rushlight import FileRefused

from .image import grey, read_colour, resized
from .samples import Samples, Source, split

SIZE = 32  # pixels of either side, unless said otherwise


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
    class folder that is no whole image.
    """
    folders = [path for path in visible(folder) if path.is_dir()]
    if len(folders) < 2:
        plural = "s" * (len(folders) != 1)
        raise FileRefused(
            f"{folder}: holds {len(folders)} folder{plural}; expected one folder of images per "
            "class, at least 2"
        )
    images: list[np.ndarray[tuple[int, int], np.dtype[np.uint8]]] = []
    labels: list[int] = []
    for label, members in enumerate(folders):
        paths = visible(members)
        if not paths:
            raise FileRefused(f"{members}: is empty; expected the images of one class")
        for path in paths:
            if path.is_dir():
                raise FileRefused(
                    f"{path}: is a folder; expected an image of class {members.name!r}"
                )
            values = resized(grey(read_colour(path)), (size, size))
            images.append(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))
            labels.append(label)
    samples = Samples(
        np.stack(images), np.array(labels, np.int64), tuple(path.name for path in folders)
    )
    train, test = split(str(folder), samples)
    return Source("folder", {"folder": str(folder.resolve()), "size": size}, train, test)
