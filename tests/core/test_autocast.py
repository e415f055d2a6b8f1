"""autocast beside PyTorch's on the CPU: element types of results and gradients, and values."""

import threading
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn
from rushlight.amp import casting
from rushlight.extend import operations

LOW = ("bfloat16", "float16")
TYPES = ("float32", "bfloat16", "float64")
F = torch.nn.functional
CLASSES = np.array([1, 0, 2])


class Case(NamedTuple):
    """A function of tensors of these shapes, in both libraries.  asking: how many ask gradients."""

    shapes: tuple[tuple[int, ...], ...]
    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    asking: int = 9


def public(name: str) -> Callable[..., Any]:
    """The function of this name, of rushlight or behind a layer."""
    return getattr(rl, name) if hasattr(rl, name) else getattr(nn.functional, name)


def same(name: str, *shapes: tuple[int, ...], **options: Any) -> Case:
    """The function of this name in both libraries."""
    owner = torch if hasattr(torch, name) else F
    return Case(
        shapes,
        lambda *xs: public(name)(*xs, **options),
        lambda *xs: getattr(owner, name)(*xs, **options),
    )


def of_functional(name: str, *shapes: tuple[int, ...], **options: Any) -> Case:
    """The same, PyTorch's from torch.nn.functional."""
    return same(name, *shapes, **options)._replace(
        theirs=lambda *xs: getattr(F, name)(*xs, **options)
    )


def with_classes(name: str, *shapes: tuple[int, ...], **options: Any) -> Case:
    """A loss whose second input is of class indices."""
    return Case(
        shapes,
        lambda x, *w: public(name)(x, rl.tensor(CLASSES), *w, **options),
        lambda x, *w: getattr(F, name)(x, torch.tensor(CLASSES), *w, **options),
        asking=1,
    )


