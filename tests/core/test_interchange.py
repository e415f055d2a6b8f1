"""Tensors among numpy and PyTorch: shared memory, conversions, copies and pickles of the object."""

import copy
import math
import multiprocessing
import operator
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn
from rushlight.errors import (
    BackendUnavailable,
    ContractError,
    DeviceError,
    ExchangeRefused,
    TracingError,
)

# Those that numpy's DLPack has; PyTorch has them all.
SHARED = [
    "bool", "uint8", "uint32", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
]  # fmt: skip
SHAPES = [(), (0,), (3,), (2, 0, 3), (2, 3, 4)]


def filled(dtype, shape):
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


def address(x):
    """Where the elements of an array or a tensor begin."""
    if isinstance(x, torch.Tensor):
        return x.data_ptr()
    return (x.numpy() if isinstance(x, rl.Tensor) else x).__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", SHARED)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestSharing:
    def test_from_numpy(self, dtype, shape):
        array = filled(dtype, shape)
        x = rl.from_dlpack(array)
        assert (x.shape, x.dtype) == (shape, getattr(rl, dtype))
        np.testing.assert_array_equal(x.numpy(), array)
        assert address(x) == address(array)

    def test_from_pytorch(self, dtype, shape):
        theirs = torch.from_numpy(filled(dtype, shape).copy())
        x = rl.from_dlpack(theirs)
        assert (x.shape, x.dtype) == (shape, getattr(rl, dtype))
        np.testing.assert_array_equal(x.numpy(), theirs.numpy())
        assert x.numel() == 0 or address(x) == theirs.data_ptr()  # PyTorch says 0 for no elements

    def test_to_numpy(self, dtype, shape):
        x = rl.tensor(filled(dtype, shape))
        array = np.from_dlpack(x)
        assert array.dtype == x.dtype
        np.testing.assert_array_equal(array, x.numpy())
        assert address(array) == address(x)
        assert not array.flags.writeable

    def test_to_pytorch(self, dtype, shape):
        x = rl.tensor(filled(dtype, shape))
        theirs = torch.from_dlpack(x)
        assert str(theirs.dtype) == f"torch.{dtype}"
        np.testing.assert_array_equal(theirs.numpy(), x.numpy())
        assert x.numel() == 0 or theirs.data_ptr() == address(x)


