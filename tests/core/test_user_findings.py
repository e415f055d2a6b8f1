"""What users of PyTorch stumbled over, beside PyTorch: calls of long ago, nonsense, idioms."""

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn

LIBRARIES = pytest.mark.parametrize("t", [rl, torch], ids=["rushlight", "torch"])


class TestIgnoreIndexIsNoBool:
    """Where size_average stood in PyTorch of long ago."""

    @pytest.mark.parametrize("loss", [rl.nll_loss, rl.cross_entropy])
    @pytest.mark.parametrize("given", [True, False, None])
    def test_functions(self, loss, given):
        x, target = rl.ones(2, 3), rl.tensor([0, 1])
        with pytest.raises(rl.WrongType, match=rf"{loss.__name__}: ignore_index {given}; .*'sum'"):
            loss(x, target, None, given)
        with pytest.raises(rl.WrongType, match="ignore_index"):
            loss(x, target, rl.ones(3), given)

    @pytest.mark.parametrize("layer", ["NLLLoss", "CrossEntropyLoss"])
    @pytest.mark.parametrize("given", [True, False, None])
    def test_layers(self, layer, given):
        with pytest.raises(rl.WrongType, match=rf"{layer}: ignore_index is {given}; .*'sum'"):
            getattr(rushlight_nn, layer)(None, given)

    def test_other_numbers(self):
        x, target = rl.tensor([[1.0, 2.0], [3.0, 5.0]]), rl.tensor([0, 1])
        for loss in (rl.nll_loss, rl.cross_entropy):
            wanted = loss(x, target, ignore_index=1)
            assert loss(x, target, ignore_index=np.int64(1)).item() == wanted.item()
            with pytest.raises(rl.WrongType, match=r"ignore_index 0\.5; give an integer"):
                loss(x, target, ignore_index=0.5)


def raised(f):
    """The class of error among those that PyTorch has here, or None."""
    try:
        f()
    except (IndexError, RuntimeError, TypeError) as error:
        return next(kind for kind in (IndexError, RuntimeError) if isinstance(error, kind))
    return None


INDICES = {
    "int": lambda t: 0,
    "slice": lambda t: slice(0, 1),
    "all": lambda t: ...,
    "new-dim": lambda t: None,
    "true": lambda t: True,
    "0-d": lambda t: t.tensor(0),
    "numbers": lambda t: t.tensor([0]),
    "no-numbers": lambda t: t.tensor([], dtype=t.int64),
    "list": lambda t: [0],
    "numbers-slice": lambda t: (t.tensor([0]), slice(None)),
    "int-numbers": lambda t: (0, t.tensor([0, 2])),
    "0-d-numbers": lambda t: (t.tensor(0), t.tensor([0, 2])),
    "mask-of-rows": lambda t: t.tensor([True, False]),
    "mask": lambda t: t.tensor([[True, False, True], [False, False, True]]),
    "mask-int": lambda t: (t.tensor([True, False]), 0),
    "mask-numbers": lambda t: (t.tensor([True, False]), t.tensor([0])),
}
VALUES = {
    "number": lambda t: 2.5,
    "0-d": lambda t: t.tensor(2.5),
    "one": lambda t: t.tensor([2.5]),
    "three": lambda t: t.tensor([2.5, -1.5, 7.0]),
    "int32": lambda t: t.tensor([2], dtype=t.int32),
    "same": lambda t: t.tensor([4]),
}


class TestAssignmentByTensorsConvertsNothing:
    @pytest.mark.parametrize("value", VALUES)
    @pytest.mark.parametrize("index", INDICES)
    def test_as_in_pytorch(self, index, value):
        def assigned(t):
            x = t.tensor([[1, 2, 3], [4, 5, 6]])
            i, v = INDICES[index](t), VALUES[value](t)
            return raised(lambda: x.__setitem__(i, v)), x.tolist()

        assert assigned(rl) == assigned(torch)

    def test_the_message(self):
        x = rl.tensor([1, 2, 3])
        with pytest.raises(rl.ContractError) as e:
            x[rl.tensor([0])] = rl.tensor([1.5])
        assert str(e.value) == (
            "index: float32[1] assigned by index tensors to int64[3]; convert it with .to('int64')"
        )

    def test_a_wider_type_is_no_exception(self):
        x = rl.zeros(3, dtype=rl.float64)
        with pytest.raises(rl.ContractError, match="convert it"):
            x[rl.tensor([0])] = rl.tensor([2.0])
        x[rl.tensor([True, False, True])] = rl.tensor(2.0)
        assert x.tolist() == [2.0, 0.0, 2.0]


