"""Programs of several lines that run alike in both libraries, for what is no single call."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import Any

import numpy as np


def gradient_of_a_square(lib: Any) -> Any:
    """What backward leaves in .grad."""
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    return x.grad


def with_cotangent(lib: Any) -> Any:
    """backward of two numbers, along given ones, twice."""
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    z = x * x
    z.backward(lib.tensor([1.0, 0.5]), retain_graph=True)
    z.backward(gradient=lib.tensor([1.0, 0.5]))
    return x.grad


def backward_twice(lib: Any) -> Any:
    """The tape is used up by the first."""
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    z = (x * x).sum()
    z.backward()
    z.backward()


def doubled_by_a_hook(lib: Any) -> Any:
    """A hook that doubles, and one that was removed."""
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    z = x * x
    z.register_hook(lambda g: g * 2)
    z.register_hook(lambda g: g * 5).remove()
    z.sum().backward()
    return x.grad


def retained(lib: Any) -> Any:
    """The gradient of a result."""
    z = lib.tensor([1.0, 2.0], requires_grad=True) * 3
    z.retain_grad()
    (z * z).sum().backward()
    return z.grad


def modes(lib: Any) -> Any:
    """Whether gradients are asked, within and after each mode."""
    x, found = lib.ones(2, requires_grad=True), []
    with lib.no_grad():
        found += [lib.is_grad_enabled(), (x * 2).requires_grad]
        with lib.enable_grad():
            found += [lib.is_grad_enabled(), (x * 2).requires_grad]
        with lib.set_grad_enabled(True):
            found += [(x * 2).requires_grad]
        with lib.set_grad_enabled(False):
            found += [(x * 2).requires_grad]
    return [*found, lib.is_grad_enabled(), lib.no_grad()(lambda: (x * 2).requires_grad)()]


def seeded(lib: Any) -> Any:
    """Whether a seed and a state repeat what is drawn."""
    lib.manual_seed(3)
    first, state = lib.rand(4), lib.get_rng_state()
    second = lib.rand(4)
    lib.set_rng_state(state)
    third = lib.rand(4)
    lib.manual_seed(3)
    return [
        lib.equal(first, lib.rand(4)),
        lib.equal(second, third),
        lib.equal(first, second),
        lib.initial_seed(),
    ]


def generated(lib: Any) -> Any:
    """The same of a generator of one's own."""
    drawn = [lib.rand(4, generator=lib.Generator().manual_seed(5)) for _ in range(2)]
    return [lib.equal(*drawn), lib.Generator().manual_seed(7).initial_seed()]


def limits(lib: Any) -> Any:
    """Of each floating type."""
    kinds = [lib.finfo(kind) for kind in (lib.float64, lib.float32, lib.float16, lib.bfloat16)]
    return [(float(k.eps), float(k.max), float(k.min), float(k.tiny), k.bits) for k in kinds]


def inference(lib: Any) -> Any:
    """What inference_mode is while it lasts."""
    x, found = lib.ones(2, requires_grad=True), [lib.is_inference_mode_enabled()]
    with lib.inference_mode():
        found += [lib.is_inference_mode_enabled(), lib.is_grad_enabled(), (x * 2).requires_grad]
    return [*found, lib.is_inference_mode_enabled()]


def autocast(lib: Any) -> Any:
    """Products are narrow, sums wide, and nothing after the end."""
    x, found = lib.ones(2, 2), []
    with lib.autocast("cpu", dtype=lib.bfloat16):
        found = [x @ x, (x @ x).sum(), x + x, (x @ x) + x, x.exp(), lib.is_autocast_enabled("cpu")]
        found += [lib.get_autocast_dtype("cpu")]
    return [*found, x @ x, lib.is_autocast_enabled("cpu")]


def whole_limits(lib: Any) -> Any:
    """Of integer types."""
    kinds = [lib.iinfo(kind) for kind in (lib.int64, lib.int32, lib.int8, lib.uint8)]
    return [(k.min, k.max, k.bits) for k in kinds]


def precision(lib: Any) -> Any:
    """What is set is read."""
    before = lib.get_float32_matmul_precision()
    lib.set_float32_matmul_precision("high")
    found = [before, lib.get_float32_matmul_precision()]
    lib.set_float32_matmul_precision(before)
    return found


def threads(lib: Any) -> Any:
    """What is set is read."""
    before = lib.get_num_threads()
    lib.set_num_threads(1)
    found = lib.get_num_threads()
    lib.set_num_threads(before)
    return [found, lib.get_num_threads() == before]


def default(lib: Any) -> Any:
    """The type of floats, set and set back."""
    found = [lib.get_default_dtype()]
    lib.set_default_dtype(lib.float64)
    found += [lib.get_default_dtype(), lib.tensor(1.5).dtype, lib.ones(1).dtype]
    lib.set_default_dtype(lib.float32)
    return found


def shared(lib: Any) -> Any:
    """An array of numpy's, without a copy."""
    return lib.from_dlpack(np.arange(3.0)) * 2


def saved(lib: Any) -> Any:
    """A dict of tensors, written and read."""
    with TemporaryDirectory() as folder:
        path = f"{folder}/state"
        lib.save({"x": lib.tensor([1.0, 2.0]), "n": lib.tensor([3])}, path)
        found = lib.load(path)
    return [found["x"], found["n"]]


def eigen(lib: Any) -> Any:
    """Values, and the matrix of values and vectors, whose signs are free; gradients of both."""
    x = lib.tensor([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]], requires_grad=True)
    values, vectors = lib.linalg.eigh(x)
    rebuilt = (vectors * values.exp()) @ vectors.mT
    rebuilt[0, 1].backward()
    return [values, rebuilt, x.grad + x.grad.mT]  # all there is to know of a symmetric matrix


def solved_by_a_triangle(lib: Any) -> Any:
    """Solutions by both triangles of a matrix, and their gradients of both orders."""
    found = []
    for upper in (False, True):
        b = lib.tensor([[1.0, 0.5], [0.25, -1.0], [2.0, 1.5]], requires_grad=True)
        x = lib.tensor([[2.0, 0.5, 0.75], [1.0, 1.5, 0.3], [0.5, 0.25, 1.0]], requires_grad=True)
        z = lib.cholesky_solve(b, x.triu() if upper else x.tril(), upper)
        first = lib.autograd.grad((z * z).sum(), [b, x], create_graph=True)
        second = lib.autograd.grad(sum((g * g).sum() for g in first), [b, x])
        found += [z, *first, *second]
    return found


def singular(lib: Any) -> Any:
    """Values, and the matrix of values and vectors, whose signs are free; gradients of both."""
    x = lib.tensor([[4.0, 1.0], [1.0, 3.0], [0.5, 0.25]], requires_grad=True)
    left, values, right = lib.linalg.svd(x, full_matrices=False)
    rebuilt = (left * values.exp()) @ right
    rebuilt[0, 1].backward()
    return [values, rebuilt, x.grad]