V, M, N, IMAGE, VOLUME = (3,), (3, 4), (4, 2), (2, 2, 5, 5), (1, 2, 4, 4, 4)
NARROW = {
    "matmul": same("matmul", M, N),
    "matmul-vector": same("matmul", M, (4,)),
    "operator": Case((M, N), lambda x, y: x @ y, lambda x, y: x @ y),
    "mm": same("mm", M, N),
    "bmm": same("bmm", (2, 3, 4), (2, 4, 2)),
    "einsum": Case(
        (M, N),
        lambda x, y: rl.einsum("ij,jk->ki", x, y),
        lambda x, y: torch.einsum("ij,jk->ki", x, y),
    ),
    "linear": of_functional("linear", M, (2, 4), (2,)),
    "linear-vector": of_functional("linear", (4,), (2, 4)),
    "conv1d": of_functional("conv1d", (1, 2, 5), (3, 2, 2), V),
    "conv1d-alone": of_functional("conv1d", (2, 5), (3, 2, 2), V),
    "conv2d": of_functional("conv2d", IMAGE, (3, 2, 2, 2), V, padding=1),
    "conv3d": of_functional("conv3d", VOLUME, (3, 2, 2, 2, 2), V),
    "conv_transpose1d": of_functional("conv_transpose1d", (1, 2, 5), (2, 3, 2), V),
    "conv_transpose2d": of_functional("conv_transpose2d", IMAGE, (2, 3, 2, 2), V, stride=2),
    "conv_transpose3d": of_functional("conv_transpose3d", VOLUME, (2, 3, 2, 2, 2), V),
    "addmm": same("addmm", (3, 2), M, N),
    "baddbmm": same("baddbmm", (2, 3, 2), (2, 3, 4), (2, 4, 2)),
    "scaled_dot_product_attention": of_functional("scaled_dot_product_attention", M, M, M),
    "prelu": of_functional("prelu", M, (1,)),
}
WIDE = {
    "mse_loss": of_functional("mse_loss", M, M),
    "mse_loss-none": of_functional("mse_loss", M, M, reduction="none"),
    "l1_loss": of_functional("l1_loss", M, M),
    "smooth_l1_loss": of_functional("smooth_l1_loss", M, M),
    "huber_loss": of_functional("huber_loss", M, M, delta=0.3),
    "kl_div": of_functional("kl_div", M, M, reduction="batchmean"),
    "binary_cross_entropy": of_functional("binary_cross_entropy", M, M),
    "binary_cross_entropy_with_logits": of_functional("binary_cross_entropy_with_logits", M, M),
    "cross_entropy": with_classes("cross_entropy", M),
    "cross_entropy-weight": with_classes("cross_entropy", M, (4,), label_smoothing=0.1),
    "cross_entropy-shares": of_functional("cross_entropy", M, M),
    "nll_loss": with_classes("nll_loss", M),
    "nll_loss-none": with_classes("nll_loss", M, (4,), reduction="none"),
    "margin_ranking_loss": of_functional("margin_ranking_loss", V, V, V),
    "hinge_embedding_loss": Case(
        (V,),
        lambda x: public("hinge_embedding_loss")(x, rl.tensor([1.0, -1.0, 1.0])),
        lambda x: F.hinge_embedding_loss(x, torch.tensor([1.0, -1.0, 1.0])),
    ),
    "soft_margin_loss": of_functional("soft_margin_loss", V, V)._replace(asking=1),
    "cosine_embedding_loss": Case(
        (M, M),
        lambda x, y: public("cosine_embedding_loss")(x, y, rl.ones(3)),
        lambda x, y: F.cosine_embedding_loss(x, y, torch.ones(3)),
    ),
    "triplet_margin_loss": of_functional("triplet_margin_loss", M, M, M),
    "multi_margin_loss": with_classes("multi_margin_loss", M),
    "multilabel_margin_loss": Case(
        (M,),
        lambda x: public("multilabel_margin_loss")(x, rl.tensor([[1, 0, -1, 2]] * 3)),
        lambda x: F.multilabel_margin_loss(x, torch.tensor([[1, 0, -1, 2]] * 3)),
    ),
    "poisson_nll_loss": of_functional("poisson_nll_loss", M, M),
    "prod": same("prod", M),
    "prod-dim": same("prod", M, dim=1),
    "trace": same("trace", M),
    "inverse": same("inverse", (2, 2)),
    "pinverse": same("pinverse", (2, 2)),
    "cholesky_solve": same("cholesky_solve", (2, 3), (2, 2))._replace(asking=1),
    "cdist": same("cdist", M, (2, 4)),
    "max_pool3d": of_functional("max_pool3d", VOLUME, kernel_size=2),
    "avg_pool3d": of_functional("avg_pool3d", VOLUME, kernel_size=2),
    "adaptive_avg_pool3d": of_functional("adaptive_avg_pool3d", VOLUME, output_size=3),
    "adaptive_max_pool3d": of_functional("adaptive_max_pool3d", VOLUME, output_size=3),
    "lp_pool3d": of_functional("lp_pool3d", VOLUME, norm_type=2.0, kernel_size=2),
    "max_unpool2d": Case(
        ((1, 1, 2, 2),),
        lambda x: public("max_unpool2d")(x, rl.tensor([[[[0, 3], [8, 15]]]]), 2),
        lambda x: F.max_unpool2d(x, torch.tensor([[[[0, 3], [8, 15]]]]), 2),
    ),
    "max_unpool3d": Case(
        ((1, 1, 1, 1, 2),),
        lambda x: public("max_unpool3d")(x, rl.tensor([[[[[3, 5]]]]]), 2),
        lambda x: F.max_unpool3d(x, torch.tensor([[[[[3, 5]]]]]), 2),
    ),
    "grid_sample": of_functional("grid_sample", IMAGE, (2, 3, 3, 2), align_corners=False),
    "quantile": Case((M,), lambda x: rl.quantile(x, 0.3, 1), lambda x: torch.quantile(x, 0.3, 1)),
    "nanquantile": same("nanquantile", M, q=0.3),
    "pad-reflect": of_functional("pad", IMAGE, pad=(1, 2, 1, 1), mode="reflect"),
    "pad-replicate": of_functional("pad", VOLUME, pad=(1, 2, 1, 1, 0, 1), mode="replicate"),
}
AS_GIVEN = {
    "mv": same("mv", M, (4,)),
    "dot": same("dot", V, V),
    "addmv": same("addmv", V, M, (4,)),
    "outer": same("outer", V, V),
    "einsum-elements": Case(
        (M, M),
        lambda x, y: rl.einsum("ij,ij->ij", x, y),
        lambda x, y: torch.einsum("ij,ij->ij", x, y),
    ),
    "bilinear": of_functional("bilinear", M, (3, 5), (2, 4, 5)),
    "softmax": same("softmax", M, dim=1),
    "log_softmax": same("log_softmax", M, dim=1),
    "layer_norm": of_functional("layer_norm", M, normalized_shape=(4,)),
    "sum": same("sum", M),
    "exp": same("exp", M),
    "avg_pool2d": of_functional("avg_pool2d", IMAGE, kernel_size=2),
    "pad-constant": of_functional("pad", IMAGE, pad=(1, 2)),
    "pad-circular": of_functional("pad", IMAGE, pad=(1, 2, 1, 1), mode="circular"),
    "pad-reflect-3d": of_functional("pad", VOLUME, pad=(1, 2, 1, 1, 0, 1), mode="reflect"),
    "cat": Case((V, V), lambda *xs: rl.cat(xs), lambda *xs: torch.cat(xs)),
    "stack": Case((V, V), lambda *xs: rl.stack(xs), lambda *xs: torch.stack(xs)),
    "index_copy": Case(
        (V, (2,)),
        lambda x, y: rl.index_copy(x, 0, rl.tensor([2, 0]), y),
        lambda x, y: torch.index_copy(x, 0, torch.tensor([2, 0]), y),
    ),
}
ALL = {**NARROW, **WIDE, **AS_GIVEN}
# Source: PyTorch's documentation, Automatic Mixed Precision package, operations on the CPU.
LISTED = """
conv1d conv2d conv3d bmm mm baddbmm addmm addbmm linear matmul conv_transpose1d conv_transpose2d
conv_transpose3d prelu scaled_dot_product_attention
avg_pool3d binary_cross_entropy grid_sample polar prod quantile nanquantile stft cdist trace
cholesky_inverse cholesky_solve inverse lu_solve ormqr pinverse max_pool3d max_unpool2d max_unpool3d
adaptive_avg_pool3d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d pad mse_loss
cosine_embedding_loss nll_loss hinge_embedding_loss poisson_nll_loss smooth_l1_loss cross_entropy
l1_loss huber_loss margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss
ctc_loss kl_div multilabel_margin_loss binary_cross_entropy_with_logits
stack cat index_copy
"""


