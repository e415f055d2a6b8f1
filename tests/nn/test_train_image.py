"""Image files of any mode, folders of them, and bringing a picture to the framing of a training."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from rushlight.errors import FileRefused, OutOfMemory
from rushlight_nn.train import memory
from rushlight_nn.train.digits import read_digits
from rushlight_nn.train.folder import read_folder
from rushlight_nn.train.framing import Framing
from rushlight_nn.train.image import grey, read_colour, resized
from rushlight_nn.train.samples import Samples, split

RAMP = np.linspace(0, 255, 12).round().astype(np.uint8).reshape(3, 4)


def saved(path, values, mode=None):
    image = Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path)
    return path


# Reading


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_gives_the_same_grey(mode, tmp_path):
    path = saved(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"), RAMP, mode)
    np.testing.assert_allclose(grey(read_colour(path)), RAMP / 255, atol=1 / 254)


def test_one_bit(tmp_path):
    found = grey(read_colour(saved(tmp_path / "a.png", RAMP > 100)))
    np.testing.assert_allclose(found, RAMP > 100, atol=1e-6)


def test_sixteen_bits_keep_their_depth(tmp_path):
    deep = RAMP.astype(np.uint16) * 257 + 100
    np.testing.assert_allclose(
        grey(read_colour(saved(tmp_path / "a.png", np.minimum(deep, 65535)))),
        np.minimum(deep / 65535, 1),
        atol=1e-6,
    )


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_floats_of_every_range(top, tmp_path):
    values = (RAMP / np.float32(255)).astype(np.float32)
    path = saved(tmp_path / "a.tif", values * np.float32(top))
    np.testing.assert_allclose(grey(read_colour(path)), values, atol=1e-6)


def test_colours_weigh_as_in_the_standard(tmp_path):
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    found = grey(read_colour(saved(tmp_path / "a.png", colours)))
    np.testing.assert_allclose(found, [[0.299, 0.587, 0.114]], atol=1e-6)


@pytest.mark.parametrize(("painted", "ground"), [(0, 1.0), (255, 0.0)])
def test_transparency_shows_a_ground_that_contrasts(painted, ground, tmp_path):
    pixels = np.full((4, 4, 4), painted, np.uint8)
    pixels[..., 3] = 0
    pixels[1:3, 1:3, 3] = 255
    found = grey(read_colour(saved(tmp_path / "a.png", pixels)))
    assert found[0, 0] == pytest.approx(ground)
    assert found[1, 1] == pytest.approx(1 - ground)


def test_a_photograph_is_turned_upright(tmp_path):
    image = Image.fromarray(RAMP)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_allclose(
        grey(read_colour(tmp_path / "a.png")), np.rot90(RAMP, -1) / 255, atol=1e-6
    )


def test_text_is_no_image(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("hello")
    with pytest.raises(FileRefused) as caught:
        read_colour(path)
    assert str(caught.value) == (
        f"{path}: no image by what stands at offset 0 (68 65 6c 6c); "
        "expected a PNG, JPEG or another format that Pillow reads"
    )


def test_an_empty_file_is_no_image(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(FileRefused, match=r"offset 0 \(nothing\)"):
        read_colour(tmp_path / "a.png")


FORMATS = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "bmp": "BMP", "tif": "TIFF", "webp": "WebP"}


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_truncated_image_is_refused(suffix, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8)
    whole = saved(tmp_path / f"a.{suffix}", noise).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    for kept in (40, len(whole) // 2):
        path.write_bytes(whole[:kept])
        with pytest.raises(FileRefused) as caught:
            read_colour(path)
        said = str(caught.value)
        assert said.startswith(
            f"{path}: a {FORMATS[suffix]}, cut or damaged before its end at offset {kept}"
        )
        assert said.endswith("; expected a whole image")


def test_a_header_that_is_cut_is_told_by_its_format(tmp_path):
    path = saved(tmp_path / "a.png", RAMP)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(FileRefused) as caught:
        read_colour(path)
    assert str(caught.value) == (
        f"{path}: a PNG, cut or damaged before its end at offset 40; expected a whole image"
    )


@pytest.mark.parametrize("text", ["BMW is no bitmap", "GIF87 is", "II and MM", "RIFF of a WEBP"])
def test_text_that_begins_like_an_image_is_no_image(text, tmp_path):
    (tmp_path / "a.png").write_text(text)
    with pytest.raises(FileRefused, match=r"no image by what stands at offset 0"):
        read_colour(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("width", "height", "count"),
    [(12_000, 9_000, "108,000,000"), (60_000, 60_000, "3,600,000,000")],
)
def test_a_header_that_announces_too_many_pixels_is_refused(width, height, count, tmp_path):
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))
    path = tmp_path / "a.png"
    path.write_bytes(png + chunk(b"IEND", b""))
    with pytest.raises(FileRefused) as caught:
        read_colour(path)
    assert str(caught.value) == (
        f"{path}: an image of {count} pixels by its header; "
        "at most 89,478,485 are read, give a smaller one"
    )


def test_a_folder_and_nothing_are_no_images(tmp_path):
    with pytest.raises(FileRefused, match="Is a directory; expected an image"):
        read_colour(tmp_path)
    with pytest.raises(FileRefused, match="No such file or directory; expected an image"):
        read_colour(tmp_path / "nothing")


def test_a_smaller_image_is_made_of_means():
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_allclose(resized(values, (2, 2)), [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(resized(values, (4, 4)), values)


# Splits


def test_a_split_takes_a_fifth_of_every_class_and_every_sample_once():
    labels = np.repeat(np.arange(4), [2, 5, 10, 33])
    images = np.arange(50, dtype=np.uint8).reshape(-1, 1, 1)
    train, test = split("it", Samples(images, labels, tuple("abcd")))
    assert np.bincount(test.labels).tolist() == [1, 1, 2, 7]
    both = np.concatenate([train.images, test.images]).ravel()
    assert sorted(both.tolist()) == list(range(50))
    np.testing.assert_array_equal(labels[test.images.ravel()], test.labels)


def test_the_digits_are_the_same_fifth_every_time():
    source = read_digits()
    assert len(source.train) + len(source.test) == 1797
    assert len(source.test) == 359
    assert min(np.bincount(source.test.labels)) == 35
    assert source.fingerprint() == read_digits().fingerprint()


# Folders


@pytest.fixture
def folder(tmp_path):
    for name, value in (("dog", 40), ("cat", 200)):
        (tmp_path / name).mkdir()
        for i in range(5):
            size = (10 + i, 20 - i, 3) if i % 2 else (12, 9)
            saved(tmp_path / name / f"{i}.{'jpg' if i % 2 else 'png'}", np.full(size, value, "u1"))
    (tmp_path / "README.txt").write_text("beside the classes")
    (tmp_path / "cat" / ".hidden").write_text("no image")
    return tmp_path


def test_a_folder_of_images_of_any_mode_and_size(folder):
    source = read_folder(folder, 6)
    assert source.train.classes == ("cat", "dog")
    assert source.train.images.shape == (8, 6, 6)
    assert len(source.test) == 2
    for samples in (source.train, source.test):
        expected = np.where(samples.labels == 0, 200, 40)[:, None, None]
        assert np.abs(samples.images.astype(int) - expected).max() <= 1


def test_an_empty_class_is_refused(folder):
    (folder / "ant").mkdir()
    with pytest.raises(FileRefused, match="ant: is empty; expected the images of one class"):
        read_folder(folder)


def test_one_class_is_refused(folder):
    with pytest.raises(FileRefused, match=r"holds 0 folders; expected one folder of images"):
        read_folder(folder / "cat")


def test_what_is_no_image_by_its_name_is_passed_over_and_said(folder):
    plain = read_folder(folder)
    assert plain.notes == ()
    for name in ("Thumbs.db", "desktop.ini", "notes.txt"):
        (folder / "dog" / name).write_bytes(b"\xd0\xcf\x11\xe0")
    source = read_folder(folder)
    assert source.fingerprint() == plain.fingerprint()
    assert list(source.notes) == [
        (
            f"{folder}: passed over 3 files that are no images by their names "
            "(dog/Thumbs.db, dog/desktop.ini, dog/notes.txt)"
        )
    ]
    (folder / "cat" / "a.csv").symlink_to("nothing")
    assert (
        read_folder(folder)
        .notes[0]
        .endswith(
            "over 4 files that are no images by their names (cat/a.csv, dog/Thumbs.db, "
            "dog/desktop.ini, ..)"
        )
    )


@pytest.mark.parametrize("name", ["__MACOSX", "@eaDir", "$RECYCLE.BIN"])
def test_folders_of_operating_systems_are_no_classes(name, folder):
    for place in (folder, folder / "cat"):
        (place / name).mkdir()
        (place / name / "._0.png").write_bytes(b"\0\5\x16\7")
    source = read_folder(folder)
    assert source.train.classes == ("cat", "dog")
    assert source.notes == ()


def test_an_image_is_read_whatever_its_name(folder):
    for name, other in (("0.png", "scan.0001"), ("1.jpg", "scan"), ("2.png", "scan.PNG")):
        (folder / "dog" / name).rename(folder / "dog" / other)
    source = read_folder(folder)
    assert len(source.train) + len(source.test) == 10
    assert source.notes == ()


@pytest.mark.parametrize("name", ["notes.png", "notes.JPG", "notes"])
def test_a_file_that_should_be_an_image_and_is_none_is_refused(name, folder):
    (folder / "dog" / name).write_text("woof")
    with pytest.raises(FileRefused, match=rf"dog/{name}: no image by what stands at offset 0"):
        read_folder(folder)


def test_a_class_without_images_is_refused(folder):
    (folder / "ant").mkdir()
    (folder / "ant" / "notes.txt").touch()
    with pytest.raises(FileRefused, match=r"ant: holds no image, notes\.txt is none by its name;"):
        read_folder(folder)


def test_a_folder_among_the_images_is_refused(folder):
    (folder / "dog" / "small").mkdir()
    with pytest.raises(FileRefused, match="dog/small: is a folder; expected an image of class"):
        read_folder(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(FileRefused, match="No such file or directory; expected a folder"):
        read_folder(tmp_path / "nothing")


def test_more_images_than_fit_are_refused_before_one_is_read(folder, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 3 * 2**30)
    (folder / "cat" / "0.png").write_text("damaged")
    with pytest.raises(OutOfMemory) as caught:
        read_folder(folder, 20_000)
    assert str(caught.value) == (
        f"{folder}: 10 images of 20000 x 20000 pixels take 11.2 GiB of memory, "
        "and 3.0 GiB are free; give a smaller --size"
    )


def test_what_is_free_is_known_here():
    assert 0 < memory.free_bytes() < float("inf")


# Framing


@pytest.fixture(scope="module")
def digits():
    test = read_digits().test
    return test.values()


@pytest.fixture(scope="module")
def framing():
    return Framing.measure(read_digits().train.values())


def enlarged(digit, size, how=Image.Resampling.BICUBIC):
    image = Image.fromarray((digit * 255).round().astype(np.uint8))
    return np.asarray(image.resize(size, how), np.float32) / 255


def colour(values):
    return np.repeat(values[..., None], 3, axis=2)


def test_the_framing_of_the_digits(framing):
    assert framing.ground == 0
    assert framing.strength == 1
    assert framing.extent == 1
    np.testing.assert_allclose(framing.centre, 0.5, atol=0.01)


def test_a_training_image_comes_out_as_it_is(framing, digits):
    whole = [digit for digit in digits if framing.holds(digit, (8, 8))]
    assert len(whole) > 0.95 * len(digits)  # the others are out of the middle
    for digit in whole:
        found = framing.apply(colour(digit), (8, 8))
        np.testing.assert_allclose(found, digit / digit.max(), atol=1e-6)


VIEWS = {
    "dark on light": lambda x: colour(1 - x),
    "faint": lambda x: colour(0.5 + 0.2 * x),
    "blue on yellow": lambda x: mixed(x, [0.9, 0.8, 0.1], [0.1, 0.1, 0.9]),
    "of equal grey": lambda x: mixed(x, [0.9, 0.2, 0.3], [0.36, 0.4751, 0.3]),
}


def mixed(x, ground, ink):
    return (np.outer(1 - x, ground) + np.outer(x, ink)).reshape(*x.shape, 3).astype(np.float32)


@pytest.mark.parametrize("view", VIEWS)
def test_a_digit_looks_the_same_in_every_colour(view, framing, digits):
    for digit in digits[:40]:
        picture = enlarged(digit, (200, 150))
        expected = framing.apply(colour(picture), (8, 8))
        found = framing.apply(VIEWS[view](picture), (8, 8))
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_digit_far_off_in_a_large_picture_is_found(framing, digits):
    for digit in digits[:40]:
        near = enlarged(digit, (160, 160))
        expected = framing.placed(near, (8, 8))
        far = 1 - np.pad(near, ((300, 20), (30, 200)))  # reduced on the way, so not bit for bit
        found = framing.apply(colour(far), (8, 8))
        assert np.abs(found - expected / expected.max()).mean() < 0.02


@pytest.mark.parametrize("size", [(30, 20), (1, 1), (2, 500)])
def test_on_a_plain_picture_nothing_is_painted(size, framing):
    plain = np.full((*size, 3), (0.7, 0.2, 0.1), np.float32)
    assert framing.apply(plain, (8, 8)) is None
    assert Framing().apply(plain, (8, 8)) is None


def test_on_a_page_of_noise_nothing_is_painted(framing):
    noisy = np.random.default_rng(0).normal(0.7, 0.02, (90, 90, 3)).astype(np.float32)
    assert framing.apply(noisy, (8, 8)) is None


@pytest.mark.parametrize("size", [(1, 40), (40, 1), (2, 3), (2000, 30)])
def test_a_picture_of_any_size_has_an_answer(size, framing):
    picture = np.zeros((*size, 3), np.float32)
    picture[size[0] * 2 // 3 :, size[1] // 2] = 1
    found = framing.apply(picture, (8, 8))
    assert found.shape == (8, 8)
    assert np.isfinite(found).all()


def test_dark_on_light_training_images_ask_for_such_pictures(digits):
    framing = Framing.measure(1 - digits)
    assert framing.ground == 1
    found = framing.apply(colour(enlarged(digits[3], (80, 80))), (8, 8))
    assert found[0, 0] > 0.9
    assert found.min() == 0


def test_places_that_vary_are_left_to_the_picture():
    images = np.zeros((40, 16, 16), np.float32)
    for i, image in enumerate(images):
        row = 1 + 11 * (i % 2)
        image[row : row + 3, 4:9] = 1
    framing = Framing.measure(images)
    assert framing.ground == 0
    assert framing.extent is None
    np.testing.assert_allclose(framing.apply(colour(images[1]), (16, 16)), images[1])


def test_strengths_that_vary_are_left_to_the_picture():
    images = np.zeros((40, 16, 16), np.float32)
    images[::2, 4:12, 4:12] = 1
    images[1::2, 4:12, 4:12] = 0.4
    framing = Framing.measure(images)
    assert framing.strength is None
    np.testing.assert_allclose(framing.apply(colour(images[1]), (16, 16)), images[1], atol=1e-6)


def test_photographs_have_no_framing():
    images = np.random.default_rng(0).random((40, 16, 16)).astype(np.float32)
    framing = Framing.measure(images)
    assert framing == Framing()
    np.testing.assert_allclose(framing.apply(colour(images[0]), (16, 16)), images[0], atol=1e-6)


def test_black_images_have_no_framing():
    assert Framing.measure(np.zeros((5, 8, 8), np.float32)) == Framing()
