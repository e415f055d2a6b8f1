"""Movement, creation and indexing beside torch: values, dtypes, gradients of two orders, errors."""

import sys

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

import rushlight as rl
import rushlight_nn.functional as F

DEVICES = ["numpy", "hostile"]
KINDS = ["float64", "float32", "bfloat16", "int64", "bool"]
SHAPES = {
    "x": (3, 4),
    "v": (5,),
    "w": (3,),
    "c": (2, 3, 5, 6),
    "s": (),
    "e": (2, 0, 3),
    "q": (3, 3),
}


def values(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.permutation(np.arange(int(np.prod(shape))) - 3.0).reshape(shape) / 2


def flat(found):
    return list(found) if isinstance(found, (tuple, list)) else [found]


def as_numpy(x):
    wide = x.detach().float() if "bfloat16" in str(x.dtype) else x.detach()
    return wide.numpy()


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype.name == str(b.dtype).removeprefix("torch.")
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(as_numpy(a), as_numpy(b), rtol=1e-5, atol=1e-6)


def beside(call, *inputs, device="numpy", kinds=KINDS, order=2):
    """call(lib, *inputs) of every type; gradients of float64, the first and the second."""
    floating = "float32" if device == "hostile" else "float64"
    for kind in kinds:
        if device == "hostile" and kind == "float64":
            continue
        ours = [rl.tensor(x, dtype=rl.float32).to(device).to(getattr(rl, kind)) for x in inputs]
        theirs = [torch.tensor(x).to(getattr(torch, kind)) for x in inputs]
        same(flat(call(rl, *ours)), flat(call(torch, *theirs)))
    if order:
        ours, theirs = (
            [
                lib.tensor(x, dtype=getattr(lib, floating), requires_grad=True, **place)
                for x in inputs
            ]
            for lib, place in ((rl, {"device": device}), (torch, {}))
        )
        same(grads(rl, call, ours, order), grads(torch, call, theirs, order))


def grads(lib, call, inputs, order):
    """Of the sum of the cubes of what call makes."""
    total = sum((z * z * z).sum() for z in flat(call(lib, *inputs)))
    first = lib.autograd.grad(total, inputs, create_graph=order > 1, allow_unused=True)
    first = [g for g in first if g is not None]
    if order == 1 or not all(g.requires_grad for g in first):
        return first
    second = lib.autograd.grad(sum((g * g).sum() for g in first), inputs, allow_unused=True)
    return [*first, *[g for g in second if g is not None]]


CALLS = """
x.repeat(2, 3); x.repeat(2, 1, 2); s.repeat(3); e.repeat(1, 2, 1)
x.tile(2); x.tile((2, 1, 3)); lib.tile(x, (2, 3)); s.tile(2)
x.repeat_interleave(2); x.repeat_interleave(3, dim=1); x.repeat_interleave(0, 0)
x.repeat_interleave(lib.tensor([1, 0, 2]), dim=0); s.repeat_interleave(3)
lib.tril(x); x.tril(1); x.tril(-1); c.triu(2); x.triu(-5); lib.triu(c, -1); e.triu()
lib.roll(x, 1); x.roll(-2, 0); x.roll((1, -1), (0, 1)); x.roll(9, 1); e.roll(1, 1); e.roll(2)
s.roll(1)
x.unbind(); lib.unbind(c, -1); e.unbind(2); x.select(0, 1); x.select(-1, -2); c.select(2, 0)
w.expand_as(q); x.view_as(x.T); lib.movedim(c, 0, -1); c.movedim((0, 1), (2, 0)); c.moveaxis(3, 1)
lib.swapdims(x, 0, 1); lib.ravel(c); lib.outer(v, w); v.dot(v); x.T.mv(w); lib.mv(x.T, w)
lib.diag(v); v.diag(2); v.diag(-1); x.diag(); x.diag(1); q.diag(-2); x.diag(7)
x.diagonal(); c.diagonal(1, 2, 3); c.diagonal(-1, -1, 0); lib.diagonal(c, 0, 3, 2); e.diagonal()
lib.hstack([x, x]); lib.hstack([v, w]); lib.vstack([w, w]); lib.vstack([x, x]); lib.dstack([x, x])
lib.dstack([w, w]); lib.column_stack([w, q]); lib.hstack((s, s)); lib.concat([x, x], 1)
lib.concatenate((x, x)); c.unfold(2, 3, 2); x.unfold(1, 2, 1); v.unfold(0, 5, 1)
lib.broadcast_tensors(w, q, s); lib.atleast_1d(s); lib.atleast_1d(s, v); lib.atleast_2d(v)
lib.atleast_2d([s, x]); lib.atleast_3d(v); lib.atleast_3d(x, s)
lib.meshgrid(v, w, indexing="ij"); lib.meshgrid(v, w, indexing="xy")
lib.meshgrid([v, w, s], indexing="xy")
x.T.tril(); c.mT.roll(1, 2); x.flip(0).repeat(1, 2); c.flip(3).diagonal(0, 2, 3)
x.type_as(x); x.swapdims(0, -1)
"""


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "text", [t.strip() for t in CALLS.replace("\n", ";").split(";") if t.strip()]
)
def test_beside_torch(text, device):
    names = [n for n in SHAPES if n in set(compile(text, "", "eval").co_names)]
    call = eval(f"lambda lib, {', '.join(names)}: {text}")
    products = any(word in text for word in ("outer", "dot(", "mv("))
    kinds = [k for k in KINDS if not (products and k in {"bool", "bfloat16"})]
    if "lib.tensor" in text and device != "numpy":
        pytest.skip("the second input is of the numpy device")
    beside(call, *[values(SHAPES[n]) for n in names], device=device, kinds=kinds)