def arrays(case: Case) -> list[np.ndarray]:
    """Values in eighths, which every type holds."""
    random = np.random.default_rng(0)
    return [random.integers(1, 8, shape).astype(np.float32) / 8 for shape in case.shapes]


def ours(case: Case, dtypes: list[str]) -> list[rl.Tensor]:
    pairs = zip(arrays(case), dtypes, strict=True)
    xs = [rl.tensor(x, dtype=getattr(rl, dtype)) for x, dtype in pairs]
    return [x.requires_grad_(i < case.asking) for i, x in enumerate(xs)]


def theirs(case: Case, dtypes: list[str]) -> list[torch.Tensor]:
    pairs = zip(arrays(case), dtypes, strict=True)
    xs = [torch.tensor(x, dtype=getattr(torch, dtype)) for x, dtype in pairs]
    return [x.requires_grad_(i < case.asking) for i, x in enumerate(xs)]


def name_of(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def compare(case: Case, dtypes: list[str], low: str) -> None:
    """Result and gradients under autocast to `low`: their types are PyTorch's, values are near."""
    xs, ys = ours(case, dtypes), theirs(case, dtypes)
    with torch.autocast("cpu", getattr(torch, low)):
        w = case.theirs(*ys)
    with rl.autocast("cpu", getattr(rl, low)):
        z = case.ours(*xs)
    assert name_of(z.dtype) == name_of(w.dtype)
    assert z.shape == w.shape
    w.float().sum().backward()
    z.float().sum().backward()
    eps = 2.0**-8 if "bfloat16" in (low, *dtypes) else 2.0**-11
    asked = [*zip(xs, ys, strict=True)][: case.asking]
    for mine, other in [(z, w), *[(x.grad, y.grad) for x, y in asked]]:
        assert name_of(mine.dtype) == name_of(other.dtype)
        near(mine, other, eps)


def near(x: Any, y: Any, eps: float) -> None:
    """Within a step of the low type at each of the about ten terms of the longest sum."""
    a, b = (np.asarray(z.detach().float().tolist()) for z in (x, y))
    assert np.abs(a - b).max() <= 10 * eps * max(1.0, np.abs(b).max())


@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ALL)
def test_types_and_values_are_pytorchs(name, dtype, low):
    case = ALL[name]
    if dtype == "bfloat16" and low == "float16" and name in {"cat", "stack", "index_copy"}:
        pytest.skip("PyTorch refuses bfloat16 in a promoting operation under float16")
    compare(case, [dtype] * len(case.shapes), low)


