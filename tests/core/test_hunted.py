"""What a hunt for faults found, each beside what PyTorch does."""

import io
import operator
import os
import threading

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch", reason="the tests beside PyTorch need it")


def test_saving_to_a_link_keeps_the_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    for value in 1, 2:  # the first time the link names nothing yet
        rl.save({"x": rl.tensor(value)}, link)
        assert link.is_symlink()
        assert rl.load(target)["x"].item() == value


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_saving_to_a_pipe_writes_to_it(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    rl.save({"x": rl.tensor(1)}, pipe)
    reader.join(10)
    assert pipe.is_fifo()
    assert rl.load(io.BytesIO(read[0]))["x"].item() == 1


@pytest.mark.parametrize("key", ["\ud800", np.int64(3), np.float32(0.5), np.bool(True)], ids=repr)
def test_a_state_is_saved_under_any_key(tmp_path, key):
    rl.save({key: rl.tensor(1)}, tmp_path / "state")
    assert rl.load(tmp_path / "state")[key].item() == 1


def test_a_file_of_text_is_refused():
    with pytest.raises(rl.ContractError, match=r"^save: f is a StringIO; give a path or a file of"):
        rl.save({}, io.StringIO())
    with pytest.raises(rl.ContractError, match=r"^load: f is a StringIO; give a path or a file of"):
        rl.load(io.StringIO())


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8"])
def test_padding_of_integers_never_wins_a_window(dtype):
    info = torch.iinfo(getattr(torch, dtype))
    values = [[[info.min, info.min + 1, info.max, info.min, info.min]]]
    ours = rl.max_pool2d(rl.tensor([values], dtype=getattr(rl, dtype)), 3, 1, 1)
    theirs = torch.max_pool2d(torch.tensor([values], dtype=getattr(torch, dtype)), 3, 1, 1)
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize(("most", "dtype"), [(128, "int8"), (257, "bfloat16"), (2, "bool")])
def test_a_permutation_that_its_type_does_not_hold_is_refused(most, dtype):
    dtype = getattr(rl, dtype)
    assert sorted(rl.randperm(most, dtype=dtype).to(rl.int64).tolist()) == list(range(most))
    with pytest.raises(rl.ContractError, match=rf"^randperm: 0 to {most} in .*; give a wider dty"):
        rl.randperm(most + 1, dtype=dtype)


@pytest.mark.parametrize("shape", [(0, 2), (0, 2, 3, 3), (2, 2, 0)], ids=str)
def test_batch_norm_of_nothing_leaves_the_running_statistics(shape):
    ours, theirs = [], []
    for lib, F, found in (rl, rl, ours), (torch, torch.nn.functional, theirs):
        mean, var = lib.ones(2), lib.ones(2) * 3
        weight = lib.ones(2, requires_grad=True)
        x = lib.zeros(*shape, requires_grad=True)
        z = F.batch_norm(x, mean, var, weight, None, True)
        z.sum().backward()
        found += [tuple(z.shape), tuple(x.grad.shape)]
        found += [mean.tolist(), var.tolist(), weight.grad.tolist()]
    assert ours == theirs


@pytest.mark.parametrize(
    ("n", "k", "s", "p", "d"),
    [
        (2, 3, 2, 0, 1), (1, 3, 3, 1, 1), (1, 4, 5, 0, 1), (3, 4, 2, 1, 1), (2, 2, 3, 0, 2),
        (2, 3, 1, 0, 1), (1, 3, 2, 0, 1), (2, 5, 3, 0, 1), (0, 3, 5, 1, 1),
    ],
)  # fmt: skip
def test_a_window_beyond_its_input_counts_in_ceil_mode_as_in_pytorch(n, k, s, p, d):
    def found(lib, functional, pool):
        x = lib.arange(1.0 * n).reshape(1, 1, n).requires_grad_()
        try:
            z = pool(functional, x)
        except RuntimeError:
            return "refused"
        values, *places = z if isinstance(z, tuple) else (z,)
        (values * values).sum().backward()
        return values.tolist(), x.grad.tolist(), [place.tolist() for place in places]

    for pool in (
        lambda lib, x: lib.max_pool1d(x, k, s, p, d, ceil_mode=True),
        lambda lib, x: lib.max_pool1d(x, k, s, p, d, ceil_mode=True, return_indices=True),
        lambda lib, x: lib.avg_pool1d(x, (k - 1) * d + 1, s, p, ceil_mode=True),
    ):
        assert found(rl, rl, pool) == found(torch, torch.nn.functional, pool)


@pytest.mark.parametrize("values", [[[np.nan]], [[1.0, np.nan], [np.nan, 1.0]]], ids=str)
def test_cholesky_refuses_nan(values):
    with pytest.raises(torch.linalg.LinAlgError):
        torch.linalg.cholesky(torch.tensor(values))
    with pytest.raises(rl.linalg.LinAlgError, match=r"^cholesky: .*; give symmetric positive"):
        rl.linalg.cholesky(rl.tensor(values))
    with pytest.raises(rl.linalg.LinAlgError):
        rl.linalg.cholesky(rl.ones(3, 1, 1) * rl.tensor(values)[:1, :1] - rl.inf)


def test_what_retain_grad_keeps_is_what_all_hooks_made():
    def found(lib):
        x = lib.ones(2, requires_grad=True)
        y = x * 2
        y.register_hook(lambda g: g + 1)
        y.retain_grad()
        y.register_hook(lambda g: g * 10)
        y.sum().backward()
        return y.grad.tolist(), x.grad.tolist()

    assert found(rl) == found(torch) == ([20.0, 20.0], [40.0, 40.0])


@pytest.mark.parametrize("divide", ["floor_divide", "remainder", "fmod"])
def test_nothing_can_be_divided_by_zero(divide):
    for lib in rl, torch:
        x = lib.zeros(0, 2, dtype=lib.int64)
        for y in (0, lib.tensor(0), lib.tensor([0, 1])):
            assert tuple(getattr(lib, divide)(x, y).shape) == (0, 2)
    with pytest.raises(rl.ContractError, match="divided by zero"):
        getattr(rl, divide)(rl.ones(1, dtype=rl.int64), 0)
    assert rl.compile(lambda x: getattr(rl, divide)(x, 0))(rl.zeros(0, dtype=rl.int64)).numel() == 0


@pytest.mark.parametrize("seed", [float("inf"), float("nan"), "a", None], ids=repr)
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises((TypeError, ValueError, OverflowError)):
        torch.manual_seed(seed)
    with pytest.raises(rl.ContractError, match=r"^manual_seed: .*; give an integer$"):
        rl.manual_seed(seed)


@pytest.mark.parametrize("seed", ["7", 1.5, True, -1], ids=repr)
def test_what_int_takes_is_a_seed(seed):
    mine = rl.Generator().manual_seed(seed).initial_seed()
    assert mine == torch.Generator().manual_seed(int(seed)).initial_seed()


@pytest.mark.parametrize("dim", [0, -1])
def test_a_number_has_no_dim_to_roll_or_repeat(dim):
    for lib in rl, torch:
        with pytest.raises(IndexError):
            lib.roll(lib.tensor(1.0), 1, dim)
        with pytest.raises(IndexError):
            lib.repeat_interleave(lib.tensor(1.0), 2, dim)
        assert lib.roll(lib.tensor(1.0), 1).item() == 1
        assert lib.repeat_interleave(lib.tensor(1.0), 2).tolist() == [1, 1]


@pytest.mark.parametrize("function", ["floor", "ceil", "trunc"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64"])
def test_rounding_leaves_what_has_no_fraction(function, dtype):
    x = rl.tensor([1, 0], dtype=getattr(rl, dtype))
    for run in getattr(rl, function), rl.compile(getattr(rl, function)):
        assert run(x).dtype is x.dtype
        assert run(x).tolist() == x.tolist()


@pytest.mark.parametrize("device", ["numpy", "hostile"])
@pytest.mark.parametrize("number", [300, 256, 255, -1, 2**40, -(2**70)])
def test_a_number_beyond_a_type_is_compared_as_it_is(device, number):
    """PyTorch takes its lowest bits, by which 255 > 300: see parity's differences."""
    values = [5, 0, 255]
    x = rl.tensor(values, dtype=rl.uint8, device=device)
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        compare, wanted = getattr(rl, name), getattr(operator, name)
        for run in compare, rl.compile(compare):
            assert run(x, number).tolist() == [wanted(value, number) for value in values]


@pytest.mark.parametrize("short", ["float16", "bfloat16"])
@pytest.mark.parametrize("other", ["float32", "float64"])
@pytest.mark.parametrize("name", ["addcmul", "addcdiv"])
def test_a_narrow_tensor_beside_a_wider_one_is_promoted(name, short, other):
    def call(lib):
        x, y = (lib.tensor([1.5, 2.5], dtype=getattr(lib, t)) for t in (short, other))
        return getattr(lib, name)(x, y, y)

    ours, theirs = call(rl), call(torch)
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-6)


def test_zero_times_infinity_is_nan_in_the_gradient_of_a_layer_of_one_output():
    x = rl.ones(1, 2, requires_grad=True)
    weight = rl.tensor([[1.0, rl.inf]])
    with np.errstate(invalid="ignore"):
        (rl.linear(x, weight) * 0.0).sum().backward()
    assert x.grad[0, 0] == 0
    assert x.grad[0, 1].isnan()


@pytest.mark.parametrize("scale", [1.0, float("inf")])
@pytest.mark.parametrize("targets", [[-100, -100], [-100, 1]], ids=["all ignored", "one ignored"])
def test_ignored_rows_have_no_gradient(targets, scale):
    """Even where the mean is nan, or what comes back is infinite."""
    found = []
    for lib, loss_of in (rl, rl.cross_entropy), (torch, torch.nn.functional.cross_entropy):
        x = lib.tensor([[0.5, 1.0], [2.0, -1.0]], requires_grad=True)
        loss = loss_of(x, lib.tensor(targets))
        (loss * scale).backward()
        found.append(x.grad.tolist())
    np.testing.assert_allclose(*[np.array(x)[np.array(targets) < 0] for x in found], rtol=0)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1, 3), (1,), (2, 3)], ids=repr)
def test_a_layer_of_one_output_has_gradients(shape):
    found = []
    for lib, layer in (rl, rl.linear), (torch, torch.nn.functional.linear):
        given = [lib.ones(size, requires_grad=True) for size in (shape, (1, shape[-1]), (1,))]
        (layer(*given) * 2).sum().backward()
        found.append([x.grad.tolist() for x in given])
    assert found[0] == found[1]


def test_zero_times_infinity_is_nan_in_the_gradient_of_a_layer_given_one_element():
    weight = rl.ones(2, 1, requires_grad=True)
    with np.errstate(invalid="ignore"):
        z = rl.linear(rl.tensor([[0.0]]), weight)
        z.backward(rl.tensor([[rl.inf, 1.0]]))
    assert weight.grad[0, 0].isnan()
    assert weight.grad[1, 0] == 0
