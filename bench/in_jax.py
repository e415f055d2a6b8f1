"""The rows in JAX: one jitted function each, its state handed over and given back."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from rows import Made, Row, drawn

RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def start() -> None:
    """Load what a first compilation loads."""
    jax.jit(lambda x: x * 3.0)(jnp.ones((2, 3))).block_until_ready()


def made(row: Row) -> Made:
    """The row, ready to be called."""
    if row.kind in {"mlp", "gpt"}:
        return step(row)
    return function(row)


def fresh_of(row: Row) -> Any:
    """Arrays cannot be changed, so those of a batch serve each of its calls."""
    batches = [tuple(map(jnp.array, batch)) for batch in drawn(row).batches]
    return lambda i: batches[i % len(batches)]


def step(row: Row) -> Made:
    """A training step with Adam."""
    tables = ("characters.weight", "positions.weight")
    weights = drawn(row).weights
    weights.pop("head.weight", None)  # the table of characters
    params = {  # a matrix lies as [in, out], as JAX's own layers have it
        name: jnp.array(w.T if w.ndim == 2 and name not in tables else w)
        for name, w in weights.items()
    }
    loss_of = gpt_loss(row) if row.kind == "gpt" else mlp_loss(row)

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
    """A function and its backward pass: the result, and the gradients of what asks for one."""
    parameters = [jnp.array(w) for w in drawn(row).weights.values()]
    forward = {
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
        "softmax": jax.nn.softmax,
        "layer_norm": layer_norm,
        "attention": lambda q, k, v: attention(q, k, v, row.sizes.get("causal", False)),
        "cross_entropy": cross_entropy,
        "identity": lambda x: x,
        "increment": lambda x: x + 1.0,
    }[row.kind]

    def both(parameters: list[Any], *args: Any) -> Any:
        if row.kind in {"identity", "increment"}:
            return [forward(*args)]
        if row.kind == "cross_entropy":
            return list(jax.value_and_grad(forward)(*args))
        *asking, g = args
        z, pull = jax.vjp(forward, *asking, *parameters)
        return [z, *pull(g)]

    jitted = jax.jit(both)

    def call(*args: Any) -> Any:
        return jax.block_until_ready(jitted(parameters, *args))

    return Made(call, fresh_of(row), lambda z, _: z)
