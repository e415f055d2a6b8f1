"""The interpreter that runs an operation now, and remembers it if a gradient may be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ContextDecorator, contextmanager
from contextvars import ContextVar, Token
from functools import wraps
from itertools import chain, repeat
from typing import Any, TypeVar

from . import straight
from .alias import link
from .cell import Number
from .device import Device
from .dtypes import FLOATING, float32
from .errors import (
    ContractError,
    DeviceError,
    IndexOutOfRange,
    KernelFailed,
    OutOfMemory,
    RushlightError,
    TracingError,
    WrongType,
)
from .node import Leaf
from .op import Operation, operations, spec_of
from .straight import wrap
from .tensor import Tensor

__all__ = [
    "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad",
    "set_grad_enabled",
]  # fmt: skip

Inputs = tuple[Any, ...]
SCALES = {"mul", "div"}  # by a number, which a narrow type would round
F = TypeVar("F", bound=Callable[..., Any])
GENERATOR = 0x20  # the flag of a generator function's code


class Meaning:
    """An interpreter: gives meaning to operations.  How it runs, reads and assigns is left open."""

    eager = False  # whether a straight path may abbreviate `apply`
    traces = False  # whether operations are written down, instead of run

    def __init__(self, recording: bool) -> None:
        self.recording = recording  # whether operations are remembered for gradients

    def around(self, within: Any) -> Any:
        """Another interpreter, with what this one does beyond running or writing down."""
        return within

    def perform(self, _policy: str, function: F, args: Any, kwargs: dict[str, Any]) -> Any:
        """A function of several operations, which states in which type it computes."""
        return function(*args, **kwargs)

    def quiet(self, recording: bool) -> Any:
        """This interpreter, remembering for gradients or not."""
        raise NotImplementedError

    def read(self, x: Tensor) -> Any:
        """The data that x holds now."""
        raise NotImplementedError

    def assign(self, x: Tensor, value: Tensor) -> None:
        """x becomes value; a leaf stays one."""
        raise NotImplementedError

    def run(self, op: Operation, device: Device, inputs: Inputs, params: Inputs) -> Any:
        """The data of the result (a tuple for several) by the device's kernel."""
        raise NotImplementedError

    def has_kernel(self, op: Operation, device: Device, inputs: Inputs, params: Inputs) -> bool:
        """Whether the operation is run whole on these; if not, its body is."""
        return op.name in device.kernels or not op.has_body

    def apply(self, op: Operation, inputs: Inputs, params: Inputs, aside: bool = False) -> Any:
        """The operation's result, and its node where a gradient is asked.

        aside: return the stated residuals too, held constant: (result, *residuals).
        """
        inputs = tuple([plain(x) for x in inputs])
        device = place(self, op, inputs, params)
        if op.promotes is not None:
            if op.name in SCALES and sum(isinstance(x, Tensor) for x in inputs) == 1:
                short = next((x.dtype for x in inputs if is_narrow(x)), None)
                if short is not None:  # times the number as it is
                    z = self.apply(op, tuple(map(widened, inputs)), params)
                    return operations["cast"].call(z, short)
            inputs = op.promotes(*inputs)
        elif op.has_body and not op.is_pass:
            agreeing(op, inputs)
        asked = self.recording and not op.constant and any(asks(x) for x in inputs)
        has_kernel = self.has_kernel(op, device, inputs, params)
        if not op.has_rule and op.has_body and (asked or not has_kernel):
            return self.open(op, inputs, params, self.recording and not op.constant)
        residuals: tuple[Tensor, ...] = ()
        if op.forward is not None and (asked or aside):
            z, *kept = self.quiet(False).apply(op.forward, inputs, params)
            data, residuals = self.read(z), tuple(kept)
        elif has_kernel:
            data = self.run(op, device, inputs, params)
        else:
            made = self.open(op, inputs, params, False)
            if not asked and op.put is None:
                return made
            data = self.read(made)
        if isinstance(data, tuple):
            return tuple([part if part is None else wrap(part, device) for part in data])
        z = wrap(data, device)
        if op.put is not None:
            z._base = link(inputs[0], op, params)
        if asked:
            held = [self.read(x) if isinstance(x, Tensor) else x for x in inputs]
            beside = [self.read(r) for r in residuals]
            edges = tuple([x._node if isinstance(x, Tensor) else None for x in inputs])
            z._node = straight.record(op, inputs, held, params, edges, data, beside)
        return (z, *residuals) if aside else z

    def open(self, op: Operation, inputs: Inputs, params: Inputs, recording: bool) -> Any:
        """What the body makes; of float16 and bfloat16 it is made in float32, and rounded once."""
        cast = operations["cast"].call
        with interpreting(self.quiet(recording)):
            short = next((x.dtype for x in inputs if is_narrow(x)), None)
            if short is None:
                return op.statement(*inputs, **op.named(params))
            made = op.statement(*map(widened, inputs), **op.named(params))
            if isinstance(made, Tensor):
                return cast(made, short) if made.dtype is float32 else made
            exact = made[1:] if op.name.endswith(".fwd") else ()  # residuals stay wide
            rounded = [
                cast(z, short) if z is not None and z.dtype is float32 else z
                for z in made[: len(made) - len(exact)]
            ]
            return (*rounded, *exact)