PADS = [
    ((1, 2), "constant", 1.5), ((1, 2, 0, 3), "constant", None), ((-1, 2), "constant", None),
    ((-1, -1, 2, -1), "constant", 0.5), ((0, 0), "constant", None), ((), "constant", None),
    ((1, 2, 3, 1), "reflect", None), ((1, 2, 3, 1), "replicate", None),
    ((6, 2, 3, 1), "circular", None),
    ((7, 2, 0, 9), "replicate", None), ((-1, 2, 1, 1), "reflect", None),
    ((2, -1, 0, 1), "circular", None),
]  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("ends", "mode", "value"), PADS)
def test_pad(ends, mode, value, device):
    lib_f = {rl: F, torch: torch.nn.functional}
    kinds = ["float32", "float64"]
    beside(
        lambda lib, x: lib_f[lib].pad(x, ends, mode, value), values((2, 3, 5, 6)),
        device=device, kinds=kinds,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_pad_of_one_dim_and_of_three(mode):
    lib_f = {rl: F, torch: torch.nn.functional}
    beside(lambda lib, x: lib_f[lib].pad(x, (2, 3), mode), values((2, 3, 5)), kinds=["float32"])
    ends = (1, 1, 1, 0, 0, 1)
    beside(lambda lib, x: lib_f[lib].pad(x, ends, mode), values((1, 2, 3, 3, 3)), kinds=["float32"])


WRONG = """
x.repeat(2); x.repeat(-1, 2); x.tile(-1); x.repeat_interleave(-1)
x.repeat_interleave(lib.tensor([1, 2]), 0)
v.tril(); v.triu(); x.roll((1, 2)); x.roll((1, 2), 0); x.roll(1, 2)
x.select(0, 3); x.select(2, 0); s.select(0, 0)
s.unbind(); x.unbind(2); x.expand_as(v); x.view_as(v); x.movedim(0, 2)
x.movedim((0, 0), (0, 1))
x.dot(x); v.dot(x[0]); v.mv(v); x.mv(v); lib.outer(x, v)
c.diag(); x.diagonal(0, 1, 1)
v.diagonal(); lib.hstack([]); lib.vstack([x, v]); x.unfold(2, 1, 1); x.unfold(0, 4, 1)
x.unfold(0, 1, 0)
lib.broadcast_tensors(x, v); lib.meshgrid(x, v, indexing="ij"); lib.meshgrid(v, v, indexing="no")
x.new_zeros(-1)
"""


@pytest.mark.parametrize(
    "text", [t.strip() for t in WRONG.replace("\n", ";").split(";") if t.strip()]
)
def test_errors_are_those_of_torch(text):
    call = eval(f"lambda lib, {', '.join(SHAPES)}: {text}")
    with pytest.raises(Exception) as theirs:  # noqa: PT011  compared below
        call(torch, *[torch.tensor(values(s)) for s in SHAPES.values()])
    with pytest.raises(theirs.type) as ours:
        call(rl, *[rl.tensor(values(s)) for s in SHAPES.values()])
    assert isinstance(ours.value, rl.RushlightError)


def test_in_place_forms():
    ours, theirs = rl.tensor(values((3, 4))), torch.tensor(values((3, 4)))
    ours.tril_()[:2].triu_(1)
    theirs.tril_()[:2].triu_(1)
    same([ours], [theirs])


def test_new():
    for lib in (rl, torch):
        x = lib.ones(2, dtype=lib.float64)
        assert x.new_zeros(2, 3).dtype is lib.float64
        assert x.new_zeros((2, 3)).shape == (2, 3)
        assert x.new_ones(2, dtype=lib.int64).tolist() == [1, 1]
        assert x.new_full((2,), 7).tolist() == [7, 7]
        assert x.new_empty(0, 3).shape == (0, 3)
        assert x.new_tensor([1, 2]).dtype is lib.float64 or lib is torch
        assert x.new_zeros(2, requires_grad=True).requires_grad


def test_a_diagonal_is_written_through():
    for lib in (rl, torch):
        x = lib.zeros(3, 4)
        x.diagonal(1).fill_(5)
        x.select(0, 2).add_(1)
        assert x.tolist() == [[0, 5, 0, 0], [0, 0, 5, 0], [1, 1, 1, 6]]


# -- order, and elements chosen and put -----------------------------------------------------------

ORDERED = """
lib.sort(x); x.sort(0); x.sort(-1, descending=True); e.sort(2); s.sort(); lib.argsort(x)
x.argsort(0, True)
c.sort(dim=2, stable=True); x.topk(2); lib.topk(c, 3, 1); x.topk(2, 0, largest=False); x.topk(0)
s.topk(1)
lib.nonzero(x); x.nonzero(as_tuple=True); s.nonzero(); lib.nonzero(s, as_tuple=True); e.nonzero()
lib.unique(v); x.T.unique(); lib.masked_select(x, x > 0); x.masked_select(w[:, None] > 0)
lib.take_along_dim(x, lib.argsort(x, 1), 1); x.take_along_dim(lib.argsort(x, 0)[:1], 0)
x.take_along_dim(lib.tensor([[3, 7]]))
x.scatter(1, lib.tensor([[0, 2], [3, 1]]), x[:2, :2])
x.scatter(0, lib.tensor([[1, 2, 0]]), 7)
lib.scatter(x, 1, lib.tensor([[0], [3]]), value=2)
x.scatter(1, lib.tensor([[0], [3]]), 1, reduce="add")
x.index_add(0, lib.tensor([2, 0, 2]), x); x.index_add(1, lib.tensor([1]), x[:, :1], alpha=2)
x.index_copy(0, lib.tensor([2, 0]), x[:2]); lib.index_copy(x, 1, lib.tensor([1, 3]), x[:, :2])
x.index_fill(1, lib.tensor([0, 2]), 5); lib.index_fill(x, 0, lib.tensor([0]), lib.tensor(3))
lib.index_add(v, 0, lib.tensor([1, 1, 1]), w); s.scatter(0, lib.tensor(0), 3)
"""


def calls(text):
    return [t.strip() for t in text.replace("\n", ";").split(";") if t.strip()]


@pytest.mark.parametrize("text", calls(ORDERED))
def test_order_and_choice_beside_torch(text):
    names = [n for n in SHAPES if n in set(compile(text, "", "eval").co_names)]
    call = eval(f"lambda lib, {', '.join(names)}: {text}")
    whole = any(word in text for word in ("nonzero", "argsort(x)", "argsort(0"))
    order = 0 if whole or "unique" in text or "reduce" in text else 2
    kinds = ["float64", "float32", "int64"]
    arrays = [values(SHAPES[n]) for n in names]

    def floating(lib, *inputs):
        made = flat(call(lib, *inputs))
        return (
            [z for z in made if z.dtype.is_floating_point]
            if lib is torch
            else [z for z in made if z.is_floating_point()]
        )

    beside(call, *[2 * x for x in arrays], kinds=kinds, order=0)
    if order:
        beside(floating, *arrays, kinds=[])


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("descending", [False, True])
def test_nan_is_the_largest(kind, descending):
    odd = [np.nan, 1, np.inf, -np.inf, np.nan, 1, 0, -0.0]
    ours = rl.tensor(odd).to(getattr(rl, kind)).sort(descending=descending, stable=True)
    theirs = torch.tensor(odd).to(getattr(torch, kind)).sort(descending=descending, stable=True)
    same(list(ours), list(theirs))
    assert ours.values is ours[0]


def test_unique_with_inverse_and_counts():
    table = np.array([[3, 1, 3], [1, 1, 2], [3, 1, 3]])
    for lib_args in ({}, {"dim": 0}, {"dim": 1}):
        args = {"return_inverse": True, "return_counts": True} | lib_args
        theirs = torch.unique(torch.tensor(table), **args)
        same(list(rl.unique(rl.tensor(table), **args)), list(theirs))
    assert rl.unique(rl.tensor([])).shape == (0,)


@pytest.mark.parametrize("right", [False, True])
def test_searchsorted_and_bucketize(right):
    line, x = np.array([1.0, 2, 2, 3, 7]), np.array([[0.0, 2, 9], [7, 1, 2.5]])
    rows = np.array([[1.0, 2, 3], [0, 5, 6]])
    for kind in (None, True):
        args = {"right": right, "out_int32": bool(kind)}
        for a, b in ((line, x), (rows, x)):
            same(
                [rl.searchsorted(rl.tensor(a), rl.tensor(b), **args)],
                [torch.searchsorted(torch.tensor(a), torch.tensor(b), **args)],
            )
        same(
            [rl.bucketize(rl.tensor(x), rl.tensor(line), **args)],
            [torch.bucketize(torch.tensor(x), torch.tensor(line), **args)],
        )


def test_bincount():
    for args in ({}, {"minlength": 9}, {"weights": [0.5, 1, 2, 4]}):
        made = [
            lib.bincount(
                lib.tensor([1, 3, 1, 5]), **{
                    k: lib.tensor(v) if k == "weights" else v for k, v in args.items()
                },
            )
            for lib in (rl, torch)
        ]  # fmt: skip
        same(made[:1], made[1:])


def test_put_in_place():
    made = []
    for lib in (rl, torch):
        x = lib.zeros(3, 4)
        x.scatter_(1, lib.tensor([[1], [2]]), 5.0)
        x.scatter_add_(0, lib.tensor([[0, 1]]), lib.ones(1, 2))
        x.index_add_(0, lib.tensor([2]), lib.ones(1, 4), alpha=3)
        x.index_fill_(1, lib.tensor([3]), 9)
        x[:2].index_copy_(1, lib.tensor([0]), lib.ones(2, 1) * 8)
        made.append(x)
    same(made[:1], made[1:])


BAD = """
x.sort(2); x.argsort(3); x.topk(5); x.topk(-1); x.topk(1, 2)
x.scatter(1, lib.tensor([0]), 1.0); x.scatter(2, lib.tensor([[0]]), 1.0); x.scatter(0, x, 1.0)
x.index_add(0, lib.tensor([0, 1]), x)
x.index_copy(0, lib.tensor([5]), x[:1]); x.index_fill(0, lib.tensor([5]), 1.0); x.masked_select(x)
lib.bincount(lib.tensor([-1])); lib.bincount(lib.tensor([[1]])); x.unique(dim=2)
"""


@pytest.mark.parametrize("text", calls(BAD))
def test_errors_of_order_and_choice(text):
    test_errors_are_those_of_torch(text)


# -- brackets -------------------------------------------------------------------------------------


@st.composite
def bracket(draw):
    """A shape, and an index of it in which everything may stand beside everything."""
    shape = draw(npst.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    met, parts, axis = draw(npst.array_shapes(min_dims=1, max_dims=2, max_side=3)), [], 0
    count = None
    while axis < len(shape) and draw(st.integers(0, 5)):
        n = shape[axis]
        kind = draw(st.sampled_from(["int", "slice", "none", "tensor", "tensor", "list", "mask"]))
        if kind == "none":
            parts.append(None)
            continue
        if kind == "mask" and count is None and met == (met[0],):
            span = draw(st.integers(1, min(2, len(shape) - axis)))
            inner = shape[axis : axis + span]
            mask = np.zeros(int(np.prod(inner)), bool)
            at = draw(st.permutations(range(mask.size)))[: met[0]]
            mask[at] = True
            count = len(at)
            if count == met[0] or count == 1:
                parts.append(mask.reshape(inner))
                axis += span
            continue
        if kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            start, stop = draw(st.integers(-5, 5)), draw(st.integers(-5, 5))
            parts.append(slice(start, stop, draw(st.integers(1, 3))))
        else:
            to = met if kind == "tensor" else met[-1:]
            parts.append(draw(npst.arrays(np.int64, to, elements=st.integers(-n, n - 1))))
        axis += 1
    if draw(st.booleans()):
        parts.insert(draw(st.integers(axis and len(parts), len(parts))), Ellipsis)
    return shape, tuple(parts)


def as_index(lib, parts):
    return tuple(lib.tensor(p) if isinstance(p, np.ndarray) else p for p in parts)


@given(bracket())
@settings(max_examples=400)
def test_any_bracket_reads_and_sends_gradients_as_in_torch(made):
    shape, parts = made
    found = []
    for lib in (rl, torch):
        x = lib.tensor(values(shape), requires_grad=True)
        z = x[as_index(lib, parts)]
        (z * z).sum().backward()
        found.append([z, x.grad])
    same(*found)


@given(bracket(), st.data())
@settings(max_examples=400)
def test_any_bracket_is_written_as_in_torch(made, data):
    shape, parts = made
    room = torch.arange(int(np.prod(shape))).reshape(shape)[as_index(torch, parts)]
    if len(room.flatten().unique()) < room.numel():
        return  # which of several counts is left open
    to = tuple(data.draw(st.sampled_from([1, n])) for n in room.shape)
    to = to[data.draw(st.integers(0, len(to))) :]
    value = values(to, 1) * 10
    found = []
    for lib in (rl, torch):
        x, v = lib.tensor(values(shape)), lib.tensor(value, requires_grad=True)
        z = x * 1
        z[as_index(lib, parts)] = v
        (z * z).sum().backward()
        found.append([z, v.grad if v.grad is not None else lib.zeros(1)])
    same(*found)


@pytest.mark.parametrize("device", DEVICES)
def test_assignments(device):
    made = []
    for lib, place in ((rl, {"device": device}), (torch, {})):
        x = lib.zeros(3, 4, **place)
        x[0] = lib.ones(1, 1, 4, **place)
        x[x > 0] = lib.arange(4, **place).float()
        x[lib.tensor([False, True, False], **place)] = lib.tensor([5.0, 6, 7, 8], **place)
        x[[2, 2], [0, 1]] = 9
        x[:, lib.tensor([3], **place)] += 1
        x[-1, lib.tensor(2, **place)] = -1
        made.append([x])
    same(*made)


WRONG_INDICES = [
    (lambda lib: lib.tensor([0, 7]), "index: 7 is out of range for dim 0 with size 3"),
    (lambda lib: (0, lib.tensor([-5])), "index: -5 is out of range for dim 1 with size 4"),
    (lambda lib: ([1, 2], [0, 4]), "index: 4 is out of range for dim 1 with size 4"),
    (lambda lib: ([4, 2], [0, 1]), "index: 4 is out of range for dim 0 with size 3"),
    (lambda lib: (0, 4), "index: 4 is out of range for dim 1 with size 4"),
    (lambda lib: lib.tensor([True]), ("index: mask bool[1] for lengths [3] from dim 0; give it "
     "the same")),
    (lambda lib: ([0, 1, 2], [0, 1]), ("index: shapes [3] and [2] do not broadcast; axis 0 has "
     "lengths 3 and 2, make them equal or one of them 1")),
]  # fmt: skip


@pytest.mark.parametrize(("index", "message"), WRONG_INDICES)
def test_a_wrong_index_names_index_dim_and_size(index, message):
    with pytest.raises(IndexError):
        torch.zeros(3, 4)[index(torch)]
    for use in (lambda x, i: x[i], lambda x, i: x.__setitem__(i, rl.ones(1))):
        with pytest.raises(rl.IndexOutOfRange) as error:
            use(rl.zeros(3, 4), index(rl))
        assert str(error.value) == message


def test_brackets_are_compiled():
    def program(x, i):
        z = x * 2
        z[i, 1:] = x[0, i].sum()
        z[z > 3] = 0
        return z[:, i] + z[i][..., None].sum()

    x, i = rl.tensor(values((3, 3))), rl.tensor([2, 0])
    assert rl.equal(rl.compile(program)(x, i), program(x, i))


# -- einsum ---------------------------------------------------------------------------------------

EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ii->i", (3, 3)), ("ii", (3, 3)),
    ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("i,j->ij", (3,), (4,)), ("i,i->", (3,), (3,)),
    ("i,i->i", (3,), (3,)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)),
    ("...ij,...jk", (2, 3, 4), (4, 2)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)), ("...i->...", (2, 3, 4)), ("ji", (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)), ("i,j,k->kji", (2,), (3,), (4,)),
    ("...a,...a->...", (2, 1, 3), (4, 3)), ("ab,ac,a->bc", (2, 3), (2, 4), (2,)),
    ("iji->j", (3, 2, 3)), ("Ab,bC->CA", (2, 3), (3, 4)), ("ij,kl->ij", (2, 3), (2, 2)),
    (",i->i", (), (3,)),
    ("ij,jk->ik", (0, 3), (3, 4)), ("ij,jk->ik", (2, 0), (0, 4)), (" i j , j -> i ", (2, 3), (3,)),
    ("ab,bc,cd,de->ae", (2, 3), (3, 2), (2, 4), (4, 2)), ("i...,i->...", (3, 2, 2), (3,)),
]  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: case[0])
def test_einsum(case, device):
    equation, *shapes = case
    arrays = [values(shape, i) for i, shape in enumerate(shapes)]
    beside(
        lambda lib, *xs: lib.einsum(equation, *xs), *arrays, device=device,
        kinds=["float64", "float32"], order=2 if device == "numpy" and arrays[0].size < 20 else 0,
    )  # fmt: skip