@pytest.mark.parametrize("first", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", [name for name in {**NARROW, **WIDE} if len(ALL[name].shapes) > 1])
def test_types_that_differ_meet_as_in_pytorch(name, first):
    case = ALL[name]
    rest = "bfloat16" if first == "float32" else "float32"
    compare(case, [first, *[rest] * (len(case.shapes) - 1)], "bfloat16")


@pytest.mark.parametrize("low", LOW)
def test_index_copy_takes_the_widest(low):
    case = AS_GIVEN["index_copy"]
    compare(case, ["float32", low], low)
    compare(case, [low, "float32"], low)
    with pytest.raises(rl.ContractError):
        case.ours(*[x.detach() for x in ours(case, [low, "float32"])])


@pytest.mark.parametrize("name", NARROW.keys() - {"prelu"})  # in which types meet
def test_a_double_is_not_cast(name):
    case = NARROW[name]
    with rl.autocast("cpu", rl.bfloat16), pytest.raises(rl.ContractError):
        case.ours(*ours(case, ["float64", *["float32"] * (len(case.shapes) - 1)]))


@pytest.mark.parametrize("name", list(ALL))
def test_compiled_equals_eager(name):
    case = ALL[name]
    xs = [x.detach() for x in ours(case, ["float32"] * len(case.shapes))]
    compiled = rl.compile(case.ours)
    with rl.autocast("cpu", rl.bfloat16):
        around, expected = compiled(*xs), case.ours(*xs)
    inside = rl.compile(rl.autocast("cpu", rl.bfloat16)(case.ours))(*xs)
    for z in (around, inside):
        assert z.dtype is expected.dtype
        assert z.tolist() == expected.tolist()
    assert compiled(*xs).tolist() == case.ours(*xs).tolist()  # without, it is traced again


@pytest.mark.parametrize("name", [*NARROW, "mse_loss", "mse_loss-none", "prod", "pad-reflect"])
def test_a_device_that_helps_with_nothing_agrees(name):
    case = ALL[name]
    xs = [x.detach() for x in ours(case, ["float32"] * len(case.shapes))]
    with rl.autocast("hostile", rl.bfloat16):
        z = case.ours(*[x.to("hostile") for x in xs]).to("numpy")
    with rl.autocast("cpu", rl.bfloat16):
        expected = case.ours(*xs)
    assert z.dtype is expected.dtype
    near(z, expected, 2.0**-8)


# -- where it holds


@pytest.fixture
def product() -> Callable[[], Any]:
    """The name of the type in which a product of float32 matrices is computed here."""
    x = rl.ones(2, 2)
    return lambda: (x @ x).dtype.name


def test_contexts_nest(product):
    assert product() == "float32"
    with rl.autocast("cpu", rl.bfloat16):
        assert product() == "bfloat16"
        with rl.autocast("cpu", rl.float16):
            assert product() == "float16"
            with rl.autocast("cpu", enabled=False):
                assert product() == "float32"
                assert rl.get_autocast_dtype("cpu") is rl.float16
                assert not rl.is_autocast_enabled("cpu")
                with rl.autocast("cpu"):
                    assert product() == "float16"  # that of the one around
            assert product() == "float16"
        assert product() == "bfloat16"
    assert product() == "float32"


def test_it_ends_with_an_error(product):
    with pytest.raises(ZeroDivisionError), rl.autocast("cpu"):
        raise ZeroDivisionError
    assert product() == "float32"


def test_one_object_may_be_entered_again(product):
    context = rl.autocast("cpu", rl.bfloat16)
    with context, context:
        assert product() == "bfloat16"
    assert product() == "float32"


def test_it_decorates_functions(product):
    inside = rl.autocast("cpu", dtype=rl.bfloat16)(product)
    assert (inside(), product()) == ("bfloat16", "float32")


def test_other_threads_are_not_in_it(product):
    found = []
    with rl.autocast("cpu", rl.bfloat16):
        thread = threading.Thread(target=lambda: found.append(product()))
        thread.start()
        thread.join()
    assert found == ["float32"]


def test_threads_may_share_a_decorated_function():
    x, found, barrier = rl.ones(2, 2), [], threading.Barrier(4)

    @rl.autocast("cpu", dtype=rl.bfloat16)
    def step():
        barrier.wait()
        found.append((x @ x).dtype.name)
        barrier.wait()

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["bfloat16"] * 4


def test_gradients_on_and_off_are_apart_from_it(product):
    x = rl.ones(2, 2, requires_grad=True)
    with rl.autocast("cpu", rl.bfloat16):
        with rl.no_grad():
            assert not (x @ x).requires_grad
            assert product() == "bfloat16"
        assert (x @ x).requires_grad
        rl.set_grad_enabled(False)
    try:
        assert not rl.is_grad_enabled()  # as in PyTorch: only what it began ends with it
    finally:
        rl.set_grad_enabled(True)
    with rl.no_grad(), rl.autocast("cpu", rl.bfloat16):
        assert (product(), rl.is_grad_enabled()) == ("bfloat16", False)


def test_device_types(product):
    there = rl.ones(2, 2, device="hostile")
    with rl.autocast("hostile", rl.bfloat16):
        assert (product(), (there @ there).dtype.name) == ("float32", "bfloat16")
        assert rl.is_autocast_enabled("hostile")
        assert not rl.is_autocast_enabled("cpu")
        with rl.autocast("numpy", rl.float16):
            assert (product(), (there @ there).dtype.name) == ("float16", "bfloat16")
    with rl.autocast(rl.bfloat16):  # every device
        assert (product(), (there @ there).dtype.name) == ("bfloat16", "bfloat16")
        assert rl.is_autocast_enabled()
    with rl.autocast(rl.device("numpy"), rl.float16):
        assert product() == "float16"
    with rl.autocast(device_type="cpu"):
        assert rl.get_autocast_dtype("cpu") is rl.bfloat16
        assert rl.get_autocast_dtype() is rl.bfloat16


def test_what_holds_where_nothing_does():
    assert rl.is_autocast_enabled("cpu") is torch.is_autocast_enabled("cpu")
    assert not rl.is_autocast_enabled()
    assert name_of(rl.get_autocast_dtype("cpu")) == name_of(torch.get_autocast_dtype("cpu"))


def test_types_that_are_not_for_it(product):
    with pytest.warns(UserWarning, match="autocast: float32 is not for autocast, so nothing is"):
        context = rl.autocast("cpu", rl.float32)
    with context:
        assert product() == "float32"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rl.autocast("cpu", rl.float32, enabled=False)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (("nowhere",), RuntimeError),
        ((3,), ValueError),
        ((rl.float16, rl.bfloat16), ValueError),
        (("cpu", "nothing"), ValueError),
    ],
)
def test_arguments_that_are_refused(given, error):
    with pytest.raises(error) as told:
        rl.autocast(*given)
    assert isinstance(told.value, rl.RushlightError)


