"""Any chain of views has numpy's values, and sends gradients back where they belong."""

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import rushlight as rl
from rushlight import ops
from rushlight.errors import ContractError, IndexOutOfRange

DEVICES = ["numpy", "hostile"]
SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


# -- chains of views ------------------------------------------------------------------------------


@st.composite
def move(draw, shape):
    """One movement of a tensor of this shape, as a function of either library's arrays."""
    kinds = ["reshape", "permute", "slice", "expand", "flip", "new"] + ["squeeze"] * (1 in shape)
    match draw(st.sampled_from(kinds)):
        case "reshape":
            size = int(np.prod(shape))
            factors = [n for n in range(1, size + 1) if size % n == 0] or [0]
            first = draw(st.sampled_from(factors))
            to = (first, size // first) if first else (0, draw(st.integers(0, 3)))
            return lambda x: x.reshape(to)
        case "permute":
            order = tuple(draw(st.permutations(range(len(shape)))))
            return lambda x: x.permute(order) if isinstance(x, rl.Tensor) else x.transpose(order)
        case "slice":
            index = draw(npst.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
            return lambda x: x[index]
        case "expand":
            to = (
                draw(st.integers(1, 3)),
                *(draw(st.integers(1, 3)) if n == 1 else n for n in shape),
            )
            return lambda x: x.expand(to) if isinstance(x, rl.Tensor) else np.broadcast_to(x, to)
        case "flip":
            axes = tuple(draw(st.sets(st.integers(0, len(shape) - 1)))) if shape else ()
            return lambda x: x.flip(axes) if isinstance(x, rl.Tensor) else np.flip(x, axes)
        case "new":
            axis = draw(st.integers(0, len(shape)))
            return lambda x: (
                x.unsqueeze(axis) if isinstance(x, rl.Tensor) else np.expand_dims(x, axis)
            )
        case _:
            return lambda x: x.squeeze()


@st.composite
def chain(draw):
    """A shape, and up to five movements, each fit for what the one before made."""
    shape = draw(SHAPES)
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    moves, moved = [], places
    for _ in range(draw(st.integers(0, 5))):
        step = draw(move(moved.shape))
        moved = np.asarray(step(moved))
        assume(moved.size <= 5000 and moved.ndim <= 8)
        moves.append(step)
    return shape, moves, moved


@pytest.mark.parametrize("device", DEVICES)
@given(chain())
@settings(max_examples=150)
def test_a_chain_of_views(device, made):
    shape, moves, places = made
    values = np.linspace(-1, 1, int(np.prod(shape)), dtype="float32").reshape(shape)
    x = rl.tensor(values, device=device, requires_grad=True)
    z = x
    for step in moves:
        z = step(z)
    assert z.shape == places.shape
    np.testing.assert_array_equal(z.detach().numpy(), values.reshape(-1)[places])
    weights = np.cos(np.arange(places.size)).reshape(places.shape).astype("float32")
    (z * rl.tensor(weights, device=device)).sum().backward()
    expected = np.zeros(values.size)
    np.add.at(expected, places.reshape(-1), weights.reshape(-1))
    np.testing.assert_allclose(x.grad.numpy(), expected.reshape(shape), rtol=1e-4, atol=1e-5)


@given(chain())
@settings(max_examples=60)
def test_a_chain_of_views_compiled(made):
    shape, moves, places = made
    values = np.linspace(-1, 1, int(np.prod(shape)), dtype="float32").reshape(shape)

    def run(x):
        for step in moves:
            x = step(x)
        return x * 1.0

    x = rl.tensor(values)
    np.testing.assert_array_equal(rl.compile(run)(x).numpy(), values.reshape(-1)[places])


# -- broadcasting ---------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@given(npst.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=3, min_side=0))
def test_broadcasting_of_three(device, shapes):
    arrays = [
        np.sin(np.arange(np.prod(shape, dtype=int)) + i).reshape(shape).astype("float32")
        for i, shape in enumerate(shapes.input_shapes)
    ]
    x, y, w = (rl.tensor(a, device=device, requires_grad=True) for a in arrays)
    z = rl.where(x > 0, x * y, w)
    expected = np.where(arrays[0] > 0, arrays[0] * arrays[1], arrays[2])
    assert z.shape == shapes.result_shape == expected.shape
    np.testing.assert_allclose(z.detach().numpy(), expected, rtol=1e-6)
    z.sum().backward()
    size = max(z.numel(), 1)
    for leaf in (x, y, w):
        assert leaf.grad.shape == leaf.shape
    chosen = (np.broadcast_to(arrays[0], z.shape) <= 0).sum()
    assert w.grad.sum().item() == pytest.approx(chosen, rel=1e-5 * size)


@given(npst.array_shapes(max_dims=3, max_side=4), npst.array_shapes(max_dims=3, max_side=4))
def test_what_does_not_broadcast_is_refused(left, right):
    try:
        expected = np.broadcast_shapes(left, right)
    except ValueError:
        with pytest.raises(
            ContractError, match=r"add: shapes .* do not broadcast; axis \d has lengths"
        ):
            rl.ones(left) + rl.ones(right)
    else:
        assert (rl.ones(left) + rl.ones(right)).shape == expected


# -- reading and assigning through indices --------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
@given(st.data())
def test_assignment_through_basic_indices(device, data):
    shape = data.draw(SHAPES)
    index = data.draw(npst.basic_indices(shape, allow_newaxis=False, allow_ellipsis=True))
    array = np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)
    x = rl.tensor(array, device=device)
    value = -1 - np.arange(array[index].size, dtype="float32").reshape(array[index].shape)
    x[index] = rl.tensor(value, device=device)
    array[index] = value
    np.testing.assert_array_equal(x.numpy(), array)


@given(st.data())
def test_indices_of_ints(data):
    shape = data.draw(npst.array_shapes(max_dims=3, max_side=4))
    axis = data.draw(st.integers(0, len(shape) - 1))
    n = shape[axis]
    wanted = npst.arrays(
        "int64",
        npst.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4),
        elements=st.integers(-n, n - 1),
    )
    index = data.draw(wanted)
    array = np.random.default_rng(0).normal(size=shape)
    x = rl.tensor(array, requires_grad=True)
    where = (slice(None),) * axis
    z = x[(*where, rl.tensor(index))]
    np.testing.assert_array_equal(z.detach().numpy(), array[(*where, index)])
    z.sum().backward()
    expected = np.zeros_like(array)
    np.add.at(expected, (*where, index), 1)
    np.testing.assert_array_equal(x.grad.numpy(), expected)


