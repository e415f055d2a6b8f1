"""The main job, end to end: digits are learnt, and pictures of digits recognised."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from rushlight_nn import cli
from rushlight_nn.train.digits import read_digits


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of `rushlight train digits`, as the README has it."""
    from rushlight.cli import main

    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "digits", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def test_samples():
    return read_digits().test


def test_digits_are_learnt_in_a_minute(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["test_accuracy"] >= 0.98
    assert sum(line["seconds"] for line in lines) < 60


def bicubic(digit, size):
    image = Image.fromarray((digit * 255).round().astype(np.uint8))
    return image.resize(size, Image.Resampling.BICUBIC)


def inverted(digit):
    return Image.eval(bicubic(digit, (200, 150)), lambda value: 255 - value)


def in_colours(digit):
    mask = bicubic(digit, (150, 200))
    return Image.composite(
        Image.new("RGB", mask.size, (180, 20, 60)), Image.new("RGB", mask.size, "khaki"), mask
    )


def transparent(digit):
    image = Image.new("RGBA", (120, 120), (20, 60, 90, 0))
    image.putalpha(bicubic(digit, (120, 120)))
    return image


def sixteen_bits(digit):
    return Image.fromarray(np.asarray(bicubic(digit, (64, 64))).astype(np.uint16) * 256)


def on_a_page(digit):
    page = Image.new("L", (640, 480), 235)
    page.paste(
        Image.eval(bicubic(digit, (100, 100)), lambda value: 235 - value * 3 // 4), (400, 90)
    )
    return page


PAINTERS = {
    "light on dark": lambda digit: bicubic(digit, (200, 150)),
    "dark on light": inverted,
    "in colours": in_colours,
    "transparent": transparent,
    "16 bits": sixteen_bits,
    "on a page": on_a_page,
    "as small as in training": lambda digit: bicubic(digit, (8, 8)),
    "palette": lambda digit: in_colours(digit).quantize(32),
}


@pytest.mark.parametrize("painter", PAINTERS)
def test_pictures_of_held_out_digits_are_recognised(
    painter, run, test_samples, tmp_path, rushlight
):
    paths = []
    for i, digit in enumerate(test_samples.values()[:100]):
        paths.append(tmp_path / f"{i}.png")
        PAINTERS[painter](digit).save(paths[-1])
    code, out, err = rushlight("predict", run, "--json", *paths)
    assert (code, err) == (0, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["image"] for one in told] == [str(path) for path in paths]
    right = [
        one["guess"] == str(label)
        for one, label in zip(told, test_samples.labels[:100], strict=True)
    ]
    assert sum(right) >= 97


@pytest.fixture
def picture(test_samples, tmp_path):
    path = tmp_path / "seven.png"
    inverted(test_samples.values()[5]).save(path)
    assert test_samples.labels[5] == 7
    return path


def test_json_has_the_probability_of_every_class(run, picture, rushlight):
    code, out, _ = rushlight("predict", run, picture, "--json")
    told = json.loads(out)
    assert code == 0
    assert list(told) == ["image", "guess", "probability", "probabilities"]
    assert told["guess"] == "7"
    assert list(told["probabilities"]) == [str(digit) for digit in range(10)]
    assert sum(told["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert told["probability"] == max(told["probabilities"].values())


def test_a_table_the_likeliest_first(run, picture, rushlight):
    code, out, err = rushlight("predict", run, picture)
    title, head, first, *others = out.splitlines()
    assert (code, err) == (0, "")
    assert title == str(picture)
    assert head.split() == ["class", "probability"]
    assert first.split()[0] == "7"
    assert len(others) == 9
    assert "\x1b" not in out


def test_on_a_terminal_the_table_is_rich(run, picture, rushlight, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    strange = picture.rename(picture.with_name("[red]seven.png"))
    code, out, _ = rushlight("predict", run, strange)
    assert code == 0
    assert "█" in out
    assert "[red]seven.png" in out.replace("\n", "")


def test_without_rich_the_table_is_plain(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    cli.show("a.png", [("cat", 0.75), ("giraffe", 0.25)])
    assert capsys.readouterr().out == (
        "a.png\nclass    probability\ncat           75.00%\ngiraffe       25.00%\n"
    )


@pytest.mark.parametrize("device", ["numpy", "hostile"])
def test_every_device_predicts_the_same(device, run, picture, rushlight):
    _, out, _ = rushlight("predict", run, picture, "--json", "--device", device)
    assert json.loads(out)["guess"] == "7"
    assert json.loads(out)["probability"] > 0.9


def test_a_file_that_is_no_image(run, tmp_path, rushlight):
    (tmp_path / "notes.png").write_text("seven")
    code, out, err = rushlight("predict", run, tmp_path / "notes.png")
    assert (code, out) == (2, "")
    assert err == (
        f"rushlight: {tmp_path / 'notes.png'}: no image by what stands at offset 0 (73 65 76 65); "
        "expected a PNG, JPEG or another format that Pillow reads\n"
    )


def test_one_bad_image_costs_a_sentence_and_the_others_nothing(run, picture, tmp_path, rushlight):
    _, alone, _ = rushlight("predict", run, "--json", picture)
    (tmp_path / "notes.png").write_text("seven")
    words = [tmp_path / "notes.png", picture, tmp_path / "nothing.png"]
    code, out, err = rushlight("predict", run, "--json", *words)
    assert (code, out) == (2, alone)
    first, second = err.splitlines()
    assert first.startswith(f"rushlight: {tmp_path / 'notes.png'}: no image by what stands at")
    assert second.startswith(f"rushlight: {tmp_path / 'nothing.png'}: No such file or directory")


PLAIN = {
    "a blank page": Image.new("RGB", (640, 480), "white"),
    "a single pixel": Image.new("L", (1, 1), 90),
    "one colour": Image.new("RGB", (50, 70), "khaki"),
    "nothing but transparency": Image.new("RGBA", (20, 20), (0, 0, 0, 0)),
}


@pytest.mark.parametrize("json_too", [[], ["--json"]], ids=["table", "json"])
@pytest.mark.parametrize("kind", PLAIN)
def test_a_picture_on_which_nothing_is_painted(kind, json_too, run, tmp_path, rushlight):
    PLAIN[kind].save(tmp_path / "plain.png")
    code, out, err = rushlight("predict", run, tmp_path / "plain.png", *json_too)
    assert (code, out) == (2, "")
    assert err == (
        f"rushlight: {tmp_path / 'plain.png'}: there is nothing painted on it that stands out; "
        "give a picture of one of the classes\n"
    )


def test_a_folder_that_is_no_run(picture, tmp_path, rushlight):
    code, out, err = rushlight("predict", tmp_path, picture)
    assert (code, out) == (2, "")
    assert err == (
        f"rushlight: {tmp_path}: no run that can be read (config.json: No such file or directory); "
        "give a folder that `rushlight train` wrote\n"
    )


@pytest.fixture
def copy(run, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((run / name).read_bytes())
    return folder


def test_weights_and_config_are_all_that_predict_needs(copy, picture, rushlight):
    assert rushlight("predict", copy, picture)[0] == 0


def test_a_run_without_weights(copy, picture, rushlight):
    (copy / "model.safetensors").unlink()
    code, _, err = rushlight("predict", copy, picture)
    assert code == 2
    assert f"{copy}: no run that can be read (model.safetensors: No such file" in err


def test_damaged_weights(copy, picture, rushlight):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    code, _, err = rushlight("predict", copy, picture)
    assert code == 2
    assert err.startswith(f"rushlight: {path}: ")
    assert err.count("\n") == 1


def test_weights_of_another_network(copy, picture, rushlight):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "classes": ["a", "b"]}))
    code, _, err = rushlight("predict", copy, picture)
    assert code == 2
    assert err == (
        f"rushlight: {copy / 'model.safetensors'}: does not belong to this run or was changed "
        "(its tensors do not fit the network of config.json); "
        "expected what `rushlight train` wrote\n"
    )


# A folder of images, from the class folders to the answer


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Discs and crosses, dark on light, of any size, mode and place."""
    folder = tmp_path_factory.mktemp("shapes")
    for name in ("disc", "cross"):
        (folder / name).mkdir()
        (folder / name / "Thumbs.db").touch()
        for i in range(25):
            shape(name, i).save(folder / name / f"{i}.png")
    return folder


def shape(name, seed):
    random = np.random.default_rng((seed, len(name)))
    side = int(random.integers(40, 90))
    rows, columns = np.mgrid[:side, : side + 10]
    y, x = random.integers(15, side - 15, 2)
    r = int(random.integers(9, 14))
    down, right = np.abs(rows - y), np.abs(columns - x)
    if name == "disc":
        ink = down**2 + right**2 < r**2
    else:
        ink = (np.minimum(down, right) < 3) & (np.maximum(down, right) < r)
    pixels = np.where(ink, 30, 230).astype(np.uint8)
    return Image.fromarray(pixels).convert(["L", "RGB", "P", "RGBA"][seed % 4])


def test_a_folder_of_images_is_learnt_and_recognised(shapes, tmp_path, rushlight):
    run = tmp_path / "run"
    words = ["train", "folder", shapes, "--size", "16", "--batch-size", "8", "--json"]
    code, out, err = rushlight(*words, "--out", run)
    assert code == 0
    assert err == (
        f"rushlight: {shapes}: passed over 2 files that are no images by their names "
        "(cross/Thumbs.db, disc/Thumbs.db)\n"
    )
    assert json.loads(out)["test_accuracy"] >= 0.9
    paths = []
    for name in ("disc", "cross"):
        for seed in range(100, 110):
            paths.append(tmp_path / f"{name}-{seed}.png")
            shape(name, seed).save(paths[-1])
    _, out, _ = rushlight("predict", run, "--json", *paths)
    guesses = [json.loads(line)["guess"] for line in out.splitlines()]
    right = [path.name.startswith(guess) for path, guess in zip(paths, guesses, strict=True)]
    assert sum(right) >= 18
