"""The straight path of every operation gives what `Meaning.apply` gives, to the last bit and slot.

On every case of the conformance suite, whichever inputs ask for a gradient, and on calls that a
straight path must leave alone: of mixed types, of numbers, of what is no tensor, of two devices.
"""

from functools import cache
from itertools import chain, product

import numpy as np
import pytest

import rushlight as rl
from rushlight import straight
from rushlight.creation import held
from rushlight.device import Device, _furnish
from rushlight.dtypes import FLOATING, as_dtype
from rushlight.eager import QUIET, RECORDING, interpreting, wrap
from rushlight.node import Leaf
from rushlight.op import operations
from rushlight.testing.cases import CASES
from rushlight.testing.conformance import Definition, definition, lacks
from rushlight.testing.refusals import REFUSALS

DEVICES = ["numpy", "hostile", "whole"]
MANY = 3  # with more floating inputs, not all subsets of them ask, but each alone and all
STATED = list(dict.fromkeys(case.op for case in CASES))
REFUSING = [name for name in STATED if any(refusal.op == name for refusal in REFUSALS)]
PASSES = [op.name for op in operations.values() if op.name.endswith(".fwd")]
OPERATIONS = [*STATED, *PASSES]


# -- devices --------------------------------------------------------------------------------------


def by_body(op):
    """A kernel of a composite: what its body gives."""

    def kernel(*given, **named):
        count = len(given) if op.variadic else len(op.inputs)
        inputs = [wrap(x, definition()) if isinstance(x, np.ndarray) else x for x in given[:count]]
        params = [
            definition() if p == 0 and n == "device" else p
            for n, p in op.named(given[count:] or op.ordered(named)).items()
        ]
        with interpreting(QUIET):
            made = op.statement(*inputs, **op.named(params))
        several = isinstance(made, tuple)
        # [()] makes a number of what has no axes, as numpy does: the path makes it an array
        data = [z if z is None else z._data[()] for z in (made if several else (made,))]
        return tuple(data) if several else data[0]

    return kernel


@cache
def device_of(name):
    """A device by name; `whole` has a kernel for every operation, of passes and bodies too.

    `twin` has numpy's arrays, so that kernels would take it for the numpy device.
    """
    if name not in {"whole", "twin"}:
        kind, _, index = name.partition(" ")
        return Device(kind, int(index or 0))
    backend = Definition()
    if name == "whole":
        backend.kernels |= {op.name: by_body(op) for op in operations.values() if op.has_body}
    return _furnish(name, backend, 0)


# -- what a call gave, in a form that can be compared ---------------------------------------------


def bits(x):
    try:
        values = x.numpy(force=True)
    except Exception as error:  # of any kind: a device may tell late what went wrong
        return type(error), str(error)
    return values.dtype.name, values.shape, values.tobytes()


def told(value):
    """A number or a parameter, by its type too: 2 is not 2.0, nor is True 1."""
    if isinstance(value, tuple):
        return tuple(map(told, value))
    return type(value).__name__, repr(value)


class Telling:
    """Names tensors and nodes by where they come from, so that two calls' graphs compare."""

    def __init__(self, inputs):
        self.inputs = [x for x in inputs if isinstance(x, rl.Tensor)]
        self.nodes = {}

    def tensor(self, x):
        """An input by its place; what the call made by all there is to it."""
        for i, given in enumerate(self.inputs):
            if x is given:
                return f"input {i}"
        if not isinstance(x, rl.Tensor):
            return told(x)
        dtype = x._data.dtype
        made = type(x), dtype, id(dtype), x._data.shape, str(x.device), type(x._data), bits(x)
        return *made, self.node(x._node)

    def node(self, node):
        if node is None:
            return None
        if isinstance(node, Leaf):
            (place,) = [f"leaf of input {i}" for i, x in enumerate(self.inputs) if x._node is node]
            return place
        if node in self.nodes:
            return f"node {self.nodes[node]}"
        self.nodes[node] = len(self.nodes)
        return {
            "op": node.op.name,
            "edges": [self.node(edge) for edge in node.edges],
            "params": told(node.params),
            "result": (tuple(node.shape), node.dtype, id(node.dtype)),
            **self.saved(node),
        }

    def saved(self, node):
        """What the node keeps; where it keeps nothing of a kind, in whichever form it says so."""
        inputs, used, result, residuals, specs = node.saved
        held = [x._data if isinstance(x, rl.Tensor) else x for x in inputs]
        (device,) = {x.device for x in self.inputs if isinstance(x, rl.Tensor)}
        return {
            "inputs": [self.tensor(x) for x in inputs if any(x is not None for x in inputs)],
            "data": [
                x is y for x, y in zip(held, used, strict=True) if x is not None or y is not x
            ],
            "keeps its result": result is not None,
            "residuals": [self.tensor(straight.wrap(r, device)) for r in residuals],
            "specs": told(tuple(specs)),
        }


