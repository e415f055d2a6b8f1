"""Eager kernels: an operation as a program of its own, one for each kind of arguments it meets.

Core's statement of an operation is traced, fused and linked as a compiled function is; so no
elementwise, reduction, softmax, norm, loss or optimizer kernel is written a second time.  Knows
neither nests nor products.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from math import prod
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from rushlight.extend import Call, Device, Fused, Spec, operations, written

from . import few
from .direct import Table, direct
from .kernels import KERNELS
from .layout import Layout, common_order, in_order, is_far, layout
from .lowering import Work, lowered
from .program import Program

if TYPE_CHECKING:
    from .backend import NumbaBackend

Kernel = Callable[..., Any]
ARRAY = np.ndarray
BUILTIN = type(len)
kind = attrgetter("shape", "strides", "dtype")
KEPT = 512  # programs of one operation; one more, and all go


def from_powers(names: Mapping[int, str]) -> dict[str, int]:
    """2 to the power of its line, for each name."""
    return {name: 1 << power for power, line in names.items() for name in line.split()}


# From how many elements an operation is a program: a power of two, by the machine of decision 17.
# A program is never slower than numpy's kernel there, but for what numpy computes by better
# vectors, which waits for threads; it is a new one for each shape, at 0.4 ms, so small arrays
# whose kernel saves no microsecond stay with numpy.
ELEMENTWISE = from_powers(
    {
        62: "asin acos atan2 sinh exp2 expm1 atanh asinh",  # of a type in LEAST_OF
        18: "log2 log10",
        17: "acosh",
        16: "pow tan tanh atan log1p",
        15: "log sin cos cosh",
        12: "add sub mul div maximum minimum neg abs sqrt root floor ceil trunc round cast "
        "equal not_equal less less_equal greater greater_equal "
        "bitwise_and bitwise_or bitwise_xor bitwise_not",
        10: "exp",
        9: "relu where kink kinked gate",
        7: "logaddexp hypot floordiv remainder fmod",
        6: "erf sigmoid",
        0: "sign signbit rsqrt log1p_exp erfinv binary_cross_entropy",  # numpy has none
    }
)
REDUCTIONS = from_powers({8: "sum max min mean prod"})
SOFTMAX = from_powers({6: "softmax softmax.vjp", 0: "log_softmax log_softmax.vjp"})
OTHERS = from_powers(
    {
        18: "argmax",
        16: "clone",
        13: "unslice reshape flat_index",
        10: "cumsum cumprod cummax argsort argselect middle searchsorted fold pad concat",
        9: "matmul linear linear.vjp",
        8: "gather ungather scatter scatter_add",
        6: "take mse mse.vjp layer_norm layer_norm.fwd layer_norm.vjp batch_norm batch_norm.fwd "
        "batch_norm.vjp cross_entropy cross_entropy.fwd cross_entropy.vjp",
    }
)
RANDOM = ["random_bits", "uniform", "normal", "integers"]  # of no arrays
MADE = from_powers({16: "full iota"})  # of none either, but fewer elements are numpy's
ALWAYS = [  # what numpy has no kernel for, or none that is ever faster
    *[f"{name}{which}" for name in ("gelu", "gelu_tanh", "silu") for which in ("", ".fwd", ".vjp")],
    *(
        "attention attention.fwd attention.vjp max_pool max_pool.fwd max_pool.vjp sum_pool "
        "conv conv.vjp conv_transpose conv_transpose.vjp untake dropout var adam sgd "
        "sgd_plain addcmul max.vjp prod.vjp"
    ).split(),
    *RANDOM,
]
LEAST = ELEMENTWISE | REDUCTIONS | SOFTMAX | OTHERS | MADE | dict.fromkeys(ALWAYS, 0)
# What numpy computes one by one, of float64, float16 and bfloat16 (numpy's characters of these): of
# 256, sinh of bfloat16 takes it 2.9 us, and a program 0.7.
LEAST_OF = {
    "d": from_powers({8: "sin cos"}),
    "e": from_powers({8: "atan2"}),
    "E": from_powers(
        {
            8: "asin acos atan2 sinh expm1 atanh asinh cosh acosh tan tanh log1p log10 atan pow",
            9: "exp2 log2 log sin cos",
        }
    ),
}
# What may be computed of arrays whose axes are turned, and turned back.
TURNED = {*ELEMENTWISE, *REDUCTIONS, *SOFTMAX}
VIEWS = frozenset({"reshape"})  # which numpy's kernel does by no copy if it can
# Whose numbers are worth a program each: x ** 2 is x * x, and a divisor is seen to be none of 0.
FOLDED = frozenset("pow floordiv remainder".split())


class Programs:
    """The kernel of one operation: its programs, each by the kind of arguments that it is for.

    otherwise: the kernel of what has no program; None where there is always one.
    """

    def __init__(self, backend: NumbaBackend, name: str, otherwise: Kernel | None) -> None:
        self.backend, self.op, self.otherwise = backend, operations[name], otherwise
        self.found: dict[Any, Kernel] = {}
        self.lent: dict[Any, Kernel | None] = {}
        self.count = None if self.op.variadic else len(self.op.inputs)
        self.numbers = (int, float) if name not in FOLDED else ()  # types that are no part of kinds
        self.table: Table | None = None

    def __call__(self, *given: Any, **named: Any) -> Any:
        if not self.numbers:
            given = *given[:1], *[number(x) for x in given[1:]]
        kinds: list[Any] = []  # what of the arguments decides which program runs
        for x in given[: self.count]:
            if isinstance(x, ARRAY):
                kinds += x.shape, x.strides, x.dtype
            else:
                kinds.append(type(x) if type(x) in self.numbers else exact(x))
        kinds += map(exact, named.values() if self.count is None else given[self.count :])
        key = tuple(kinds)
        run = self.found.get(key)
        if run is None:
            if len(self.found) >= KEPT:
                self.forget()
            run = self.found[key] = self.kernel(given, named)
        known = isinstance(run, BUILTIN) or run is self.otherwise
        if self.table is not None and not named and known:
            self.table.add(given, self.numbers, run, self.count)
        return run(*given)

    def over(self, numbers: Sequence[Any], arrays: list[Any], named: dict[str, Any]) -> Any:
        """The results in a list, written over the first arrays where nobody sees it, or None.

        It is as `Backend.kernels` says, and nothing but a tensor and that list holds the arrays.
        """
        key = *map(type, numbers), *map(kind, arrays), *map(exact, named.values())
        run = self.lent.get(key, self)
        if run is self:  # it is new
            if len(self.lent) >= KEPT:
                self.lent.clear()
            run = self.lent[key] = self.lending(numbers, arrays, named)
        return run and run(numbers, arrays)

    def forget(self) -> None:
        """Let go of all programs but those that `over` runs."""
        self.found.clear()
        if self.table is not None:
            self.table.clear()

    def kernel(self, given: Sequence[Any], named: dict[str, Any]) -> Kernel:
        """What does the operation on arguments of this kind, parameters by position or name."""
        n = len(given) if self.count is None else self.count
        inputs, params = given[:n], named or dict(zip(self.op.params, given[n:], strict=True))
        arrays = [isinstance(x, ARRAY) for x in inputs]
        empty = any(x.size == 0 for x, is_array in zip(inputs, arrays, strict=True) if is_array)
        if empty or 0 in params.get("shape", ()):
            return self.other(inputs, params, named)
        whole = self.otherwise
        if self.op.name in VIEWS and whole and np.may_share_memory(whole(*given), inputs[0]):
            return self.other(inputs, params, named)
        if self.op.name in TURNED:
            order = common_order([x for x in inputs if isinstance(x, ARRAY)])
            if order is not None:
                return self.on_turned(order, given[n:])
        layouts = [layout(x) if a else None for x, a in zip(inputs, arrays, strict=True)]
        scattered = [i for i, a in enumerate(arrays) if a and is_far(inputs[i], layouts[i])]
        if scattered:
            return self.on_copies(scattered, named)
        taken = [i for i, x in enumerate(inputs) if arrays[i] or type(x) in self.numbers]
        for opened in (False, True)[: 1 + self.op.has_body]:
            fused, made = self.fused(inputs, params, layouts, taken, opened=opened)
            works = native(fused)
            if works is not None:
                program = Program(fused, self.backend.workers, keeps=False, works=works)
                program.entry.scope["replay"] = self.replay(given, taken, named)
                run = program.run
                if "key" in self.op.numbers:
                    run = keyed(run, taken.index(self.op.inputs.index("key")))
                every = made is None and len(taken) == len(given) and not named
                run = run if every else calling(run, taken, made)
                if fused.checks:
                    other = self.other(inputs, params, named)
                    return direct(program, taken, made, other) or told(run, other)
                if "key" not in self.op.numbers:
                    run = direct(program, taken, made, run) or run
                return run
        return self.other(inputs, params, named)

    def lending(
        self, numbers: Sequence[Any], arrays: Sequence[Any], named: dict[str, Any]
    ) -> Kernel | None:
        """The program of numbers and arrays whose results replace the first of these, if any is."""
        given = *numbers, *arrays
        layouts = [layout(x) if isinstance(x, ARRAY) else None for x in given]
        lie = [place for place in layouts[len(numbers) :] if place and place.shape is None]
        if len(lie) < len(arrays):
            return None
        taken = range(len(given))
        fused, _ = self.fused(given, named, layouts, taken, opened=False)
        graph = fused.graph
        replaced = graph.inputs[len(numbers) :][: len(graph.outputs)]
        fused = fused._replace(graph=graph._replace(replaced=replaced))
        works = native(fused)
        if works is None:
            return None
        program = Program(fused, self.backend.workers, keeps=False, works=works)
        program.entry.scope["replay"] = self.replay(given, taken, named)
        return program.run if program.heirs else None

    def replay(
        self, given: Sequence[Any], taken: Sequence[int], named: dict[str, Any]
    ) -> Kernel | None:
        """The other kernel on what a program is given: integers beyond its own are left to it."""
        other = self.otherwise
        if other is None:
            return None
        kept = [None if i in taken else x for i, x in enumerate(given)]

        def run(*xs: Any) -> Any:
            whole = [*kept]
            for i, x in zip(taken, xs, strict=True):
                whole[i] = x
            return other(*whole, **named)

        return run

    def other(self, inputs: Sequence[Any], params: dict[str, Any], named: dict[str, Any]) -> Kernel:
        """The other kernel, given the parameters that have names; else the steps of the body."""
        other = self.otherwise
        if other is None:
            taken = [i for i, x in enumerate(inputs) if isinstance(x, ARRAY)]
            dense = [Layout(x.shape) if isinstance(x, ARRAY) else None for x in inputs]
            fused, made = self.fused(inputs, params, dense, taken, opened=True)
            run = fused.graph.program().run
            one = made is None or sum(made) == 1
            return calling((lambda *xs: run(*xs)[0]) if one else run, taken, made)
        return (lambda *given: other(*given, **named)) if named else other

    def on_turned(self, order: Sequence[int], params: Sequence[Any]) -> Kernel:
        """The kernel on arrays whose axes are put in the order in which they lie, and back."""
        kept, count = order, len(self.op.inputs)
        if self.op.name in REDUCTIONS:
            axes, keepdim = params
            kept = order if keepdim else [d for d in order if d not in axes]
            params = tuple(sorted(map(order.index, axes))), keepdim
        elif self.op.name not in ELEMENTWISE:
            params = (order.index(params[0]),)
        back = np.argsort(kept)

        def run(*given: Any) -> Any:
            xs = given[:count]
            turned = [x.transpose(order) if isinstance(x, ARRAY) and x.ndim else x for x in xs]
            z = self(*turned, *params)
            return tuple([x.transpose(back) for x in z]) if type(z) is tuple else z.transpose(back)

        return run

    def on_copies(self, which: Sequence[int], named: dict[str, Any]) -> Kernel:
        """The kernel on copies of some of its arguments, which lie where no program reads."""

        def run(*given: Any) -> Any:
            dense = list(given)
            for i in which:
                dense[i] = in_order(given[i])
            return self(*dense, **named)

        return run

    def fused(
        self,
        inputs: Sequence[Any],
        params: dict[str, Any],
        layouts: Sequence[Layout | None],
        taken: Sequence[int],
        *,
        opened: bool,
    ) -> tuple[Fused, list[bool] | None]:
        """The program; and if it has several results, which of them there are.

        taken: which inputs are those of the program.  opened: by the statement, even if there is
        native code for the whole.
        """
        if "device" in params:
            params = params | {"device": Device(self.backend.name)}  # a kernel has its index
        made: list[bool] | None = None

        def do(*given: Any) -> list[Any]:
            nonlocal made
            xs = list(inputs)
            for i, x in zip(taken, given, strict=True):
                place = layouts[i]
                xs[i] = x if place is None else place.view(x)
            op = self.op
            by_hand = opened and (op.name in self.backend.whole or op.name in KERNELS)
            z = op.statement(*xs, **params) if by_hand else op.run(tuple(xs), op.ordered(params))
            if op.name == "random_bits":  # no nest stores them as they are
                z = operations["bitwise_and"].run((z, 2**32 - 1), ())
            if not isinstance(z, (tuple, list)):
                return [z]
            made = [part is not None for part in z]
            return [part for part in z if part is not None]

        specs = []
        for i in taken:
            place = layouts[i]
            specs.append(type(inputs[i]) if place is None else Spec(place.block, inputs[i].dtype))
        unopened = self.op.name if self.op.name in KERNELS and not opened else ""
        fused = written(do, specs, self.backend.name, unopened)
        return fused, made


def number(x: Any) -> Any:
    """The number that core made an array of bfloat16, which numpy meets no number with; else x."""
    is_one = isinstance(x, ARRAY) and x.ndim == 0 and x.dtype.char == "E"
    return float(x) if is_one else x


def exact(x: Any) -> Any:
    """What tells a parameter from others: of floats their digits, as 0.0 == -0.0, nan != nan."""
    return x.hex() if isinstance(x, float) else x


def kernels(backend: NumbaBackend, small: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """The kernels of the backend: for few elements those that are given, programs for more.

    RUSHLIGHT_NUMBA_LEAST in the environment says from how many elements on, for all of them.
    """
    said = os.environ.get("RUSHLIGHT_NUMBA_LEAST")
    chosen = LEAST if said is None else dict.fromkeys(LEAST, int(said))
    by_type = LEAST_OF if said is None else {}
    small = few.kernels(small)
    found = {}
    for name, least in chosen.items():
        programs = Programs(backend, name, small.get(name))
        if name in MADE:
            found[name] = making(small[name], programs, max(least, 1))
        else:
            least_of = {code: of[name] for code, of in by_type.items() if name in of}
            kernel = None if name in RANDOM else small.get(name)
            found[name] = sized(kernel, programs, least, least_of)
    return found


def sized(small: Kernel | None, large: Programs, least: int, least_of: Mapping[str, int]) -> Kernel:
    """One kernel or another, by how many elements its arrays have.

    least_of: from how many on the large kernel takes arrays of some types, as a `Table` has it.
    """

    def run(*given: Any, **named: Any) -> Any:
        for x in given:
            if type(x) is ARRAY and x.size >= least_of.get(x.dtype.char, least):
                return large(*given, **named)
        return small(*given, **named) if small is not None else large(*given, **named)

    if large.count is None:

        def over(numbers: Sequence[Any], arrays: list[Any], named: dict[str, Any]) -> Any:
            return large.over(numbers, arrays, named) if arrays[0].size >= least else None

        run.over = over  # type: ignore[attr-defined]  # where core looks for it
        return run
    count = large.count + len(large.op.params)
    large.table = Table(large.op.name, count, least, small, run, least_of)
    return large.table.kernel


def making(small: Kernel, large: Programs, least: int) -> Kernel:
    """One kernel or another, by how many elements there will be: of a shape, or of a length."""

    def run(*given: Any) -> Any:
        *_, size, _dtype, _device = given
        n = prod(size) if isinstance(size, tuple) else size
        return large(*given) if n >= least else small(*given)

    return run


def native(fused: Fused) -> list[list[Work]] | None:
    """The works of each record; None if one calls a kernel, or a result is what was given."""
    given = {*fused.graph.inputs}
    if any(fused.outputs[z].buffer in given for z in fused.graph.outputs):
        return None
    works = [[*lowered(record)] for record in fused.records]
    called = any(isinstance(work.function, Call) for some in works for work in some)
    return None if called else works


def told(run: Kernel, other: Kernel) -> Kernel:
    """A program; where a check of it fails, the other kernel, which says what is wrong."""

    def checked(*given: Any) -> Any:
        try:
            return run(*given)
        except IndexError:
            return other(*given)

    return checked


def keyed(run: Kernel, place: int) -> Kernel:
    """The program with a key of 64 bits as a number that has a sign, as programs' numbers have."""

    def signed(*given: Any) -> Any:
        key = given[place]
        return run(*given[:place], key - 2**64 if key >= 2**63 else key, *given[place + 1 :])

    return signed


def calling(run: Kernel, taken: Sequence[int], made: Sequence[bool] | None) -> Kernel:
    """A kernel that runs a program on some of its arguments, and returns as kernels do."""
    if made is not None:
        several, one = made, sum(made) == 1

        def results(*given: Any) -> tuple[Any, ...]:
            z = run(*[given[i] for i in taken])
            found = iter([z] if one else z)
            return tuple([next(found) if there else None for there in several])

        return results
    if [*taken] == [0]:
        return lambda x, *_: run(x)
    if [*taken] == [0, 1]:
        return lambda x, y, *_: run(x, y)
    return lambda *given: run(*[given[i] for i in taken])
