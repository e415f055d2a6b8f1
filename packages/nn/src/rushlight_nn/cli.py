"""The subcommands `rushlight train` and `rushlight predict`.

Their modules are imported when they run: `rushlight` asks every plug-in for its subcommands, and
none should wait for another's libraries.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rushlight import ContractError, FileRefused, OutOfMemory
from rushlight.cli import INTERRUPTED, REFUSED, Command, add_device, chosen_device, say, tell
from rushlight.extend import hookimpl

if TYPE_CHECKING:
    from .train.job import Job, Outcome

SUPPRESS = argparse.SUPPRESS
METRICS = "metrics.jsonl"
DIVERGED = 1  # the exit code of a run whose loss is no number
EPOCHS = {"digits": 30, "idx": 5, "folder": 30}
FILES: dict[str, tuple[str, ...]] = {  # the options of each source
    "digits": (),
    "idx": ("images", "labels", "test_images", "test_labels"),
    "folder": ("folder", "size"),
}
SPELT = {"augment": "no_augment"}  # options that are not called by their names in the namespace
DEFAULTS: dict[str, Any] = {
    "batch_size": 64,
    "lr": 3e-3,
    "seed": 0,
    "compile": False,
    "augment": True,
}  # fmt: skip


@hookimpl
def rushlight_commands() -> list[Command]:
    """What this package adds to `rushlight`."""
    return [
        Command("train", "train an image classifier, or go on training it", train_arguments, train),
        Command("predict", "say what is on an image", predict_arguments, predict),
    ]


# Arguments


def train_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rushlight train`."""
    add_resume(parser)
    add_training(parser)  # without a source they are known, to be refused beside --resume by name
    add_files(parser)
    add_size(parser)
    sources = parser.add_subparsers(dest="source", metavar="SOURCE")
    digits = sources.add_parser(
        "digits", help="1,797 handwritten digits that come with scikit-learn"
    )
    idx = sources.add_parser("idx", help="IDX files, as of MNIST and Fashion-MNIST")
    folder = sources.add_parser("folder", help="a folder of images for each class")
    add_files(idx, told=True)
    folder.add_argument(
        "folder", metavar="DIR", type=place, nargs="?", help="holds one folder of images per class"
    )
    add_size(folder, told=True)
    for name, source in (("digits", digits), ("idx", idx), ("folder", folder)):
        add_resume(source)
        add_training(source, EPOCHS[name])


def adder(parser: argparse.ArgumentParser, *, told: bool) -> Callable[..., Any]:
    """parser.add_argument for options that, if not given, are not in the namespace.

    told: whether `--help` tells of them.
    """

    def add(option: str, *, help: str, **how: Any) -> None:
        parser.add_argument(option, help=help if told else SUPPRESS, default=SUPPRESS, **how)

    return add


def add_files(parser: argparse.ArgumentParser, *, told: bool = False) -> None:
    """The options of the source idx."""
    add = adder(parser, told=told)
    add("--images", type=place, metavar="FILE", help="images [n, h, w]")
    add("--labels", type=place, metavar="FILE", help="their labels [n]")
    left = "images to test on; if left out, a fifth of the others"
    add("--test-images", type=place, metavar="FILE", help=left)
    add("--test-labels", type=place, metavar="FILE", help="their labels")


def add_size(parser: argparse.ArgumentParser, *, told: bool = False) -> None:
    """The option of the source folder."""
    what = "side to which images are resized (32)"
    adder(parser, told=told)("--size", type=positive, metavar="PIXELS", help=what)


def add_resume(parser: argparse.ArgumentParser) -> None:
    """The options that also go with --resume."""
    parser.add_argument(
        "--resume",
        metavar="RUN",
        type=place,
        default=SUPPRESS,
        help="go on with the run in this folder",
    )
    parser.add_argument(
        "--json", action="store_true", default=SUPPRESS, help="print the result as JSON"
    )
    add_device(parser)


def add_training(parser: argparse.ArgumentParser, epochs: int = 0) -> None:
    """The options of a new run; `--help` tells of them if there is a number of epochs."""
    add = adder(parser, told=epochs > 0)
    add("--epochs", type=positive, help=f"passes over the samples ({epochs})")
    add("--batch-size", type=positive, help="samples in one step (64)")
    add("--lr", type=rate, help="learning rate at the beginning (0.003)")
    add("--seed", type=natural, help="of weights, order and distortions (0)")
    add("--compile", action="store_true", help="trace the training step once and replay it")
    add(
        "--no-augment",
        dest="augment",
        action="store_false",
        help="train on the images as they are, not shifted, stretched and turned a little",
    )
    where = "folder of the run (runs/SOURCE, or the next number)"
    add("--out", type=place, metavar="DIR", help=where)
    add("--force", action="store_true", help="replace the run in that folder")