X = rl.ones(1, 2)


REFUSED = {
    "pad-int": (lambda: rl.pad(X, 1), "pad: pad 1; give a tuple, two integers for each dim"),
    "pad-float": (
        lambda: rl.pad(X, (1.5, 1)),
        "pad: pad (1.5, 1); give integers, two for each dim",
    ),
    "einsum-int": (
        lambda: rl.einsum(1, 2),
        "einsum: 'int' without tensors; give an equation and tensors",
    ),
    "einsum-operand": (
        lambda: rl.einsum("i", 2),
        "einsum: int is not a tensor; make one with rl.tensor()",
    ),
    "where": (lambda: rl.where(1), "where: int is not a tensor; make one with rl.tensor()"),
    "max": (lambda: X.max(0.5), "max: float is not a tensor; make one with rl.tensor()"),
    "min": (lambda: X.min(0.5), "min: float is not a tensor; make one with rl.tensor()"),
    "arange": (rl.arange, "arange: no end; give where the numbers end"),
    "full": (lambda: rl.full(3, 1), "full: size 3; give a tuple, (3,)"),
    "cat": (lambda: rl.cat(X), "cat: one Tensor; give a list or tuple of tensors"),
    "stack": (lambda: rl.stack(X), "stack: one Tensor; give a list or tuple of tensors"),
    "meshgrid": (lambda: rl.meshgrid(1), "meshgrid: one int; give a list or tuple of tensors"),
    "linear": (
        lambda: rushlight_nn.Linear("a", 2),
        "Linear: in_features is 'a'; give an integer from 0",
    ),
}


class TestNonsenseIsRefused:
    @pytest.mark.parametrize("call", REFUSED)
    def test_with_a_type_error(self, call):
        wrong, sentence = REFUSED[call]
        with pytest.raises(rl.WrongType) as e:
            wrong()
        assert str(e.value) == sentence

    @pytest.mark.parametrize(
        "wrong",
        [
            lambda t: t.nn.functional.pad(t.ones(2), 1),
            lambda t: t.nn.functional.pad(t.ones(2), (1.5, 1)),
            lambda t: t.einsum(1, 2),
            lambda t: t.where(1),
            lambda t: t.ones(2).view(),
            lambda t: t.ones(2).max(0.5),
            lambda t: t.arange(),
            lambda t: t.full(3, 1),
            lambda t: t.cat(t.ones(2)),
            lambda t: t.meshgrid(1),
            lambda t: t.nn.Linear("a", 2),
        ],
    )
    def test_pytorch_has_one_too(self, wrong):
        with pytest.raises(TypeError):
            wrong(torch)

    def test_view_is_called_view(self):
        with pytest.raises(TypeError, match=r"^view\(\) missing .* argument: 'size'"):
            X.view()
        assert rl.Tensor.view.__name__ == "view"
        assert rl.Tensor.reshape.__name__ == "reshape"

    @pytest.mark.parametrize("pad", [rl.pad, torch.nn.functional.pad])
    def test_no_such_padding(self, pad):
        t = rl if pad is rl.pad else torch
        with pytest.raises(NotImplementedError, match="bogus"):
            pad(t.ones(1, 2), (1, 1), mode="bogus")

    @LIBRARIES
    def test_what_is_sense_remains(self, t):
        assert t.arange(3).tolist() == t.arange(end=3).tolist() == [0, 1, 2]
        assert t.arange(1, 3).tolist() == t.arange(start=1, end=3).tolist() == [1, 2]
        assert t.full((), 2).item() == 2
        assert t.tensor([1.0, 3.0]).max(t.tensor(2.0)).tolist() == [2.0, 3.0]
        assert t.einsum("i->", [t.ones(2)]).item() == 2


