"""The command `rushlight`: its own subcommands, and those that other packages add.

A package adds subcommands by an entry point of the group `rushlight.cli`, which names a module with

    @hookimpl
    def rushlight_commands() -> list[Command]: ...  # imports nothing heavy

Each plug-in is asked alone; a broken one costs a sentence, and its own subcommands.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from . import plugins
from .device import Device, DeviceInfo, devices, resolve
from .errors import BackendUnavailable, ContractError, DeviceError, FileRefused, RushlightError

__all__ = [
    "INTERRUPTED", "REFUSED", "Command", "add_device", "chosen_device", "main", "say", "tell",
]  # fmt: skip

GROUP = "rushlight.cli"
REFUSED, INTERRUPTED = 2, 130  # exit codes: as argparse's, and as a shell's for SIGINT


class Command(NamedTuple):
    """A subcommand.

    help: one line for the list of subcommands.
    arguments: adds the arguments to a parser of its own.
    run: does the work and returns the exit code; a RushlightError becomes one line and exit code 2.
    """

    name: str
    help: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    try:
        return dispatch(sys.argv[1:] if argv is None else list(argv))
    except RushlightError as error:
        tell(error)
        return REFUSED
    except KeyboardInterrupt:
        tell("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains, too
        return 1


def say(text: str) -> None:
    """Print what the command is asked for.  Raises: FileRefused if standard output is full."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as full:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains, too
        raise FileRefused(f"standard output: {full.strerror}; write to another place") from full


def tell(what: object) -> None:
    """One line to the user, beside what the command prints for machines."""
    print(f"rushlight: {' '.join(str(what).split())}", file=sys.stderr)


def dispatch(given: list[str]) -> int:
    """Find the subcommand and run it."""
    commands = {command.name: command for command in OWN}
    added, complaints = plugged()
    commands |= {command.name: command for command in added if command.name not in commands}
    for complaint in complaints:
        tell(complaint)
    parser = Parser(prog="rushlight", description="Deep learning where the device is a plug-in.")
    parser.add_argument("--version", action="version", version=f"rushlight {version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands.values():
        own = subparsers.add_parser(command.name, help=command.help, description=command.help)
        if command.name in given:  # the others need no arguments now
            fill(command, own)
    arguments = parser.parse_args(given)
    return commands[arguments.command].run(arguments)


class Parser(argparse.ArgumentParser):
    """Refuses arguments in one sentence; so do the parsers of subcommands."""

    def error(self, message: str) -> NoReturn:
        raise ContractError(message if "; " in message else f"{message}; see `{self.prog} --help`")


def fill(command: Command, parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments.  Raises: BackendUnavailable if a plug-in cannot."""
    what = f"command {command.name}: its arguments cannot be stated"
    plugins.isolated(what, plugins.REPORT, lambda: command.arguments(parser))


def version() -> str:
    """The version of rushlight that is installed."""
    from importlib.metadata import version

    return version("rushlight")


def plugged() -> tuple[list[Command], list[str]]:
    """The subcommands of every plug-in, and a sentence for each that is broken."""
    found, unreadable = plugins.sources(GROUP)
    complaints = [plugins.unread(name) for name in unreadable]
    providers: dict[str, list[tuple[plugins.Source, Command]]] = {}
    for source in [source for given in found.values() for source in given]:
        try:
            for command in ask(source):
                providers.setdefault(command.name, []).append((source, command))
        except BackendUnavailable as error:
            complaints.append(f"commands {source.entry.name}: {error}")
    commands: list[Command] = []
    for name, provided in providers.items():
        (source, command), *others = provided
        if name in {own.name for own in OWN}:
            complaints.append(f"command {name}: rushlight's own; {source} must name its otherwise")
        elif others:
            who = " and ".join(str(source) for source, _ in provided)
            complaints.append(f"command {name}: provided twice, by {who}; uninstall one of them")
        else:
            commands.append(command)
    return commands, complaints


def ask(source: plugins.Source) -> Sequence[Command]:
    """The subcommands of one plug-in.  Raises: BackendUnavailable if it is broken."""
    hook = "rushlight_commands"
    given = plugins.hooks(source, hook)(hook)
    if not isinstance(given, list | tuple) or not all(isinstance(x, Command) for x in given):
        raise BackendUnavailable(
            f"{hook} of {source} returned no list of rushlight.cli.Command; {plugins.REPORT}"
        )
    return given


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option --device; see `chosen_device`."""
    parser.add_argument(
        "--device",
        metavar="NAME",
        default=argparse.SUPPRESS,
        help='where to compute, for example "numpy"; `rushlight devices` lists them',
    )


def chosen_device(name: str | None) -> Device:
    """The device of this name; None asks RUSHLIGHT_DEVICE, or takes the reference.

    Raises: BackendUnavailable or DeviceError, which say why not, and what is here.
    """
    try:
        return resolve(name)
    except (BackendUnavailable, DeviceError) as error:
        asked = " (RUSHLIGHT_DEVICE)" if name is None else ""
        here = ", ".join(places(info) for info in devices() if info.available)
        raise type(error)(f"{error}{asked}; devices here: {here}") from error


def places(info: DeviceInfo) -> str:
    """The names of a backend's devices."""
    return ", ".join([info.name, *(f"{info.name}:{i}" for i in range(1, info.count))])


def list_devices(arguments: argparse.Namespace) -> int:
    """`rushlight devices`: every backend, and why some cannot be used."""
    found = devices()
    if arguments.json:
        say(json.dumps([info._asdict() for info in found], indent=2))
        return 0
    rows = [("BACKEND", "DEVICES", "FROM", "")]
    for info in found:
        state = places(info) if info.available else "-"
        rows.append((info.name, state, providers(info), info.reason or ""))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for *cells, reason in rows:
        aligned = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        say("  ".join([*aligned, reason]).rstrip())
    return 0


def providers(info: DeviceInfo) -> str:
    """The packages that provide a backend, each with its version."""
    names, versions = info.distribution.split(" and "), info.version.split(" and ")
    return " and ".join(map(" ".join, zip(names, versions, strict=True)))


def devices_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `rushlight devices`."""
    parser.add_argument("--json", action="store_true", help="print JSON")


WHAT = "list the devices, and why some cannot be used"
OWN = (Command("devices", WHAT, devices_arguments, list_devices),)