def keeps_itself(z):
    """Whether the node of a result holds the result, which it then shares with it."""
    if not isinstance(z, rl.Tensor) or z._node is None or isinstance(z._node, Leaf):
        return False
    kept = z._node.saved[2]
    assert kept is None or kept is z._data, "the node keeps another result"
    return kept is not None


def outcome(call, inputs):
    """All that a call gave: its results with their nodes, or its error."""
    telling = Telling(inputs)
    before = [(x._data, x._node) for x in telling.inputs]
    try:
        made = call()
    except Exception as error:  # of any kind: it must be the same
        return type(error), str(error)
    assert before == [(x._data, x._node) for x in telling.inputs], "the call changed its inputs"
    results = made if isinstance(made, tuple) else (made,)
    return type(made), [(telling.tensor(z), keeps_itself(z)) for z in results]


def differences(paths, op, inputs, params):
    """Where a path gives other than `apply` does, recording and not."""
    for mode in (RECORDING, QUIET):
        with interpreting(mode):
            expected = outcome(lambda mode=mode: mode.apply(op, inputs, params), inputs)
            for name, path in paths.items():
                found = outcome(lambda path=path: path(inputs, params), inputs)
                if found != expected:
                    yield (
                        f"{op.name}, {name} path, {'' if mode.recording else 'not '}recording: "
                        f"{found} instead of {expected}"
                    )


def paths_of(op, kind, module=straight):
    """The ways into an operation: what users call, and what pull-backs call, with tensors only."""
    call = op.call if module is straight else module.path(op)
    run = op.run if module is straight else module.looped(op)
    if "run" in call.__code__.co_freevars and module is not straight:
        call = None  # it only puts what it is given in order, for the path that `op` has
    paths = {"named": lambda inputs, params: call(*inputs, **op.named(params))} if call else {}
    return paths | ({"ordered": run} if kind is regular or not call else {})


# -- what is called -------------------------------------------------------------------------------


def subsets(places):
    """Which inputs ask for a gradient: none, all, each alone; of few, all subsets."""
    if len(places) <= MANY:
        chosen = product([False, True], repeat=len(places))
        return [{i for i, yes in zip(places, asked, strict=True) if yes} for asked in chosen]
    return [set(), *({i} for i in places), set(places)]


def tensors(arrays, device):
    return [held(x.copy(), device) if isinstance(x, np.ndarray) else x for x in arrays]


def asking(inputs, asked):
    """The inputs anew, some of them asking."""
    made = [x.detach() if isinstance(x, rl.Tensor) else x for x in inputs]
    return tuple([x.requires_grad_() if i in asked else x for i, x in enumerate(made)])


def floating(inputs):
    return [i for i, x in enumerate(inputs) if isinstance(x, rl.Tensor) and x.dtype in FLOATING]


@cache
def cases_of(name):
    return [case for case in CASES if case.op == name.partition(".")[0]]


def regular(op, device):
    """Inputs and parameters of every case, in all its types, whichever inputs ask."""
    for case in cases_of(op.name):
        for dtype in case.types:
            if lacks(device, case.needs(dtype)):
                continue
            inputs = tensors(case.arrays(dtype), device)
            params = op.ordered(case.named(as_dtype(dtype), device))
            for asked in subsets(floating(inputs)):
                yield asking(inputs, asked), params


def numpy_numbers():
    return [np.float32(0.5), np.int64(2), np.array(1.5, "float32"), np.True_]


PLAIN = [True, False, 0, 2, -1, 300, 2**70, 0.0, 1.5, -2.5, float("nan"), float("inf")]
FOREIGN = [None, "text", [1.0, 2.0], np.ones(3, "float32"), *numpy_numbers()]
OTHER_TYPES = ["float32", "bfloat16", "int64", "uint8", "bool"]


def too_lenient(op, given):
    """Where a straight path takes what `apply` refuses, or takes it otherwise: known and wrong."""
    return bool(op.numbers) and getattr(given, "shape", None) == ()


