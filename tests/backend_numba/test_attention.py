"""Attention of the device numba equals PyTorch's in float64, by blocks and as one program."""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

import numpy as np
import pytest
import torch

import rushlight as rl
from rushlight_nn import functional as F
from rushlight_numba.eager import Programs
from rushlight_numba.kernels import KERNELS, attention
from rushlight_numba.memory import PEAK, cache

PASSES = ("attention", "attention.fwd", "attention.vjp")
SHAPES = [  # batch, rows, keys, width of q and k, width of v
    ((2, 3), 40, 40, 8, 8),
    ((3,), 100, 63, 16, 16),
    ((), 65, 65, 5, 7),
    ((2, 1, 3), 37, 53, 1, 2),
    ((2, 2), 1, 9, 4, 4),
    ((1, 8), 130, 130, 64, 64),
    ((2,), 300, 300, 8, 3),
]


@pytest.fixture
def by_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks for the smallest of attentions, and small ones."""
    monkeypatch.setattr(attention, "LEAST_BYTES", {False: 0, True: 0})
    monkeypatch.setattr(attention, "BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(attention, "ROWS", 7)
    forget()
    yield
    forget()


def forget() -> None:
    """Let the device make the programs of attention anew."""
    for name in PASSES:
        for programs in programs_of(rl.zeros(1, device="numba").device.kernels[name]):
            programs.found.clear()
            if programs.table is not None:
                programs.table.clear()


def programs_of(kernel: Any) -> Iterator[Programs]:
    """The programs that a kernel chooses from."""
    functions = [x for x in kernel.__self__.kept if isinstance(x, FunctionType)]
    for cell in [cell for x in functions for cell in x.__closure__ or ()]:
        if isinstance(cell.cell_contents, Programs):
            yield cell.cell_contents


def values(shape: tuple[int, ...], seed: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def turned(x: Any, like: Any) -> Any:
    """The same values, heads beside one another in memory as those of one projection are."""
    if x.ndim < 3:
        return like(np.ascontiguousarray(x.T)).T
    return like(np.ascontiguousarray(np.swapaxes(x, -3, -2))).transpose(-3, -2)


def passes(shape: Any, causal: bool, dtype: str = "float32", *, strided: bool = False) -> list[Any]:
    """The result and the gradients on numba."""
    given, g = inputs(shape, dtype)
    put = turned if strided else lambda x, like: like(x)
    q, k, v = (put(x, lambda a: rl.tensor(a, device="numba")).requires_grad_() for x in given)
    z = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    made = rl.autograd.grad(z, (q, k, v), rl.tensor(g, device="numba"))
    return [x.detach().numpy() for x in (z, *made)]


def inputs(shape: Any, dtype: str) -> tuple[list[Any], Any]:
    batch, rows, keys, width, wide = shape
    sizes = ((rows, width), (keys, width), (keys, wide))
    return [values((*batch, *n), i, dtype) for i, n in enumerate(sizes)], values(
        (*batch, rows, wide), 9, dtype
    )


def expected(shape: Any, causal: bool, dtype: str = "float32") -> list[Any]:
    """The same by PyTorch in float64."""
    given, g = inputs(shape, dtype)
    q, k, v = (torch.tensor(x, dtype=torch.float64).requires_grad_() for x in given)
    z = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    z.backward(torch.tensor(g, dtype=torch.float64))
    return [x.detach().numpy() for x in (z, q.grad, k.grad, v.grad)]


def assert_near(made: list[Any], wanted: list[Any], terms: int) -> None:
    """Within the rounding of sums of so many terms, of which each is a product of sums."""
    for x, y in zip(made, wanted, strict=True):
        size = max(1.0, np.abs(y).max(initial=0.0))
        np.testing.assert_allclose(x, y, rtol=0, atol=4 * np.finfo(x.dtype).eps * size * terms**0.5)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("strided", [False, True], ids=["dense", "strided"])
@pytest.mark.usefixtures("by_blocks")
def test_blocks_equal_pytorch(shape, causal, strided):
    made = passes(shape, causal, strided=strided)
    assert_near(made, expected(shape, causal), shape[2] * shape[3])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_one_program_equals_pytorch(shape):
    assert_near(passes(shape, True), expected(shape, True), shape[2] * shape[3])


@pytest.mark.usefixtures("by_blocks")
def test_blocks_of_float64_equal_pytorch():
    shape = SHAPES[1]
    made = passes(shape, False, "float64")
    assert made[0].dtype == np.float64
    assert_near(made, expected(shape, False, "float64"), shape[2] * shape[3])


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
def test_blocks_as_large_as_they_are_by_default(causal):
    shape = (8,), 768, 768, 16, 16
    assert_near(passes(shape, causal), expected(shape, causal), 768 * 16)


@pytest.mark.usefixtures("by_blocks")
def test_the_bits_are_those_of_one_thread():
    shape = (2,), 300, 300, 8, 8
    before = rl.get_num_threads()
    several = passes(shape, True)
    try:
        rl.set_num_threads(1)
        forget()
        alone = passes(shape, True)
    finally:
        rl.set_num_threads(before)
    assert [x.tobytes() for x in several] == [x.tobytes() for x in alone]


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
def test_scores_are_never_all_in_memory(causal):
    n = 4096
    passes(((), 64, 64, 8, 8), causal)  # what is made once
    cache.words[PEAK] = before = cache.used_bytes
    passes(((), n, n, 8, 8), causal)
    assert cache.peak_bytes - before < n * n * 4 / 4


def test_causal_rows_that_see_no_key_of_many_have_no_gradient_there():
    shape = (1,), 3, 5, 4, 4
    made = passes(shape, True)
    assert_near(made, expected(shape, True), 20)
    assert not made[2][:, 3:].any()


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.usefixtures("by_blocks")
def test_keys_that_a_batch_shares(causal):
    q, k, v = values((3, 2, 90, 8), 0), values((2, 90, 8), 1), values((2, 90, 8), 2)
    shared = [rl.tensor(x, device="numba").expand(3, 2, 90, 8) for x in (k, v)]
    z = F.scaled_dot_product_attention(rl.tensor(q, device="numba"), *shared, is_causal=causal)
    given = [torch.tensor(x, dtype=torch.float64).expand(3, 2, 90, 8) for x in (q, k, v)]
    wanted = torch.nn.functional.scaled_dot_product_attention(*given, is_causal=causal)
    assert_near([z.numpy()], [wanted.numpy()], 90 * 8)


def masked(shape: Any, mask: Any, library: Any, functional: Any, like: Any) -> list[Any]:
    """The result and the gradients of q, k and v, each score with a mask."""
    given, g = inputs(shape, "float32")
    q, k, v = (like(x).requires_grad_() for x in given)
    hidden = library.tensor(mask, **({} if library is torch else {"device": "numba"}))
    z = functional.scaled_dot_product_attention(q, k, v, hidden)
    made = library.autograd.grad(z, (q, k, v), like(g))
    return [x.detach().numpy() for x in (z, *made)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["bools", "added", "of keys"])
@pytest.mark.usefixtures("by_blocks")
def test_masked_blocks_equal_pytorch(shape, kind, monkeypatch):
    batch, rows, keys, *_ = shape
    if kind == "added":
        mask = values((rows, keys), 5)
    else:
        mask = values(
            (*batch[:1], *(1,) * len(batch[1:]), 1 if kind == "of keys" else rows, keys), 5
        )
        mask = mask > 0
        mask[..., 0] = True
    seen: list[Any] = []

    def spy(call: Any) -> Any:
        seen.append(attention.attention(call))
        return seen[-1]

    for name in PASSES:
        monkeypatch.setitem(KERNELS, name, spy)
    made = masked(shape, mask, rl, F, lambda x: rl.tensor(x, device="numba"))
    exact = mask if mask.dtype == bool else mask.astype("float64")
    wanted = masked(shape, exact, torch, torch.nn.functional, lambda x: torch.tensor(x).double())
    assert seen
    assert None not in seen
    assert_near(made, wanted, keys * shape[3])


@pytest.mark.usefixtures("by_blocks")
def test_rows_that_see_nothing_are_zero_by_blocks():
    shape, mask = (2, 3), np.zeros((20, 30), bool)
    mask[::2] = True
    made = masked(((2,), 20, 30, *shape), mask, rl, F, lambda x: rl.tensor(x, device="numba"))
    assert not made[0][:, 1::2].any()
    assert not made[1][:, 1::2].any()
    assert np.isfinite(np.concatenate([x.ravel() for x in made])).all()


def test_a_mask_that_asks_for_a_gradient():
    given, g = inputs(((2,), 20, 30, 4, 4), "float32")
    bias = values((20, 30), 5)
    found = []
    for library, functional, place in (
        (rl, F, {"device": "numba"}),
        (torch, torch.nn.functional, {"dtype": torch.float64}),
    ):
        xs = [library.tensor(x, **place) for x in (*given, bias)]
        z = functional.scaled_dot_product_attention(*xs[:3], xs[3].requires_grad_())
        z.backward(library.tensor(g, **place))
        found.append([xs[3].grad.numpy()])
    assert_near(*found, 2 * 30 * 4)


@pytest.mark.usefixtures("by_blocks")
@pytest.mark.parametrize("way", [lambda f: f, rl.compile], ids=["eager", "compiled"])
def test_a_mask_that_asks_where_blocks_would_compute(way):
    given, _ = inputs(((2,), 20, 30, 4, 4), "float32")
    bias = values((20, 30), 5)

    def gradient(q: Any, k: Any, v: Any, mask: Any) -> Any:
        mask = mask.detach().requires_grad_()
        z = F.scaled_dot_product_attention(q, k, v, mask)
        return rl.autograd.grad((z * z).sum(), mask)[0]

    made = way(gradient)(*[rl.tensor(x, device="numba") for x in (*given, bias)])
    mask, *others = (torch.tensor(x, dtype=torch.float64) for x in (bias, *given))
    z = torch.nn.functional.scaled_dot_product_attention(*others, mask.requires_grad_())
    (z * z).sum().backward()
    assert_near([made.numpy()], [mask.grad.numpy()], 2 * 30 * 4)


@pytest.mark.parametrize("way", ["causal", "masked"])
def test_compiled_programs_keep_no_scores(way):
    n = 2048
    mask = None if way == "causal" else rl.ones(n, n, dtype=rl.dtype("bool"), device="numba").tril()

    def loss(q: Any, k: Any, v: Any) -> Any:
        z = F.scaled_dot_product_attention(q * 1.5, k, v, mask, is_causal=mask is None)
        return rl.autograd.grad((z * z).sum(), (q, k, v))

    xs = [rl.tensor(values((n, 8), i), device="numba").requires_grad_() for i in range(3)]
    compiled = rl.compile(loss)
    made = [x.numpy() for x in compiled(*xs)]
    wanted = [x.numpy() for x in loss(*xs)]
    assert_near(made, wanted, n)
    for name in PASSES[1:]:
        assert f"wants {name} whole" in compiled.explain()


@pytest.mark.usefixtures("by_blocks")
def test_blocks_are_native(monkeypatch):
    seen: list[Any] = []

    def spy(call: Any) -> Any:
        seen.append(attention.attention(call))
        return seen[-1]

    for name in PASSES:
        monkeypatch.setitem(KERNELS, name, spy)
    passes(SHAPES[0], True)
    assert seen
    assert None not in seen
