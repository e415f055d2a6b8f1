"""Names of arguments, their order and defaults are PyTorch's, which says itself what they are."""

import inspect

import pytest
import torch
import torch.nn.functional as torch_functional

import rushlight as rl
from rushlight_nn import functional

# Arguments that nothing here has, and why.
NOT_OFFERED = {
    "out": "a result is always a new tensor",
    "layout": "all tensors are dense",
    "sparse_grad": "so are all gradients",
    "sparse": "so are all gradients",
    "memory_format": "how elements lie in memory is the backend's affair",
    "pin_memory": "there is no pinned memory",
    "out_dtype": "a product has the type of its factors",
    "compute_mode": "there is one way to compute distances",
    "implicit": "of PyTorch's own calls",
    "scale": "of PyTorch's own calls of elu",
    "input_scale": "of PyTorch's own calls of elu",
    "cudnn_enabled": "kernels are the backend's affair",
    "_stacklevel": "of PyTorch's own calls",
    "size_average": "deprecated in PyTorch",
    "reduce": "deprecated in PyTorch",
}
# What differs all the same: (name, what the difference tells) and why.
DEVIATIONS = {
    ("std", "unbiased stands elsewhere"): "in place of dim a bool is unbiased",
    ("std_mean", "unbiased stands elsewhere"): "in place of dim a bool is unbiased",
    ("var", "unbiased stands elsewhere"): "in place of dim a bool is unbiased",
    ("var_mean", "unbiased stands elsewhere"): "in place of dim a bool is unbiased",
    ("std", "default True of unbiased"): "None is True, unless there is a correction",
    ("std_mean", "default True of unbiased"): "None is True, unless there is a correction",
    ("var", "default True of unbiased"): "None is True, unless there is a correction",
    ("var_mean", "default True of unbiased"): "None is True, unless there is a correction",
    ("max", "other stands elsewhere"): "in place of dim a tensor is other",
    ("min", "other stands elsewhere"): "in place of dim a tensor is other",
    ("scatter", "value stands elsewhere"): "in place of src a number is value",
    ("arange", "end stands elsewhere"): "a lone start is end",
    ("randint", "high stands elsewhere"): "a lone low is high",
    ("randint", "size stands elsewhere"): "a lone low is high",
    ("randint_like", "high stands elsewhere"): "a lone low is high",
    ("random_", "to stands elsewhere"): "a lone low is to",
    ("repeat_interleave", "missing a required argument: 'input'"): "a lone input is repeats",
    ("uniform_", "keyword argument 'from'"): "no name in Python; give it by place",
    ("random_", "keyword argument 'from'"): "no name in Python; give it by place",
    ("view", "missing a required argument: 'size'"): "bits of another type are not offered",
    ("copy_", "missing a required argument: 'src'"): "other is the name in TorchScript only",
    ("backward", "keyword argument 'inputs'"): "autograd.grad has them",
    ("embedding", "keyword argument 'padding_idx'"): "nn.functional.embedding has it",
    ("embedding", "keyword argument 'max_norm'"): "nn.functional.embedding has it",
    ("randint", "default 4 of dtype"): "int64 is number 4 there; here None means it",
    ("randperm", "default 4 of dtype"): "int64 is number 4 there; here None means it",
    ("rrelu_", "keyword argument 'generator'"): "draws from the default stream",
    ("det", "missing a required argument: 'A'"): "A is the name in linalg",
    ("slogdet", "missing a required argument: 'A'"): "A is the name in linalg",
    ("inverse", "missing a required argument: 'A'"): "A is the name in linalg",
    ("matrix_power", "missing a required argument: 'A'"): "A is the name in linalg",
    ("cholesky_solve", "missing a required argument: 'L'"): "L is the name in the documentation",
    ("one_hot", "missing a required argument: 'tensor'"): "the name in the documentation",
    ("isin", "missing a required argument"): "the names in the documentation",
    ("result_type", "missing a required argument: 'tensor1'"): "the name in the documentation",
    ("tensor_split", "missing a required argument: 'indices_or_sections'"): "either has this name",
    ("scatter_reduce", "missing a required argument: 'reduce'"): "reduce is no deprecated one here",
    ("tril_indices", "default 4 of dtype"): "int64 is number 4 there; here None means it",
    ("triu_indices", "default 4 of dtype"): "int64 is number 4 there; here None means it",
    ("softmin", "dim has no default"): "a dim to be guessed is deprecated there",
    ("softmax", "dim has no default"): "a dim to be guessed is deprecated there",
    ("log_softmax", "dim has no default"): "a dim to be guessed is deprecated there",
    ("mse_loss", "keyword argument 'weight'"): "weights are not offered",
    ("l1_loss", "keyword argument 'weight'"): "weights are not offered",
    ("meshgrid", "default None of indexing"): "'ij' is what None means, with a warning",
}
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
    """What one overload takes: names in order, those by keyword only, and defaults."""

    def __init__(self):
        self.names, self.keywords, self.defaults = [], [], {}

    def add(self, name, by_name, *default):
        if name in NOT_OFFERED:
            return name != "reduce"  # what comes after it is elsewhere by place
        (self.keywords if by_name else self.names).append(name)
        if default:
            self.defaults[name] = default[0]
        return False

    def __repr__(self):
        return f"({', '.join([*self.names, '*', *self.keywords])})"


def of_schema(schema, method):
    """An overload as it is called from Python."""
    given = Given()
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


def of_signature(function, method):
    """A function that PyTorch has in Python."""
    given, late = Given(), False
    for parameter in list(inspect.signature(function).parameters.values())[method:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        default = [] if parameter.default is parameter.empty else [parameter.default]
        late = late or parameter.kind is parameter.KEYWORD_ONLY
        late = given.add(parameter.name, late, *default) or late
    return given


def overloads(name, room):
    """Everything that PyTorch's function of this name can be given."""
    method, layer = room is rl.Tensor, room is functional or name in INNER
    home = torch.Tensor if method else torch_functional if layer else torch
    theirs = getattr(home, name)
    theirs = getattr(theirs, "__wrapped__", theirs)
    if inspect.isfunction(theirs) and "boolean_dispatch" not in theirs.__qualname__:
        return [of_signature(theirs, method)]
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    return [of_schema(schema, method) for schema in schemas if public(schema, method)]


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
    ours, found = ours or getattr(room, name), overloads(name, room)
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


def test_the_table_lists_nothing_that_is_mended():
    rooms = ((rl, FUNCTIONS), (rl.Tensor, METHODS), (functional, FUNCTIONALS))
    met = {entry for room, names in rooms for name in names for entry in compared(name, room)[1]}
    assert met == DEVIATIONS.keys()


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