def odd(op, device):
    """Calls in which one input is not like the others, or none is a tensor."""
    return (call[1:] for call in unlike(op, device) if not call[0])


def lenient(op, device):
    """Those among them that are known to differ."""
    return (call[1:] for call in unlike(op, device) if call[0])


def unlike(op, device):
    """The same, each behind whether it is known to differ."""
    case = cases_of(op.name)[0]
    arrays = case.arrays(case.types[0])
    params = op.ordered(case.named(as_dtype(case.types[0]), device))
    for i, x in enumerate(arrays):
        others = tensors(arrays, device)
        for number in chain(PLAIN, FOREIGN):
            known = too_lenient(op, number)
            yield known, (*others[:i], number, *others[i + 1 :]), params
        if not isinstance(x, np.ndarray):
            continue
        for dtype in OTHER_TYPES:
            with np.errstate(invalid="ignore"):  # of nan any integer will do
                odd_one = held(x.astype(as_dtype(dtype)), device)
            inputs = [*others[:i], odd_one, *others[i + 1 :]]
            for asked in subsets(floating(inputs)):
                yield False, asking(inputs, asked), params
        for place in (device_of("twin"), device_of("hostile 1")):
            if not lacks(place, case.needs(case.types[0])):
                yield False, (*others[:i], held(x.copy(), place), *others[i + 1 :]), params
    for number in (2, 0.5):
        yield False, (number,) * len(arrays), params


def refused(op, device):
    """What the operation must not accept."""
    for refusal in REFUSALS:
        case = refusal.as_case()
        if case.op == op.name and not lacks(device, case.needs("float32")):
            inputs = tensors(case.arrays("float32"), device)
            params = op.ordered(case.named(as_dtype("float32"), device))
            for asked in subsets(floating(inputs)):
                yield asking(inputs, asked), params


# -- the tests ------------------------------------------------------------------------------------


def first_difference(op, device, kind, module=straight):
    """Where a call of this kind gives other than `apply` does; None if it nowhere does."""
    found = (
        difference
        for inputs, params in kind(op, device)
        for difference in differences(paths_of(op, kind, module), op, inputs, params)
    )
    return next(found, None)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_regular_calls(name, device):
    assert first_difference(operations[name], device_of(device), regular) is None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", STATED)
def test_odd_calls(name, device):
    """What is wrong with the inputs of a pass is told by the operation that it is a pass of."""
    assert first_difference(operations[name], device_of(device), odd) is None


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", REFUSING)
def test_refused_calls(name, device):
    assert first_difference(operations[name], device_of(device), refused) is None


def test_numpys_numbers_among_the_inputs_of_optimizers():
    assert first_difference(operations["adam"], device_of("numpy"), lenient) is None


# -- planted faults -------------------------------------------------------------------------------


def form_of(op):
    """The name of the function in `straight` that made the path of an operation."""
    for make in (*straight.FORMS.values(), straight.grouped):
        for code in make.__code__.co_consts:
            if getattr(code, "co_firstlineno", 0) == op.call.__code__.co_firstlineno:
                return make.__name__
    return "looped"


FORMS = {make.__name__: [] for make in straight.FORMS.values()} | {"grouped": [], "looped": []}
for name in OPERATIONS:
    FORMS[form_of(operations[name])].append(operations[name])

KEEPS_SINGLE = "((x,), (x_,)) if keeps else ((), ())"
KEPT_OF_TWO = "(x if keep_x else None, y if keep_y else None)"
USED_OF_TWO = "(x_ if keep_x else None, y_ if keep_y else None)"
KEPT_OF_THREE = "(x if keep_x else None, y if keep_y else None, w if keep_w else None)"
USED_OF_THREE = "(x_ if keep_x else None, y_ if keep_y else None, w_ if keep_w else None)"
PLACE = "(x_node is not None) + 2 * (y_node is not None)"
SWAPPED = "2 * (x_node is not None) + (y_node is not None)"

