"""Rows of bench/cpu.py: what is computed, from which numbers, how much work that is, what is asked.

Knows no framework: weights and batches are numpy arrays, the same for all.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf, prod
from typing import Any, NamedTuple

import numpy as np

Arrays = tuple[np.ndarray, ...]
EAGERLY = ("torch", "torch-cl")  # the latter with its channels last
COMPILERS = (*EAGERLY, "torch.compile", "jax")  # whose best is beaten, unless a row says otherwise
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


EAGER_BOUND = Bound(1.0, against=EAGERLY)  # of every row, eagerly
EAGER_MEAN = 1.5  # asked of the geometric mean of all rows, eagerly


class Row(NamedTuple):
    """One measurement.

    kind: the function of in_torch, in_jax and in_numpy that makes it.
    bound: what is asked of it as a compiled program.
    flops, least_bytes: of products, and what must be read and written if all else stays in caches.
    is_forward: whether gradients are left out.
    """

    kind: str
    sizes: dict[str, Any]
    bound: Bound = Bound()
    flops: float = 0.0
    least_bytes: float = 0.0
    is_forward: bool = False


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


def forward(kind: str, shape: tuple[int, ...], passes: int = 2) -> Row:
    """A function alone; passes: as of `function`."""
    return function(kind, shape, Bound(), passes)._replace(is_forward=True)


def product(x: tuple[int, ...], y: tuple[int, ...]) -> Row:
    """x @ y, and nothing else."""
    n = prod(x[:-1]) * y[-1]
    least_bytes = WORD * (prod(x) + prod(y) + n)
    return Row("matmul", {"shapes": (x, y)}, Bound(), 2 * n * x[-1], least_bytes, is_forward=True)


def conv(
    x: tuple[int, ...], channels: int, side: int, *, padding: int = 1, groups: int = 1
) -> dict[str, Row]:
    """A convolution with bias, forward alone, and with the gradients of all that it is given.

    side: of the square kernel.
    """
    n, c, h, w = x
    weight = (channels, c // groups, side, side)
    result = (n, channels, h + 2 * padding - side + 1, w + 2 * padding - side + 1)
    sizes = {"shape": x, "weight": weight, "result": result, "padding": padding, "groups": groups}
    flops = 2 * prod(result) * prod(weight[1:])
    words = prod(x) + prod(weight) + prod(result)
    alone = Row("conv", sizes, Bound(), flops, WORD * words, is_forward=True)
    both = Row("conv", sizes, Bound(), 3 * flops, 3 * WORD * words)
    return {"forward": alone, "both": both}


class Product(NamedTuple):
    """The weight of a layer, and at how many places of one image it is applied."""

    shape: tuple[int, ...]
    places: int = 1


class Network(NamedTuple):
    """Layers of a network by their names in its state_dict; norms: with how many channels."""

    image: tuple[int, int, int]
    products: dict[str, Product]
    biased: frozenset[str]
    norms: dict[str, int]


def lenet() -> Network:
    """LeNet-5 with ReLU and max pooling, on images of 28 x 28."""
    products = {
        "0": Product((6, 1, 5, 5), 28 * 28),
        "3": Product((16, 6, 5, 5), 10 * 10),
        "7": Product((120, 400)),
        "9": Product((84, 120)),
        "11": Product((10, 84)),
    }
    return Network((1, 28, 28), products, frozenset(products), {})


STAGES = ((16, 16, 1), (16, 32, 2), (32, 64, 2))  # channels of input and result, stride


def resnet() -> Network:
    """One block in each of three stages, on images of 32 x 32."""
    products, norms, side = {"conv": Product((16, 3, 3, 3), 32 * 32)}, {"norm": 16}, 32
    for i, (a, b, stride) in enumerate(STAGES):
        side //= stride
        products[f"blocks.{i}.conv1"] = Product((b, a, 3, 3), side * side)
        products[f"blocks.{i}.conv2"] = Product((b, b, 3, 3), side * side)
        norms |= {f"blocks.{i}.norm1": b, f"blocks.{i}.norm2": b}
        if stride > 1:
            products[f"blocks.{i}.shortcut.0"] = Product((b, a, 1, 1), side * side)
            norms[f"blocks.{i}.shortcut.1"] = b
    products["linear"] = Product((10, 64))
    return Network((3, 32, 32), products, frozenset({"linear"}), norms)


NETWORKS = {"lenet": lenet(), "resnet": resnet()}


def network(kind: str, batch: int, bound: Bound) -> Row:
    """A training step of an image classifier, with Adam."""
    of = NETWORKS[kind]
    macs = [prod(p.shape) * p.places for p in of.products.values()]
    parameters = sum(prod(p.shape) for p in of.products.values())
    flops = 2 * batch * (3 * sum(macs) - macs[0])  # images have no gradient
    least_bytes = WORD * (6 * parameters + batch * prod(of.image))
    return Row(kind, {"batch": batch}, bound, flops, least_bytes)


def adam(widths: tuple[int, ...]) -> Row:
    """A step of Adam on the weights of linear layers, whose gradients are there."""
    parameters = sum(a * b + b for a, b in pairwise(widths))
    return Row("adam", {"widths": widths}, least_bytes=WORD * 7 * parameters, is_forward=True)


def embedding(rows: int, width: int, count: int) -> Row:
    """Some rows of a table, and its gradient, which is as large as the table."""
    sizes = {"weight": (rows, width), "count": count}
    return Row("embedding", sizes, least_bytes=WORD * width * (rows + 4 * count))


SMALL = mlp((2, 16, 16, 1), 50, "mse_loss", Bound(1.0, 12))
MLP = mlp((784, 512, 512, 10), 128, "cross_entropy", Bound(1.2))
GPT = gpt(4, 128, 64, 12, 4, Bound(1.35))
NORMALISED = {  # forward and backward
    "softmax": function("softmax", (4096, 1024), Bound(1.8, against=TORCH)),
    "layer_norm": function("layer_norm", (4096, 768), Bound(1.8, against=TORCH)),
    "cross_entropy": function("cross_entropy", (4096, 1000), Bound(1.8, against=TORCH), 2),
}
STEPS = {
    "2-16-16-1": SMALL,
    "mlp": MLP,
    "lenet": network("lenet", 64, Bound(1.3)),
    "resnet": network("resnet", 32, Bound(1.3)),
    "gpt-4x128": GPT,
}
COMPILED = {  # rows of --compiled
    **STEPS,
    "gpt-6x384": gpt(6, 384, 128, 8, 6, Bound(1.35)),
    "gelu": function("gelu", (1_000_000,), Bound(1.8, against=TORCH)),
    "gelu-tanh": function("gelu_tanh", (1_000_000,), Bound(1.8, against=TORCH)),
    **NORMALISED,
    "attention": attention(8, 128, 64, 8, False, Bound(1.2)),
    "attention-causal": attention(8, 128, 64, 8, True, Bound(1.2)),
    "identity": Row("identity", {"shape": (1,)}, Bound(at_most_us=2)),
    "increment": Row("increment", {"shape": (1,)}, Bound()),
}
CONVOLUTIONS = {
    "conv-3-32": conv((32, 3, 32, 32), 32, 3),
    "conv-64-64": conv((32, 64, 32, 32), 64, 3),
    "conv-1-8": conv((64, 1, 28, 28), 8, 5, padding=0),
    "conv-128-128": conv((16, 128, 16, 16), 128, 3),
    "conv-depthwise": conv((16, 64, 32, 32), 64, 3, groups=64),
}
LENGTHS = {"1e4": 10_000, "1e6": 1_000_000, "1e7": 10_000_000}
EAGER = {  # rows of --eager
    f"{kind}-{length}": forward(kind, (n,), passes)
    for kind, passes in (("add", 3), ("exp", 2), ("gelu", 2))
    for length, n in LENGTHS.items()
}
EAGER |= {"sum-1e6": forward("sum", (1000, 1000), 1), "sum-1e7": forward("sum", (10_000, 1000), 1)}
for name, both in NORMALISED.items():
    passes = 1 if name == "cross_entropy" else 2
    EAGER |= {f"{name}-forward": forward(name, both.sizes["shape"], passes), name: both}
EAGER |= {f"matmul-{n}": product((n, n), (n, n)) for n in (64, 128, 256, 512, 1024, 2048)}
EAGER["matmul-32x128x64x128"] = product((32, 128, 64), (32, 64, 128))
for name, both in CONVOLUTIONS.items():
    EAGER |= {f"{name}-forward": both["forward"], name: both["both"]}
EAGER |= {f"attention-{t}": attention(8, t, 64, 1, False, Bound()) for t in (128, 512, 2048)}
EAGER["adam"] = adam((784, 1024, 1024, 10))
EAGER["embedding"] = embedding(50_000, 256, 4096)
EAGER |= STEPS
SETS = {"compiled": COMPILED, "eager": EAGER}
ROWS = COMPILED | EAGER


class Compile(NamedTuple):
    """What compiling the step of a row may take, in s, from an empty cache and from a full one."""

    row: Row
    cold_s: float = inf
    warm_s: float = inf


DEPTHS = (2, 4, 8, 16)  # layers of one GPT, to see how compiling grows
COMPILES = {
    "compile-mlp": Compile(MLP, 0.6, 0.06),
    "compile-gpt": Compile(GPT, 2.0, 0.06),
} | {f"compile-{n}-layers": Compile(gpt(n, 64, 32, 2, 4, Bound())) for n in DEPTHS}


def drawn(row: Row) -> Data:
    """The numbers of a row, the same at every call."""
    rng = np.random.default_rng(0)
    return DRAWN.get(row.kind, of_function)(row, rng)


def aligned(x: Any) -> np.ndarray:
    """The same array at a multiple of 64 bytes, where every framework's vectors are fastest."""
    x = np.asarray(x)
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


