"""Functions of product, statistics, placing and promotion beside torch, and of their neighbours."""

import itertools
import math

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import rushlight as rl

RNG = np.random.default_rng(3)
DEVICES = ["numpy", "hostile"]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns of its defaults
GIVEN = {
    "x": RNG.permutation(12).reshape(3, 4) / 4 - 1.2,
    "y": RNG.permutation(12).reshape(4, 3) / 4 - 0.9,
    "v": RNG.permutation(5) / 2 - 0.9,
    "w": RNG.permutation(3) / 2 + 0.1,
    "b": RNG.permutation(24).reshape(2, 3, 4) / 8 - 1.3,
    "d": RNG.permutation(40).reshape(2, 4, 5) / 16 - 1.1,
    "s": np.array(0.7),
    "e": np.zeros((0, 3)),
    "q": RNG.permutation(9).reshape(3, 3) / 4 - 0.6,
    "r": np.array([2.0, 1.0, 1.0, 3.0, 3.0, 3.0, 2.0]),
    "u": RNG.uniform(-0.95, 0.95, size=(3, 4)),
    "p": RNG.uniform(1.1, 4.0, size=(3, 4)),
}
INDEX = {
    "i": np.array([[0, 2, 1, 0], [1, 1, 0, 2]]),
    "j": np.array([2, 0, 2]),
    "m": RNG.random((3, 4)) < 0.5,
    "k": np.array([[0, -1], [5, 3]]),
}

CALLS = """
lib.addmm(q, x, y); q.addmm(x, y, beta=0.5, alpha=2.0); lib.addmm(w, x, y, beta=2); s.addmm(x, y)
lib.addmv(w, x, x[0]); w.addmv(x, x[1], alpha=0.5); lib.baddbmm(s, b, d, beta=0.5)
b.baddbmm(b, d[:, :, :4], alpha=1.5); lib.tensordot(x, y, 1); lib.tensordot(b, d, ([2], [1]))
lib.tensordot(b, b, dims=([0, 1, 2], [0, 1, 2])); lib.tensordot(x, x); lib.tensordot(x, w, 0)
lib.tensordot(b, x, ([1, 2], [0, 1])); lib.inner(x, b); v.inner(v); lib.inner(s, x); lib.kron(x, y)
x.kron(w); lib.kron(w, b); lib.cross(q, x[:, :3]); q.cross(y[:3], dim=1); lib.cross(y, y ** 2)
lib.ger(v, w); v.ger(w); lib.vdot(v, v); v.vdot(v); lib.block_diag(x, w, s); lib.block_diag(q, e)
lib.block_diag(s); lib.cartesian_prod(v, w); lib.cartesian_prod(v, w, w); lib.cartesian_prod(v)
x.nanmean(); lib.nanmean(b, 1, True); lib.nanmean(b, (0, 2)); x.quantile(0.3); x.quantile(0.6, 1)
lib.quantile(b, 0.5, dim=1, keepdim=True); x.quantile(0.0, 0); x.quantile(1.0, -1)
x.quantile(lib.tensor([0.1, 0.7], dtype=x.dtype), 0); v.quantile(0.37, interpolation="lower")
b.quantile(lib.tensor([0.2, 0.9, 1.0], dtype=b.dtype), -1, True)
v.quantile(0.3, interpolation="higher"); v.quantile(0.3, interpolation="midpoint")
v.quantile(0.5, interpolation="midpoint"); v.quantile(0.3, interpolation="nearest")
s.quantile(0.3); x.quantile(0.4, keepdim=True); lib.nanquantile(x, 0.3, 0)
x.nanquantile(lib.tensor([0.1, 0.7], dtype=x.dtype)); x.kthvalue(2); b.kthvalue(3, 1, keepdim=True)
lib.kthvalue(s, 1); v.kthvalue(5, -1); r.mode(); x.mode(0); lib.mode(r.reshape(1, 7), 1, True)
s.mode(); b.mode(-1, keepdim=True); x.histc(); x.histc(5); lib.histc(x, bins=4, min=-1, max=1)
v.histc(3, 0.5, 0.9); (x * 0).histc(4); x.diff(); x.diff(2); lib.diff(b, 1, 0); v.diff(9)
lib.diff(x, prepend=x[:, :1], append=x); lib.diff(x, 1, 0, x[:1]); lib.trapezoid(x)
lib.trapezoid(x, dx=0.5, dim=0); lib.trapezoid(x, x[0]); lib.trapezoid(x, w, dim=0); lib.trapz(v)
lib.trapezoid(x, x ** 2); lib.trapezoid(b, b[0], dim=1); x.asinh(); lib.asinh(x * 1e3); u.atanh()
lib.atanh(s); p.acosh(); lib.acosh(p * 1e4); u.erfinv(); lib.erfinv(u / 1e4); x.deg2rad()
x.rad2deg(); lib.sinc(x); lib.sinc(x / 100); x.copysign(y.mT); x.copysign(-2.0); lib.copysign(x, s)
x.diag_embed(); v.diag_embed(2); lib.diag_embed(b, -1, 0, 2); lib.diag_embed(x, 1, -1, 0)
lib.diagflat(x); v.diagflat(-1); x.rot90(); x.rot90(2); b.rot90(3, (1, 2)); b.rot90(-1, [0, 2])
x.rot90(4); x.fliplr(); lib.flipud(v); lib.flipud(b); x.tensor_split(3, 1)
x.tensor_split((1, 3), dim=1); v.tensor_split(2); v.tensor_split([2, 9]); v.tensor_split((3, 1))
v.tensor_split([-2]); lib.tensor_split(b, 5, -1); x.split_with_sizes([1, 3], 1); lib.fill(x, 2.5)
lib.fill(x, s); lib.take(x, lib.tensor([0, 5, -1])); x.take(lib.tensor([[3], [3]]))
x.index_put((lib.tensor([0, 2]), lib.tensor([1, 3])), w[:2]); x.index_put([lib.tensor([0, 2])], s)
x.index_put([lib.tensor([0, 0, 1])], x, True)
lib.index_put(x, (lib.tensor([0, 0]), lib.tensor([1, 1])), w[:2], accumulate=True)
x.put(lib.tensor([1, 7]), w[:2]); x.put(lib.tensor([1, 1]), w[:2], True)
"""


