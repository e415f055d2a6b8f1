"""Movement by strides, on a backend whose buffers are numpy's and known by nothing but strides."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from rushlight.extend import StridedArray, StridedBackend
from rushlight.spec import strides_of
from rushlight.strided import refolded


class Toy(StridedBackend):
    """Raw kernels over flat buffers; counts how often it had to copy."""

    name = "toy"
    protocol = (1, 0)

    def __init__(self):
        self.kernels = {"neg": self.neg, **self.movement()}
        self.copies = 0

    def upload(self, values, index):
        return values.copy()

    def download(self, buffer, dtype, start, count):
        return buffer[start : start + count]

    def pack(self, x):
        self.copies += 1
        values = np.array([x.buffer[i] for i in offsets(x)], x.dtype)
        return StridedArray(values, x.shape, strides_of(x.shape), 0, x.dtype)

    def neg(self, x):
        return StridedArray(-x.buffer, x.shape, x.strides, x.offset, x.dtype)


def offsets(x):
    """Where the elements of x stand in its buffer, in the order of their indices."""
    for index in np.ndindex(x.shape):
        yield x.offset + sum(i * n for i, n in zip(index, x.strides, strict=True))


def tenfold(shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape) * 10


@pytest.fixture
def toy():
    return Toy()


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 0, 3), (2, 3, 4)], ids=str)
def test_put_and_get_are_inverse(toy, shape):
    values = tenfold(shape)
    back = toy.get(toy.put(values, 0))
    assert back.shape == shape
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)
    assert toy.copies == 0


def test_put_accepts_strided_values(toy):
    values = tenfold((4, 6)).T[::2, ::-1]
    np.testing.assert_array_equal(toy.get(toy.put(values, 0)), values)


def test_permute_slice_expand_and_windows_copy_nothing(toy):
    values = tenfold((4, 6))
    x = toy.put(values, 0)
    turned = toy.kernels["permute"](x, (1, 0))
    backwards = toy.kernels["slice"](turned, ((5, 3, -2), (1, 2, 2)))
    raised = toy.kernels["reshape"](backwards, (1, 3, 1, 2))
    stretched = toy.kernels["expand"](raised, (2, 5, 3, 4, 2))
    seen = toy.kernels["windows"](x, (1,), (2,), (2,), (3,))
    assert toy.copies == 0
    assert all(v.buffer is x.buffer for v in (turned, backwards, raised, stretched, seen))
    expected = values.T[5::-2, 1::2]
    np.testing.assert_array_equal(toy.get(backwards), expected)
    np.testing.assert_array_equal(
        toy.get(stretched), np.broadcast_to(expected[:, None, :], (2, 5, 3, 4, 2))
    )
    np.testing.assert_array_equal(
        toy.get(seen), np.stack([values[:, j : j + 4 : 3] for j in (0, 2)], axis=1)
    )


def test_reshape_copies_only_where_it_must(toy):
    x = toy.put(tenfold((4, 6)), 0)
    assert toy.kernels["reshape"](x, (2, 2, 3, 2)).buffer is x.buffer
    turned = toy.kernels["permute"](x, (1, 0))
    assert toy.kernels["reshape"](turned, (2, 3, 4)).buffer is x.buffer
    assert toy.copies == 0
    flat = toy.kernels["reshape"](turned, (24,))
    assert toy.copies == 1
    np.testing.assert_array_equal(toy.get(flat), tenfold((4, 6)).T.ravel())


def test_a_view_passes_through_a_kernel(toy):
    x = toy.kernels["slice"](toy.put(tenfold((7,)), 0), ((6, 3, -3),))
    np.testing.assert_array_equal(toy.get(toy.kernels["neg"](x)), [-60, -30, 0])


shapes = st.lists(st.integers(1, 4), max_size=4).map(tuple)


@st.composite
def views_and_shapes(draw):
    """A view of a buffer, permuted, stepped and stretched; and another shape of the same size."""
    toy = Toy()
    values = tenfold(draw(shapes))
    x = toy.put(values, 0)
    order = tuple(draw(st.permutations(range(values.ndim))))
    steps = [draw(st.sampled_from([1, -1, 2])) for _ in order]
    values = values.transpose(order)[tuple(slice(None, None, step) for step in steps)]
    x = toy.kernels["permute"](x, order)
    bounds = [
        ((n - 1) if step < 0 else 0, -(-n // abs(step)), step)
        for n, step in zip(x.shape, steps, strict=True)
    ]
    x = toy.kernels["slice"](x, tuple(bounds))
    stretched = tuple(n * draw(st.sampled_from([1, 3])) if n == 1 else n for n in x.shape)
    x, values = toy.kernels["expand"](x, stretched), np.broadcast_to(values, stretched)
    rest, to = values.size, []
    while rest > 1:
        factor = draw(st.sampled_from([n for n in range(2, rest + 1) if rest % n == 0]))
        to.append(factor)
        rest //= factor
    return toy, x, values, tuple(to)


@given(views_and_shapes())
def test_reshape_of_any_view_keeps_the_order_of_elements(case):
    toy, x, values, to = case
    np.testing.assert_array_equal(toy.get(x), values)
    folded = toy.kernels["reshape"](x, to)
    np.testing.assert_array_equal(toy.get(folded), values.reshape(to))
    if folded.buffer is not x.buffer:  # numpy, too, finds no strides for it
        with pytest.raises(ValueError, match=r"[Uu]nable to avoid creating a copy"):
            values.reshape(to, copy=False)


def test_refolded_gives_none_where_no_strides_do():
    assert refolded((2, 3), (1, 2), (6,)) is None
    assert refolded((2, 3), (3, 1), (6,)) == (1,)
    assert refolded((1, 3, 1), (99, 2, 99), (3,)) == (2,)
    assert refolded((4,), (0,), (2, 2)) == (0, 0)
