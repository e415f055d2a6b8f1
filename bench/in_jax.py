"""The rows in JAX: one jitted function each, its state handed over and given back.

Images lie with their channels last, as JAX's own layers have them.  Running statistics of
batch_norm are not kept: no loss reads them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from rows import ARGUMENTS, STAGES, Made, Row, drawn

RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def start() -> None:
    """Load what a first compilation loads."""
    jax.jit(lambda x: x * 3.0)(jnp.ones((2, 3))).block_until_ready()


def made(row: Row) -> Made:
    """The row, ready to be called."""
    return step(row) if row.kind in LOSSES else function(row)


def fresh_of(row: Row) -> Any:
    """Arrays cannot be changed, so those of a batch serve each of its calls."""
    images = row.kind in {"conv", "lenet", "resnet"}
    laid = channels_last if images else jnp.array
    batches = [tuple(map(laid, batch)) for batch in drawn(row).batches]
    return lambda i: batches[i % len(batches)]


def channels_last(x: Any) -> Any:
    """Images [b, c, h, w] -> [b, h, w, c]; anything else as it is."""
    return jnp.array(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)


def laid(name: str, w: Any) -> Any:
    """A weight as JAX's own layers have it: a matrix as [in, out], a kernel as [h, w, in, out]."""
    tables = ("characters.weight", "positions.weight")
    if w.ndim == 4:
        return jnp.array(w.transpose(2, 3, 1, 0))
    return jnp.array(w.T if w.ndim == 2 and name not in tables else w)


def step(row: Row) -> Made:
    """A training step with Adam."""
    weights = drawn(row).weights
    weights.pop("head.weight", None)  # the table of characters
    left_out = ("running_mean", "running_var", "num_batches_tracked")
    params = {name: laid(name, w) for name, w in weights.items() if not name.endswith(left_out)}
    loss_of = LOSSES[row.kind](row)

    def run(state: Any, x: Any, y: Any) -> Any:
        params, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(params, x, y)
        t = t + 1
        m = jax.tree.map(lambda a, b: BETA1 * a + (1 - BETA1) * b, m, g)
        v = jax.tree.map(lambda a, b: BETA2 * a + (1 - BETA2) * b * b, v, g)
        c1, c2 = 1 - BETA1**t, 1 - BETA2**t

        def updated(p: Any, a: Any, b: Any) -> Any:
            return p - RATE * (a / c1) / (jnp.sqrt(b / c2) + EPS)

        return (jax.tree.map(updated, params, m, v), m, v, t), loss

    jitted = jax.jit(run, donate_argnums=0)
    zeros = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
    state = [(params, *zeros, jnp.zeros(()))]

    def call(x: Any, y: Any) -> Any:
        state[0], loss = jitted(state[0], x, y)
        return loss.block_until_ready()  # one executable: the state is ready with it

    return Made(call, fresh_of(row), lambda loss, _: [loss])


def mlp_loss(row: Row) -> Any:
    """Of params, inputs and targets."""
    last = 2 * (len(row.sizes["widths"]) - 2)

    def loss(p: Any, x: Any, y: Any) -> Any:
        for i in range(0, last + 1, 2):
            x = x @ p[f"{i}.weight"] + p[f"{i}.bias"]
            x = jax.nn.relu(x) if i < last else x
        return ((x - y) ** 2).mean() if row.sizes["loss"] == "mse_loss" else cross_entropy(x, y)

    return loss