VIEWS = {
    "transposed": lambda x: x.T,
    "stepped": lambda x: x[::2, 1::2],
    "stretched": lambda x: x[:1].expand(5, 6),
    "row": lambda x: x[2],
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_shared(view):
    x = VIEWS[view](rl.arange(24.0).reshape(4, 6))
    for theirs in (np.from_dlpack(x), torch.from_dlpack(x)):
        np.testing.assert_array_equal(theirs, x.numpy())
        assert address(theirs) == address(x)
    assert torch.from_dlpack(x).stride() == tuple(s // 4 for s in x.numpy().strides)


def test_imported_memory_changes_with_its_owner():
    array, theirs = np.zeros(2), torch.zeros(2)
    x, y = rl.from_dlpack(array), rl.from_dlpack(theirs)
    array[0], theirs[1] = 7.0, 8.0
    assert (x.tolist(), y.tolist()) == ([7.0, 0.0], [0.0, 8.0])


def test_imported_memory_is_not_written():
    array = np.zeros(2)
    x = rl.from_dlpack(array)
    x.add_(1.0)
    assert (x.tolist(), array.tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_imported_memory_outlives_its_owner():
    x = rl.from_dlpack(torch.arange(1000.0))
    y = torch.from_dlpack(rl.arange(1000.0))
    assert (x.sum().item(), y.sum().item()) == (499500.0, 499500.0)


def test_exported_memory_is_marked_as_read_only():
    array = np.from_dlpack(rl.zeros(2))
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0


def test_pytorch_overlooks_the_mark():
    # as it does with numpy's arrays; docs/aliasing.md tells what follows
    x = rl.zeros(2)
    torch.from_dlpack(x)[0] = 1.0
    assert x.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("max_version", [None, (0, 8)])
def test_who_knows_no_mark_gets_a_copy(max_version):
    x = rl.zeros(2)
    theirs = torch.utils.dlpack.from_dlpack(x.__dlpack__(max_version=max_version))
    theirs[0] = 1.0
    assert (x.tolist(), theirs.tolist()) == ([0.0, 0.0], [1.0, 0.0])


@pytest.mark.parametrize("index", [slice(None, None, -1), slice(3, None, -2)], ids=str)
def test_negative_strides_are_copied(index):
    x = rl.from_numpy(np.arange(6.0)[index])
    assert np.from_dlpack(x).strides[0] > 0
    theirs = torch.from_dlpack(x)  # PyTorch 2.13 ends the process at a negative stride
    assert theirs.tolist() == x.tolist() == np.from_dlpack(x).tolist()
    with pytest.raises(ExchangeRefused, match="cannot be shared without a copy"):
        np.from_dlpack(x, copy=False)


def test_strides_of_a_record_are_copied():
    records = np.zeros(3, [("a", "i1"), ("b", "f4")])
    records["b"] = 1.0, 2.0, 3.0
    assert torch.from_dlpack(rl.from_numpy(records["b"])).tolist() == [1.0, 2.0, 3.0]


def test_copy():
    x = rl.zeros(2)
    for theirs in (np.from_dlpack(x, copy=True), torch.from_dlpack(x, copy=True)):
        assert address(theirs) != address(x)
        theirs[0] = 1.0
    assert x.tolist() == [0.0, 0.0]
    assert address(np.from_dlpack(x, copy=False)) == address(x)
    array = np.zeros(2)
    assert address(rl.from_dlpack(array, copy=True)) != address(array)
    assert address(rl.from_dlpack(array, copy=False)) == address(array)


def test_device_of_the_host():
    x = rl.ones(2)
    assert x.__dlpack_device__() == torch.ones(2).__dlpack_device__()
    assert address(np.from_dlpack(x, device="cpu")) == address(x)
    assert rl.from_dlpack(np.ones(2), device="numpy").tolist() == [1.0, 1.0]


def test_device_that_is_no_host():
    x = rl.tensor([1.0, 2.0], device="hostile")
    for use in (x.__dlpack_device__, lambda: np.from_dlpack(x), lambda: torch.from_dlpack(x)):
        with pytest.raises(ExchangeRefused) as caught:
            use()
        assert str(caught.value) == (
            "dlpack: the memory of device hostile is not the host's; move x with .cpu()"
        )
    assert np.from_dlpack(x, device="cpu").tolist() == [1.0, 2.0]
    with pytest.raises(ExchangeRefused, match="on hostile cannot be shared without a copy"):
        np.from_dlpack(x, device="cpu", copy=False)
    there = rl.from_dlpack(np.ones(2, np.float32), device="hostile:1")
    assert str(there.device) == "hostile:1"
    with pytest.raises(ExchangeRefused, match="device hostile needs a copy"):
        rl.from_dlpack(np.ones(2, np.float32), device="hostile", copy=False)


def test_a_tensor_that_requires_a_gradient():
    x, theirs = rl.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    for tensor in (x, theirs, x * 2, theirs * 2):
        with pytest.raises(BufferError, match=r"detach\(\)"):
            np.from_dlpack(tensor)
    with pytest.raises(ExchangeRefused, match=r"from_dlpack: Tensor: .*tensor\.detach\(\)"):
        rl.from_dlpack(theirs)
    assert np.from_dlpack(x.detach()).tolist() == [1.0, 1.0]


def test_bfloat16():
    with pytest.raises(ExchangeRefused) as caught:
        torch.from_dlpack(rl.ones(2, dtype=rl.bfloat16))
    assert str(caught.value) == "dlpack: numpy hands out no bfloat16; convert x with .float()"
    with pytest.raises(ExchangeRefused, match="Unsupported dtype in DLTensor"):
        rl.from_dlpack(torch.ones(2, dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (lambda: rl.from_dlpack([1.0]), ContractError,
         "from_dlpack: list has no __dlpack__; give an array or a tensor, or use rl.tensor()"),
        (lambda: rl.from_dlpack(np.zeros(1, np.uint16)), ContractError,
         "dtype: dtype('uint16') is no element type; choose one of "),
        (lambda: rl.from_dlpack(np.zeros(1, ">f4")), ExchangeRefused,
         "from_dlpack: ndarray: DLPack only supports native byte order."),
        (lambda: rl.ones(1).__dlpack__(stream=1), ExchangeRefused,
         "dlpack: stream 1; the host's memory has none, give None"),
        (lambda: rl.ones(1).__dlpack__(dl_device=(2, 0)), ExchangeRefused,
         "dlpack: device (2, 0); only (1, 0), the host, is there"),
    ],
)  # fmt: skip
def test_what_cannot_be_exchanged(use, error, message):
    with pytest.raises(error) as caught:
        use()
    assert str(caught.value).startswith(message)


def test_tracing_has_no_memory():
    @rl.compile
    def program(x):
        return rl.from_dlpack(x)

    with pytest.raises(TracingError):
        program(rl.ones(2))


class TestArray:
    def test_shares_and_is_not_written(self):
        x = rl.arange(3.0)
        for array in (np.asarray(x), np.array(x, copy=None), np.asarray(x, copy=False)):
            assert address(array) == address(x)
            assert not array.flags.writeable

    def test_copies_when_asked(self):
        x = rl.arange(3.0)
        array = np.array(x)
        array[0] = 9.0
        assert x.tolist() == [0.0, 1.0, 2.0]

    def test_another_type_is_a_copy(self):
        x = rl.arange(3.0)
        array = np.asarray(x, dtype=np.float64)
        assert array.dtype == np.float64
        assert array.flags.writeable
        with pytest.raises(
            ValueError, match=r"array: float32\[3\] on numpy as float64 needs a copy"
        ):
            np.asarray(x, dtype=np.float64, copy=False)

    def test_another_device(self):
        x = rl.tensor([1.0, 2.0], device="hostile")
        assert np.asarray(x).tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="on hostile as None needs a copy"):
            np.asarray(x, copy=False)

    @pytest.mark.parametrize("library", [rl, torch])
    def test_functions_of_numpy(self, library):
        x = library.tensor([1.0, 2.0])
        assert np.concatenate([x, x]).tolist() == [1.0, 2.0, 1.0, 2.0]
        assert np.array([x[0], x[1]]).tolist() == [1.0, 2.0]
        assert np.arange(5)[library.tensor([1, 3])].tolist() == [1, 3]
        np.testing.assert_allclose(x, [1.0, 2.0])
        target = np.zeros(2)
        target[:] = x
        assert target.tolist() == [1.0, 2.0]

    def test_ufuncs_are_refused(self):
        # PyTorch's way is deprecated by numpy, and leaves device and tape without a word
        for use in (lambda x: np.add(x, 1), np.sin, lambda x: operator.iadd(np.zeros(2), x)):
            with pytest.raises(TypeError, match="does not support ufuncs"):
                use(rl.ones(2))

    @pytest.mark.parametrize("library", [rl, torch])
    def test_a_tensor_that_requires_a_gradient(self, library):
        with pytest.raises(RuntimeError, match="detach"):
            np.asarray(library.ones(2, requires_grad=True))


SCALARS = [np.float64(2), np.float32(2), np.float16(2), np.int64(2), np.int32(2), np.bool_(True)]


@pytest.mark.parametrize("scalar", SCALARS[:-1], ids=lambda s: s.dtype.name)
@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_scalars_of_numpy_are_numbers(op, scalar):
    for values in ([1.0, 2.0], [1, 2]):
        x, theirs = rl.tensor(values), torch.tensor(values)
        for ours, expected in (
            (op(scalar, x), op(scalar, theirs)),
            (op(x, scalar), op(theirs, scalar)),
        ):
            assert isinstance(ours, rl.Tensor)
            assert ours.tolist() == expected.tolist()
            assert f"torch.{ours.dtype}" == str(expected.dtype)


def test_scalars_of_numpy_keep_the_tape():
    x = rl.ones(2, requires_grad=True)
    (np.float64(3) * x).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda s: s.dtype.name)
def test_scalars_of_numpy_are_compared(scalar):
    ours, theirs = rl.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0])
    for op in (operator.eq, operator.ne, operator.lt, operator.ge):
        assert op(ours, scalar).tolist() == op(theirs, scalar).tolist()
        assert op(scalar, ours).tolist() == op(scalar, theirs).tolist()