def made(lib, text, device, dtype, grad):
    """The call on tensors of one library: what it returns, and the leaves."""
    names = [n for n in GIVEN if n in set(compile(text, "", "eval").co_names)]
    place = {"device": device} if lib is rl else {}
    xs = [lib.tensor(GIVEN[n], dtype=getattr(lib, dtype), **place) for n in names]
    xs = [x.requires_grad_(grad) for x in xs]
    z = eval(f"lambda lib, {', '.join(names)}: {text}")(lib, *xs)
    return list(z) if isinstance(z, (tuple, list)) else [z], xs


def gradients(lib, found, xs):
    """Of the sum of cubes the first gradients, and the second; 0 where there is none."""

    def pulled(total):
        if not getattr(total, "requires_grad", False):
            return [lib.zeros_like(x) for x in xs]
        grads = lib.autograd.grad(total, xs, create_graph=True, allow_unused=True)
        return [lib.zeros_like(x) if g is None else g for g, x in zip(grads, xs, strict=True)]

    first = pulled(sum((z**3).sum() for z in found if z.is_floating_point()))
    return [*first, *pulled(sum((g * g).sum() for g in first))]


def alike(ours, theirs, rtol=1e-6, atol=1e-7):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
        assert tuple(a.shape) == tuple(b.shape)
        wide = (a.float(), b.float()) if "bfloat16" in str(b.dtype) else (a, b)
        np.testing.assert_allclose(
            wide[0].numpy(force=True), wide[1].detach().numpy(), rtol=rtol, atol=atol
        )


@pytest.mark.parametrize(
    "text", [t.strip() for t in CALLS.replace("\n", ";").split(";") if t.strip()]
)
def test_beside_torch(text):
    runs = []
    for lib in (rl, torch):
        found, xs = made(lib, text, "numpy", "float64", True)
        runs.append([*found, *gradients(lib, found, xs)])
    alike(*runs)
    if "lib.tensor" not in text:
        found, _ = made(rl, text, "hostile", "float32", False)
        assert {z.device.name for z in found} == {"hostile"}
        alike([z.cpu() for z in found], made(torch, text, None, "float32", False)[0], 1e-4, 1e-4)