def gpt_loss(row: Row) -> Any:
    """Of params, characters and the next ones; the model of examples/gpt.py."""
    layers, heads = row.sizes["layers"], row.sizes["heads"]

    def block(p: Any, at: str, x: Any) -> Any:
        b, t, d = x.shape
        z = layer_norm(x, p[f"{at}.norm1.weight"], p[f"{at}.norm1.bias"])
        z = z @ p[f"{at}.attention.qkv.weight"] + p[f"{at}.attention.qkv.bias"]
        q, k, v = z.reshape(b, t, 3, heads, d // heads).transpose(2, 0, 3, 1, 4)
        z = attention(q, k, v, causal=True).transpose(0, 2, 1, 3).reshape(b, t, d)
        x = x + z @ p[f"{at}.attention.out.weight"] + p[f"{at}.attention.out.bias"]
        z = layer_norm(x, p[f"{at}.norm2.weight"], p[f"{at}.norm2.bias"])
        z = jax.nn.gelu(z @ p[f"{at}.mlp.0.weight"] + p[f"{at}.mlp.0.bias"], approximate=False)
        return x + z @ p[f"{at}.mlp.2.weight"] + p[f"{at}.mlp.2.bias"]

    def loss(p: Any, x: Any, y: Any) -> Any:
        x = p["characters.weight"][x] + p["positions.weight"]
        for i in range(layers):
            x = block(p, f"blocks.{i}", x)
        x = layer_norm(x, p["norm.weight"], p["norm.bias"]) @ p["characters.weight"].T
        return cross_entropy(x.reshape(-1, x.shape[-1]), y.reshape(-1))

    return loss


def lenet_loss(_: Row) -> Any:
    """Of params, images and labels; the network of network.py."""

    def loss(p: Any, x: Any, y: Any) -> Any:
        for i, padding in ((0, 2), (3, 0)):
            x = conv(x, p[f"{i}.weight"], padding) + p[f"{i}.bias"]
            window = (1, 2, 2, 1)
            x = jax.nn.relu(x)
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
        x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        for i in (7, 9, 11):
            x = x @ p[f"{i}.weight"] + p[f"{i}.bias"]
            x = jax.nn.relu(x) if i < 11 else x
        return cross_entropy(x, y)

    return loss


def resnet_loss(_: Row) -> Any:
    """Of params, images and labels; the network of network.py."""

    def loss(p: Any, x: Any, y: Any) -> Any:
        def normed(x: Any, conv_name: str, norm_name: str, stride: int = 1) -> Any:
            weight = p[f"{conv_name}.weight"]
            x = conv(x, weight, weight.shape[0] // 2, stride)
            return batch_norm(x, p[f"{norm_name}.weight"], p[f"{norm_name}.bias"])

        x = jax.nn.relu(normed(x, "conv", "norm"))
        for i, (_, _, stride) in enumerate(STAGES):
            at = f"blocks.{i}"
            z = jax.nn.relu(normed(x, f"{at}.conv1", f"{at}.norm1", stride))
            z = normed(z, f"{at}.conv2", f"{at}.norm2")
            if stride > 1:
                x = normed(x, f"{at}.shortcut.0", f"{at}.shortcut.1", stride)
            x = jax.nn.relu(z + x)
        x = x.mean((1, 2)) @ p["linear.weight"] + p["linear.bias"]
        return cross_entropy(x, y)

    return loss


LOSSES = {"mlp": mlp_loss, "gpt": gpt_loss, "lenet": lenet_loss, "resnet": resnet_loss}


def conv(x: Any, weight: Any, padding: int, stride: int = 1, groups: int = 1) -> Any:
    """[b, h, w, c], [k, k, c / groups, m] -> [b, h', w', m]."""
    return jax.lax.conv_general_dilated(
        x,
        weight,
        (stride, stride),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def batch_norm(x: Any, weight: Any, bias: Any) -> Any:
    """(x - mean) / std * weight + bias over all but the last axis."""
    mean = x.mean((0, 1, 2))
    variance = ((x - mean) ** 2).mean((0, 1, 2))
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * weight + bias


def layer_norm(x: Any, weight: Any, bias: Any) -> Any:
    """As rushlight_nn.functional.layer_norm over the last axis."""
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * weight + bias


def cross_entropy(x: Any, y: Any) -> Any:
    """The mean of -log softmax(x)[y].  [n, c], [n] -> []."""
    return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], 1).mean()


def attention(q: Any, k: Any, v: Any, causal: bool) -> Any:
    """softmax(q k^T / sqrt(d)) v.  Each [b, h, t, d]."""
    scores = q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5
    if causal:
        t = q.shape[-2]
        scores = jnp.where(jnp.tri(t, dtype=bool), scores, -jnp.inf)
    return jax.nn.softmax(scores) @ v


def function(row: Row) -> Made:
    """A function, and its backward pass: the result, and the gradients of what asks for one."""
    parameters = [laid(name, w) for name, w in drawn(row).weights.items()]
    if row.kind == "embedding":
        parameters = [parameters[0].T]  # a table lies as it is
    sizes = row.sizes
    forward = {
        "add": jnp.add,
        "exp": jnp.exp,
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
        "sum": lambda x: x.sum(-1),
        "matmul": jnp.matmul,
        "softmax": jax.nn.softmax,
        "layer_norm": layer_norm,
        "attention": lambda q, k, v: attention(q, k, v, sizes["causal"]),
        "cross_entropy": cross_entropy,
        "conv": lambda x, w, b: conv(x, w, sizes["padding"], groups=sizes["groups"]) + b,
        "embedding": lambda x, w: w[x],
        "identity": lambda x: x,
        "increment": lambda x: x + 1.0,
    }[row.kind]
    count = ARGUMENTS.get(row.kind, 1)

    def both(parameters: list[Any], *args: Any) -> Any:
        given = [*args[:count], *parameters]
        if row.is_forward or row.kind in {"identity", "increment"}:
            return [forward(*given)]
        asking = [i for i, x in enumerate(given) if x.dtype == jnp.float32]

        def of(*some: Any) -> Any:
            full = list(given)
            for i, x in zip(asking, some, strict=True):
                full[i] = x
            return forward(*full)

        z, pull = jax.vjp(of, *(given[i] for i in asking))
        return [z, *pull(*args[count:] or [jnp.ones(())])]

    jitted = jax.jit(both)

    def call(*args: Any) -> Any:
        return jax.block_until_ready(jitted(parameters, *args))

    def seen(z: Any, _: Any) -> Any:
        if row.kind != "conv":
            return z
        back = [(0, 3, 1, 2), (0, 3, 1, 2), (3, 2, 0, 1)]  # of result, image and kernel
        return [x.transpose(axes) for x, axes in zip(z, back, strict=False)] + z[3:]

    return Made(call, fresh_of(row), seen)
