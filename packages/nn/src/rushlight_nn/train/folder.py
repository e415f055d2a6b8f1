"""A folder that holds one folder of images per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from rushlight import FileRefused

from .image import announced, grey, image_suffixes, read_colour, resized
from .memory import require
from .samples import Samples, Source, split

Grey = npt.NDArray[np.uint8]

SIZE = 32  # pixels of either side, unless said otherwise
# What operating systems put into folders, beside files that begin with a dot.
LITTER = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "icon\r"}
NAMED = 3  # of the files that are passed over
PIXEL_BYTES = 3  # while images are read, put in one array and parted into training and test


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without what operating systems put there.

    Raises: FileRefused if it is none, or cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        return [path for path in paths if path.name.casefold() not in LITTER]
    except OSError as failed:
        raise FileRefused(f"{folder}: {failed.strerror}; expected a folder") from failed


def read_folder(folder: Path, size: int = SIZE) -> Source:
    """Every image of every class folder, grey, size x size; a stratified fifth is held out.

    Classes are the names of the folders, sorted; files beside them are not looked at.  Files in
    them that are no images, neither by their extension nor by their beginning, are passed over, and
    noted.
    Raises: FileRefused if there are fewer than two classes, a class without images, or an image
    that is not whole; OutOfMemory if so many so large images cannot fit.
    """
    folders = [path for path in visible(folder) if path.is_dir()]
    if len(folders) < 2:
        plural = "s" * (len(folders) != 1)
        raise FileRefused(
            f"{folder}: holds {len(folders)} folder{plural}; expected one folder of images per "
            "class, at least 2"
        )
    found = [contents(members) for members in folders]
    classes = [images for images, _ in found]
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
    others = [path for _, passed_over in found for path in passed_over]
    notes = (told(folder, others),) if others else ()
    return Source("folder", {"folder": str(folder.resolve()), "size": size}, train, test, notes)


def contents(members: Path) -> tuple[list[Path], list[Path]]:
    """The images of a class folder and its other files, by name.  Raises: FileRefused."""
    images: list[Path] = []
    others: list[Path] = []
    known = image_suffixes()
    for path in visible(members):
        if path.is_dir():
            raise FileRefused(f"{path}: is a folder; expected an image of class {members.name!r}")
        suffix = path.suffix.lower()
        possible = not suffix or suffix in known or begins_as_image(path)
        (images if possible else others).append(path)
    if not images:
        held = "is empty" if not others else f"holds no image, {others[0].name} is none by its name"
        raise FileRefused(f"{members}: {held}; expected the images of one class")
    return images, others


def begins_as_image(path: Path) -> bool:
    """Whether a file can be read and begins as one of the usual formats does."""
    try:
        return announced(path) is not None
    except OSError:
        return False


def told(folder: Path, others: list[Path]) -> str:
    """The note on the files that were passed over."""
    names = ", ".join(str(path.relative_to(folder)) for path in others[:NAMED])
    more = ", .." if len(others) > NAMED else ""
    if len(others) == 1:
        return f"{folder}: passed over a file that is no image by its name ({names})"
    return (
        f"{folder}: passed over {len(others)} files that are no images by their names "
        f"({names}{more})"
    )


def shrunk(path: Path, size: int) -> Grey:
    """An image file in grey values 0..255.  -> [size, size].  Raises: FileRefused."""
    values = resized(grey(read_colour(path)), (size, size))
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
