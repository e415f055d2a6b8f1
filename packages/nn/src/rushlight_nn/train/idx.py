"""The IDX files of MNIST and Fashion-MNIST, gzipped or not, checked to the last byte.

A file is a magic number (0, 0, type of elements, number of axes), the length of each axis as a
32-bit big-endian number, then the elements.  Source: Y. LeCun, C. Cortes, C. Burges, The MNIST
database of handwritten digits, 1998, "file formats".
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rushlight import FileRefused

from .samples import Samples, Source, split
from .unpack import Damaged, Readable, Unpacked, is_packed

UNSIGNED_BYTE = 8
CHUNK_BYTES = 1 << 20
LABELS_START = 8  # bytes: the magic number and one length
KINDS = {1: "labels: unsigned bytes, 1 axis", 3: "images: unsigned bytes, 3 axes"}
Array = npt.NDArray[np.uint8]


def read_idx(path: Path, axes: int) -> Array:
    """The unsigned bytes of an IDX file with this many axes.

    Raises: FileRefused naming the file, the offset (in the unpacked content of a gzipped file,
    unless its packing is damaged) and what was expected there.
    """
    return read_named(path, axes)[1]


def read_named(path: Path, axes: int) -> tuple[str, Array]:
    """As `read_idx`, with what errors call the content in which they count offsets."""
    try:
        with path.open("rb") as file:
            if is_packed(file):
                name = f"{path} (unpacked)"
                return name, parse_packed(name, Unpacked(str(path), file), axes)
            return str(path), parse(str(path), file, axes)
    except OSError as failed:
        raise FileRefused(f"{path}: {failed.strerror or failed}; expected an IDX file") from failed


def parse_packed(name: str, file: Unpacked, axes: int) -> Array:
    """As `parse`; what is strange because the packing is damaged is told as that."""
    try:
        return parse(name, file, axes)
    except Damaged:
        raise
    except FileRefused:
        file.check()
        raise


def parse(name: str, file: Readable, axes: int) -> Array:
    """The array in an open IDX file; `name` is what errors call it."""
    header = take(name, file, 0, 4, "the magic number")
    expected = bytes((0, 0, UNSIGNED_BYTE, axes))
    for offset, (found, wanted) in enumerate(zip(header, expected, strict=True)):
        if found != wanted:
            raise FileRefused(
                f"{name}: byte {offset} is 0x{found:02x}; expected 0x{wanted:02x} "
                f"of the magic number {expected.hex(' ')} ({KINDS[axes]})"
            )
    start = 4 + 4 * axes
    lengths = np.frombuffer(take(name, file, 4, 4 * axes, "the lengths of the axes"), ">u4")
    shape = tuple(map(int, lengths))
    for axis, length in enumerate(shape):
        if not length:
            raise FileRefused(
                f"{name}: axis {axis} has length 0 at offset {4 + 4 * axis}; expected at least 1"
            )
    content = take(name, file, start, prod(shape), f"{' x '.join(map(str, shape))} bytes")
    if file.read(1):
        raise FileRefused(
            f"{name}: goes on after offset {start + len(content)}; "
            f"expected its end there, after {' x '.join(map(str, shape))} bytes"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def take(name: str, file: Readable, start: int, count: int, what: str) -> bytes:
    """Exactly count bytes; read in pieces, so that a false length cannot ask for all memory."""
    pieces: list[bytes] = []
    missing = count
    while missing and (piece := file.read(min(missing, CHUNK_BYTES))):
        pieces.append(piece)
        missing -= len(piece)
    if missing:
        raise FileRefused(
            f"{name}: ends at offset {start + count - missing}; "
            f"expected {what} up to offset {start + count}"
        )
    return b"".join(pieces)


class Pair(NamedTuple):
    """Images [n, h, w] and their labels [n], and what errors call the content of the two files."""

    pixels: Array
    targets: Array
    images: str
    labels: str


def read_pair(images: Path, labels: Path) -> Pair:
    """What two IDX files hold.

    Raises: FileRefused for a damaged file, or if the two do not count the same.
    """
    image_name, pixels = read_named(images, 3)
    label_name, targets = read_named(labels, 1)
    if len(pixels) != len(targets):
        raise FileRefused(
            f"{label_name}: {len(targets)} labels by the length at offset 4; "
            f"expected {len(pixels)}, as many as there are images in {images}"
        )
    return Pair(pixels, targets, image_name, label_name)


def read_idx_source(
    images: Path,
    labels: Path,
    test_images: Path | None = None,
    test_labels: Path | None = None,
) -> Source:
    """The samples of IDX files; without test files, a stratified fifth is held out.

    Classes are the labels that the training file uses, in order.
    Raises: FileRefused for a damaged file, files that do not belong together, a single class, or
    without test files a class of a single image.
    """
    pixels, targets, _, name = read_pair(images, labels)
    used, first, counts = np.unique(targets, return_index=True, return_counts=True)
    if len(used) < 2:
        raise FileRefused(
            f"{name}: every label from offset {LABELS_START} on is {used[0]}; "
            "expected at least 2 classes"
        )
    classes = tuple(map(str, used.tolist()))
    samples = Samples(pixels, np.searchsorted(used, targets).astype(np.int64), classes)
    options: dict[str, str | int] = {"images": absolute(images), "labels": absolute(labels)}
    if test_images is None or test_labels is None:
        alone = first[counts == 1]
        if len(alone):
            place = alone.min()
            raise FileRefused(
                f"{name}: label {targets[place]} at offset {LABELS_START + place} is the only one "
                "of its class; expected at least 2 of each class, one to learn from and one to "
                "test on"
            )
        train, test = split(name, samples)
        return Source("idx", options, train, test)
    test_pixels, test_targets, test_name, test_label_name = read_pair(test_images, test_labels)
    if test_pixels.shape[1:] != pixels.shape[1:]:
        raise FileRefused(
            f"{test_name}: images of {test_pixels.shape[1]} x {test_pixels.shape[2]} by the "
            f"lengths at offset 8; expected {pixels.shape[1]} x {pixels.shape[2]}, as in {images}"
        )
    strange = np.flatnonzero(~np.isin(test_targets, used))
    if len(strange):
        raise FileRefused(
            f"{test_label_name}: label {test_targets[strange[0]]} "
            f"at offset {LABELS_START + strange[0]}; "
            f"expected one that is in {labels}: {', '.join(classes)}"
        )
    options |= {"test_images": absolute(test_images), "test_labels": absolute(test_labels)}
    test = Samples(test_pixels, np.searchsorted(used, test_targets).astype(np.int64), classes)
    return Source("idx", options, samples, test)


def absolute(path: Path) -> str:
    """The path as it can be read again from another working directory."""
    return str(path.resolve())
