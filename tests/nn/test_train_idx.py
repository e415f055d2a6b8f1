"""IDX files: read to the last byte, refused with the file, the offset and what was expected."""

import gzip
import re
import struct

import numpy as np
import pytest

from rushlight.errors import FileRefused
from rushlight_nn.train.idx import read_idx, read_idx_source

RANDOM = np.random.default_rng(5)


def idx(array, kind=8):
    """The content of an IDX file of unsigned bytes."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def images():
    return RANDOM.integers(0, 256, (20, 5, 7)).astype(np.uint8)


LABELS = np.array([3, 9] * 10, np.uint8)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_what_is_written_is_read(write, images, pack):
    found = read_idx(write("images", pack(idx(images))), 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, images)


def test_gzip_is_known_by_its_content_and_not_by_its_name(write, images):
    np.testing.assert_array_equal(read_idx(write("images.gz", idx(images)), 3), images)


def test_without_test_files_a_stratified_fifth_is_held_out(write, images):
    source = read_idx_source(write("images", idx(images)), write("labels", idx(LABELS)))
    assert source.train.classes == ("3", "9")
    assert np.bincount(source.test.labels).tolist() == [2, 2]
    assert np.bincount(source.train.labels).tolist() == [8, 8]
    assert source.train.size == (5, 7)
    again = read_idx_source(write("images", idx(images)), write("labels", idx(LABELS)))
    assert again.fingerprint() == source.fingerprint()


def test_test_files_are_the_test(write, images):
    source = read_idx_source(
        write("images", idx(images)),
        write("labels", idx(LABELS)),
        write("test-images", idx(images[:4])),
        write("test-labels", idx(LABELS[:4])),
    )
    assert len(source.train) == 20
    np.testing.assert_array_equal(source.test.images, images[:4])
    np.testing.assert_array_equal(source.test.labels, [0, 1, 0, 1])


GOOD = idx(np.arange(2 * 3 * 3).reshape(2, 3, 3))
DAMAGED = {
    "empty": (b"", "ends at offset 0; expected the magic number up to offset 4"),
    "cut in the magic number": (
        GOOD[:3],
        "ends at offset 3; expected the magic number up to offset 4",
    ),
    "cut in the lengths": (
        GOOD[:10],
        "ends at offset 10; expected the lengths of the axes up to offset 16",
    ),
    "cut in the images": (GOOD[:-1], "ends at offset 33; expected 2 x 3 x 3 bytes up to offset 34"),
    "longer than it says": (
        GOOD + b"!",
        "goes on after offset 34; expected its end there, after 2 x 3 x 3 bytes",
    ),
    "another format": (
        b"\x89PNG" + GOOD,
        (
            "byte 0 is 0x89; expected 0x00 of the magic number 00 00 08 03 "
            "(images: unsigned bytes, 3 axes)"
        ),
    ),
    "floats": (
        GOOD[:2] + b"\x0d" + GOOD[3:],
        (
            "byte 2 is 0x0d; expected 0x08 of the magic number 00 00 08 03 "
            "(images: unsigned bytes, 3 axes)"
        ),
    ),
    "labels": (
        idx(LABELS),
        (
            "byte 3 is 0x01; expected 0x03 of the magic number 00 00 08 03 "
            "(images: unsigned bytes, 3 axes)"
        ),
    ),
    "no images": (
        struct.pack(">4B3I", 0, 0, 8, 3, 0, 3, 3),
        "axis 0 has length 0 at offset 4; expected at least 1",
    ),
    "no columns": (
        struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 0),
        "axis 2 has length 0 at offset 12; expected at least 1",
    ),
    "a length beyond all memory": (
        struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3) + bytes(10),
        (
            f"ends at offset 26; expected {' x '.join([str(2**32 - 1)] * 3)} bytes "
            f"up to offset {16 + (2**32 - 1) ** 3}"
        ),
    ),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_refused_by_offset(kind, pack, write):
    content, sentence = DAMAGED[kind]
    path = write("images", pack(content))
    unpacked = "" if pack is bytes else " (unpacked)"
    with pytest.raises(FileRefused) as caught:
        read_idx(path, 3)
    assert str(caught.value) == f"{path}{unpacked}: {sentence}"


def many(count=200_000):
    """Images that need several chunks, packed too."""
    return np.random.default_rng(1).integers(0, 256, (count // 100, 10, 10)).astype(np.uint8)


@pytest.mark.parametrize("kept", [5, 12, 100_000, -20, -4])
def test_a_gzip_stream_that_is_cut_is_refused_by_where_it_ends(kept, write):
    packed = gzip.compress(idx(many()))[:kept]
    path = write("images.gz", packed)
    with pytest.raises(FileRefused) as caught:
        read_idx(path, 3)
    assert str(caught.value) == (
        f"{path}: ends at offset {len(packed)}; "
        "expected its gzip stream to go on there, fetch the file again"
    )


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (2, "unknown compression method"),
        (10, "invalid block type"),
        (100_000, "incorrect data check|invalid .*"),
        (-8, "incorrect data check"),
        (-1, "incorrect length check"),
    ],
)
def test_a_gzip_stream_that_was_changed_is_refused_by_where_it_is_noticed(at, reason, write):
    packed = bytearray(gzip.compress(idx(many()), 9))
    packed[at] ^= 0xFF
    path = write("images.gz", bytes(packed))
    with pytest.raises(FileRefused) as caught:
        read_idx(path, 3)
    found = re.fullmatch(
        re.escape(f"{path}: the gzip stream is damaged at or before offset ")
        + rf"(\d+) \(({reason})\); expected one that unpacks whole, fetch the file again",
        str(caught.value),
    )
    assert found
    assert at % len(packed) <= int(found[1]) < len(packed)


@pytest.mark.parametrize("at", [0, 2, 4, 7])
def test_strange_content_of_a_damaged_gzip_stream_is_told_as_its_damage(at, write):
    packed = bytearray(gzip.compress(idx(many()), 0))  # level 0: bytes stand as they are
    packed[packed.index(idx(many())[:16]) + at] ^= 1
    path = write("images.gz", bytes(packed))
    with pytest.raises(FileRefused) as caught:
        read_idx(path, 3)
    assert str(caught.value) == (
        f"{path}: the gzip stream is damaged at or before offset {len(packed) - 5} "
        "(incorrect data check); expected one that unpacks whole, fetch the file again"
    )


def test_what_follows_a_gzip_stream_must_be_another_or_zeros(write, images):
    content = idx(images)
    halves = gzip.compress(content[:100]) + bytes(70_000) + gzip.compress(content[100:])
    path = write("images.gz", halves + bytes(3))
    np.testing.assert_array_equal(read_idx(path, 3), images)
    path.write_bytes(halves + b"!!")
    with pytest.raises(FileRefused, match=rf"before offset {len(halves) + 1} \(incorrect header"):
        read_idx(path, 3)


def test_what_unpacks_to_much_more_is_read(write):
    blank = np.zeros((3000, 40, 40), np.uint8)
    np.testing.assert_array_equal(read_idx(write("images.gz", gzip.compress(idx(blank))), 3), blank)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileRefused, match="nothing: No such file or directory; expected an IDX"):
        read_idx(tmp_path / "nothing", 3)


def test_counts_that_differ_are_refused(write, images):
    pictures, labels = write("images", idx(images)), write("labels", idx(LABELS[:-1]))
    with pytest.raises(FileRefused) as caught:
        read_idx_source(pictures, labels)
    assert str(caught.value) == (
        f"{labels}: 19 labels by the length at offset 4; "
        f"expected 20, as many as there are images in {pictures}"
    )


def test_images_and_labels_exchanged_are_refused(write, images):
    pictures, labels = write("images", idx(images)), write("labels", idx(LABELS))
    with pytest.raises(FileRefused, match=r"labels: byte 3 is 0x01; expected 0x03"):
        read_idx_source(labels, pictures)


def test_a_single_class_is_refused(write, images):
    labels = write("labels", idx(np.full(20, 4)))
    with pytest.raises(FileRefused, match="every label from offset 8 on is 4; expected at least 2"):
        read_idx_source(write("images", idx(images)), labels)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_class_of_one_image_is_refused(pack, write, images):
    labels = write("labels", pack(idx(np.where(np.arange(20) == 6, 200, LABELS))))
    unpacked = "" if pack is bytes else " (unpacked)"
    with pytest.raises(FileRefused) as caught:
        read_idx_source(write("images", idx(images)), labels)
    assert str(caught.value) == (
        f"{labels}{unpacked}: label 200 at offset 14 is the only one of its class; "
        "expected at least 2 of each class, one to learn from and one to test on"
    )


def test_a_class_of_one_image_is_learnt_if_there_are_test_files(write, images):
    labels = write("labels", idx(np.where(np.arange(20) == 6, 200, LABELS)))
    pictures = write("images", idx(images))
    assert read_idx_source(pictures, labels, pictures, labels).train.classes == ("3", "9", "200")


def test_offsets_are_in_the_content_of_a_packed_file(write, images):
    pictures = write("images", idx(images))
    labels = write("labels.gz", gzip.compress(idx(LABELS[:-1])))
    with pytest.raises(FileRefused, match=r"labels\.gz \(unpacked\): 19 labels by the length at"):
        read_idx_source(pictures, labels)
    labels.write_bytes(gzip.compress(idx(np.full(20, 4))))
    with pytest.raises(FileRefused, match=r"labels\.gz \(unpacked\): every label from offset 8"):
        read_idx_source(pictures, labels)


def test_test_images_of_another_size_are_refused(write, images):
    pair = write("images", idx(images)), write("labels", idx(LABELS))
    other = write("other", idx(images[:, :, :6]))
    with pytest.raises(FileRefused, match=r"other: images of 5 x 6 .* offset 8; expected 5 x 7"):
        read_idx_source(*pair, other, pair[1])


def test_a_test_label_that_was_never_learnt_is_refused(write, images):
    pair = write("images", idx(images)), write("labels", idx(LABELS))
    strange = write("strange", idx(np.where(np.arange(20) == 6, 5, LABELS)))
    with pytest.raises(FileRefused, match=r"strange: label 5 at offset 14; .* 3, 9"):
        read_idx_source(*pair, pair[0], strange)
