"""In which type operands meet: PyTorch's rules, for every pair of types, 0-d and numbers too."""

import itertools

import numpy as np
import pytest
import torch

import rushlight as rl
from rushlight.dtypes import promote, promote_number
from rushlight.errors import ContractError

NAMES = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64".split()
FLOATING = [name for name in NAMES if "float" in name]
PAIRS = list(itertools.product(NAMES, NAMES))
KINDS = {"dimensioned": (2,), "0-d": ()}
NUMBERS = [True, 3, 2.5]
BOOL = "bool"


def ours(name, shape=(2,)):
    return rl.ones(shape, dtype=name)


def theirs(name, shape=(2,)):
    return torch.ones(shape, dtype=getattr(torch, name))


def named(dtype):
    return str(dtype).removeprefix("torch.")


@pytest.mark.parametrize(("x", "y"), PAIRS, ids=lambda name: name)
def test_two_tensors(x, y):
    for left, right in itertools.product(KINDS.values(), repeat=2):
        expected = named(torch.result_type(theirs(x, left), theirs(y, right)))
        made = ours(x, left) + ours(y, right)
        assert made.dtype.name == expected, f"{x}{list(left)} + {y}{list(right)}"
        assert made.shape == max(left, right)


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("x", NAMES)
def test_a_tensor_and_a_number(x, number, shape):
    expected = named(torch.result_type(theirs(x, shape), number))
    assert (ours(x, shape) + number).dtype.name == expected
    assert (number + ours(x, shape)).dtype.name == expected


@pytest.mark.parametrize("x", NAMES)
def test_whole_numbers_become_floats_where_an_operation_needs_them(x):
    for name in ("exp", "sqrt", "sin", "sigmoid", "tanh"):
        assert getattr(rl, name)(ours(x)).dtype.name == named(getattr(torch, name)(theirs(x)).dtype)
    for y in (*NAMES, 2, 2.5):
        left = ours(x) / (ours(y) if isinstance(y, str) else y)
        right = theirs(x) / (theirs(y) if isinstance(y, str) else y)
        assert left.dtype.name == named(right.dtype), (x, y)


@pytest.mark.parametrize(("x", "y"), PAIRS, ids=lambda name: name)
def test_other_operations_follow_the_same_rule(x, y):
    for name in ("mul", "maximum", "where", "cat", "equal", "floordiv"):
        if name == "floordiv" and BOOL in {x, y}:
            continue  # PyTorch has none
        made, expected = apply(rl, name, ours(x), ours(y)), apply(torch, name, theirs(x), theirs(y))
        assert made.dtype.name == named(expected.dtype), name


def apply(lib, name, x, y):
    match name:
        case "where":
            return lib.where(lib.tensor([True, False]), x, y)
        case "cat":
            return lib.cat([x, y])
        case "equal":
            return x == y
        case "floordiv":
            return x // y
        case _:
            return getattr(lib, name)(x, y)


def test_where_between_numbers_takes_their_type():
    choose = rl.tensor([True, False])
    for x, y in itertools.product(NUMBERS, NUMBERS):
        expected = torch.where(torch.tensor([True, False]), x, y)
        assert rl.where(choose, x, y).dtype.name == named(expected.dtype)
        assert rl.where(choose, x, y).tolist() == expected.tolist()


@pytest.mark.parametrize("x", FLOATING)
def test_gradients_return_in_the_type_of_their_input(x):
    for y in FLOATING:
        leaf = ours(x).requires_grad_()
        (leaf * ours(y)).sum().backward()
        assert leaf.grad.dtype is leaf.dtype
    leaf = ours(x, ()).requires_grad_()
    (leaf * ours("float64", (3,))).sum().backward()
    assert (leaf.grad.dtype, leaf.grad.shape) == (leaf.dtype, ())


def test_promotion_is_commutative_and_idempotent():
    types = [rl.dtype(name) for name in NAMES]
    for x, y in itertools.product(types, types):
        assert promote(x, y) is promote(y, x)
        assert promote(x, promote(x, y)) is promote(x, y)
        assert promote(x, x) is x


def test_unsigned_words_meet_as_numpys_do():
    word = rl.dtype("uint32")
    for name in NAMES:
        other = rl.dtype(name)
        expected = word if name in {"bool", "uint8"} else other
        if name.startswith("int"):
            expected = rl.int64
        assert promote(word, other) is expected, name
    assert promote_number(word, int) is word
    assert promote_number(word, float) is rl.float32


@pytest.mark.parametrize("given", [bool, int, float, "float32", "bfloat16", rl.float64], ids=str)
def test_what_stands_for_a_type(given):
    expected = {bool: "bool", int: "int64", float: "float64"}.get(given, str(given))
    assert rl.dtype(given).name == expected


@pytest.mark.parametrize("given", ["float8", "complex64", object, "U3", 3], ids=str)
def test_what_stands_for_no_type(given):
    with pytest.raises(ContractError, match=r"is no element type; choose one of bfloat16, bool, "):
        rl.dtype(given)


def test_element_types_are_numpys_own_objects():
    assert rl.float32 is np.dtype("float32")
    assert rl.bool is np.dtype("bool")
    assert (rl.float, rl.long, rl.half) == (rl.float32, rl.int64, rl.float16)
    assert rl.from_numpy(np.zeros(2, ">f4")).dtype is rl.float32