class Eager(Meaning):
    """Runs the device's kernel now."""

    eager = True

    def quiet(self, recording: bool) -> Eager:
        return RECORDING if recording else QUIET

    def read(self, x: Tensor) -> Any:
        return x._data

    def assign(self, x: Tensor, value: Tensor) -> None:
        x._data = value._data
        if self.recording and not isinstance(x._node, Leaf):
            x._node = value._node

    def run(self, op: Operation, device: Device, inputs: Inputs, params: Inputs) -> Any:
        if not op.has_body:
            op.contract(tuple([spec_of(x) for x in inputs]), params)
        for x in inputs:
            if isinstance(x, Tensor) and not isinstance(x._data, device.array):
                raise TracingError(
                    f"{op.name}: {x.spec} is left over from a trace; return it from the compiled "
                    f"function"
                )
        kernel = device.kernels[op.name]
        data = [x._data if isinstance(x, Tensor) else x for x in inputs]
        try:
            result = call(kernel, op, data, params)
        except Warning:  # a user who made warnings errors gets the value that others get
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = call(kernel, op, data, params)
        except MemoryError as error:
            raise OutOfMemory(
                f"{op.name}: no room on {device} for the result of {shown(inputs)}"
            ) from error
        except RushlightError:
            raise
        except IndexError as error:
            self.explain(op, inputs, params)
            raise IndexOutOfRange(f"{op.name}: {error}; indices of {shown(inputs)}") from error
        except OverflowError as error:
            raise ContractError(
                f"{op.name}: a number does not fit the element type in {shown(inputs)}; "
                f"convert the tensor to a wider type with .to()"
            ) from error
        except Exception as error:  # whatever a plug-in's kernel raises becomes one kind of error
            self.explain(op, inputs, params)
            raise KernelFailed(
                f"{op.name}: the kernel of {device} failed on {shown(inputs)}: {error}; "
                f"please report it to the authors of that backend"
            ) from error
        if isinstance(result, tuple):
            return tuple([part if part is None else device.lift(part) for part in result])
        return device.lift(result)

    def explain(self, op: Operation, inputs: Inputs, params: Inputs) -> None:
        """If the inputs of a composite are at fault, its body says how."""
        if op.has_body:
            with interpreting(QUIET):
                op.statement(*inputs, **op.named(params))


def call(kernel: Callable[..., Any], op: Operation, data: Sequence[Any], params: Inputs) -> Any:
    """Call a kernel: inputs, then parameters in order; after variadic inputs by name."""
    if op.variadic:
        return kernel(*data, **dict(zip(op.params, map(place_index, params), strict=True)))
    return kernel(*data, *map(place_index, params))


def place_index(param: Any) -> Any:
    """A kernel is told its device by number."""
    return param.index if isinstance(param, Device) else param


def is_narrow(x: Any) -> bool:
    """Whether x is a tensor of float16 or bfloat16."""
    return isinstance(x, Tensor) and x.dtype in FLOATING and x.dtype.itemsize < float32.itemsize


def widened(x: Any) -> Any:
    """x, in float32 if it is narrow."""
    return operations["cast"].call(x, float32) if is_narrow(x) else x


def asks(x: Any) -> bool:
    """Whether a gradient may be asked of this input."""
    return isinstance(x, Tensor) and x._node is not None


def agreeing(op: Operation, inputs: Inputs) -> None:
    """Raises: ContractError unless the inputs of a composite have one element type."""
    named = zip(chain(op.inputs, repeat(op.variadic)), inputs, strict=False)
    given = [x for name, x in named if name not in op.free and isinstance(x, Tensor)]
    if len({x.dtype for x in given}) > 1:
        raise ContractError(f"{op.name}: {shown(given)}; bring them to one element type with .to()")


def shown(inputs: Sequence[Any]) -> str:
    """Inputs as an error shows them."""
    return ", ".join(str(spec_of(x)) for x in inputs)


def plain(x: Any) -> Any:
    """x, or one of numpy's scalars as the Python number that it stands for."""
    return x if isinstance(x, Tensor) or getattr(x, "shape", None) != () else x.item()