INTEGERS = """
lib.addmm(x, x, x); lib.tensordot(x, x, 1); lib.kron(x, x); lib.cross(x, x); lib.block_diag(x, x)
x.kthvalue(2); x.mode(); x.diff(); x.rot90(); x.diag_embed(); x.fliplr()
x.take(lib.tensor([4, -2])); x.unique_consecutive(); x.asinh(); x.deg2rad(); x.copysign(-1)
x.sinc(); lib.fill(x, 3); lib.diagflat(x); lib.trapezoid(x); x.bitwise_left_shift(2)
x.bitwise_right_shift(1); x << 1; x >> x.abs(); x << x.abs(); lib.isin(x, lib.tensor([1, 2]))
lib.isin(x, 1); lib.isin(x, lib.tensor([3]), invert=True); lib.isin(2, x); x.argwhere()
lib.argwhere(x)
"""


@pytest.mark.parametrize(
    "text", [t.strip() for t in INTEGERS.replace("\n", ";").split(";") if t.strip()]
)
@pytest.mark.parametrize("kind", ["int64", "int32", "uint8", "bool"])
def test_integers_and_bools(text, kind):
    values = np.array([[1, 0, 3], [2, 5, 1], [0, 1, 7]])
    call = eval(f"lambda lib, x: {text}")
    ours, theirs = (
        outcome(call, lib, lib.tensor(values).to(getattr(lib, kind))) for lib in (rl, torch)
    )
    if isinstance(theirs, Exception):
        assert isinstance(ours, Exception) or kind == "bool", "torch refuses this type"
        return
    assert not isinstance(ours, Exception), ours
    alike(*[list(z) if isinstance(z, (tuple, list)) else [z] for z in (ours, theirs)])


def outcome(call, *args):
    """What a call returns or raises."""
    try:
        return call(*args)
    except Exception as error:  # any, to be looked at
        return error


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
def test_scatter_reduce(reduce, include):
    index = np.array([[0, 2, 1, 0], [1, 1, 0, 2], [1, 1, 1, 1]])
    source = np.array([[1.0, -2.0, 0.5, 1.0], [3.0, 3.0, 7.0, -1.0], [3.0, 0.2, 0.3, 0.1]])
    base = np.array([[1.0, 7.0, -3.0, 0.0], [3.0, 3.0, 7.0, -1.0], [0.5, -2.0, 2.0, 1.0]])
    if not include:
        base = base + 0.03  # torch shares the gradient with an equal that takes no part
    for dim in (0, 1, -1):
        runs = []
        for lib in (rl, torch):
            xs = [lib.tensor(v, requires_grad=True) for v in (base, source)]
            z = xs[0].scatter_reduce(dim, lib.tensor(index), xs[1], reduce, include_self=include)
            runs.append([z, *lib.autograd.grad((z**3).sum(), xs)])
        alike(*runs)
        for kind in ("int64", "float32"):
            ours, theirs = (
                lib.tensor(np.round(base * 4))
                .to(getattr(lib, kind))
                .scatter_reduce_(
                    dim,
                    lib.tensor(index),
                    lib.tensor(np.round(source * 4)).to(getattr(lib, kind)),
                    reduce,
                    include_self=include,
                )
                for lib in (rl, torch)
            )
            alike([ours], [theirs])
    call = lambda a, s: a.scatter_reduce(0, rl.tensor(index), s, reduce, include_self=include)  # noqa: E731
    smooth = [rl.tensor(RNG.normal(size=(3, 4)), requires_grad=True) for _ in range(2)]
    assert rl.autograd.gradgradcheck(call, smooth)


