"""Finding backends, and keeping a broken one from harming the rest.

Knows no backend but the reference.  A backend is an entry point of the group `rushlight.backends`;
its name is the backend's name and the word before the colon of its devices.  The module that it
points to answers two pluggy hooks, both once, when a device of that name is first asked for:

    @hookimpl
    def rushlight_probe() -> str | None: ...  # why it cannot run here; imports nothing heavy
    @hookimpl
    def rushlight_backend() -> Backend: ...

Each plug-in is loaded alone, into a manager of its own, and not by pluggy's search: a bad one, or a
malformed file of any distribution, would take all others with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple

from .backend import PROTOCOL, Backend
from .errors import BackendUnavailable
from .op import operations

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

GROUP = "rushlight.backends"
REFERENCE = "numpy"
REPORT = "report it to its authors"


class Hooks:
    """What a plug-in may answer."""

    @staticmethod
    def rushlight_probe() -> str | None:
        """Why the backend cannot run on this machine, as one sentence; None if it can."""

    @staticmethod
    def rushlight_backend() -> Backend | None:
        """The backend."""

    @staticmethod
    def rushlight_commands() -> Sequence[Any] | None:
        """The subcommands that a plug-in of the group `rushlight.cli` adds to `rushlight`."""


class Source(NamedTuple):
    """An entry point, and the distribution that states it."""

    entry: EntryPoint
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


class Loaded(NamedTuple):
    """A backend that runs here, and how many devices it has."""

    backend: Backend
    devices: int


class Refused(NamedTuple):
    """Why a backend does not run here, in one sentence; and the exception behind it."""

    reason: str
    cause: BaseException | None


_known: dict[str, Loaded | Refused] = {}
_loading: set[str] = set()
lock = RLock()  # one for plug-ins and devices: a plug-in may ask for a device while it is imported


def load(name: str) -> Loaded:
    """The backend of this name, loaded on first use.

    Raises: BackendUnavailable; at once if it failed before.  Only a name that is not installed is
    looked for again, so that what was installed meanwhile is found.
    """
    known = _known.get(name)
    if known is None:
        with lock:
            known = _known.get(name) or _load(name)
    if isinstance(known, Refused):
        raise BackendUnavailable(known.reason) from known.cause
    return known


def _load(name: str) -> Loaded | Refused:
    if name in _loading:
        text = "asked for itself while it was loading; ask later than at import"
        return Refused(f"backend {name}: {text}", None)
    found, unreadable = ({}, {}) if name == REFERENCE else sources()
    if name != REFERENCE and name not in found:
        return Refused(_not_installed(name, found, unreadable), None)
    _loading.add(name)
    try:
        if name == REFERENCE:
            from .reference import NumpyBackend

            _known[name] = Loaded(NumpyBackend(), 1)
        else:
            _known[name] = _open(name, found[name])
    except BackendUnavailable as error:
        _known[name] = Refused(f"backend {name}: {error}", error.__cause__)
    finally:
        _loading.discard(name)
    return _known[name]


def _open(name: str, given: list[Source]) -> Loaded:
    """Import the plug-in, ask its hooks, examine their answer.  Raises: BackendUnavailable."""
    if len(given) > 1:
        who = " and ".join(map(str, given))
        raise BackendUnavailable(f"provided twice, by {who}; uninstall one of them")
    (source,) = given
    ask = hooks(source, "rushlight_backend")
    reason = ask("rushlight_probe")
    if reason is not None:
        told = one_line(reason) if isinstance(reason, str) else ""
        wrong = f"rushlight_probe of {source} returned {reason!r}, no sentence; {REPORT}"
        raise BackendUnavailable(told or wrong)
    backend = ask("rushlight_backend")
    if not isinstance(backend, Backend):
        raise BackendUnavailable(
            f"rushlight_backend of {source} returned {type(backend).__name__}, "
            f"no rushlight.extend.Backend; {REPORT}"
        )
    _examine(name, source, backend)
    devices = isolated(f"count of {source} raised", REPORT, backend.count)
    if not isinstance(devices, int):
        raise BackendUnavailable(f"count of {source} returned {devices!r}, no integer; {REPORT}")
    if devices < 1:
        raise BackendUnavailable(f"{source} finds no device on this machine")
    return Loaded(backend, devices)


def hooks(source: Source, needed: str) -> Callable[[str], Any]:
    """A function that asks a hook of this plug-in alone.

    needed: the hook that it must have.
    Raises: BackendUnavailable, as the function does; its message does not say what is unavailable.
    """
    import pluggy

    advice = "repair it or uninstall it"
    module = isolated(f"{source} failed to import", advice, source.entry.load)
    _mark_hooks()
    manager = pluggy.PluginManager("rushlight")
    manager.add_hookspecs(Hooks)

    def register() -> None:
        manager.register(module, name=source.entry.name)
        manager.check_pending()

    isolated(f"{source} states its hooks wrongly", REPORT, register)
    if not getattr(manager.hook, needed).get_hookimpls():
        raise BackendUnavailable(
            f"{source} has no hook {needed}; mark it with rushlight.extend.hookimpl"
        )

    def ask(hook: str) -> Any:
        return isolated(f"{hook} of {source} raised", REPORT, getattr(manager.hook, hook))

    return ask


@cache
def _mark_hooks() -> None:
    """Declare the hooks; not where they are written, since pluggy is imported on first need."""
    import pluggy

    mark = pluggy.HookspecMarker("rushlight")
    for hook in (Hooks.rushlight_probe, Hooks.rushlight_backend, Hooks.rushlight_commands):
        mark(hook, firstresult=True)


def isolated(what: str, advice: str, call: Callable[[], Any]) -> Any:
    """call(), whose failure of any kind is the plug-in's and not the program's.

    Raises: BackendUnavailable `<what> (<error>); <advice>`.
    """
    try:
        return call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plug-in that calls sys.exit() must not end its host
        told = f"{type(error).__name__}: {one_line(error)}".removesuffix(": ")
        raise BackendUnavailable(f"{what} ({told}); {advice}") from error


def _examine(name: str, source: Source, backend: Backend) -> None:
    """Raises: BackendUnavailable if the backend is not what its entry point says it is."""
    stated: dict[str, Any] = {}
    for needed in ("name", "protocol", "kernels"):
        what = f"{needed} of the backend of {source} raised"
        stated[needed] = isolated(what, REPORT, partial(getattr, backend, needed, None))
        if stated[needed] is None:
            raise BackendUnavailable(f"the backend of {source} has no {needed}; {REPORT}")
    if stated["name"] != name:
        raise BackendUnavailable(
            f"{source} returned a backend named {stated['name']!r}; "
            "make its name equal to that of its entry point"
        )
    _examine_protocol(source, stated["protocol"])
    missing = sorted(op for op in required_kernels() if op not in stated["kernels"])
    if missing:
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        shown = ", ".join(missing[:8]) + more
        raise BackendUnavailable(f"{source} has no kernel for {shown}; upgrade it or add them")


def _examine_protocol(source: Source, protocol: object) -> None:
    match protocol:
        case (int(major), int(minor)):
            pass
        case _:
            raise BackendUnavailable(
                f"{source} states protocol {protocol!r}; it is two numbers, as in (1, 0)"
            )
    if major == PROTOCOL[0] and minor <= PROTOCOL[1]:
        return
    older = source.distribution if major < PROTOCOL[0] else "rushlight"
    raise BackendUnavailable(
        f"{source} is written for protocol {major}.{minor}, this rushlight speaks "
        f"{PROTOCOL[0]}.{PROTOCOL[1]}; run: pip install --upgrade {older}"
    )


def required_kernels() -> list[str]:
    """The operations of which every backend has a kernel."""
    return [op.name for op in operations.values() if op.required and not op.has_body]


def _not_installed(name: str, found: Iterable[str], unreadable: Iterable[str]) -> str:
    from difflib import get_close_matches

    there = sorted({REFERENCE, *found})
    close = get_close_matches(name, there, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    broken = f"; entry points that cannot be read: {', '.join(unreadable)}" if unreadable else ""
    return (
        f"backend {name}: not installed; choose from {', '.join(there)}{hint}, "
        f"or install the package that provides it{broken}"
    )


def unread(distribution: str) -> str:
    """What is told of a distribution whose entry points are malformed."""
    return f"the entry points of {distribution} cannot be read; reinstall it"


def sources(group: str = GROUP) -> tuple[dict[str, list[Source]], dict[str, str]]:
    """The plug-ins of a group, by name; and the versions of distributions with malformed ones."""
    from importlib.metadata import distributions

    found: dict[str, list[Source]] = {}
    unreadable: dict[str, str] = {}
    seen: set[str] = set()
    for distribution in distributions():
        label, version = _identity(distribution)
        proper = label.lower().replace("_", "-").replace(".", "-")
        if proper in seen:  # an earlier folder of sys.path has the same distribution
            continue
        seen.add(proper)
        try:
            entries = distribution.entry_points.select(group=group)
        except (TypeError, ValueError, OSError):  # what importlib.metadata raises on such a file
            unreadable[label] = version
            continue
        for entry in entries:
            found.setdefault(entry.name, []).append(Source(entry, label, version))
    return found, unreadable


def _identity(distribution: Distribution) -> tuple[str, str]:
    """Name and version, also of a distribution whose metadata lacks them."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    header = text.split("\n\n")[0].splitlines()
    fields = dict(line.split(": ", 1) for line in header if ": " in line)
    return fields.get("Name", "a distribution without a name"), fields.get("Version", "?")


def one_line(told: object) -> str:
    """The text of an error or a reason, on one line of bounded length."""
    text = " ".join(str(told).split()).rstrip(".")
    return text if len(text) <= 300 else text[:297] + "..."
