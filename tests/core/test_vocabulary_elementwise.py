"""Functions of each element and over dims, and their in-place forms, beside torch."""

import numpy as np
import pytest
import torch

import rushlight as rl
from rushlight.errors import ContractError

ROWS = [[0.5, -1.25, 2.0], [3.5, 0.25, -0.75]]
POSITIVE = [[0.5, 1.25, 2.0], [3.5, 0.25, 0.75]]


def assert_like(ours, theirs, rtol=1e-6):
    """Equal in shape, element type and values; nan equals nan."""
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=rtol, atol=rtol / 10)


IN_PLACE = {
    **{f"{name}_": (POSITIVE, ()) for name in ("log", "sqrt", "rsqrt", "reciprocal")},
    **{
        f"{name}_": (ROWS, ())
        for name in "abs neg exp sin cos tanh erf floor sign relu sigmoid square".split()
    },
    **{f"{name}_": (ROWS, (0.25,)) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "logical_not_": (ROWS, ()),
    "pow_": (ROWS, (2,)),
    "remainder_": (ROWS, (2,)),
    "clip_": (ROWS, (-0.5, 1.0)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_in_place_form_has_torchs_values_and_gradients(name):
    rows, given = IN_PLACE[name]
    found = []
    for lib in (rl, torch):
        leaf = lib.tensor(rows, requires_grad=True)
        x = leaf * 1.0
        assert getattr(x, name)(*given) is x
        ((x * x).sum() + leaf.sum()).backward()  # steps have the gradient 0 here, or none
        found.append((x, leaf.grad))
    (ours, gradient), (theirs, other) = found
    assert_like(ours, theirs)
    assert_like(gradient, other)


@pytest.mark.parametrize("lib", [rl, torch])
def test_in_place_forms_of_two_operands(lib):
    x = lib.tensor(ROWS)
    assert x.clone().masked_fill_(x > 0, 7.0).tolist() == [[7.0, -1.25, 7.0], [7.0, 7.0, -0.75]]
    assert lib.tensor([1, 0, 2]).logical_and_(lib.tensor([1, 1, 0])).tolist() == [1, 0, 0]
    assert lib.tensor([1, 0, 2]).logical_or_(lib.tensor([1, 0, 0])).tolist() == [1, 0, 1]


@pytest.mark.parametrize("lib", [rl, torch])
def test_an_in_place_form_writes_to_the_whole(lib):
    x = lib.tensor(ROWS)
    x[0].neg_()
    assert x.tolist() == [[-0.5, 1.25, -2.0], [3.5, 0.25, -0.75]]


def test_bernoulli_in_place():
    rl.manual_seed(3)
    x = rl.zeros(1000).bernoulli_(0.25)
    assert set(x.tolist()) == {0.0, 1.0}
    assert 0.2 < x.mean().item() < 0.3
    assert rl.zeros(3).bernoulli_(rl.tensor([0.0, 1.0, 0.0])).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("name", ["exp_", "log_", "sigmoid_", "rsqrt_"])
def test_what_integers_cannot_hold_is_refused(name):
    for lib in (rl, torch):
        with pytest.raises(RuntimeError):
            getattr(lib.tensor([1, 2]), name)()


def test_another_shape_is_refused():
    with pytest.raises(ContractError, match="cannot become"):
        rl.ones(3).add_(rl.ones(2, 3))


def test_in_place_forms_are_traced():
    step = rl.compile(lambda x: (x * 1.0).exp_().clip_(0.0, 2.0))
    x = rl.tensor(ROWS)
    assert step(x).tolist() == x.exp().clip(0.0, 2.0).tolist()


WIDE = [[0.5, -1.25, 2.0], [3.0, 0.0, -3.0]]
WITHIN = [[0.5, -0.25, 0.75], [0.1, -0.9, 0.3]]
ODD = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1.5]

# name: the inputs, and what else it is given
CALLS = {
    **{
        f"{name}": ([WIDE], {})
        for name in """
        ceil trunc round frac sgn expm1 exp2 tan sinh cosh atan hardswish hardsigmoid relu6
        hardtanh mish logsigmoid softsign celu selu nan_to_num
        """.split()
    },
    **{name: ([POSITIVE], {}) for name in ("log1p", "log2", "log10")},
    **{name: ([WITHIN], {}) for name in ("asin", "acos")},
    **{
        name: ([WIDE, [0.5, -2.25, 1.5]], {})
        for name in "atan2 logaddexp hypot fmod fmax fmin".split()
    },
    "xlogy": ([WIDE, [0.5, 2.25, 1.5]], {}),
    "logit": ([[0.25, 0.5, 0.9]], {}),
    "logit bounded": ([[0.25, 0.1, 0.9]], {"eps": 0.2}),
    "round to decimals": ([[1.2345, -1.235, 0.125]], {"decimals": 2}),
    "round to tens": ([[15.0, 25.0, -14.9]], {"decimals": -1}),
    "hardtanh of bounds": ([WIDE], {"min_val": -0.5, "max_val": 2.0}),
    "celu of alpha": ([WIDE], {"alpha": 1.5}),
    "elu": ([WIDE], {"alpha": 1.5}),
    "prelu": ([WIDE, [0.25]], {}),
    "prelu of channels": ([WIDE, [0.25, 0.5, -0.25]], {}),
    "lerp": ([WIDE, POSITIVE], {"weight": 0.75}),
    "lerp of near": ([WIDE, POSITIVE], {"weight": 0.25}),
    "lerp of weights": ([WIDE, POSITIVE, [0.25, 0.75, 1.0]], {}),
    "addcmul": ([WIDE, POSITIVE, WITHIN], {"value": 0.5}),
    "addcdiv": ([WIDE, POSITIVE, WITHIN], {"value": 0.5}),
    "clamp_min": ([WIDE], {"min": 0.0}),
    "clamp_max": ([WIDE], {"max": 0.5}),
    "nan_to_num of bounds": ([WIDE], {"nan": 1.0, "posinf": 2.0, "neginf": -2.0}),
}


def called(lib, name, *inputs, **options):
    """The function of this name, in torch perhaps in nn.functional."""
    name = name.split()[0]
    where = lib if lib is rl or hasattr(lib, name) else torch.nn.functional
    return getattr(where, name)(*inputs, **options)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_two_gradients_are_torchs(name, dtype):
    rows, options = CALLS[name]
    found = []
    for lib in (rl, torch):
        xs = [lib.tensor(x, dtype=getattr(lib, dtype), requires_grad=True) for x in rows]
        z = called(lib, name, *xs, **options)
        more = sum((x * x * x).sum() for x in xs)
        once = lib.autograd.grad((z * z).sum() + more, xs, create_graph=True)
        if name == "hardsigmoid":  # torch has no second one
            found.append((z, *once))
            continue
        twice = lib.autograd.grad(sum((g * g).sum() for g in once), xs)
        found.append((z, *once, *twice))
    for ours, theirs in zip(*found, strict=True):
        exact = dtype == "float64" and name != "hardsigmoid"  # torch holds its 1 / 6 as float32
        assert_like(ours, theirs, rtol=1e-12 if exact else 1e-5)


@pytest.mark.parametrize("name", [n for n in CALLS if "prelu" not in n and "logit" not in n])
def test_odd_values_are_torchs(name):
    rows, options = CALLS[name]
    columns = [[ODD], [[x] for x in ODD], [[0.25]]]
    found = [
        called(lib, name, *[lib.tensor(x) for x in columns[: len(rows)]], **options)
        for lib in (rl, torch)
    ]
    assert_like(*found, rtol=1e-5)


@pytest.mark.parametrize("name", "ceil trunc round sgn nan_to_num exp2 log1p atan tan".split())
@pytest.mark.parametrize("dtype", ["int64", "uint8"])
def test_of_integers(name, dtype):
    ours, theirs = (
        called(lib, name, lib.tensor([1, 0, 7], dtype=getattr(lib, dtype))) for lib in (rl, torch)
    )
    assert_like(ours, theirs)


@pytest.mark.parametrize("name", ["fmod", "fmax", "fmin", "atan2", "hypot"])
def test_of_mixed_types(name):
    if name == "hypot":
        ours, theirs = (
            called(lib, name, lib.tensor([1.0, 2.0]), lib.tensor(3.0, dtype=lib.float64))
            for lib in (rl, torch)
        )
    else:
        ours, theirs = (
            called(lib, name, lib.tensor([7, -7, 2]), lib.tensor([2.5, 2.5, -3.0]))
            for lib in (rl, torch)
        )
    assert_like(ours, theirs)


def test_fmod_has_the_sign_of_the_dividend():
    for lib in (rl, torch):
        assert lib.fmod(lib.tensor([7, -7, 7]), 3).tolist() == [1, -1, 1]
        assert lib.tensor([7.5, -7.5]).fmod(lib.tensor([-2.0, 2.0])).tolist() == [1.5, -1.5]


@pytest.mark.parametrize("device", ["numpy", "hostile"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int64"])
def test_fmod_of_integers_at_the_ends_of_their_type(dtype, device):
    given = torch.iinfo(getattr(torch, dtype))
    values = sorted({given.min, given.min + 1, given.max, given.max - 1, 0, 1, 2, 3, 7})
    values += [] if dtype == "uint8" else [-1, -3, -7]
    x = torch.tensor(values, dtype=getattr(torch, dtype))
    y = x[x != 0]
    z = rl.tensor(values, dtype=getattr(rl, dtype), device=device)
    w = rl.tensor(y.tolist(), dtype=z.dtype, device=device)
    for run in rl.fmod, rl.compile(rl.fmod):
        left = run(z[:, None], w[None])
        assert left.dtype is z.dtype
        assert left.tolist() == torch.fmod(x[:, None], y[None]).tolist()
        assert run(z, 3).tolist() == torch.fmod(x, 3).tolist()


@pytest.mark.parametrize("decimals", [1, 2, -1, -3])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_round_of_narrow_types_is_rounded_once(dtype, decimals):
    values = [65504.0, 60000.0, 3.14159, 0.12345, 1234.5, -2.675, 0.05, -1e-3, float("inf")]
    ours, theirs = (
        lib.round(lib.tensor(values, dtype=getattr(lib, dtype)), decimals=decimals)
        for lib in (rl, torch)
    )
    assert ours.dtype is getattr(rl, dtype)
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("options", [{}, {"equal_nan": True}, {"rtol": 0.5}, {"atol": 10.0}])
def test_close(options):
    x = [*ODD, 1.0, 100.0]
    y = [*ODD[:3], 1e-9, 0.0, 1.0 + 1e-6, 1.0, 0.75, 2.5, float("inf"), 2.0, 101.0]
    ours, theirs = (lib.isclose(lib.tensor(x), lib.tensor(y), **options) for lib in (rl, torch))
    assert ours.tolist() == theirs.tolist()
    for lib in (rl, torch):
        assert lib.allclose(lib.tensor(x[3:6]), lib.tensor(y[3:6])) is True
        assert lib.tensor(x).allclose(lib.tensor(y)) is False
        assert lib.isclose(lib.tensor([1, 2]), lib.tensor([1, 3])).tolist() == [True, False]


REFUSED = {
    "frac": lambda lib: lib.frac(lib.tensor([1, 2])),
    "round": lambda lib: lib.round(lib.tensor([1, 2]), decimals=1),
    "fmod": lambda lib: lib.fmod(lib.ones(2), lib.ones(3)),
    "lerp": lambda lib: lib.lerp(lib.tensor([1, 2]), lib.tensor([1, 2]), 0.5),
    "lerp of types": lambda lib: lib.lerp(lib.ones(2), lib.ones(2, dtype=lib.float64), 0.5),
    "addcdiv": lambda lib: lib.addcdiv(lib.ones(2), lib.tensor([1, 2]), lib.tensor([1, 2])),
    "isclose": lambda lib: lib.isclose(lib.ones(2), lib.ones(2, dtype=lib.float64)),
    "allclose": lambda lib: lib.allclose(lib.ones(2), lib.ones(2), rtol=-1.0),
    "prelu": lambda lib: lib.prelu(lib.ones(2, 3), lib.ones(2)),
    "celu": lambda lib: lib.celu(lib.ones(2), 0.0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_torch_refuses_is_refused_by_name(name):
    with pytest.raises(RuntimeError):
        REFUSED[name](torch)
    with pytest.raises(ContractError, match=f"^{name.split()[0]}: "):
        REFUSED[name](rl)


@pytest.mark.parametrize("name", CALLS)
def test_compiled_is_eager(name):
    rows, options = CALLS[name]
    xs = [rl.tensor(x) for x in rows]
    compiled = rl.compile(lambda *xs: called(rl, name, *xs, **options))
    assert compiled(*xs).tolist() == called(rl, name, *xs, **options).tolist()


MATRIX = [[0.5, -1.25, 2.0], [3.0, 0.75, -3.0], [0.25, 1.5, -0.5]]
ZEROS = [[0.0, 0.0], [0.0, 2.0]]

# name: the input, and what else it is given
OVER = {
    "aminmax": {},
    "aminmax along": {"dim": 0, "keepdim": True},
    "var_mean": {},
    "var_mean along": {"dim": 1, "correction": 0},
    "std_mean": {"dim": (0, 1), "keepdim": True},
    "std_mean biased": {"unbiased": False},
    "cumsum": {"dim": 1},
    "cumsum backward": {"dim": -2},
    "cumprod": {"dim": 0},
    "logcumsumexp": {"dim": 1},
    "cummax": {"dim": 1},
    "cummin": {"dim": 0},
    "trace": {},
    "median": {},
    "median along": {"dim": 1},
    "median kept": {"dim": 0, "keepdim": True},
    "nansum": {"dim": 1},
    "norm": {},
    "norm of 1": {"p": 1, "dim": 0},
    "norm of 3": {"p": 3, "dim": 1, "keepdim": True},
    "norm of a fraction": {"p": 0.5, "dim": 1},
    "norm of less than 0": {"p": -2.0},
    "norm of inf": {"p": float("inf"), "dim": (0, 1)},
    "norm of -inf": {"p": -float("inf")},
    "logsumexp": {"dim": (0, 1)},
}


def results(z):
    """All results of a call."""
    return list(z) if isinstance(z, tuple) else [z]


@pytest.mark.parametrize("name", OVER)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reductions_and_scans_are_torchs(name, dtype):
    found = []
    for lib in (rl, torch):
        x = lib.tensor(MATRIX, dtype=getattr(lib, dtype), requires_grad=True)
        zs = results(called(lib, name, x, **OVER[name]))
        loss = sum((z * z * (i + 1)).sum() for i, z in enumerate(zs) if z.is_floating_point())
        (once,) = lib.autograd.grad(loss + (x * x * x).sum(), x, create_graph=True)
        (twice,) = lib.autograd.grad((once * once).sum(), x)
        found.append((*zs, once, twice))
    for ours, theirs in zip(*found, strict=True):
        assert_like(ours, theirs, rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize(
    "name", [n for n in OVER if not n.startswith(("logsumexp", "trace", "median"))]
)
def test_reductions_of_zeros_are_torchs(name):
    found = []
    for lib in (rl, torch):
        x = lib.tensor(ZEROS, requires_grad=True)
        zs = results(called(lib, name, x, **OVER[name]))
        sum(z.sum() for z in zs if z.is_floating_point()).backward()
        found.append((*zs, x.grad))
    for ours, theirs in zip(*found, strict=True):
        assert_like(ours, theirs)


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "logcumsumexp"])
def test_scans_of_odd_values_are_torchs(name):
    for row in (ODD[::-1], ODD[2:], [1.0, float("nan"), 3.0, float("nan"), 2.0], [], [5.0]):
        ours, theirs = (results(called(lib, name, lib.tensor(row), 0)) for lib in (rl, torch))
        for z, w in zip(ours, theirs, strict=True):
            assert_like(z, w)
    ours, theirs = (results(called(lib, name, lib.tensor(2.0), 0)) for lib in (rl, torch))
    assert_like(ours[0], theirs[0])


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax", "cummin", "trace"])
@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
def test_scans_of_integers_are_torchs(name, dtype):
    options = {} if name == "trace" else {"dim": 1}
    rows = [[3, 1, 100], [3, 100, 7]]
    found = [
        results(called(lib, name, lib.tensor(rows, dtype=getattr(lib, dtype)), **options))
        for lib in (rl, torch)
    ]
    for ours, theirs in zip(*found, strict=True):
        assert_like(ours, theirs)


@pytest.mark.parametrize("lib", [rl, torch])
def test_counts_and_types(lib):
    x = lib.tensor([[1.0, 0.0, 2.0], [0.0, 0.0, float("nan")]])
    assert x.count_nonzero().item() == 3
    assert lib.count_nonzero(x, dim=0).tolist() == [1, 0, 2]
    assert lib.norm(lib.tensor([3.0, 4.0]), dtype=lib.float64).dtype is lib.float64
    assert lib.norm(lib.tensor([3.0, 0.0, 4.0]), p=0).item() == 2.0
    assert lib.cumsum(lib.tensor([1, 2]), 0, dtype=lib.float64).dtype is lib.float64
    low, high = lib.aminmax(lib.tensor([3, 1, 2]))
    assert (low.item(), high.item()) == (1, 3)
    assert lib.tensor([1.0, 3.0]).cummax(0).indices.tolist() == [0, 1]
    assert lib.tensor([1.0, 3.0]).cumsum_(0).tolist() == [1.0, 4.0]


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 3.0, float("inf")])
def test_distances_are_torchs(p):
    found = []
    for lib in (rl, torch):
        x = lib.tensor(MATRIX, dtype=lib.float64, requires_grad=True)
        y = lib.tensor([MATRIX[:2], MATRIX[1:]], dtype=lib.float64)
        zs = [lib.cdist(x, y, p=p), lib.dist(x[0], y, p)]
        sum(((z * z).sum() for z in zs), (x * x).sum()).backward()
        found.append((*zs, x.grad))
    for ours, theirs in zip(*found, strict=True):
        assert_like(ours, theirs, rtol=1e-7 if p == 2.0 else 1e-12)  # torch takes a product for 2


REFUSED_OVER = {
    "norm": lambda lib: lib.norm(lib.tensor([1, 2])),
    "trace": lambda lib: lib.trace(lib.ones(2)),
    "cdist": lambda lib: lib.cdist(lib.ones(2, 3), lib.ones(2, 4)),
    "cdist of less than 0": lambda lib: lib.cdist(lib.ones(2, 3), lib.ones(2, 3), p=-1.0),
    "aminmax": lambda lib: lib.aminmax(lib.ones(0)),
    "logcumsumexp": lambda lib: lib.logcumsumexp(lib.tensor([1, 2]), 0),
    "dist": lambda lib: lib.dist(lib.ones(2), lib.ones(3)),
}


@pytest.mark.parametrize("name", REFUSED_OVER)
def test_what_torch_refuses_to_reduce_is_refused_by_name(name):
    with pytest.raises(RuntimeError):
        REFUSED_OVER[name](torch)
    with pytest.raises(ContractError, match=f"^{name.split()[0]}: "):
        REFUSED_OVER[name](rl)


@pytest.mark.parametrize("name", OVER)
def test_compiled_reductions_are_eager(name):
    x = rl.tensor(MATRIX)
    compiled = rl.compile(lambda x: results(called(rl, name, x, **OVER[name])))
    eager = results(called(rl, name, x, **OVER[name]))
    assert [z.tolist() for z in compiled(x)] == [z.tolist() for z in eager]


def test_a_dim_out_of_range_is_an_index_error():
    for lib in (rl, torch):
        with pytest.raises(IndexError):
            lib.cumsum(lib.ones(2), 1)
        with pytest.raises(IndexError):
            lib.cummax(lib.ones(2), -2)


@pytest.mark.parametrize("lib", [rl, torch])
def test_medians(lib):
    nan = float("nan")
    assert lib.median(lib.tensor([4, 1, 3, 2])).item() == 2
    assert lib.tensor([[4, 1, 3], [9, 8, 7]]).median(1).values.tolist() == [3, 8]
    values, indices = lib.median(lib.tensor([[1.0, nan, 0.0, nan], [3.0, 1.0, 0.0, 2.0]]), -1)
    assert np.isnan(values[0].item())
    assert (values[1].item(), indices.tolist()) == (1.0, [1, 1])
    assert lib.tensor(2.0).median(0).values.item() == 2.0
    assert lib.nansum(lib.tensor([1.0, nan, 2.0])).item() == 3.0


@pytest.mark.parametrize("lib", [rl, torch])
def test_other_names_of_the_same(lib):
    x, y = lib.tensor([3.0, -4.0]), lib.tensor([2.0, 3.0])
    assert lib.multiply(x, y).tolist() == [6.0, -12.0]
    assert lib.subtract(x, y, alpha=2).tolist() == [-1.0, -10.0]
    assert lib.divide(x, y, rounding_mode="floor").tolist() == [1.0, -2.0]
    assert lib.floor_divide(x, y).tolist() == [1.0, -2.0]
    assert (lib.negative(x).tolist(), lib.absolute(x).tolist()) == ([-3.0, 4.0], [3.0, 4.0])
    assert lib.greater(x, y).tolist() == lib.not_equal(x, 3.0).logical_not().tolist()
    assert lib.logical_xor(x > 0, y > 0).tolist() == [False, True]
    assert x.multiply(y).absolute().tolist() == [6.0, 12.0]
    bits = lib.tensor([6, 5])
    assert bits.bitwise_and_(lib.tensor([3, 3])).tolist() == [2, 1]
    assert bits.bitwise_or_(lib.tensor([4, 4])).tolist() == [6, 5]


def test_numpys_integers_are_dims_of_extremes():
    x = rl.arange(6.0).reshape(2, 3)
    assert x.max(np.int64(1)).values.tolist() == [2.0, 5.0]
    assert rl.min(x, np.int32(0)).values.tolist() == [0.0, 1.0, 2.0]
    assert x.max(rl.tensor(1)).tolist() == [[1.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