def predict_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rushlight predict`."""
    parser.add_argument(
        "run", metavar="RUN", type=place, help="folder that `rushlight train` wrote"
    )
    parser.add_argument("images", metavar="IMAGE", type=place, nargs="+", help="an image file")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each image")
    add_device(parser)


def place(text: str) -> Path:
    """A path.  Raises: ArgumentTypeError for no text at all, which would name this folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' names nothing; write this folder as '.'")
    return Path(text)


def positive(text: str) -> int:
    """An integer from 1."""
    return integer(text, 1)


def natural(text: str) -> int:
    """An integer from 0."""
    return integer(text, 0)


def integer(text: str, lowest: int) -> int:
    """An integer from lowest.  Raises: ArgumentTypeError."""
    try:
        value = int(text)
    except ValueError:
        value = lowest - 1
    if value < lowest:
        raise argparse.ArgumentTypeError(f"{text!r}; give an integer from {lowest}")
    return value


def rate(text: str) -> float:
    """A finite number greater than 0.  Raises: ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}; give a number greater than 0")
    return value


# rushlight train


def train(arguments: argparse.Namespace) -> int:
    """`rushlight train`."""
    try:
        return trained(arguments)
    except MemoryError as full:
        raise OutOfMemory(too_large(arguments, full)) from full
    except OutOfMemory as full:
        if "; " in str(full):
            raise
        raise OutOfMemory(too_large(arguments, full)) from full


def too_large(arguments: argparse.Namespace, full: Exception) -> str:
    """The sentence on a training for which there is no memory."""
    from .train.job import smaller

    why = f" ({full})" if str(full) else ""
    new = "begin a new run and " if "resume" in arguments else ""
    return f"train: too large for memory{why}; {new}{smaller(arguments.source)}"


def trained(arguments: argparse.Namespace) -> int:
    """`rushlight train`.  Raises: MemoryError or OutOfMemory if what was asked for is too large."""
    given = {name: value for name, value in vars(arguments).items() if name != "command"}
    machine = given.pop("json", False)
    with ExitStack() as claims:
        if "resume" in given:
            return resume(given, claims, machine)
        return carry_out(new_job(given, claims), machine)


def carry_out(job: Job, machine: bool) -> int:
    """Train, and say what came out of it; returns the exit code."""
    try:
        finished = job.run()
    except KeyboardInterrupt:  # a second Ctrl-C, or one while pictures are drawn
        if not job.saved:
            raise
        finished = False
    if not finished:
        tell(
            f"interrupted; go on with: rushlight train --resume {shlex.quote(str(job.folder.path))}"
        )
        return INTERRUPTED
    report(job.outcome, machine, "is finished")
    if not math.isfinite(job.trainer.records[-1].train_loss):
        tell("the loss is no number any more: training diverged; try a smaller --lr")
        return DIVERGED
    return 0


def new_job(given: dict[str, Any], claims: ExitStack) -> Job:
    """The job that these arguments ask for, its folder claimed.

    Raises: RushlightError if it cannot begin.
    """
    from .train.job import Job, Options, read_source
    from .train.run import RunFolder, unused

    name = given.pop("source", None)
    if name is None:
        raise ContractError(
            "train: nothing to train on; name digits, idx or folder, or --resume RUN"
        )
    device = chosen_device(given.pop("device", None))
    folder = RunFolder(given.pop("out", None) or unused(Path("runs"), name))
    claims.enter_context(folder.claimed())
    folder.prepare(force=given.pop("force", False))
    stated = {"epochs": EPOCHS[name], **DEFAULTS, "device": device.name}
    chosen = {option: given.pop(option, value) for option, value in stated.items()}
    check_source(name, given)
    source = read_source(name, given)
    for note in source.notes:
        tell(note)
    return Job(folder, source, Options(**chosen), device)


def check_source(name: str, given: dict[str, Any]) -> None:
    """Raises: ContractError if the arguments of a source are not complete, or another's."""
    if strange := [option for option in given if option not in FILES[name]]:
        raise ContractError(
            f"train {name}: takes no {options(strange)}; leave out what is another source's"
        )
    if name == "folder" and given["folder"] is None:
        raise ContractError("train folder: no folder; give the one that holds a folder per class")
    if name == "idx":
        for one, other in (("images", "labels"), ("test_images", "test_labels")):
            if (one in given) != (other in given) or (one == "images" and one not in given):
                both = f"{options([one])} and {options([other])}"
                raise ContractError(f"train idx: {both} belong together; give both")


def resume(given: dict[str, Any], claims: ExitStack, machine: bool) -> int:
    """Go on with the run of the folder given, claimed; returns the exit code.

    Raises: RushlightError if it cannot go on.
    """
    from .train.job import Job, finished
    from .train.run import CONFIG, RunFolder

    folder = RunFolder(given.pop("resume"))
    config = folder.config()
    device = chosen_device(given.pop("device", None) or config.get("device"))
    name = given.pop("source", None)
    extra = [option for option, value in given.items() if value is not None]
    if extra:
        raise ContractError(
            f"train: --resume with {options(extra)}; leave them out, the run has its own"
        )
    with folder.fitting(CONFIG):
        own = config["source"]["name"]
    if name not in {None, own}:
        raise ContractError(
            f"train: --resume {folder.path} was trained on {own}, not on {name}; leave {name} out"
        )
    claims.enter_context(folder.claimed())
    if (done := finished(folder, device)) is not None:
        outcome, sentences = done
        for sentence in sentences:
            tell(sentence)
        report(outcome, machine, "is finished already")
        return 0
    job = Job.resumed(folder, device)
    for sentence in job.mend():
        tell(sentence)
    return carry_out(job, machine)


def options(names: Sequence[str]) -> str:
    """Options as they are written on the command line, by their names in the namespace."""
    return ", ".join(f"--{SPELT.get(name, name)}".replace("_", "-") for name in names)


def report(outcome: Outcome, machine: bool, state: str) -> None:
    """Print what came out of a run that is done.  Raises: FileRefused if nothing can be printed."""
    try:
        say(line(outcome, machine, state))
    except FileRefused as full:
        raise FileRefused(
            f"{outcome.folder.path}: {state}, read {METRICS} there; but {full}"
        ) from full


def line(outcome: Outcome, machine: bool, state: str) -> str:
    """What came out of a run that is done, in a line."""
    last, path, test = outcome.records[-1], str(outcome.folder.path), outcome.test
    wrong = test - round(last.test_accuracy * test)
    seconds = sum(record.seconds for record in outcome.records)
    if machine:
        told = json.loads(last._replace(seconds=round(seconds, 3)).json())
        return json.dumps({"run": path, **told})
    return (
        f"{path} {state}: {last.epoch} epoch{'s' * (last.epoch != 1)} in {seconds:.1f} s; "
        f"accuracy {last.test_accuracy:.2%} on {test} held-out images ({wrong} wrong), "
        f"loss {last.test_loss:.4f}"
    )


# rushlight predict


def predict(arguments: argparse.Namespace) -> int:
    """`rushlight predict`."""
    from .train.prediction import Predictor
    from .train.run import RunFolder

    device = chosen_device(getattr(arguments, "device", None))
    predictor = Predictor(RunFolder(arguments.run), device)
    prepared = []
    refused: list[str] = []
    for path in arguments.images:
        try:
            prepared.append((path, predictor.prepare(path)))
        except FileRefused as error:
            refused.append(str(error))
        except MemoryError:
            refused.append(f"{path}: too large for memory; give a smaller image")
    found = predictor.probabilities([image for _, image in prepared])
    for (path, _), probabilities in zip(prepared, found.tolist(), strict=True):
        rows = list(zip(predictor.classes, probabilities, strict=True))
        if arguments.json:
            guess, probability = max(rows, key=lambda row: row[1])
            told = {"image": str(path), "guess": guess, "probability": probability}
            say(json.dumps({**told, "probabilities": dict(rows)}, allow_nan=False))
        else:
            show(str(path), sorted(rows, key=lambda row: -row[1]))
    for sentence in refused:
        tell(sentence)
    return REFUSED if refused else 0


def show(title: str, rows: Sequence[tuple[str, float]]) -> None:
    """Print a table of classes and probabilities; coloured if rich and a terminal are there."""
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ModuleNotFoundError:
        plain(title, rows)
        return
    if not sys.stdout.isatty():
        plain(title, rows)
        return
    table = Table("class", title=escape(title), title_justify="left", title_style="bold")
    table.add_column("probability", justify="right")
    table.add_column("")
    for i, (name, probability) in enumerate(rows):
        style = "green" if i == 0 else None
        table.add_row(escape(name), f"{probability:.2%}", bar(probability), style=style)
    Console().print(table)


def plain(title: str, rows: Sequence[tuple[str, float]]) -> None:
    """Print a table of classes and their probabilities, in letters alone."""
    width = max(len("class"), *(len(name) for name, _ in rows))
    say(title)
    say(f"{'class':<{width}}  probability")
    for name, probability in rows:
        say(f"{name:<{width}}  {probability:>11.2%}")


def bar(probability: float) -> str:
    """A probability as a bar of at most 24 cells."""
    return "█" * round(24 * probability)