def of_network(row: Row, rng: np.random.Generator) -> Data:
    """Weights that keep the size of what they are multiplied with; norms as they begin."""
    of, n = NETWORKS[row.kind], row.sizes["batch"]
    weights: dict[str, np.ndarray] = {}
    for name, part in of.products.items():
        scale = (2 / prod(part.shape[1:])) ** 0.5
        weights[f"{name}.weight"] = normal(rng, *part.shape, scale=scale)
        if name in of.biased:
            weights[f"{name}.bias"] = normal(rng, part.shape[0], scale=0.1)
    for name, c in of.norms.items():
        ones, zeros = (np.full(c, x, np.float32) for x in (1, 0))
        weights |= {f"{name}.weight": aligned(ones), f"{name}.bias": aligned(zeros)}
        weights |= {f"{name}.running_var": aligned(ones), f"{name}.running_mean": aligned(zeros)}
        weights[f"{name}.num_batches_tracked"] = aligned(np.zeros((), np.int64))
    return Data(weights, [(normal(rng, n, *of.image), labels(rng, 10, n)) for _ in range(BATCHES)])


def of_adam(row: Row, rng: np.random.Generator) -> Data:
    """The one batch holds the gradients of the weights."""
    shapes = [shape for a, b in pairwise(row.sizes["widths"]) for shape in ((b, a), (b,))]
    weights = {str(i): normal(rng, *shape) for i, shape in enumerate(shapes)}
    return Data(weights, [tuple(normal(rng, *shape) for shape in shapes)])


