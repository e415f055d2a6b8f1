"""Images resized, warped and cut into patches beside torch: values, gradients, errors."""

import itertools

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn
import rushlight_nn.functional as F

RNG = np.random.default_rng(11)
SEQUENCE, IMAGE, VOLUME = (RNG.normal(size=s) for s in ((2, 3, 5), (2, 2, 4, 5), (1, 2, 3, 2, 4)))
OF = {"linear": SEQUENCE, "bilinear": IMAGE, "bicubic": IMAGE, "trilinear": VOLUME}
FLAT = ("nearest", "nearest-exact", "area")
DEVICES = ["numpy", "hostile"]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # torch warns of its defaults


def close(ours, theirs, atol=1e-9):
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    narrow = theirs.dtype is not torch.float64
    if theirs.dtype is torch.bfloat16:
        ours, theirs = ours.float(), theirs.float()
    np.testing.assert_allclose(
        ours.numpy(force=True), theirs.detach().numpy(), atol=atol, rtol=1e-5 if narrow else 1e-10
    )
    assert tuple(ours.shape) == tuple(theirs.shape)


def beside(call, *inputs, order=2):
    """call(lib, functional, *inputs) in float64, with gradients of so many orders."""
    runs = []
    for lib, functional in ((rl, F), (torch, torch.nn.functional)):
        xs = [lib.tensor(x, requires_grad=True) for x in inputs]
        z = call(lib, functional, *xs)
        first = lib.autograd.grad((z**3).sum(), xs, create_graph=True)
        second = lib.autograd.grad(sum((g * g).sum() for g in first), xs) if order > 1 else ()
        runs.append([z, *first, *second])
    for ours, theirs in zip(*runs, strict=True):
        close(ours, theirs)


MODES = [(mode, x) for mode in FLAT for x in (SEQUENCE, IMAGE, VOLUME)] + list(OF.items())


@pytest.mark.parametrize(("mode", "x"), MODES, ids=[f"{mode}-{x.ndim - 2}d" for mode, x in MODES])
def test_resized_beside_torch(mode, x):
    n = x.ndim - 2
    corners = (None,) if mode in FLAT else (None, False, True)
    options = [{"size": 7}, {"size": tuple(range(3, 3 + n))}, {"size": (1,) * n}]
    options += [{"size": x.shape[2:]}, {"scale_factor": 2}, {"scale_factor": 1.7}]
    options += [{"scale_factor": (0.5, 3.0, 1.3)[:n]}]
    options += [{"scale_factor": 2.6, "recompute_scale_factor": r} for r in (False, True)]
    for how, align in itertools.product(options, corners):
        beside(lambda lib, f, x: f.interpolate(x, mode=mode, align_corners=align, **how), x)  # noqa: B023  called at once


