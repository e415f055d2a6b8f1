"""The protocol: what a package must supply for its device to run every model.

Knows no operation by name and no tensor; a backend's author meets it as `rushlight.extend`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    HostArray = np.ndarray[Any, Any]

Array = Any  # what a backend calls an array; only that backend looks inside
Kernel = Callable[..., Any]

# What this rushlight speaks.  A new minor version adds what has a default, a new major one breaks.
PROTOCOL = (1, 0)

EVERY_DTYPE = frozenset(
    "bool uint8 uint32 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()
)


class Capabilities(NamedTuple):
    """What a backend can do beyond running kernels: callers and tests ask this, never its name."""

    dtypes: frozenset[str] = EVERY_DTYPE
    """Names of the element types its arrays may have; core refuses the others with a sentence."""

    deterministic_scatter: bool = True
    """scatter_add of repeated indices gives the same bits every time."""

    exact_products: bool = True
    """Products of float32 round as float32 does; False where hardware shortens the operands.

    It may do so in any case once the user allows it: see `extend.get_float32_matmul_precision`.
    """

    asynchronous: bool = False
    """A kernel may return before it is done, so it may fail at a later `wait` or `get`."""


class MemoryStats(NamedTuple):
    """Memory of one device, in bytes; None where the backend does not count it."""

    used_bytes: int | None = None
    """Held by those arrays alive that it counts."""

    peak_bytes: int | None = None
    """The largest `used_bytes` so far."""

    reserved_bytes: int | None = None
    """Taken from the system, memory kept for reuse included."""

    total_bytes: int | None = None
    """What the device has."""


class FusionPolicy(NamedTuple):
    """What a backend wants fused when a program is compiled."""

    epilogues: bool = False
    """Elementwise steps that follow a product run on its block while it is hot."""

    lanes: int = 1
    """Elements of float32 in one instruction: inner loops are best a multiple of it."""

    row_bytes: int = 32768
    """A row up to this long stays in cache between passes; a longer one gets a nest for each."""


class Report(NamedTuple):
    """What a backend tells of a compiled program; times are in the order of its records."""

    estimated_s: tuple[float, ...] = ()
    """How long each record should take, in seconds, by the estimate that the program was cut by."""

    measured_s: tuple[float, ...] = ()
    """How long each took on the inputs that were given."""

    arena_bytes: int | None = None
    """The memory of all that lives between records."""

    within: tuple[tuple[int, int], ...] = ()
    """(i, k): record i runs within record k, part by part."""


class Backend(ABC):
    """A device's kernels, and the way to its memory and back.

    Derive from it and give `name`, `protocol`, `kernels`, `put` and `get`; the rest has defaults.

    Laws, held by the conformance suite:
    - `get(put(a, i))` equals `a`, element type included, for every type in `capabilities.dtypes`.
    - A kernel never writes its inputs.
    - A kernel's result depends on nothing but its arguments.
    - A result may share memory with an input (a view), never with anything else.

    A kernel receives the inputs, then the parameters, positionally as the operation's statement
    lists them: `def reshape(x, shape)`.  An operation on any number of inputs gives its parameters
    by keyword: `def concat(*xs, axis)`.  Inputs are this backend's arrays, or Python numbers; they
    may be strided views, and those of an elementwise operation may need broadcasting.  Parameters
    are normalised (sorted, non-negative axes; tuples of ints) and, unless the kernel is
    `self_checking`, meet the operation's contract; a device among them comes as its index.
    An array has `shape`, a tuple of ints, and `dtype`, an element type of Rushlight.
    """

    name: str
    """The name of its entry point, and the word before the colon of its devices."""

    protocol: tuple[int, int]
    """The version of this protocol it was written for: numbers, not a copy of `PROTOCOL`."""

    kernels: Mapping[str, Kernel]
    """Every required primitive, and any composite that it does better whole.

    `"<op>.fwd"` and `"<op>.vjp"` take the place of a composite's stated forward and backward pass.
    They are operations like others: positional inputs and parameters as their statements in
    `rushlight.ops` name them, results flat: (result, *residuals), and one cotangent per input, None
    where none was asked.

    That of an optimizer's step may have an attribute `over(numbers, arrays, params)`, which does
    the same, writes over the first of the arrays what nobody but a tensor and that list holds, and
    returns the results, or None, having done nothing, where the kernel shall.
    """

    @abstractmethod
    def put(self, values: HostArray, index: int) -> Array:
        """An array of device `index` with these values; may share their memory, to be read only."""

    @abstractmethod
    def get(self, array: Array) -> HostArray:
        """The values of an array, waited for; may share its memory, to be read only."""

    array: type = object
    """The class of its arrays; what a kernel returned as anything else passes `lift`."""

    def lift(self, value: Any) -> Array:
        """An array of class `array`, made of what a kernel returned otherwise."""
        return value

    host: bool = False
    """Its arrays are numpy's, so moving to another host backend copies nothing."""

    self_checking: frozenset[str] = frozenset()
    """Kernels that raise on all that their contract forbids: they run first, without it."""

    compiles: bool = False
    """Whether `compile` or `compile_nest` takes programs: a trace then opens composites."""

    whole: frozenset[str] = frozenset()
    """Composites it wants unopened in a compiled program: its kernel beats what fusion makes."""

    def keeps(self, op: str, inputs: Sequence[Any], params: Sequence[Any]) -> bool:
        """Whether it wants another composite unopened too, because of the specs of its inputs."""
        return False

    capabilities: Capabilities = Capabilities()

    policy: FusionPolicy = FusionPolicy()

    def count(self) -> int:
        """How many devices there are: indices 0 to count - 1."""
        return 1

    def wait(self, index: int) -> None:
        """Return once all kernels of device `index` are done.  Raises: what one failed with."""

    def memory(self, index: int) -> MemoryStats:
        """What device `index` holds now."""
        return MemoryStats()

    def threads(self, n: int) -> None:
        """Use at most n threads from now on."""

    def kernel_of(self, op: Any) -> Kernel | None:
        """A kernel of this composite, made of its statement; None where there is none."""
        return None

    def compile_nest(self, nest: Any) -> Callable[[Any, list[Array]], None] | None:
        """One function that runs every nest of this text; None if there is none.

        nest: an `extend.LoopNest` that reads no block of a product.  The function takes another of
        the same `text()`, with extents, strides, offsets and constants of its own, and an array for
        each of its reads and then of its stores.  Offsets and strides count the elements of an
        array in order: one that is read may be a strided view, as a kernel's inputs may; one that
        is stored into was made by `full`, and is in order.  Nothing else is written.

        Core asks once for each text.  It runs a program whose nests all have a function, if
        `compile` does not take it: products and the rest by the backend's kernels.
        """
        return None

    def compile(self, program: Any) -> Callable[..., list[Any]] | None:
        """One function that runs a whole program; None where core shall: by nests, or by steps.

        program: an `extend.Fused`.  The function takes the inputs of its graph in order, arrays and
        Python numbers, and returns its outputs in order.  It may have an attribute `report`: a
        function that returns a `Report` of the program; given the inputs of a call, it measures on
        them, and changes nothing.  It has an attribute `late` if it may write over inputs that
        outputs replace (`Graph.replaced`): a list of what a signal's handler raised when that was
        done, which is raised when the outputs are in place.
        """
        return None