# -- gradients, programs


def test_gradients_have_the_types_of_the_parameters():
    w, b = rl.ones(3, 2, requires_grad=True), rl.zeros(2, requires_grad=True)
    with rl.autocast("cpu", rl.bfloat16):
        loss = rl.mse_loss(rl.linear(rl.ones(4, 3), w.mT, b), rl.zeros(4, 2))
        assert loss.dtype is rl.float32
        loss.backward()
        loss = rl.mse_loss(rl.linear(rl.ones(4, 3), w.mT, b), rl.zeros(4, 2))
    loss.backward()  # a second pass, and outside
    assert (w.grad.dtype, b.grad.dtype) == (rl.float32, rl.float32)
    assert w.grad.tolist() == [[6.0, 6.0]] * 3


def test_second_derivatives_pass_through_casts():
    x = rl.tensor([[1.0, 2.0]], requires_grad=True)
    with rl.autocast("cpu", rl.bfloat16):
        z = (x @ x.mT).float().sum()
    (g,) = rl.autograd.grad(z, x, create_graph=True)
    (gg,) = rl.autograd.grad(g.sum(), x)
    assert (g.tolist(), gg.tolist()) == ([[2.0, 4.0]], [[2.0, 2.0]])


def test_a_program_is_made_for_each_type():
    x = rl.ones(2, 2)
    f = rl.compile(lambda x: x @ x)
    types = []
    for dtype in (rl.bfloat16, rl.float16, rl.bfloat16):
        with rl.autocast("cpu", dtype):
            types.append(f(x).dtype.name)
    types.append(f(x).dtype.name)
    assert types == ["bfloat16", "float16", "bfloat16", "float32"]
    assert len(f.traced) == 3