@pytest.mark.parametrize("op", [operator.mul, operator.sub, operator.matmul, operator.eq])
def test_arrays_of_numpy_are_no_operands(op):
    x, array = rl.ones(2), np.ones(2, np.float32)
    for operands in ((x, array), (array, x)):
        with pytest.raises(TypeError, match=r"ndarray is not a tensor; make one with rl\.tensor"):
            op(*operands)


class TestPython:
    """What Python asks of an object, beside PyTorch."""

    @pytest.mark.parametrize("make", [float, int, bool, complex])
    @pytest.mark.parametrize("values", [2.5, [2.5], [[3]], 0, True, -1.5, [1.0, 2.0], []], ids=str)
    def test_numbers(self, make, values):
        agree(make, values)

    @pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
    def test_integers_of_no_number(self, value):
        agree(int, value)

    @pytest.mark.parametrize("values", [3, [2], True, 2.5, [1, 2], []], ids=str)
    def test_index(self, values):
        agree(lambda x: range(9)[x], values)

    @pytest.mark.parametrize("values", [2.5, 3, True, [1.5], [1.0, 2.0]], ids=str)
    @pytest.mark.parametrize("how", ["", ".2f", "03d", "e", ">9"])
    def test_format(self, values, how):
        if isinstance(values, list) and not how:
            assert format(rl.tensor(values)) == str(rl.tensor(values))
        else:
            agree(lambda x: format(x, how), values)

    @pytest.mark.parametrize("values", [[1.0, 2.0, 2.0], [[1, 2], [3, 4]], 1.0, []], ids=str)
    def test_sequence(self, values):
        agree(len, values)
        agree(lambda x: [row.tolist() for row in x], values)
        agree(lambda x: reversed(x).tolist(), values)

    @pytest.mark.parametrize("value", [2.0, 5, True, math.nan, "a", None, [1.0], (2.0,)], ids=str)
    def test_membership(self, value):
        agree(lambda x: value in x, [1.0, 2.0])

    def test_membership_of_tensors(self):
        for lib in (rl, torch):
            x = lib.tensor([[1.0, 2.0], [3.0, 4.0]])
            assert x[:] in x
            assert lib.tensor(3.0) in x
            assert lib.tensor([9.0, 9.0]) not in x
        with pytest.raises(ContractError) as caught:
            "a" in rl.ones(1)  # noqa: B015  raises
        assert str(caught.value) == "in: str is no element; give a number or tensor"

    def test_hash_is_of_the_object(self):
        x, y = rl.ones(2), rl.ones(2)
        assert {x: 1, y: 2}[x] == 1
        assert len({x, y, x}) == 2

    @pytest.mark.parametrize(
        "ask", [round, math.trunc, math.floor, math.ceil, lambda x: divmod(x, 2)]
    )
    def test_rounding(self, ask):
        agree(ask, 2.5)


