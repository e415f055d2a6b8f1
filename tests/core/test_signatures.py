"""Names of arguments, their order and defaults are PyTorch's, which says itself what they are."""

import inspect

import pytest
import torch
import torch.nn.functional as torch_functional
from parity.differences import DEVIATIONS, NO_SIGNATURE, NOT_OFFERED

import rushlight as rl
from rushlight_nn import functional

# torch.<name> is the inner function of these; people call that of nn.functional.
INNER = set(
    "batch_norm binary_cross_entropy_with_logits cosine_embedding_loss dropout embedding "
    "group_norm hinge_embedding_loss instance_norm kl_div layer_norm margin_ranking_loss "
    "triplet_margin_loss".split()
)
# Names that people reach otherwise, or that stand for something else there.
OTHERS = {
    "Tensor.values": "the values of a sparse tensor there",
    "compile": "compiles functions, not models",
    "dtype": "a class there",
    "einsum": "has no signature there",
    "load": "nothing is pickled, and there is no module for it",
    "save": "nothing is pickled, and there is no module for it",
    "unique": "has no signature there",
}
ABSENT = object()


class Given:
    """What one overload takes: names in order, those by keyword only, and defaults.

    left_out: names that are not offered.
    """

    def __init__(self, left_out):
        self.names, self.keywords, self.defaults = [], [], {}
        self.left_out = left_out

    def add(self, name, by_name, *default):
        """Whether the argument is left out: what comes after it is elsewhere by place."""
        if name in self.left_out:
            return True
        (self.keywords if by_name else self.names).append(name)
        if default:
            self.defaults[name] = default[0]
        return False

    def __repr__(self):
        return f"({', '.join([*self.names, '*', *self.keywords])})"


def left_out(name, ours):
    """The arguments of a name that are not offered."""
    offered = inspect.signature(ours).parameters
    if any(given.kind is given.VAR_KEYWORD for given in offered.values()):
        return set()  # whatever the form that is not in place takes
    return {a for a, (_, names) in NOT_OFFERED.items() if name in names.split()} - {*offered}


def of_schema(schema, method, left_out):
    """An overload as it is called from Python."""
    given = Given(left_out)
    for argument in schema.arguments:
        name = argument.name
        if name == "self" and method:
            continue
        name = "input" if name == "self" else name
        default = [argument.default_value] if argument.has_default_value() else []
        given.add(name, argument.kwarg_only or name == "alpha", *default)
    if any(argument.name == "pin_memory" for argument in schema.arguments):
        given.add("requires_grad", True, False)
    return given


def public(schema, method):
    """Whether Python can call this overload: others are of lists, numbers and names of dims."""
    arguments = schema.arguments
    kinds = [str(argument.type) for argument in arguments]
    names = [argument.name for argument in arguments]
    if any(argument.is_out for argument in arguments) or "Dimname" in " ".join(kinds):
        return False
    if method and "self" not in names:
        return False
    ours = any("Tensor" in kind for kind in kinds) or "pin_memory" in names
    return ours and "reverse" not in names and "b" not in names