def test_a_step_of_training_is_compiled():
    w = rl.ones(3, 1, requires_grad=True)

    def step(x, y):
        with rl.autocast("cpu", rl.bfloat16):
            loss = rl.mse_loss(x @ w, y)
        loss.backward()
        with rl.no_grad():
            w.sub_(w.grad * 0.05)
        w.grad = None
        return loss

    x, y = rl.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.5]]), rl.tensor([[1.0], [2.0]])
    compiled = rl.compile(step)
    losses = [compiled(x, y).item() for _ in range(5)]
    w.data.copy_(rl.ones(3, 1))
    assert losses == [step(x, y).item() for _ in range(5)]
    assert losses[-1] < losses[0] / 2


def test_cells_and_values_are_read_as_ever():
    cell, x = rl.Cell(2.0), rl.ones(2, 2)
    with rl.autocast("cpu", rl.bfloat16):
        assert float((x @ x)[0, 0]) == 2.0
        assert (x @ x).tolist() == [[2.0, 2.0], [2.0, 2.0]]
        cell.value = cell.value + 1.0
        assert not rl.compiler.is_compiling()
        assert rl.rand(2).to("hostile").shape == (2,)
        x.add_(x @ x)
    assert (cell.value, x.tolist()) == (3.0, [[3.0, 3.0], [3.0, 3.0]])


# -- the statement of policies


def test_every_policy_is_of_an_operation():
    assert casting.POLICIES.keys() <= operations.keys()


def test_every_function_that_pytorch_lists_is_compared():
    compared = {name.partition("-")[0] for name in ALL}
    listed = {name for name in LISTED.split() if hasattr(rl, name) or hasattr(nn.functional, name)}
    assert listed - compared == set()


def test_off_costs_nothing():
    x = rl.ones(2, 2)
    with rl.autocast("cpu", rl.bfloat16):
        x @ x
    assert rl.eager.interpreter.get() is rl.eager.RECORDING
    with rl.autocast("cpu", enabled=False):
        assert rl.eager.interpreter.get() is rl.eager.RECORDING


# -- norms of a low type with parameters of float32, as they meet under autocast

NORMS = {
    "layer_norm": lambda f, x, w, b: f.layer_norm(x, (3,), w[:3], b[:3]),
    "rms_norm": lambda f, x, w, _: f.rms_norm(x, (3,), w[:3]),
    "group_norm": lambda f, x, w, b: f.group_norm(x, 2, w, b),
    "instance_norm": lambda f, x, w, b: f.instance_norm(x, weight=w, bias=b),
    "batch_norm": lambda f, x, w, b: f.batch_norm(x, None, None, w, b, True),
    "batch_norm-running": lambda f, x, w, b: f.batch_norm(x, b.detach(), w.detach(), w, b),
}


@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # PyTorch's, of rms_norm
@pytest.mark.parametrize("low", LOW)
@pytest.mark.parametrize("name", NORMS)
def test_norms_of_a_low_type_with_wider_parameters(name, low):
    random = np.random.default_rng(0)
    arrays = [random.integers(1, 8, shape) / 8 for shape in ((2, 4, 3), (4,), (4,))]
    found = []
    for library, room in ((rl, rl), (torch, F)):
        dtypes = [getattr(library, low), library.float32, library.float32]
        xs = [
            library.tensor(x, dtype=dtype).requires_grad_()
            for x, dtype in zip(arrays, dtypes, strict=True)
        ]
        z = NORMS[name](room, *xs)
        (z.float() * library.tensor(arrays[0], dtype=library.float32)).sum().backward()
        found.append([z, *[x.grad for x in xs if x.grad is not None]])
    for mine, other in zip(*found, strict=True):
        assert name_of(mine.dtype) == name_of(other.dtype)
        near(mine, other, 2.0**-8 if low == "bfloat16" else 2.0**-11)