def test_what_is_not_a_number():
    nan, inf = math.nan, math.inf
    odd = np.array([[nan, 1.0, -inf], [2.0, inf, nan], [0.0, -0.0, 1.0]])
    for text in (
        "x.nanmean()",
        "x.nanmean(0)",
        "x.quantile(0.5, 1)",
        "x.nanquantile(0.5, 0)",
        "x.nanquantile(0.3)",
        "x.kthvalue(3).values",
        "x.asinh()",
        "x.acosh()",
        "x.atanh()",
        "x.erfinv()",
        "x.sinc()",
        "x.copysign(x.flip(1))",
        "x.diff()",
        "lib.isin(x, x)",
        "lib.trapezoid(x)",
        "(x * 0).nanquantile(0.4)",
        "x.histc(4, -1, 3)",
    ):
        call = eval(f"lambda lib, x: {text}")
        alike([call(rl, rl.tensor(odd))], [call(torch, torch.tensor(odd))])
    index = np.zeros((3, 3), int)
    for reduce in ("amax", "amin", "sum", "prod", "mean"):
        ours, theirs = (
            lib.zeros(1, 3, dtype=lib.float64).scatter_reduce(
                0, lib.tensor(index), lib.tensor(odd), reduce
            )
            for lib in (rl, torch)
        )
        alike([ours], [theirs])


def test_functions_of_numbers_are_exact():
    x = np.concatenate([np.logspace(-12, 12, 97), [0.0, 1.0]])
    for name in ("asinh", "atanh", "acosh"):
        for place in DEVICES:
            kind = "float32" if place == "hostile" else "float64"
            given = np.minimum(x, 0.999999) if name == "atanh" else x + (name == "acosh")
            ours = getattr(rl.tensor(given, dtype=getattr(rl, kind)).to(place), name)().cpu()
            theirs = getattr(torch.tensor(given, dtype=getattr(torch, kind)), name)()
            step = 2.0**-23 if kind == "float32" else 2.0**-52
            # the body works with rounded squares; near 1 acosh is as inexact as 1 + x is
            alike([ours], [theirs], 8 * step, 8 * step)
    y = np.concatenate([np.linspace(-0.999999, 0.999999, 101), [1e-300, 1 - 2.0**-53, -1e-9]])
    for kind in ("float32", "float64"):
        ours = rl.tensor(y, dtype=getattr(rl, kind)).erfinv().numpy()
        theirs = torch.tensor(y, dtype=getattr(torch, kind)).erfinv().numpy()
        step = 2.0**-23 if kind == "float32" else 2.0**-52
        with np.errstate(all="ignore"):
            unsure = 4 * step * (np.abs(theirs) + np.where(np.abs(y) < 0.5, 0, np.exp(theirs**2)))
            same = (ours == theirs) | (np.abs(ours - theirs) <= unsure)  # erf is rounded to a step
        assert same.all(), (y[~same], ours[~same], theirs[~same])
    assert rl.autograd.gradgradcheck(
        rl.sinc, rl.tensor([0.0, 1e-3, 1.0], dtype=rl.float64).requires_grad_()
    )


@settings(max_examples=60, deadline=None)
@given(
    npst.arrays(np.int64, npst.array_shapes(max_dims=3, max_side=4), elements=st.integers(0, 2)),
    st.data(),
)
def test_unique_consecutive(x, data):
    dim = data.draw(st.sampled_from([None, *range(x.ndim)]))
    ours, theirs = (
        lib.unique_consecutive(lib.tensor(x), return_inverse=True, return_counts=True, dim=dim)
        for lib in (rl, torch)
    )
    alike(ours, theirs)
    assert rl.tensor(x).unique_consecutive(dim=dim).tolist() == theirs[0].tolist()


@settings(max_examples=60, deadline=None)
@given(
    npst.arrays(np.int64, npst.array_shapes(max_dims=2, max_side=6), elements=st.integers(0, 3)),
    st.data(),
)
def test_mode_and_kthvalue(x, data):
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    ours, theirs = rl.tensor(x).mode(dim), torch.tensor(x).mode(dim)
    assert ours.values.tolist() == theirs.values.tolist()
    assert (
        np.take_along_axis(x, np.expand_dims(ours.indices.numpy(), dim), dim).squeeze(dim).tolist()
        == theirs.values.tolist()
    )
    k = data.draw(st.integers(1, x.shape[dim]))
    assert (
        rl.tensor(x).kthvalue(k, dim).values.tolist()
        == torch.tensor(x).kthvalue(k, dim).values.tolist()
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=3), st.booleans(), st.integers(-9, 9))
def test_fill_diagonal(shape, wrap, value):
    shape = shape if len(shape) == 2 else shape[:1] * 3
    alike(
        [rl.ones(shape).fill_diagonal_(value, wrap)],
        [torch.ones(shape).fill_diagonal_(value, wrap)],
    )


