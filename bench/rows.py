"""Rows of bench/cpu.py: what is computed, from which numbers, how much work that is, what is asked.

Knows no framework: weights and batches are numpy arrays, the same for all.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np

Arrays = tuple[np.ndarray, ...]
COMPILERS = ("torch", "torch.compile", "jax")  # whose best is beaten, unless a row says otherwise
TORCH = ("torch", "torch.compile")
BATCHES = 4  # that calls go through in turn
WORD = 4  # bytes of a float32


class Bound(NamedTuple):
    """What is asked of a time: at most so many us, and the best of `against` so many times."""

    at_least: float = 0.0
    at_most_us: float = inf
    against: tuple[str, ...] = COMPILERS

    def __str__(self) -> str:
        asked = [f"<= {self.at_most_us:g} us"] if self.at_most_us < inf else []
        asked += [f">= {self.at_least:g} x"] if self.at_least else []
        return ", ".join(asked)


EAGER = Bound(1.0, against=("torch",))  # of every row, eagerly


class Row(NamedTuple):
    """One measurement.

    kind: the function of in_torch, in_jax and in_numpy that makes it.
    flops, least_bytes: of products, and what must be read and written if all else stays in caches.
    """

    kind: str
    sizes: dict[str, Any]
    bound: Bound
    flops: float = 0.0
    least_bytes: float = 0.0


class Data(NamedTuple):
    """weights: by their names in a state_dict.  batches: the arguments of a call, in order."""

    weights: dict[str, np.ndarray]
    batches: list[Arrays]


def mlp(widths: tuple[int, ...], batch: int, loss: str, bound: Bound) -> Row:
    """A training step of linear layers with ReLU between them, with Adam."""
    products = sum(a * b for a, b in pairwise(widths))
    parameters = products + sum(widths[1:])
    sizes = {"widths": widths, "batch": batch, "loss": loss}
    # each product comes again for both gradients, but the input has none; Adam moves p, m, v
    flops = 2 * batch * (3 * products - widths[0] * widths[1])
    return Row("mlp", sizes, bound, flops, WORD * (6 * parameters + batch * widths[0]))


def gpt(layers: int, d: int, t: int, batch: int, heads: int, bound: Bound) -> Row:
    """A training step of the model of examples/gpt.py, with Adam."""
    vocabulary = 65
    sizes = {"layers": layers, "d": d, "t": t, "batch": batch, "heads": heads, "v": vocabulary}
    matrices = 12 * layers * d * d + vocabulary * d
    scores = layers * 2 * t * t * d / 2  # what a mask hides need not be computed
    parameters = matrices + (t + layers * 13 + 2) * d
    return Row("gpt", sizes, bound, 6 * batch * (t * matrices + scores), 6 * WORD * parameters)


def function(kind: str, shape: tuple[int, ...], bound: Bound, passes: int = 4) -> Row:
    """Forward and backward; passes: how often an array of that shape is read or written."""
    return Row(kind, {"shape": shape}, bound, 0.0, WORD * passes * prod(shape))


def attention(heads: int, t: int, d: int, batch: int, causal: bool, bound: Bound) -> Row:
    """softmax(q k^T / sqrt(d)) v and the gradients of all three."""
    sizes = {"shape": (batch, heads, t, d), "causal": causal}
    flops = 6 * 2 * batch * heads * t * t * d / (2 if causal else 1)
    return Row("attention", sizes, bound, flops, WORD * 8 * batch * heads * t * d)


ROWS = {
    "2-16-16-1": mlp((2, 16, 16, 1), 50, "mse_loss", Bound(1.0, 12)),
    "mlp": mlp((784, 512, 512, 10), 128, "cross_entropy", Bound(1.2)),
    "gpt-4x128": gpt(4, 128, 64, 12, 4, Bound(1.35)),
    "gpt-6x384": gpt(6, 384, 128, 8, 6, Bound(1.35)),
    "gelu": function("gelu", (1_000_000,), Bound(1.8, against=TORCH)),
    "gelu-tanh": function("gelu_tanh", (1_000_000,), Bound(1.8, against=TORCH)),
    "softmax": function("softmax", (4096, 1024), Bound(1.8, against=TORCH)),
    "layer_norm": function("layer_norm", (4096, 768), Bound(1.8, against=TORCH)),
    "cross_entropy": function("cross_entropy", (4096, 1000), Bound(1.8, against=TORCH), 2),
    "attention": attention(8, 128, 64, 8, False, Bound(1.2)),
    "attention-causal": attention(8, 128, 64, 8, True, Bound(1.2)),
    "identity": Row("identity", {"shape": (1,)}, Bound(at_most_us=2)),
    "increment": Row("increment", {"shape": (1,)}, Bound()),
}


class Compile(NamedTuple):
    """What compiling the step of a row may take, in s, from an empty cache and from a full one."""

    row: Row
    cold_s: float = inf
    warm_s: float = inf


DEPTHS = (2, 4, 8, 16)  # layers of one GPT, to see how compiling grows
COMPILES = {
    "compile-mlp": Compile(ROWS["mlp"], 0.6, 0.06),
    "compile-gpt": Compile(ROWS["gpt-4x128"], 2.0, 0.06),
} | {f"compile-{n}-layers": Compile(gpt(n, 64, 32, 2, 4, Bound())) for n in DEPTHS}


def drawn(row: Row) -> Data:
    """The numbers of a row, the same at every call."""
    rng = np.random.default_rng(0)
    return DRAWN.get(row.kind, of_function)(row, rng)


def aligned(x: Any) -> np.ndarray:
    """The same array at a multiple of 64 bytes, where every framework's vectors are fastest."""
    x = np.ascontiguousarray(x)
    memory = np.empty(x.nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64
    z = memory[start : start + x.nbytes].view(x.dtype).reshape(x.shape)
    z[...] = x
    return z


def normal(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Standard normal numbers, times scale."""
    return aligned(scale * rng.standard_normal(shape, np.float32))


def labels(rng: np.random.Generator, n: int, *shape: int) -> np.ndarray:
    """Integers below n."""
    return aligned(rng.integers(0, n, shape))


def of_mlp(row: Row, rng: np.random.Generator) -> Data:
    """Weights that keep the size of what they are multiplied with."""
    widths, n = row.sizes["widths"], row.sizes["batch"]
    weights: dict[str, np.ndarray] = {}
    for i, (a, b) in enumerate(pairwise(widths)):
        weights[f"{2 * i}.weight"] = normal(rng, b, a, scale=a**-0.5)
        weights[f"{2 * i}.bias"] = normal(rng, b, scale=0.1)
    ends = widths[-1]
    classes = row.sizes["loss"] == "cross_entropy"
    batches = [
        (normal(rng, n, widths[0]), labels(rng, ends, n) if classes else normal(rng, n, ends))
        for _ in range(BATCHES)
    ]
    return Data(weights, batches)


def of_gpt(row: Row, rng: np.random.Generator) -> Data:
    """Small weights, and a head that is the table of characters."""
    layers, d, t, n, v = (row.sizes[name] for name in ("layers", "d", "t", "batch", "v"))
    weights = {"characters.weight": normal(rng, v, d, scale=0.02)}
    weights["positions.weight"] = normal(rng, t, d, scale=0.02)
    norms = ["norm", *(f"blocks.{i}.norm{j}" for i in range(layers) for j in (1, 2))]
    for name in norms:
        weights |= {f"{name}.weight": aligned(np.ones(d, np.float32))}
        weights |= {f"{name}.bias": aligned(np.zeros(d, np.float32))}
    for i in range(layers):
        for name, a, b in (
            ("attention.qkv", d, 3 * d), ("attention.out", d, d), ("mlp.0", d, 4 * d),
            ("mlp.2", 4 * d, d),
        ):  # fmt: skip
            weights[f"blocks.{i}.{name}.weight"] = normal(rng, b, a, scale=0.02)
            weights[f"blocks.{i}.{name}.bias"] = aligned(np.zeros(b, np.float32))
    weights["head.weight"] = weights["characters.weight"]  # one table
    batches = [(labels(rng, v, n, t), labels(rng, v, n, t)) for _ in range(BATCHES)]
    return Data(weights, batches)


def of_function(row: Row, rng: np.random.Generator) -> Data:
    """What asks for a gradient, and last the labels, or the cotangent of the result."""
    shape = row.sizes["shape"]
    weights = {}
    if row.kind == "layer_norm":
        weights = {"weight": 1 + normal(rng, shape[-1], scale=0.1), "bias": normal(rng, shape[-1])}
    batches: list[Arrays] = []
    for _ in range(BATCHES):
        if row.kind in {"identity", "increment"}:
            batches.append((normal(rng, *shape),))
        elif row.kind == "cross_entropy":
            batches.append((normal(rng, *shape), labels(rng, shape[1], shape[0])))
        else:
            count = 4 if row.kind == "attention" else 2
            batches.append(tuple(normal(rng, *shape) for _ in range(count)))
    return Data(weights, batches)


DRAWN = {"mlp": of_mlp, "gpt": of_gpt}


class Made(NamedTuple):
    """A row in one framework.

    call: one step or one pass over arguments, finished when it returns.
    fresh: the arguments of the i-th call, as new tensors on arrays that stay.
    seen: what a result and its arguments show, as numpy arrays, to be compared with other
        frameworks: a loss, or the result and every gradient.
    told: what the compiler tells of its program.
    """

    call: Any
    fresh: Any
    seen: Any
    told: Any = dict
