"""The pictures of a run: that they are there, whole, and say what they must."""

import math
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rushlight_nn.train import Record, Samples, picture
from rushlight_nn.train.label import labels

RANDOM = np.random.default_rng(0)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were made, to read their texts."""
    made = []
    plain = picture.png
    monkeypatch.setattr(picture, "png", lambda figure: made.append(figure) or plain(figure))
    return made


def texts(figure: Figure) -> list[str]:
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        labels = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        found += [*labels, *(text.get_text() for text in axes.texts)]
    return [text for text in found if text]


def opened(content):
    image = Image.open(BytesIO(content))
    image.load()
    assert image.format == "PNG"
    return image


def classed(count, classes, top=255):
    images = RANDOM.integers(0, top + 1, (count, 8, 8)).astype(np.uint8)
    return Samples(images, np.arange(count) % len(classes), classes, top)


def sure_of(guess, classes, wrong=0.9):
    probabilities = np.full((len(guess), classes), (1 - wrong) / (classes - 1), np.float32)
    probabilities[range(len(guess)), guess] = wrong
    return probabilities


def test_curves_name_their_axes(drawn):
    records = [Record(e, 1 / e, 1 - 0.5 / e, 0.9 / e, 1 - 0.4 / e, 1.0) for e in (1, 2, 3)]
    assert min(opened(picture.curves(records)).size) > 400
    said = texts(drawn[0])
    assert said.count("epoch") == 2
    assert "cross-entropy, nats per image" in said
    assert "images classified right, %" in said
    legend = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert legend == ["training", "held out"]


def test_curves_of_a_single_epoch_without_mistakes_or_loss():
    opened(picture.curves([Record(1, 0.0, 1.0, 0.0, 1.0, 1.0)]))


def test_curves_of_a_single_epoch(drawn):
    opened(picture.curves([Record(1, 1.9, 0.4, 1.2, 0.6, 1.0)]))
    (figure,) = drawn
    assert figure.get_suptitle().startswith("After 1 epoch: loss 1.2000, accuracy 60.00%")
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]
    assert figure.axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(
    ("last", "scale"), [(0.25, "linear"), (0.05, "log"), (0.0, "linear"), (math.nan, "linear")]
)
def test_a_loss_that_falls_to_a_tenth_has_a_logarithmic_axis(last, scale, drawn):
    records = [Record(1, 2.0, 0.5, 2.0, 0.5, 1.0), Record(2, 0.9, 0.9, last, 0.9, 1.0)]
    opened(picture.curves(records))
    assert drawn[0].axes[0].get_yscale() == scale
    assert texts(drawn[0])[0].startswith("After 2 epochs: ")


def test_curves_of_a_training_that_diverged_say_so(drawn):
    opened(picture.curves([Record(e, math.nan, 0.1, math.inf, 0.1, 1.0) for e in (1, 2)]))
    loss, accuracy = drawn[0].axes
    assert [text.get_text() for text in loss.texts] == ["no finite loss: training diverged"]
    assert not accuracy.texts


def test_the_confusion_counts(drawn):
    truth = np.array([0, 0, 0, 1, 1, 2])
    guess = np.array([0, 0, 1, 1, 1, 0])
    opened(picture.confusion(truth, guess, ("a", "b", "c")))
    axes = drawn[0].axes[0]
    numbers = {text.get_position(): text.get_text() for text in axes.texts}
    assert numbers == {(0, 0): "2", (1, 0): "1", (1, 1): "2", (0, 2): "1"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("guess", "truth")
    assert axes.get_title() == "4 of 6 held-out images right (66.67%)"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]


@pytest.mark.parametrize("count", [2, 40, 150])
def test_a_confusion_of_many_classes_with_long_names(count):
    names = tuple(f"a class with $ and number {i}" for i in range(count))
    labels = np.arange(count)
    assert max(opened(picture.confusion(labels, labels, names)).size) <= 17 * picture.DPI


ALIKE = [f"a_quite_long_class_name_number_{i}_of_the_set" for i in range(40)]


@pytest.mark.parametrize(
    "names",
    [
        ALIKE,
        [f"{name}{'x' * 20 * (i % 2)}" for i, name in enumerate(ALIKE)],
        [f"{name[::-1]}{name}" for name in ALIKE],
        ["a" * n for n in range(1, 40)],
        ["鳥" * n for n in range(1, 20)],
        ["\\u9ce5", "鳥", "a\nb", "a\\nb"],
        ["seen at both ends and long", "seen a…nd long"],
    ],
    ids=["number", "two", "far", "length", "glyph", "escape", "gap"],
)
def test_labels_of_names_that_are_alike_are_told_apart(names):
    found = labels(names, str.isascii)
    assert len(set(found)) == len(names)
    assert max(map(len, found)) <= 14
    assert "".join(found).replace("…", "").isascii()


def test_labels_keep_what_distinguishes_names():
    assert labels([*ALIKE[7:12], "cat"], str.isascii) == [
        "…mber_7_of_t…", "…mber_8_of_t…", "…mber_9_of_t…", "…mber_10_of_t…", "…mber_11_of_t…", "cat"
    ]  # fmt: skip
    assert labels(["a class of its own, by its end", "cat"], str.isascii)[0] == "a clas…its end"


def test_names_that_the_font_lacks_are_escaped_without_a_warning(drawn):
    names = ("鳥", "Vögel", "Птицы")
    opened(picture.confusion(np.arange(3), np.arange(3), names))
    assert [label.get_text() for label in drawn[0].axes[0].get_yticklabels()] == [
        r"\u9ce5", "Vögel", "Птицы"
    ]  # fmt: skip
    test = classed(9, names)
    opened(picture.mistakes(test, sure_of((test.labels + 1) % 3, 3)))


def test_mistakes_are_shown_with_truth_and_guess_the_surest_first(drawn):
    test = classed(10, ("cat", "dog"))
    guess = test.labels.copy()
    guess[[3, 6]] ^= 1
    probabilities = sure_of(guess, 2)
    probabilities[3] = [0.55, 0.45]
    opened(picture.mistakes(test, probabilities))
    said = texts(drawn[0])
    assert said == [
        "2 of 10 held-out images wrong",
        "truth cat\nguess dog (90%)",
        "truth dog\nguess cat (55%)",
    ]


def test_more_mistakes_than_fit(drawn):
    test = classed(100, tuple("abcde"))
    opened(picture.mistakes(test, sure_of((test.labels + 1) % 5, 5)))
    assert texts(drawn[0])[0] == "100 of 100 held-out images wrong, the surest 40 shown"
    assert len([axes for axes in drawn[0].axes if axes.images]) == 40


def test_no_mistakes_is_said(drawn):
    test = classed(10, ("cat", "dog"))
    opened(picture.mistakes(test, sure_of(test.labels, 2)))
    assert texts(drawn[0]) == ["No mistakes: all 10 held-out images are classified right."]