# What an operation must be for the fault to show; what is right; what is wrong in its place.
# Left out are checks that only save the kernel, or its contract, from refusing a call.
ASKING = [
    ("constant", " and not constant", ""),
    ("has_rule", "mode.recording and not", "not"),
    ("left to its body", "(asked and opens)", "False"),
]
EVERYWHERE = [
    *ASKING,
    ("has_rule", "= op, (x_node", "= op, (None"),
    ("has_rule", "data.shape, data.dtype", "data.shape, None"),
    ("has_rule", "data.shape, data.dtype", "(), data.dtype"),
    ("keeps_result", "z._data if keeps_result else None", "None"),
]
LIFTING = [("has_rule", "device.lift(data)", "data")]
FLOATING_OF_X = [("floating", "(floating and x_.dtype not in FLOATING) or ", "")]
FLOATING_OF_BOTH = [("floating", "(floating and dtype not in FLOATING) or ", "")]
SINGLE = [
    *EVERYWHERE,
    *FLOATING_OF_X,
    ("reads inputs alone", "if keeps or keeps_result", "if keeps_result"),
    ("reads its result alone", "if keeps or keeps_result", "if keeps"),
    ("reads its result alone", KEEPS_SINGLE, "((x,), (x_,))"),
    ("reads inputs", KEEPS_SINGLE, "((), ())"),
]
FAULTS = {
    "one": [*SINGLE, *LIFTING],
    "one_with_one": [*SINGLE, *LIFTING, ("has_rule", "(x_node,), (p,)", "(x_node,), ()")],
    "one_with_two": [
        *ASKING,
        *FLOATING_OF_X,
        ("has_rule", "(x_node,), z._data", "(None,), z._data"),
        ("has_rule", "(p, q), (x_node", "(q, p), (x_node"),
        ("reads inputs", "(x,), (x_,)", "(None,), (x_,)"),
    ],
    "two": [
        *EVERYWHERE,
        *LIFTING,
        *FLOATING_OF_BOTH,
        ("has_rule", "(x_node, y_node)", "(y_node, x_node)"),
        ("has_rule", "(x_, y_)", "(y_, x_)"),
        ("has_rule", "y_.dtype is dtype and ", ""),
        ("has_rule", " and y.device is device", ""),
        ("promotes", "alike = (dtype, type(y)) in absorbs", "alike = True"),
        ("promotes", "alike = (dtype, type(x)) in absorbs", "alike = True"),
        ("reads inputs", PLACE, SWAPPED),
        ("reads inputs", "bool(asked & 1)", "False"),
        ("reads inputs", "bool(asked & 2)", "False"),
        ("reads inputs", KEPT_OF_TWO, "(x, y)"),
        ("reads inputs", KEPT_OF_TWO, "(x if keep_x else None, None)"),
        ("reads inputs", KEPT_OF_TWO, "(None, y if keep_y else None)"),
        ("reads inputs", USED_OF_TWO, "(x_ if keep_x else None, None)"),
        ("reads inputs", USED_OF_TWO, "(y_ if keep_x else None, y_ if keep_y else None)"),
        ("has_rule", "x_node is not None or y_node is not None", "x_node is not None"),
    ],
    "two_with_one": [
        *ASKING,
        ("has_rule", "(x_node, y_node), z", "(y_node, x_node), z"),
        ("has_rule", "(p,), (x_node", "(), (x_node"),
        ("has_rule", "y.device is not device", "False"),
        ("reads inputs", "(x, y), (x_, y_)", "(y, x), (x_, y_)"),
        ("reads inputs", "(x, y), (x_, y_)", "(x, y), (y_, x_)"),
        ("has_rule", "x_node is not None or y_node is not None", "y_node is not None"),
        ("forward", "asked and forward", "False"),
        ("forward", "for r in residuals", "for r in residuals[1:]"),
    ],
    "three": [
        *EVERYWHERE,
        ("has_rule", "(x_node, y_node, w_node)", "(x_node, w_node, y_node)"),
        ("has_rule", " and w.device is device", ""),
        ("has_rule", "y.device is not device", "False"),
        ("reads inputs", PLACE, SWAPPED),
        ("reads inputs", "4 * (w_node", "0 * (w_node"),
        ("reads inputs", KEPT_OF_THREE, "(x, y, w)"),
        ("reads inputs", KEPT_OF_THREE, "(None, y if keep_y else None, None)"),
        ("reads inputs", USED_OF_THREE, "(x_, y_, w_)"),
        ("has_rule", "asked = x_node is not None or ", "asked = "),
    ],
    "three_with_two": [
        *ASKING,
        ("has_rule", "(x._node, y_node, w_node)", "(x._node, w_node, y_node)"),
        ("has_rule", "(p, q), edges", "(q, p), edges"),
        ("has_rule", "y_.dtype is dtype and y.device is device", "y.device is device"),
        ("has_rule", "y_.dtype is dtype and y.device is device", "y_.dtype is dtype"),
        ("has_rule", "alike and w_.dtype is dtype and w.device is device", "w.device is device"),
        ("has_rule", " and edges != NOWHERE", ""),
        ("reads inputs", "record(op, (x, y, w)", "record(op, (x, w, y)"),
        ("reads inputs", "(x_, y_, w_), (p, q), edges", "(x_, w_, y_), (p, q), edges"),
        ("forward", "asked and forward", "False"),
        ("forward", "for r in residuals", "for r in residuals[1:]"),
    ],
    "grouped": [
        ("constant", "except AttributeError", "except ZeroDivisionError"),
        ("constant", "devices.count(device) < len(devices)", "False"),
        ("constant", "[x.dtype for x in data].count(dtype) < len(data)", "False"),
        ("constant", "(*numbers, *data,", "(*numbers, *reversed(data),"),
        ("constant", "return tuple(several_of(parts, device))", "return several_of(parts, device)"),
    ],
    "looped": [
        ("has_rule", "mode.recording and not", "not"),
        ("left to its body", "(asked and opens)", "False"),
        ("has_rule", "elif x.device is not device:", "elif False:"),
        ("forward", "forward if forward and asked else name", "name"),
        ("has_rule", "edges.append(x._node)", "edges.append(None)"),
        ("forward", "z._data, residuals)", "z._data, ())"),
        ("has_rule", "(op, inputs, data,", "(op, inputs[:-1], data[:-1],"),
        ("has_rule", "data, params, tuple(edges)", "data, params[::-1], tuple(edges)"),
        ("has_rule", "tuple(edges), z", "tuple(edges[:-1]), z"),
        (
            "is a pass",
            "return tuple(several_of(result, device))",
            "return several_of(result, device)[0]",
        ),
    ],
    "record": [
        ("has_rule", "= op, params, edges", "= op, params, edges[:-1]"),
        ("has_rule", "result.shape, result.dtype", "result.shape, None"),
        ("reads inputs", "op.keeper(edges)", "op.keeper(edges[::-1])"),
        ("keeps_specs", "if op.keeps_specs", "if False"),
        ("reads inputs", "keep((*inputs, None))", "(None,) * len(inputs)"),
        ("reads inputs", "keep((*data, None))", "tuple(data)"),
        ("keeps_result", "result if op.keeps_result else None", "None"),
        ("forward", "result, residuals, specs", "result, (), specs"),
    ],
    "made": LIFTING,
    "lifted": LIFTING,
    "several_of": [("is a pass", "device.lift(data)", "data")],
}