def place(mode: Meaning, op: Operation, inputs: Inputs, params: Inputs) -> Device:
    """The one device of the inputs, or the one given as a parameter."""
    device: Device | None = None
    for x in inputs:
        if isinstance(x, Tensor):
            if device is None:
                device = x.device
            elif x.device is not device:
                raise DeviceError(
                    f"{op.name}: inputs on {device} and {x.device}; move one with "
                    f".to({str(device)!r})"
                )
        elif isinstance(x, Number):
            if mode.eager:
                raise TracingError(
                    f"{op.name}: a number of a finished trace; return it as a tensor instead"
                )
        elif not isinstance(x, (bool, int, float)) and (x is not None or not op.optional):
            raise WrongType(
                f"{op.name}: {type(x).__name__} is not a tensor; make one with rl.tensor()"
            )
    for p in params:
        if isinstance(p, Device):
            device = p
    if device is None:
        raise WrongType(f"{op.name}: no tensor among the inputs; make one with rl.tensor()")
    return device


RECORDING, QUIET = Eager(recording=True), Eager(recording=False)
interpreter: ContextVar[Any] = ContextVar("interpreter", default=RECORDING)
straight.connect(Tensor, interpreter.get)
inferring: ContextVar[bool] = ContextVar("inferring", default=False)


@contextmanager
def interpreting(value: Meaning) -> Iterator[None]:
    """Inside, operations mean what this interpreter says; this thread (or async task) only."""
    token = interpreter.set(value)
    try:
        yield
    finally:
        interpreter.reset(token)


class set_grad_enabled(ContextDecorator):
    """Remember operations for gradients or not: at once, and as a context until its end.

    This thread only.
    """

    wanted: bool

    def __init__(self, mode: bool) -> None:
        self.wanted = mode
        self.before = interpreter.get().recording
        self.__enter__()

    def __call__(self, func: F) -> F:
        """func, inside of which this holds, and outside no more."""
        self.__exit__()
        inside: no_grad = enable_grad() if self.wanted else no_grad()
        return inside(func)

    def __enter__(self) -> None:
        interpreter.set(interpreter.get().quiet(self.wanted and not inferring.get()))

    def __exit__(self, *_: object) -> None:
        interpreter.set(interpreter.get().quiet(self.before))


class no_grad(ContextDecorator):
    """Inside, nothing is remembered for gradients; this thread only.  Also a decorator."""

    wanted = False

    def __new__(cls, orig_func: Any = None) -> Any:
        """A context; given a function, as by `@no_grad` without brackets, what it decorates."""
        return super().__new__(cls) if orig_func is None else cls()(orig_func)

    def __init__(self) -> None:
        self.before: list[bool] = []

    def __call__(self, func: F) -> F:
        """func, inside of which this holds; of a generator function, inside of each step."""
        code = getattr(func, "__code__", None)
        steps = code is not None and code.co_flags & GENERATOR
        made: F = stepwise(func, self._recreate_cm) if steps else super().__call__(func)
        return made

    def _recreate_cm(self) -> no_grad:
        return type(self)()  # a decorated function may run in many threads

    def __enter__(self) -> None:
        mode = interpreter.get()
        self.before.append(mode.recording)
        interpreter.set(mode.quiet(self.wanted and not inferring.get()))

    def __exit__(self, *_: object) -> None:
        interpreter.set(interpreter.get().quiet(self.before.pop()))


def stepwise(func: Any, context: Callable[[], AbstractContextManager[Any]]) -> Any:
    """A generator function each step of which runs in such a context, and its caller does not."""

    @wraps(func)
    def steps(*args: Any, **kwargs: Any) -> Any:
        generator = func(*args, **kwargs)
        step, given = generator.send, None
        while True:
            try:
                with context():
                    made = step(given)
            except StopIteration as end:
                return end.value
            try:
                step, given = generator.send, (yield made)
            except GeneratorExit:
                with context():
                    generator.close()
                raise
            except BaseException as error:  # whatever the caller throws in is the generator's
                step, given = generator.throw, error

    return steps


class enable_grad(no_grad):
    """Inside, operations are remembered again; this thread only.  Also a decorator."""

    wanted = True


class inference_mode(no_grad):
    """no_grad() that enable_grad() inside of it does not lift; this thread only.

    mode: False to remember operations again.  Also a decorator, with brackets and without.
    """

    def __new__(cls, mode: Any = True) -> Any:
        """A context; given a function, as by `@inference_mode` without brackets, what it is."""
        return super().__new__(cls, mode if callable(mode) else None)

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.wanted = not mode
        self.tokens: list[Token[bool]] = []

    def _recreate_cm(self) -> inference_mode:
        return inference_mode(not self.wanted)

    def __enter__(self) -> None:
        self.tokens.append(inferring.set(not self.wanted))
        super().__enter__()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        inferring.reset(self.tokens.pop())


def is_inference_mode_enabled() -> bool:
    """Whether an inference_mode() holds here."""
    return inferring.get()


def is_grad_enabled() -> bool:
    """Whether operations are remembered for gradients here."""
    return bool(interpreter.get().recording)