@pytest.mark.parametrize("align", [None, False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiased_beside_torch(mode, align):
    options = [{"size": n} for n in [(5, 3), (4, 8), (20, 9), 1, IMAGE.shape[2:]]]
    options += [{"scale_factor": s} for s in (0.4, (0.6, 0.9), 2.0, (1.0, 0.5))]
    options += [{"scale_factor": 0.4, "recompute_scale_factor": True}]
    for how in options:
        how |= {"mode": mode, "align_corners": align, "antialias": True}
        beside(lambda lib, f, x: f.interpolate(x, **how), IMAGE)  # noqa: B023  called at once
    how |= {"scale_factor": (1.05, 0.5), "recompute_scale_factor": None}
    # PyTorch's gradient of this one fails its own gradcheck
    made = [
        f.interpolate(lib.tensor(IMAGE), **how)
        for lib, f in ((rl, F), (torch, torch.nn.functional))
    ]
    close(*made)


def test_every_small_length_finds_the_same_neighbours():
    for m, o in itertools.product(range(1, 13), range(1, 27)):
        x = RNG.normal(size=(1, 1, m))
        for mode in (*FLAT, "linear"):
            ours = F.interpolate(rl.tensor(x), size=o, mode=mode)
            close(ours, torch.nn.functional.interpolate(torch.tensor(x), size=o, mode=mode))
    for m, s in itertools.product(range(1, 9), (0.4, 0.75, 1.1, 1.3, 2.0, 2.4, 2.5, 3.0)):
        x = RNG.normal(size=(1, 1, m, 3))
        for mode in (*FLAT, "bilinear", "bicubic"):
            if m * s >= 1:
                how = {"scale_factor": (s, 1.3), "mode": mode}
                theirs = torch.nn.functional.interpolate(torch.tensor(x), **how)
                close(F.interpolate(rl.tensor(x), **how), theirs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "uint8"])
def test_other_types(kind, device):
    for mode in (*FLAT, "bilinear", "bicubic"):
        if kind == "uint8" and mode not in ("nearest", "nearest-exact"):
            continue
        values = np.round(IMAGE * 4) % 100
        ours = rl.tensor(values, dtype=getattr(rl, kind)).to(device)
        theirs = torch.tensor(values, dtype=getattr(torch, kind))
        atol = 0.5 if kind == "bfloat16" else 2e-4  # values up to 100, where a step is 0.5
        made = F.interpolate(ours, (3, 9), mode=mode)
        assert made.device == device
        close(made.cpu(), torch.nn.functional.interpolate(theirs, (3, 9), mode=mode), atol)


GRID = RNG.uniform(-1.6, 1.6, size=(2, 3, 4, 2))
DEEP = RNG.uniform(-1.6, 1.6, size=(1, 2, 3, 2, 3))


@pytest.mark.parametrize("align", [False, True, None])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_a_grid_beside_torch(mode, padding, align):
    for x, grid in ((IMAGE, GRID), (IMAGE[:, :, :1], GRID), (VOLUME, DEEP)):
        if x.ndim == 5 and mode == "bicubic":
            continue
        call = lambda lib, f, x, grid: f.grid_sample(x, grid, mode, padding, align)  # noqa: E731
        if mode == "nearest":  # no gradient goes to the grid; torch says so by zeros
            beside(lambda lib, f, x: call(lib, f, x, lib.tensor(grid)), x)  # noqa: B023  called at once
        else:
            second = x.ndim == 5 or mode == "bicubic"  # torch states no second derivative of these
            beside(call, x, grid, order=1 if second else 2)
            if second and align:
                few = x[:1, :1, :2, :2], grid[:1, :1, :1] if x.ndim == 4 else grid[:, :1, :1, :1]
                ours = [rl.tensor(v, requires_grad=True) for v in few]
                assert rl.autograd.gradgradcheck(lambda x, g: call(rl, F, x, g), ours)  # noqa: B023


def test_a_grid_at_the_edges_and_beyond():
    nan, inf = float("nan"), float("inf")
    grid = np.array(
        [[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0], [3.0, -3.0], [1e9, -1e9], [nan, 0.0], [inf, 0.0]]
    )
    for padding, align in itertools.product(("zeros", "border"), (False, True)):
        ours, theirs = (
            f.grid_sample(
                lib.tensor(IMAGE[:1]),
                lib.tensor(grid.reshape(1, 1, 7, 2)),
                "nearest",
                padding,
                align,
            )
            for lib, f in ((rl, F), (torch, torch.nn.functional))
        )
        close(ours[..., :5], theirs[..., :5])
        assert np.isfinite(ours.numpy()).all()


@pytest.mark.parametrize("align", [False, True, None])
def test_affine_grids_beside_torch(align):
    flat, deep = RNG.normal(size=(2, 2, 3)), RNG.normal(size=(1, 3, 4))
    beside(lambda lib, f, t: f.affine_grid(t, (2, 3, 4, 5), align), flat)
    beside(lambda lib, f, t: f.affine_grid(t, [1, 3, 2, 4, 5], align), deep)
    beside(lambda lib, f, t: f.affine_grid(t, (2, 3, 1, 1), align), flat)
    beside(
        lambda lib, f, t, x: f.grid_sample(
            x, f.affine_grid(t, x.shape, align), align_corners=align
        ),
        flat,
        IMAGE,
    )


PATCHES = [
    {"kernel_size": 2},
    {"kernel_size": (2, 3), "stride": (1, 2), "padding": (1, 0)},
    {"kernel_size": 2, "dilation": (1, 2), "padding": 1, "stride": 2},
    {"kernel_size": (4, 5)},
]


@pytest.mark.parametrize("how", PATCHES)
def test_patches_beside_torch(how):
    beside(lambda lib, f, x: f.unfold(x, **how), IMAGE)
    beside(lambda lib, f, x: f.unfold(x, **how), IMAGE[0])
    columns = torch.nn.functional.unfold(torch.tensor(IMAGE), **how).numpy()
    beside(lambda lib, f, x: f.fold(x, (4, 5), **how), columns)
    beside(lambda lib, f, x: f.fold(x, (4, 5), **how), columns[0])


def test_layers_beside_torch():
    x, columns = IMAGE, RNG.normal(size=(2, 8, 12))
    for name, args, options, given in [
        ("Upsample", (), {"scale_factor": 2}, x),
        ("Upsample", ((3, 4),), {"mode": "bilinear", "align_corners": True}, x),
        (
            "Upsample",
            (),
            {"scale_factor": 1.7, "mode": "bicubic", "recompute_scale_factor": True},
            x,
        ),
        ("UpsamplingNearest2d", (), {"scale_factor": 3}, x),
        ("UpsamplingBilinear2d", (), {"size": (5, 7)}, x),
        ("Unfold", (2,), {"stride": 2, "padding": 1}, x),
        ("Fold", ((4, 5), 2), {}, columns),
    ]:
        ours, theirs = (
            getattr(nn, name)(*args, **options),
            getattr(torch.nn, name)(*args, **options),
        )
        close(ours(rl.tensor(given)), theirs(torch.tensor(given)))
        assert ours.state_dict() == {}
        assert list(theirs.state_dict()) == []
    assert repr(nn.Upsample(size=3, mode="area")) == "Upsample(size=3, mode='area')"


def test_compiled_as_eager():
    x, grid = rl.tensor(IMAGE), rl.tensor(GRID)

    def program(x, grid):
        y = F.interpolate(x, scale_factor=1.7, mode="bicubic") ** 2
        z = F.grid_sample(x, grid, padding_mode="reflection")
        loss = y.sum() + (z**3).sum() + (F.fold(F.unfold(x, 2), (4, 5), 2) ** 2).sum()
        return rl.autograd.grad(loss, (x, grid))

    def leaves():
        return x.detach().requires_grad_(), grid.detach().requires_grad_()

    for a, b in zip(rl.compile(program)(*leaves()), program(*leaves()), strict=True):
        assert a.tolist() == b.tolist()


ERRORS = """
f.interpolate(i); f.interpolate(i, 3, 2.0); f.interpolate(i, 3, mode="cubic")
f.interpolate(i, (3, 3, 3)); f.interpolate(i, scale_factor=(1.0, 2.0, 3.0))
f.interpolate(i, 3, align_corners=True); f.interpolate(i, 3, recompute_scale_factor=True)
f.interpolate(i.long(), 3, mode="bilinear"); f.interpolate(i, 0); f.interpolate(i[:, :, :0], 3)
f.interpolate(i, scale_factor=0.01); f.interpolate(i, 3, antialias=True)
f.interpolate(i, 3, mode="area", antialias=True)
f.grid_sample(i, g[:1]); f.grid_sample(i, g[..., :1]); f.grid_sample(i, g, "cubic")
f.grid_sample(i, g, padding_mode="ones"); f.grid_sample(v, d, "bicubic"); f.grid_sample(i[0], g[0])
f.grid_sample(i, g.float()); f.affine_grid(i, (2, 3, 4, 5)); f.unfold(i, 9);
f.unfold(i, 0); f.fold(i[0], (4, 5), 3); f.fold(i[0, 0], (9, 9), 2); f.unfold(i, (1, 2, 3))
"""


@pytest.mark.parametrize(
    "text", [t.strip() for t in ERRORS.replace("\n", ";").split(";") if t.strip()]
)
def test_errors_are_those_of_torch(text):
    call = eval(f"lambda f, i, g, v, d: {text}")
    given = (IMAGE, GRID, VOLUME, DEEP)
    with pytest.raises(Exception) as theirs:  # noqa: PT011  whichever torch raises
        call(torch.nn.functional, *map(torch.tensor, given))
    with pytest.raises(rl.RushlightError, match="; ") as ours:
        call(F, *map(rl.tensor, given))
    assert isinstance(ours.value, (ValueError, RuntimeError))
    kinds = (IndexError, TypeError, ValueError, RuntimeError)
    assert isinstance(ours.value, tuple(k for k in kinds if isinstance(theirs.value, k)))


def test_messages():
    x = rl.zeros(1, 1, 4, 4)
    with pytest.raises(
        rl.ContractError, match=r"^interpolate: antialias in mode 'area'; give one of bilinear, bic"
    ):
        F.interpolate(x, 2, mode="area", antialias=True)
    with pytest.raises(
        rl.ContractError, match=r"^interpolate: float32\[1, 1, 4, 4\] in mode 'linear'; give \[b, c"
    ):
        F.interpolate(x, 2, mode="linear")