class TestIdioms:
    @pytest.mark.parametrize("shape", [(), (3,), (2, 3), (4, 1, 5), (0,), (2, 0, 3), (0, 2)])
    def test_strides_are_those_of_the_shape(self, shape):
        x, y = rl.ones(shape), torch.ones(shape)
        assert x.stride() == y.stride()
        assert [x.stride(i) for i in range(-x.ndim, x.ndim)] == [
            y.stride(i) for i in range(-y.ndim, y.ndim)
        ]
        assert x.is_contiguous() is y.is_contiguous() is True

    def test_a_turned_tensor_is_values_too(self):
        x = rl.ones(2, 3).mT
        assert x.is_contiguous()
        assert x.stride() == (2, 1)

    @LIBRARIES
    def test_no_such_dim(self, t):
        with pytest.raises(IndexError):
            t.ones(2, 3).stride(2)

    def test_type_tells_the_type(self):
        x = rl.ones(2, dtype=rl.float64)
        assert x.type() == "float64"
        assert rl.ones(2).type(x.type()).dtype is rl.float64

    @LIBRARIES
    def test_asarray(self, t):
        x = t.ones(2)
        assert t.asarray(x) is x
        assert t.asarray([1, 2]).tolist() == [1, 2]

    @pytest.mark.parametrize("name", ["absolute", "negative"])
    def test_in_place_of_one(self, name):
        def made(t):
            x = t.tensor([-1.0, 2.0])
            assert getattr(x, f"{name}_")() is x
            return x.tolist()

        assert made(rl) == made(torch)

    @pytest.mark.parametrize("name", ["multiply", "subtract", "divide", "true_divide"])
    def test_in_place_of_two(self, name):
        def made(t):
            x = t.tensor([-1.0, 2.0])
            assert getattr(x, f"{name}_")(t.tensor([4.0, 0.5])) is x
            return x.tolist()

        assert made(rl) == made(torch)

    @LIBRARIES
    def test_in_place_subtract_with_alpha(self, t):
        assert t.ones(2).subtract_(t.ones(2), alpha=2).tolist() == [-1.0, -1.0]


class TestTheSignOfWhatIsLeft:
    """A remainder of 0 has the sign of what was divided."""

    VALUES = (-0.0, 0.0, -3.0, 3.0, -4.5, 4.5, float("inf"), -float("inf"), float("nan"))
    DIVISORS = (3.0, -3.0, 1.5, -1.5, float("inf"), -float("inf"), 0.0)

    @pytest.mark.parametrize(
        ("device", "dtype"),
        [
            ("numpy", "float64"),
            ("numpy", "float32"),
            ("numpy", "float16"),
            ("numpy", "bfloat16"),
            ("hostile", "float32"),  # it has no kernels, and fewer types
            ("hostile", "bfloat16"),
        ],
    )
    @pytest.mark.parametrize("name", ["fmod", "remainder"])
    def test_beside_pytorch(self, name, dtype, device):
        def left(t, **place):
            x = t.tensor(self.VALUES, dtype=getattr(t, dtype), **place).unsqueeze(1)
            y = t.tensor(self.DIVISORS, dtype=getattr(t, dtype), **place)
            every = [getattr(x, name)(y), getattr(x, name)(3), getattr(x, name)(-1.5)]
            return [z.cpu().double().numpy() for z in every]

        for z, w in zip(left(rl, device=device), left(torch), strict=True):
            np.testing.assert_array_equal(z, w)
            known = ~np.isnan(w)
            np.testing.assert_array_equal(np.signbit(z[known]), np.signbit(w[known]))

    @pytest.mark.parametrize("name", ["fmod", "remainder"])
    def test_integers(self, name):
        def left(t):
            x, y = t.arange(-4, 5).unsqueeze(1), t.tensor([3, -3, 2, -2])
            return getattr(x, name)(y).tolist()

        assert left(rl) == left(torch)

    def test_a_number_before_and_without_dims(self):
        z, w = (-3.0 % t.tensor([3.0, -3.0]) for t in (rl, torch))
        np.testing.assert_array_equal(np.signbit(z.numpy()), np.signbit(w.numpy()))
        assert np.signbit((rl.tensor(-3.0) % 3).item())

    def test_compiled(self):
        x = rl.tensor([-0.0, -3.0, 3.0])
        z = rl.compile(lambda x: (x % 3, x.fmod(3)))(x)
        for left in z:
            assert np.signbit(left.numpy()).tolist() == [True, True, False]