@given(st.data())
def test_gather_and_scatter_add(data):
    shape = data.draw(npst.array_shapes(max_dims=3, max_side=4))
    axis = data.draw(st.integers(0, len(shape) - 1))
    part = [data.draw(st.integers(0, n)) for n in shape]
    part[axis] = data.draw(st.integers(0, 6))
    index = data.draw(npst.arrays("int64", tuple(part), elements=st.integers(0, shape[axis] - 1)))
    array = np.random.default_rng(1).normal(size=shape)
    places = list(np.ogrid[tuple(slice(n) for n in part)])
    places[axis] = index
    x = rl.tensor(array, requires_grad=True)
    source = rl.tensor(np.cos(np.arange(index.size)).reshape(part), requires_grad=True)
    picked = x.gather(axis, rl.tensor(index))
    np.testing.assert_array_equal(picked.detach().numpy(), array[tuple(places)])
    added = x.scatter_add(axis, rl.tensor(index), source)
    expected = array.copy()
    np.add.at(expected, tuple(places), source.detach().numpy())
    np.testing.assert_allclose(added.detach().numpy(), expected, rtol=1e-12)
    (added * x.detach()).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), array)
    np.testing.assert_array_equal(source.grad.numpy(), array[tuple(places)])


@given(npst.arrays("bool", SHAPES))
def test_masks(mask):
    array = np.arange(mask.size, dtype="float32").reshape(mask.shape)
    x = rl.tensor(array)
    np.testing.assert_array_equal(x[rl.tensor(mask)].numpy(), array[mask])
    x[rl.tensor(mask)] = -1.0
    array[mask] = -1
    np.testing.assert_array_equal(x.numpy(), array)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("wrong", [5, -1, 2**40])
def test_an_index_out_of_range_is_refused_when_values_are_read(device, wrong):
    x = rl.ones(5, 2, device=device)
    with pytest.raises(
        IndexOutOfRange, match=f"index {wrong} is out of range for axis 0 of length 5"
    ):
        rl.index_select(x, 0, rl.tensor([0, wrong], device=device)).numpy()


# -- assignments through views of views -----------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_a_view_of_a_view_writes_through(device):
    x = rl.zeros(3, 4, device=device)
    x[1:][0][2] = 5.0
    x[::2, 1].add_(1)
    x.data[-1].fill_(7)
    assert x.tolist() == [[0, 1, 0, 0], [0, 0, 5, 0], [7, 7, 7, 7]]


def test_a_view_keeps_the_value_that_it_had():
    x = rl.zeros(2)
    view = x[0]
    x.fill_(3)
    assert (view.item(), x.tolist()) == (0, [3, 3])


def test_gradients_flow_through_assignments():
    x = rl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    z = x * 2
    z[1] = x[0] * 10
    z[2:] *= 3
    z.sum().backward()
    assert z.tolist() == [2, 10, 18]
    assert x.grad.tolist() == [12, 0, 6]


# -- windows, borders and their adjoints ----------------------------------------------------------


@given(st.data())
def test_windows_and_fold(data):
    n, size = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 3))
    stride, dilation = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    assume(dilation * (size - 1) < n)
    array = np.random.default_rng(2).normal(size=(2, n))
    x = rl.tensor(array, requires_grad=True)
    z = ops.windows(x, axes=(1,), sizes=(size,), strides=(stride,), dilations=(dilation,))
    places = np.arange(0, n - dilation * (size - 1), stride)[:, None] + dilation * np.arange(size)
    np.testing.assert_array_equal(z.detach().numpy(), array[:, places])
    z.sum().backward()
    counts = np.bincount(places.reshape(-1), minlength=n)
    np.testing.assert_array_equal(x.grad.numpy(), np.broadcast_to(counts, (2, n)))


@given(st.data())
def test_pad(data):
    shape = data.draw(SHAPES)
    widths = tuple(data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in shape)
    array = np.random.default_rng(3).normal(size=shape)
    x = rl.tensor(array, requires_grad=True)
    z = ops.pad(x, widths=widths, value=1.5)
    np.testing.assert_array_equal(
        z.detach().numpy(), np.pad(array, widths or 0, constant_values=1.5)
    )
    (z * z).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * array)
