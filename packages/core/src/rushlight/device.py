"""Device: the name of a place, and the kernels that run there.

Knows no backend by name: `plugins` finds the one whose name stands before the colon.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from .dtypes import name_of
from .errors import BackendUnavailable, ContractError, DeviceError
from .op import Operation, checked, operations
from .spec import several

if TYPE_CHECKING:
    from . import plugins
    from .backend import Array, Backend, HostArray, Kernel, MemoryStats
    from .dtypes import DType

_places: dict[str, Device] = {}  # also under other spellings: "numpy:0"
_chosen: ContextVar[tuple[Device, ...]] = ContextVar("device", default=())
_set: dict[str, Any] = {}  # what set_num_threads() and set_float32_matmul_precision() were told
PRECISIONS = ("highest", "high", "medium")


class Device:
    """A place where tensors live; one object per place, which equals its name.

    name: the backend's name, followed by `:index` unless that is 0.
    kernels: what runs each operation here, behind its contract where it does not check it itself.
    fallbacks: how often an operation ran on the reference backend, for want of a kernel here.

    As a context it is where new tensors are made, in this thread or async task.
    Raises: BackendUnavailable if the backend does not run here, DeviceError if it has no such
    index.

    >>> Device("numpy:0") is Device("numpy", 0) is Device("numpy")
    True

    "cpu" is another name of the reference device, numpy, where `Tensor.cpu()` leads.
    """

    __slots__ = ("array", "backend", "fallbacks", "host", "index", "kernels", "lift", "name")
    name: str
    backend: Backend
    index: int
    kernels: dict[str, Kernel]
    fallbacks: Counter[str]

    # The backend's own, copied so that an operation reads them in one step.
    array: type
    lift: Callable[[Any], Array]
    host: bool

    def __new__(cls, name: str | Device, index: int | None = None) -> Device:  # noqa: PYI034  not new
        """The one device of this name, made on first use."""
        if isinstance(name, Device):
            return name if index is None else cls(name.type, index)
        if not isinstance(name, str):
            raise DeviceError(f"device: {name!r} is no device; give a name, such as 'numpy:0'")
        if index is not None:
            name = f"{name}:{index}"
        place = _places.get(name)
        if place is None:
            from . import plugins

            with plugins.lock:
                place = _places.get(name) or _find(name)
        return place

    @property
    def type(self) -> str:
        """The backend's name: the word before the colon."""
        return self.backend.name

    def put(self, values: HostArray) -> Array:
        """An array here with these values.  Raises: DeviceError if none here has their type."""
        self.accept("put", values.dtype)
        return self.backend.put(values, self.index)

    def get(self, array: Array) -> HostArray:
        """The values of an array that is here."""
        return self.backend.get(array)

    def accept(self, op: str, dtype: DType) -> None:
        """Raises: DeviceError if arrays here cannot have this type."""
        held = self.backend.capabilities.dtypes
        if name_of(dtype) not in held:
            choice = ", ".join(sorted(held))
            raise DeviceError(f"{op}: device {self} has no {dtype.name}; choose from {choice}")

    def __enter__(self) -> Self:
        _chosen.set((*_chosen.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        _chosen.set(_chosen.get()[:-1])

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other in {self.name, f"{self.type}:{self.index}"}
        return self is other

    def __hash__(self) -> int:  # of the name: "numpy:0" equals "numpy" but is another key
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Device, (self.name,)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        index = f", index={self.index}" if self.index else ""
        return f"device(type={self.type!r}{index})"


def _find(name: str) -> Device:
    """The device of a name not seen before.  `plugins.lock` is held."""
    from . import plugins

    parts = re.fullmatch(r"([^\W\d][\w.-]*)(?::([0-9]+))?", name)
    if parts is None:
        raise DeviceError(f"device: {name!r} names no device; write it as 'numpy' or 'numpy:0'")
    kind, index = parts[1], int(parts[2] or 0)
    kind = plugins.REFERENCE if kind == "cpu" else kind
    loaded = plugins.load(kind)
    if index >= loaded.devices:
        have = several(loaded.devices, "device")
        last = loaded.devices - 1
        raise DeviceError(f"device: {name!r} is not there; {kind} has {have}, the last is {last}")
    proper = f"{kind}:{index}" if index else kind
    place = _places.get(proper) or _furnish(proper, loaded.backend, index)
    _places[proper] = _places[name] = place
    return place


def _furnish(name: str, backend: Backend, index: int) -> Device:
    """A new device with its table of kernels."""
    place = object.__new__(Device)
    place.name, place.backend, place.index = name, backend, index
    place.array, place.lift, place.host = backend.array, backend.lift, backend.host
    place.fallbacks = Counter()
    if "threads" in _set:
        backend.threads(_set["threads"])
    trusted = backend.self_checking
    place.kernels = {
        op: _guarded(place, op, kernel, trusted) for op, kernel in backend.kernels.items()
    }
    for op in operations.values():
        if not op.has_body and op.name not in place.kernels:
            place.kernels[op.name] = partial(_fall_back, place, op)
    return place


def _guarded(place: Device, name: str, kernel: Kernel, trusted: frozenset[str]) -> Kernel:
    """The kernel behind what it does not check; a composite's body explains its failures."""
    from .backend import EVERY_DTYPE

    op = operations.get(name)
    if op is None or op.has_body:
        return kernel
    if "dtype" in op.params and place.backend.capabilities.dtypes != EVERY_DTYPE:
        kernel = _typed(place, op, kernel)
    return kernel if name in trusted else checked(op, kernel)


def _typed(place: Device, op: Operation, kernel: Kernel) -> Kernel:
    """The kernel, refusing to make what the device cannot hold."""
    at = len(op.inputs) + op.params.index("dtype")

    def run(*given: Any) -> Array:
        place.accept(op.name, given[at])
        return kernel(*given)

    return run


def _fall_back(place: Device, op: Operation, *given: Any, **params: Any) -> Array:
    """Compute on the reference backend what this device has no kernel for, and count it."""
    if strict():
        raise DeviceError(
            f"{op.name}: device {place} has no kernel for it; move the input with "
            f".to('numpy'), or unset RUSHLIGHT_STRICT to have that done unseen"
        )
    place.fallbacks[op.name] += 1
    home = Device("cpu")
    count = len(given) if op.variadic else len(op.inputs)
    inputs = [home.put(place.get(x)) if hasattr(x, "shape") else x for x in given[:count]]
    return place.put(home.get(home.kernels[op.name](*inputs, *given[count:], **params)))


def strict() -> bool:
    """Whether RUSHLIGHT_STRICT asks that nothing be done unseen."""
    return os.environ.get("RUSHLIGHT_STRICT", "0") not in {"", "0"}


@cache
def default() -> Device:
    """Where tensors are made that name no device: RUSHLIGHT_DEVICE, read once, or the reference."""
    named = os.environ.get("RUSHLIGHT_DEVICE")
    try:
        return Device(named or "cpu")
    except (BackendUnavailable, DeviceError) as error:
        error.add_note(f"asked for by RUSHLIGHT_DEVICE={named}")
        raise


def resolve(device: str | Device | None = None) -> Device:
    """The device meant: the argument, the innermost `with`, RUSHLIGHT_DEVICE, or the reference."""
    if device is None:
        chosen = _chosen.get()
        return chosen[-1] if chosen else default()
    return device if isinstance(device, Device) else Device(device)


def set_num_threads(n: int) -> None:
    """Let every backend, those that are loaded later too, use at most n threads of the host.

    The device numpy has no threads but those of numpy's own BLAS, which takes their number from
    OMP_NUM_THREADS when the program starts, or from the package threadpoolctl.
    Raises: ContractError unless n is an integer from 1.
    """
    if type(n) is not int or n < 1:
        raise ContractError(f"set_num_threads: {n!r}; give an integer from 1")
    from . import plugins

    with plugins.lock:
        _set["threads"] = n
        for backend in {place.backend for place in _places.values()}:
            backend.threads(n)


def get_num_threads() -> int:
    """What set_num_threads() was told; before that the number of processors."""
    return int(_set.get("threads") or os.cpu_count() or 1)


def set_float32_matmul_precision(precision: str) -> None:
    """Allow backends to shorten the operands of float32 products, for speed.

    precision: "highest" allows nothing, "high" 10 bits of mantissa for each operand (TensorFloat32,
        or sums of two bfloat16), "medium" the 7 of bfloat16.  A backend may be more precise, and
        numpy always is.
    Raises: ContractError for anything else.
    """
    if precision not in PRECISIONS:
        raise ContractError(
            f"set_float32_matmul_precision: {precision!r}; choose from {', '.join(PRECISIONS)}"
        )
    _set["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What is allowed of float32 products: "highest", "high" or "medium"."""
    return str(_set.get("precision", "highest"))


def synchronize(device: str | Device | None = None) -> None:
    """Return once all that was begun on this device is done.

    Raises: what a kernel failed with that nobody has seen yet.
    """
    place = resolve(device)
    place.backend.wait(place.index)


def memory_stats(device: str | Device | None = None) -> MemoryStats:
    """The memory of a device now, in bytes; None for what its backend does not count."""
    place = resolve(device)
    return place.backend.memory(place.index)


class DeviceInfo(NamedTuple):
    """What is known of one backend.

    reason: why it is not available, in one sentence; None if it is.  Of the reference, which no
        other can replace, who else claims its name.
    count: of its devices; 0 if it is not available.
    distribution, version: of the package that provides it; of several, joined by "and".
    fallbacks: how often each operation ran on the reference backend, for want of a kernel.
    """

    name: str
    available: bool
    reason: str | None
    count: int  # type: ignore[assignment]  # the method of tuples is not missed
    distribution: str
    version: str
    fallbacks: Mapping[str, int]


def devices() -> list[DeviceInfo]:
    """Every backend that is installed, the reference first; loads each, and raises for none.

    A distribution whose entry points cannot be read stands at the end, under its own name.
    """
    from . import plugins

    found, unreadable = plugins.sources()
    first, own = plugins.REFERENCE, "rushlight"
    claims = found.pop(first, [])  # none if the package runs uninstalled
    reference = _info(first, [source for source in claims if source.distribution == own])
    others = [str(source) for source in claims if source.distribution != own]
    if others:
        fate = "are ignored; uninstall them" if others[1:] else "is ignored; uninstall it"
        told = f"backend {first}: also claimed by {' and '.join(others)}, which {fate}"
        reference = reference._replace(reason=told)
    rows = [reference, *[_info(name, found[name]) for name in sorted(found)]]
    for name, version in sorted(unreadable.items()):
        rows.append(DeviceInfo(name, False, plugins.unread(name), 0, name, version, {}))
    return rows


def _info(name: str, given: list[plugins.Source]) -> DeviceInfo:
    from .plugins import load

    distribution = " and ".join(source.distribution for source in given)
    version = " and ".join(source.version for source in given)
    try:
        loaded = load(name)
    except BackendUnavailable as error:
        return DeviceInfo(name, False, str(error), 0, distribution, version, {})
    fallbacks: Counter[str] = Counter()
    for place in set(_places.values()):
        if place.backend is loaded.backend:
            fallbacks += place.fallbacks
    return DeviceInfo(name, True, None, loaded.devices, distribution, version, dict(fallbacks))