def of_signature(function, method, left_out):
    """A function that PyTorch has in Python."""
    given, late = Given(left_out), False
    for parameter in list(inspect.signature(function).parameters.values())[method:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = [] if parameter.default is parameter.empty else [parameter.default]
        late = late or parameter.kind is parameter.KEYWORD_ONLY
        late = given.add(parameter.name, late, *default) or late
    return given


def overloads(name, room, left_out=()):
    """Everything that PyTorch's function of this name can be given, but for what is left out."""
    method, layer = room is rl.Tensor, room is functional or name in INNER
    home = torch.Tensor if method else torch_functional if layer else torch
    theirs = getattr(home, name)
    theirs = getattr(theirs, "__wrapped__", theirs)
    if inspect.isfunction(theirs) and "boolean_dispatch" not in theirs.__qualname__:
        return [of_signature(theirs, method, left_out)]
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    return [of_schema(schema, method, left_out) for schema in schemas if public(schema, method)]


def same(ours, theirs):
    """Whether two defaults mean the same: 1 is (1, 1) of two dims, None is no length at all."""
    if theirs is None or ours is None:
        return ours is theirs or theirs == []
    if isinstance(theirs, list):
        return [ours] * len(theirs) == theirs or list(ours) == theirs
    return ours == theirs


def differences(ours, given, method):
    """What our function would not understand of this overload."""
    signature = inspect.signature(ours)
    parameters = list(signature.parameters.values())[method:]
    signature = signature.replace(parameters=parameters)
    tokens = {name: object() for name in [*given.names, *given.keywords]}
    keywords = {name: tokens[name] for name in given.keywords}
    try:
        by_name = signature.bind(**tokens).arguments
        by_place = signature.bind(*[tokens[name] for name in given.names], **keywords).arguments
    except TypeError as error:
        yield f"{given}: {error}"
        return
    for name in given.names:
        if by_place.get(name, ABSENT) is not by_name.get(name, ABSENT):
            yield f"{given}: {name} stands elsewhere in {signature}"
    for name in given.defaults:
        parameter = signature.parameters.get(name)
        if parameter is None:  # taken by **options
            continue
        if parameter.default is parameter.empty:
            yield f"{given}: {name} has no default in {signature}"


def wrong_defaults(ours, found):
    """Defaults that no overload has."""
    for name, parameter in inspect.signature(ours).parameters.items():
        theirs = [given.defaults[name] for given in found if name in given.defaults]
        if (
            theirs
            and parameter.default is not parameter.empty
            and not any(same(parameter.default, default) for default in theirs)
        ):
            yield f"default {theirs[0]!r} of {name} in {parameter}"


def functions_of(room, theirs):
    """Names of functions that both have."""
    found = [(name, getattr(room, name)) for name in sorted(dir(room)) if name not in OTHERS]
    return [
        name
        for name, value in found
        if not name.startswith("_") and callable(value) and not isinstance(value, type)
        if hasattr(theirs, name)
    ]


def compared(name, room, ours=None):
    """All differences that are not in the table, and the entries of the table that were met."""
    ours = ours or getattr(room, name)
    found = overloads(name, room, left_out(name, ours))
    told = [text for given in found for text in differences(ours, given, room is rl.Tensor)]
    told += wrong_defaults(ours, found)
    known = {(n, part) for n, part in DEVIATIONS if n == name and any(part in t for t in told)}
    return [t for t in told if not any(part in t for _, part in known)], known


FUNCTIONS = functions_of(rl, torch)
METHODS = [n for n in functions_of(rl.Tensor, torch.Tensor) if f"Tensor.{n}" not in OTHERS]
FUNCTIONALS = functions_of(functional, torch_functional)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_called_as_pytorchs(name):
    assert compared(name, rl)[0] == []


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_called_as_pytorchs(name):
    assert compared(name, rl.Tensor)[0] == []


@pytest.mark.parametrize("name", FUNCTIONALS)
def test_a_function_of_layers_is_called_as_pytorchs(name):
    assert compared(name, functional)[0] == []


ALL = [
    (room, name)
    for room, names in ((rl, FUNCTIONS), (rl.Tensor, METHODS), (functional, FUNCTIONALS))
    for name in names
]


def test_the_table_lists_nothing_that_is_mended():
    met = {entry for room, name in ALL for entry in compared(name, room)[1]}
    assert met == DEVIATIONS.keys()


def test_what_is_not_offered_is_what_pytorch_has_and_nothing_here():
    met = set()
    for room, name in ALL:
        theirs = {a for given in overloads(name, room) for a in given.names + given.keywords}
        met |= {(name, a) for a in theirs & left_out(name, getattr(room, name))}
    listed = {(name, a) for a, (_, names) in NOT_OFFERED.items() for name in names.split()}
    assert met == listed


def test_every_name_is_compared_or_has_no_signature():
    assert {name for room, name in ALL if not overloads(name, room)} == {*NO_SIGNATURE}


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        ("exp", lambda x: x),
        ("sum", lambda input, keepdim=False, dim=None, *, dtype=None: input),
        ("topk", lambda input, k, dim=-1, largest=False, sorted=True: input),
        ("mul", lambda input, *, other: input),
        ("clamp", lambda input, min, max=None: input),
    ],
)
def test_a_planted_difference_is_found(name, planted):
    assert compared(name, rl, planted)[0] != []