def test_masks_and_numbers_of_elements():
    for mask in (INDEX["m"], INDEX["m"][0], INDEX["m"] & False):
        runs = []
        for lib in (rl, torch):
            xs = [lib.tensor(v, requires_grad=True) for v in (GIVEN["x"], GIVEN["d"])]
            z = xs[0].masked_scatter(lib.tensor(mask), xs[1])
            grads = lib.autograd.grad((z**3).sum(), xs, allow_unused=True)
            runs.append([z, *[g for g in grads if g is not None and g.any()]])
        alike(*runs)
    ours, theirs = (lib.tensor(GIVEN["x"]) for lib in (rl, torch))
    for lib, x in ((rl, ours), (torch, theirs)):
        x.masked_scatter_(lib.tensor(INDEX["m"]), lib.tensor(GIVEN["b"]))
        x.put_(lib.tensor(INDEX["k"]), lib.ones(2, 2, dtype=lib.float64) * 9, accumulate=True)
        x.index_put_((lib.tensor([0, 1]),), lib.tensor(7.0, dtype=lib.float64))
        x[0].addmv_(lib.ones(4, 3, dtype=lib.float64), lib.tensor(GIVEN["w"]), beta=0.5)
    alike([ours], [theirs])


def test_indices_and_shapes():
    for row, col, k in itertools.product((0, 1, 3), (0, 2, 4), (-2, 0, 1)):
        for name in ("tril_indices", "triu_indices"):
            alike([getattr(rl, name)(row, col, k)], [getattr(torch, name)(row, col, k)])
    assert rl.triu_indices(2, 2, dtype=rl.int32).dtype is rl.int32
    assert rl.broadcast_shapes((3, 1), (4,), 1, ()) == tuple(
        torch.broadcast_shapes((3, 1), (4,), 1, ())
    )
    alike(
        [rl.scalar_tensor(3), rl.scalar_tensor(2, dtype=rl.int32)],
        [torch.scalar_tensor(3), torch.scalar_tensor(2, dtype=torch.int32)],
    )


def test_element_types():
    names = ("bool", "uint8", "int16", "int64", "bfloat16", "float16", "float32", "float64")
    for a, b in itertools.product(names, names):
        ours, theirs = ([getattr(lib, n) for n in (a, b)] for lib in (rl, torch))
        assert rl.promote_types(*ours).name == str(torch.promote_types(*theirs)).removeprefix(
            "torch."
        )
        assert rl.can_cast(*ours) == torch.can_cast(*theirs), (a, b)
        for shapes in (((), (2,)), ((), ())):
            x, y = (
                lib.result_type(*[lib.zeros(s, dtype=t) for s, t in zip(shapes, ts, strict=True)])
                for lib, ts in ((rl, ours), (torch, theirs))
            )
            assert x.name == str(y).removeprefix("torch.")
        for number in (True, 2, 1.5):
            x, y = (
                lib.result_type(lib.zeros(2, dtype=t[0]), number)
                for lib, t in ((rl, ours), (torch, theirs))
            )
            assert x.name == str(y).removeprefix("torch.")
    assert rl.result_type(1, 2.5) is rl.float32
    assert rl.is_tensor(rl.zeros(1))
    assert not rl.is_tensor(1.0)
    assert rl.is_floating_point(rl.zeros(1))
    assert rl.zeros(1).long().is_floating_point() is False