def shows_in(what, op):
    """Whether a fault of that kind can show in an operation."""
    reads = any(op.kept_by([True] * len(op.inputs)))
    match what:
        case "left to its body":
            return op.has_body and not op.has_rule and not op.constant and "." not in op.name
        case "constant":  # of bits no gradient is asked, and of a body apply asks for none
            left = op.has_body and not op.variadic
            return op.constant and not left and op.name != "bitwise_not"
        case "reads inputs":
            return reads
        case "reads inputs alone":
            return reads and not op.keeps_result
        case "reads its result alone":
            return op.keeps_result and not reads
        case "is a pass":
            return op.name in PASSES
    return bool(getattr(op, what))


def suspects(form, what):
    """The operations whose paths that function makes, or helps to make, in which it may show."""
    everything = [op for ops in FORMS.values() for op in ops]
    return [op for op in FORMS.get(form, everything) if shows_in(what, op)]


PLANTED = [
    (form, *fault)
    for form, faults in FAULTS.items()
    for fault in faults
    if suspects(form, fault[0])
]


def finding(form, what, module):
    """The first difference that a fault makes."""
    found = (
        first_difference(op, device_of(name), kind, module)
        for op in suspects(form, what)
        for kind in (regular, odd)
        for name in ("numpy", "whole")
        if kind is regular or op.name in STATED
    )
    return next(filter(None, found), None)


@pytest.mark.parametrize(("form", "what", "right", "wrong"), PLANTED)
def test_a_planted_fault_is_found(form, what, right, wrong, planted):
    """A form of path with one fault in it differs from `apply` somewhere."""
    assert finding(form, what, planted(straight, form, right, wrong))


def test_faults_are_planted_in_every_form():
    assert {form for form, *_ in PLANTED} == {*FORMS, "record", "made", "lifted", "several_of"}
    assert all(len([1 for form, *_ in PLANTED if form == name]) >= 5 for name in FORMS)