class HostBackend(Backend):
    """A backend whose arrays are numpy's: the reference's kernels, some of them replaced.

    kernels: those that take the place of the reference's, or are added.
    self_checking: which of them raise on all that their contract forbids.

        class Mine(HostBackend):
            name = "mine"
            protocol = (1, 0)

            def __init__(self):
                super().__init__({"softmax": softmax})
    """

    host = True

    def __init__(
        self, kernels: Mapping[str, Kernel] | None = None, self_checking: Iterable[str] = ()
    ) -> None:
        from . import reference

        self.kernels = {**reference.KERNELS, **(kernels or {})}
        self.stated = frozenset(self_checking)
        self.array = reference.ARRAY
        # The function itself, not a method around it: it runs for every 0-d result.
        self.lift = reference.lift  # type: ignore[method-assign, assignment]

    @property
    def self_checking(self) -> frozenset[str]:  # type: ignore[override]  # computed here
        """Those stated, and the reference's own as long as they are not replaced."""
        from .reference import KERNELS, SELF_CHECKING

        kept = [name for name in SELF_CHECKING if self.kernels.get(name) is KERNELS[name]]
        return self.stated | {*kept}

    def put(self, values: HostArray, index: int) -> HostArray:
        return values

    def get(self, array: HostArray) -> HostArray:
        return array