def outcome(ask, x):
    """What a call returns, or the error that it raises."""
    try:
        return ask(x)
    except Exception as error:  # compared with that of the other library
        return error


def agree(ask, values):
    """Both libraries answer the same, or ours with an instance of the other's error."""
    ours, theirs = outcome(ask, rl.tensor(values)), outcome(ask, torch.tensor(values))
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), (ours, theirs)
    else:
        assert (type(ours), repr(ours)) == (type(theirs), repr(theirs))


class Named(rl.Tensor):
    """A subclass without slots, so that it has attributes."""


def named(values, **attributes):
    x = rl.tensor(values, requires_grad=True).as_subclass(Named)
    vars(x).update(attributes)
    return x


PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
class TestPickle:
    @pytest.mark.parametrize("dtype", [*SHARED, "bfloat16"])
    def test_every_type(self, protocol, dtype):
        for shape in SHAPES:
            x = rl.tensor(filled(np.float32, shape), dtype=getattr(rl, dtype))
            z = pickle.loads(pickle.dumps(x, protocol))
            assert (z.shape, z.dtype, type(z)) == (x.shape, x.dtype, rl.Tensor)
            assert z.tolist() == x.tolist()
            assert (z + z).dtype is (x + x).dtype  # it is known to promotion

    @pytest.mark.parametrize("view", VIEWS)
    def test_views_are_written_alone(self, protocol, view):
        x = VIEWS[view](rl.arange(24.0).reshape(4, 6))
        assert pickle.loads(pickle.dumps(x, protocol)).tolist() == x.tolist()
        row = pickle.dumps(rl.zeros(1000, 10)[0], protocol)
        assert len(row) < 1000  # PyTorch writes all of what it is a view of

    def test_leaves(self, protocol):
        p = nn.Parameter(rl.tensor([1.0, 2.0]))
        p.grad = rl.ones(2)
        z = pickle.loads(pickle.dumps(p, protocol))
        assert type(z) is nn.Parameter
        assert z.requires_grad
        assert z.is_leaf
        assert z.grad is None  # as PyTorch's
        (z * z).sum().backward()
        assert z.grad.tolist() == [2.0, 4.0]

    def test_computed_tensors_become_leaves(self, protocol):
        for lib in (rl, torch):
            y = lib.ones(2, requires_grad=True) * 2
            z = pickle.loads(pickle.dumps(y, protocol))
            assert (z.requires_grad, z.is_leaf, z.tolist()) == (True, True, [2.0, 2.0])

    def test_one_tensor_stays_one(self, protocol):
        x = rl.ones(2)
        y, z = pickle.loads(pickle.dumps([x, x], protocol))
        assert y is z

    def test_attributes(self, protocol):
        z = pickle.loads(pickle.dumps(named([1.0], name="w", also=rl.ones(1)), protocol))
        assert (type(z), z.name, z.also.item(), z.requires_grad) == (Named, "w", 1.0, True)

    def test_device(self, protocol):
        z = pickle.loads(pickle.dumps(rl.tensor([1.0], device="hostile:1"), protocol))
        assert (str(z.device), z.item()) == ("hostile:1", 1.0)

    def test_a_device_that_is_gone(self, protocol):
        made = pickle.dumps(rl.tensor([1.0], device="hostile:1"), protocol)
        with pytest.raises(BackendUnavailable, match="backend nowhere: not installed; choose"):
            pickle.loads(made.replace(b"hostile:1", b"nowhere:1"))
        with pytest.raises(DeviceError, match="'hostile:7' is not there; hostile has 2 devices"):
            pickle.loads(made.replace(b"hostile:1", b"hostile:7"))

    def test_a_model(self, protocol):
        net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU())
        net[2].weight_of_another = net[0].weight
        twin = pickle.loads(pickle.dumps(net, protocol))
        x = rl.randn(4, 2)
        assert twin(x).tolist() == net(x).tolist()
        assert twin[2].weight_of_another is twin[0].weight