def test_einsum_without_opt_einsum(monkeypatch):
    arrays = [values((3, 3), i) for i in range(4)]
    monkeypatch.setitem(sys.modules, "opt_einsum", None)
    made = [lib.einsum("ab,bc,cd,de->ae", [lib.tensor(x) for x in arrays]) for lib in (rl, torch)]
    same(made[:1], made[1:])


@pytest.mark.parametrize(
    "case",
    [
        ("ij,jk->ik", (2, 3)), ("ij->i", (2, 3, 4)), ("ij,jk", (2, 3), (4, 2)), ("ij->k", (2, 3)),
        ("i->ii", (3,)), ("i1->i", (2, 3)), ("...i...->i", (2, 3)), ("ij->ij->", (2, 3)),
    ],
    ids=lambda case: case[0],
)  # fmt: skip
def test_einsum_refuses(case):
    equation, *shapes = case
    for lib, kind in ((torch, RuntimeError), (rl, rl.ContractError)):
        with pytest.raises(kind):
            lib.einsum(equation, *[lib.tensor(values(s)) for s in shapes])


# -- drawn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial(device, replacement):
    rl.manual_seed(5)
    chances = rl.tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 2.0, 0.0, 4.0]], device=device)
    drawn = rl.multinomial(chances, 2, replacement)
    assert drawn.dtype is rl.int64
    assert drawn.shape == (2, 2)
    many = [chances.multinomial(1, replacement) for _ in range(400)]
    found = np.concatenate([x.numpy() for x in many], 1)
    for row, expected in zip(found, chances.numpy(), strict=True):
        share = np.bincount(row, minlength=4) / 400
        expected = expected / expected.sum()
        # five standard deviations
        assert (abs(share - expected) <= 5 * np.sqrt(expected * (1 - expected) / 400)).all()
    if not replacement:
        assert sorted(rl.multinomial(chances[0], 2).tolist()) == [1, 2]


def test_multinomial_is_the_same_on_both_devices():
    made = []
    for device in DEVICES:
        rl.manual_seed(6)
        chances = rl.tensor([1.0, 2.0, 3.0], device=device)
        made.append([chances.multinomial(3).tolist(), chances.multinomial(9, True).tolist()])
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "wrong", [([0.0, 0.0], 1), ([1.0, -1.0], 1), ([1.0, np.nan], 1), ([1.0, 0.0], 3), ([1.0], 0)]
)
def test_multinomial_refuses(wrong):
    chances, count = wrong
    for lib in (rl, torch):
        with pytest.raises(RuntimeError):
            lib.multinomial(lib.tensor(chances), count)