def of_embedding(row: Row, rng: np.random.Generator) -> Data:
    """The table, and as a batch the numbers of rows and the cotangent of these rows."""
    (rows, width), count = row.sizes["weight"], row.sizes["count"]
    batches = [(labels(rng, rows, count), normal(rng, count, width)) for _ in range(BATCHES)]
    return Data({"weight": normal(rng, rows, width)}, batches)


ARGUMENTS = {"add": 2, "attention": 3, "cross_entropy": 2, "matmul": 2}  # of a function, else one


def of_function(row: Row, rng: np.random.Generator) -> Data:
    """The arguments, and last the cotangent of a result that is no loss if gradients are asked."""
    sizes = row.sizes
    if row.kind == "cross_entropy":
        n, classes = sizes["shape"]
        return Data(
            {}, [(normal(rng, n, classes), labels(rng, classes, n)) for _ in range(BATCHES)]
        )
    weights = {}
    if row.kind == "layer_norm":
        n = sizes["shape"][-1]
        weights = {"weight": 1 + normal(rng, n, scale=0.1), "bias": normal(rng, n)}
    if row.kind == "conv":
        out, *window = sizes["weight"]
        weight = normal(rng, out, *window, scale=prod(window) ** -0.5)
        weights = {"weight": weight, "bias": normal(rng, out)}
    shapes = list(sizes.get("shapes", [sizes.get("shape")] * ARGUMENTS.get(row.kind, 1)))
    if not row.is_forward and row.kind not in {"identity", "increment"}:
        shapes.append(sizes.get("result", shapes[0]))
    return Data(weights, [tuple(normal(rng, *s) for s in shapes) for _ in range(BATCHES)])


DRAWN = {
    "mlp": of_mlp,
    "gpt": of_gpt,
    "lenet": of_network,
    "resnet": of_network,
    "adam": of_adam,
    "embedding": of_embedding,
}


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