def test_pickle_out_of_band():
    buffers = []
    x = rl.arange(1000.0)
    made = pickle.dumps(x, 5, buffer_callback=buffers.append)
    assert len(made) < 500
    assert pickle.loads(made, buffers=buffers).tolist() == x.tolist()


def test_tensors_go_to_another_process():
    x = rl.tensor([1.0, 2.0], dtype=rl.bfloat16)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        z = pool.submit(operator.mul, x, 2).result(timeout=60)
    assert (z.tolist(), z.dtype) == ([2.0, 4.0], rl.bfloat16)


class TestCopy:
    @pytest.mark.parametrize("lib", [rl, torch])
    def test_a_copy_shows_the_same_memory(self, lib):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        z = copy.copy(x)
        assert (z is x, z.requires_grad, z.is_leaf, z.grad) == (False, True, True, None)
        with lib.no_grad():
            z.add_(1.0)
        assert x.tolist() == [2.0, 3.0]

    @pytest.mark.parametrize("lib", [rl, torch])
    def test_a_copy_of_what_was_computed_is_a_leaf(self, lib):
        z = copy.copy(lib.ones(2, requires_grad=True) * 2)
        assert (z.is_leaf, z.requires_grad, z.tolist()) == (True, True, [2.0, 2.0])

    @pytest.mark.parametrize("lib", [rl, torch])
    def test_a_deep_copy(self, lib):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        (x * x).sum().backward()
        z, again = copy.deepcopy([x, x])
        assert z is again
        assert (z.tolist(), z.requires_grad, z.grad.tolist()) == ([1.0, 2.0], True, [2.0, 4.0])
        with lib.no_grad():
            z.add_(1.0)
            z.grad.zero_()
        assert (x.tolist(), x.grad.tolist()) == ([1.0, 2.0], [2.0, 4.0])

    @pytest.mark.parametrize("lib", [rl, torch])
    def test_a_deep_copy_of_what_was_computed(self, lib):
        with pytest.raises(RuntimeError):
            copy.deepcopy(lib.ones(2, requires_grad=True) * 2)

    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
    def test_class_and_attributes(self, duplicate):
        x = named([1.0], name="w", also=[1])
        x.itself = x
        z = duplicate(x)
        assert (type(z), z.name, z.also) == (Named, "w", [1])
        assert (z.also is x.also) == (duplicate is copy.copy)
        assert (z.itself is z) == (duplicate is copy.deepcopy)
        assert type(duplicate(nn.Parameter(rl.ones(1)))) is nn.Parameter

    def test_another_device(self):
        x = rl.tensor([1.0], device="hostile")
        for duplicate in (copy.copy, copy.deepcopy):
            assert str(duplicate(x).device) == "hostile"

    def test_in_a_traced_program(self):
        @rl.compile
        def program(x):
            y = copy.deepcopy(x)
            y.add_(1.0)
            copy.copy(x).mul_(3.0)
            return y

        x = rl.ones(2)
        assert (program(x).tolist(), x.tolist()) == ([2.0, 2.0], [3.0, 3.0])


OTHER = {rl: torch, torch: rl}
DATA = {
    "numbers": lambda lib: [1.0, 2.0],
    "array": lambda lib: np.ones(2),
    "scalar": lambda lib: np.float64(1.0),
    "scalars": lambda lib: [np.float64(1.0), 2.0],
    "short scalars": lambda lib: [np.float32(1.0), 2.0],
    "integer scalars": lambda lib: [np.int64(1), 2.0],
    "tensors": lambda lib: [lib.tensor(1.0, dtype=lib.float64), lib.tensor(2.0)],
    "nested": lambda lib: [[1.0], (np.float64(2.0),)],
    "foreign": lambda lib: OTHER[lib].ones(2, dtype=OTHER[lib].float64),
    "foreign short": lambda lib: OTHER[lib].ones(2),
}


@pytest.mark.parametrize("data", DATA)
def test_element_type_of_data(data):
    ours, theirs = rl.tensor(DATA[data](rl)), torch.tensor(DATA[data](torch))
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    assert ours.tolist() == theirs.tolist()


def test_threads_share_what_is_imported():
    x, sums = rl.from_dlpack(np.ones(1000)), []
    threads = [threading.Thread(target=lambda: sums.append(x.sum().item())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [1000.0] * 4
