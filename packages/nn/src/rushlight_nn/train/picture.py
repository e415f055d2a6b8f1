"""The pictures of a run: its curves, its confusion matrix, its mistakes.  Knows no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .extra import apps
from .label import labels
from .record import Record
from .samples import Samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

DPI = 120
DECADE = 10.0  # of losses: a logarithmic axis that spans less has hardly a number on it
TRAIN, TEST, WRONG = "#1f6f8b", "#d1495b", "#d1495b"
MISTAKES_SHOWN = 40
PAGE, CELL, LETTER = 11.0, 1.35, 0.08  # inches: a gallery, an image in it at least, a letter
NUMBERED_CLASSES = 30  # the counts of more would not fit their cells: colours must do


def figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches, which needs no display.

    Raises: MissingExtra without matplotlib.
    """
    with apps("drawing pictures"):
        from matplotlib.figure import Figure
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def png(drawn: Figure) -> bytes:
    """A figure as the content of a PNG file."""
    file = BytesIO()
    drawn.savefig(file, format="png")
    return file.getvalue()


def titled(classes: Sequence[str]) -> list[str]:
    """Class names as labels that mean themselves to matplotlib, and that its font can draw."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    found = labels(classes, lambda character: font.get_char_index(ord(character)) > 0)
    return [label.replace("$", r"\$") for label in found]


def curves(records: Sequence[Record]) -> bytes:
    """Loss and accuracy after every epoch, in training and on the held-out samples, as PNG."""
    drawn = figure(10, 4.2)
    loss, accuracy = drawn.subplots(1, 2)
    epochs = [record.epoch for record in records]
    train_loss, test_loss = [r.train_loss for r in records], [r.test_loss for r in records]
    train_right = [100 * r.train_accuracy for r in records]
    test_right = [100 * r.test_accuracy for r in records]
    plot(loss, epochs, train_loss, test_loss)
    finite = [value for value in train_loss + test_loss if math.isfinite(value)]
    scale = "log" if finite and 0 < DECADE * min(finite) < max(finite) else "linear"
    loss.set(title="Loss", ylabel="cross-entropy, nats per image", yscale=scale)
    if not finite:
        text = "no finite loss: training diverged"
        loss.text(0.5, 0.5, text, transform=loss.transAxes, ha="center", va="center")
        loss.set_yticks([])
    plot(accuracy, epochs, train_right, test_right)
    accuracy.set(title="Accuracy", ylabel="images classified right, %")
    lowest = min(train_right + test_right, default=0)
    accuracy.set_ylim(max(0, lowest - 3), 100.5)
    drawn.legend(*loss.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    last = records[-1]
    drawn.suptitle(
        f"After {last.epoch} epoch{'s' * (last.epoch != 1)}: loss {last.test_loss:.4f}, "
        f"accuracy {last.test_accuracy:.2%} on held-out images"
    )
    return png(drawn)


def plot(axes: Axes, epochs: Sequence[int], train: Sequence[float], test: Sequence[float]) -> None:
    """The two lines of one panel; told apart without colours too."""
    from matplotlib.ticker import MaxNLocator

    mark = "o" if len(epochs) < 40 else None
    axes.plot(epochs, train, color=TRAIN, marker=mark, markersize=3, label="training")
    axes.plot(epochs, test, "--", color=TEST, marker=mark, markersize=3, label="held out")
    axes.set_xlabel("epoch")
    axes.set_xlim(0.5, epochs[-1] + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)


def confusion(truth: Ints, guess: Ints, classes: Sequence[str]) -> bytes:
    """How often each class [n] was taken for each: rows truth, columns guess, as PNG."""
    from matplotlib.colors import PowerNorm

    count = len(classes)
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (truth, guess), 1)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = min(max(5.0, 0.45 * count + 2.5), 16.0)
    drawn = figure(side + 1, side)
    axes = drawn.subplots()
    # A square root, since a single mistake among a hundred must be seen.
    shown = axes.imshow(share, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    names = titled(classes)
    upright = max(map(len, names)) <= 3
    axes.set_xticks(range(count), names, rotation=0 if upright else 90)
    axes.set_yticks(range(count), names)
    right = int(np.trace(table))
    axes.set(xlabel="guess", ylabel="truth")
    axes.set_title(f"{right} of {len(truth)} held-out images right ({right / len(truth):.2%})")
    if count <= NUMBERED_CLASSES:
        for row, column in zip(*np.nonzero(table), strict=True):
            colour = "white" if share[row, column] > 0.4 else "black" if row == column else WRONG
            weight = "normal" if row == column else "bold"
            text = str(table[row, column])
            axes.text(column, row, text, ha="center", va="center", color=colour, weight=weight)
    drawn.colorbar(shown, ax=axes, label="share of the true class", shrink=0.85)
    return png(drawn)


def mistakes(test: Samples, probabilities: Floats) -> bytes:
    """The held-out images [n] that are classified wrong, the surest first, as PNG.

    probabilities: of each class, [n, classes].
    """
    guess = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(guess != test.labels)
    if not len(wrong):
        drawn = figure(6, 1.6)
        drawn.text(
            0.5, 0.5, f"No mistakes: all {len(test)} held-out images are classified right.",
            ha="center", va="center", fontsize=12,
        )  # fmt: skip
        return png(drawn)
    surest = wrong[np.argsort(-probabilities[wrong, guess[wrong]], kind="stable")][:MISTAKES_SHOWN]
    names = titled(test.classes)
    titles = [
        f"truth {names[test.labels[i]]}\nguess {names[guess[i]]} ({probabilities[i, guess[i]]:.0%})"
        for i in surest
    ]
    letters = max(len(line) for title in titles for line in title.splitlines())
    width = max(CELL, LETTER * letters)
    across = min(len(surest), int(PAGE / width))
    down = -(-len(surest) // across)
    drawn = figure(max(width * across, 5), (CELL + 0.4) * down + 0.5)
    grid = drawn.subplots(down, across, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, i, title in zip(grid.flat, surest, titles, strict=False):
        axes.imshow(test.images[i], cmap="gray", vmin=0, vmax=test.top, interpolation="nearest")
        axes.set_title(title, fontsize=9)
    some = f", the surest {len(surest)} shown" if len(surest) < len(wrong) else ""
    drawn.suptitle(f"{len(wrong)} of {len(test)} held-out images wrong{some}")
    return png(drawn)