def test_the_default_type():
    assert rl.get_default_dtype() is rl.float32
    try:
        rl.set_default_dtype(rl.float64)
        assert rl.get_default_dtype() is rl.float64
        assert rl.tensor(1.5).dtype is rl.zeros(1).dtype is rl.float64
        assert (rl.tensor([1]) / 2).dtype is (rl.tensor([1]) * 0.5).dtype is rl.float64
    finally:
        rl.set_default_dtype(rl.float32)
    assert (rl.tensor([1]) / 2).dtype is (rl.tensor([1]) * 0.5).dtype is rl.float32
    with pytest.raises(TypeError):
        torch.set_default_dtype(torch.int64)
    with pytest.raises(
        rl.RushlightError, match=r"^set_default_dtype: int64; give a floating type$"
    ):
        rl.set_default_dtype(rl.int64)


def test_compiled_as_eager():
    x, y = rl.tensor(GIVEN["x"]), rl.tensor(GIVEN["y"])
    index = rl.tensor([[0, 2, 1, 0]])

    def program(x, y):
        z = rl.addmm(x @ y, x, y).diff().asinh() + rl.kron(x, y).diag_embed().sum()
        z = z.sum() + x.scatter_reduce(0, index, x, "amax").sum()
        return rl.autograd.grad(z + rl.tensordot(x, y, 1).rot90().erfinv().nanmean(), (x, y))

    def leaves():
        return x.detach().requires_grad_(), y.detach().requires_grad_()

    for a, b in zip(rl.compile(program)(*leaves()), program(*leaves()), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


ERRORS = """
lib.addmm(x, x, x); lib.addmm(q, x, y.float()); lib.addmm(v, x, y); lib.addmv(w, x, v)
lib.tensordot(x, y, 2); lib.tensordot(x, x, ([0], [5])); lib.inner(x, y); lib.cross(v, v)
lib.vdot(x, x); lib.block_diag(b); lib.cartesian_prod(x); x.quantile(1.5); x.quantile(0.5, 3)
x.long().quantile(0.5); x.quantile(0.5, interpolation="a"); e.quantile(0.5); x.kthvalue(9)
x.kthvalue(0); x.kthvalue(1, 4); e.mode(0); x.long().histc(); x.histc(0); x.histc(3, 2, 1)
(x / 0).histc(3); s.diff(); x.diff(-1); x.nanmean(5); x.long().nanmean(); x.diag_embed(0, 1, 1)
x.rot90(1, (0, 0)); v.rot90(); v.fliplr(); s.flipud(); x.tensor_split(0); s.tensor_split(2)
x.split_with_sizes([1, 1], 1); x.take(w); x.take(lib.tensor([99]))
x.index_put((lib.tensor([9]),), s); x.index_put((lib.tensor([0]),), v)
x.index_put((lib.tensor([0]),), s.float()); x.put(lib.tensor([0]), s.float())
x.put(lib.tensor([50]), s); x.masked_scatter(lib.tensor([1, 0, 1, 1]), x)
x.masked_scatter(x > -9, w); x.masked_scatter(x > 0, x.float()); lib.broadcast_shapes((3,), (4,))
v.clone().fill_diagonal_(1); b.clone().fill_diagonal_(1); x << 1; x.bitwise_right_shift(2)
lib.fill(x, v); x.scatter_reduce(0, lib.tensor([[9]]), x, "amax"); x.scatter_reduce(0, x, x, "sum")
x.scatter_reduce(0, lib.tensor([[0]]), x.float(), "sum"); lib.acosh(2.0)
x.scatter_reduce(5, lib.tensor([[0]]), x, "sum"); lib.tril_indices(-1, 2)
"""


@pytest.mark.parametrize(
    "text", [t.strip() for t in ERRORS.replace("\n", ";").split(";") if t.strip()]
)
def test_errors_are_those_of_torch(text):
    names = [n for n in GIVEN if n in set(compile(text, "", "eval").co_names)]
    call = eval(f"lambda lib, {', '.join(names)}: {text}")
    ours, theirs = (
        outcome(call, lib, *[lib.tensor(GIVEN[n]) for n in names]) for lib in (rl, torch)
    )
    assert isinstance(theirs, Exception), "torch accepts it"
    assert isinstance(ours, rl.RushlightError), ours
    kinds = tuple(
        k for k in (IndexError, TypeError, ValueError, RuntimeError) if isinstance(theirs, k)
    )
    assert isinstance(ours, kinds), (ours, theirs)
    assert "; " in str(ours) or isinstance(ours, IndexError)
