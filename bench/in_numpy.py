"""Some of the rows in plain numpy, as one would write them by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from rows import Made, Row, drawn

RATE, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


def made(row: Row) -> Made:
    """The row, ready to be called."""
    if row.kind == "mlp":
        return mlp(row)
    data = drawn(row)
    if row.kind == "adam":
        params = list(data.weights.values())
        adam = Adam(params)
        return Made(lambda: adam.step(data.batches[0]), lambda _: (), lambda *_: params)
    functions = FORWARD if row.is_forward else BOTH
    weights = data.weights.values()

    def call(*args: Any) -> Any:
        return functions[row.kind](*args, *weights)

    def seen(z: Any, _: Any) -> list[Any]:
        return [z] if row.is_forward else list(z)

    return Made(call, lambda i: data.batches[i % len(data.batches)], seen)


def takes_part(row: Row) -> bool:
    """Whether it is written here."""
    return row.kind in ({*FORWARD, "adam"} if row.is_forward else {*BOTH, "mlp"})


class Adam:
    """A step changes the parameters in place."""

    def __init__(self, params: list[Any]) -> None:
        self.params, self.steps = params, 0
        self.moments = [(np.zeros_like(p), np.zeros_like(p)) for p in params]

    def step(self, grads: Iterable[Any]) -> None:
        """One step."""
        self.steps += 1
        rate, c2 = RATE / (1 - BETA1**self.steps), 1 - BETA2**self.steps
        for p, g, (m, v) in zip(self.params, grads, self.moments, strict=True):
            m += (1 - BETA1) * (g - m)
            v += (1 - BETA2) * (g * g - v)
            p -= rate * m / (np.sqrt(v / c2) + EPS)


def mlp(row: Row) -> Made:
    """A training step with Adam."""
    data = drawn(row)
    params = list(data.weights.values())
    adam = Adam(params)
    count = len(params) // 2

    def forward(x: Any) -> list[Any]:
        found = [x]
        for i in range(count):
            z = found[-1] @ params[2 * i].T + params[2 * i + 1]
            found.append(np.maximum(z, 0, out=z) if i < count - 1 else z)
        return found

    def call(x: Any, y: Any) -> Any:
        found = forward(x)
        if row.sizes["loss"] == "mse_loss":
            apart = found[-1] - y
            loss, g = np.square(apart).mean(), apart * (2 / apart.size)
        else:
            loss, g = cross_entropy(found[-1], y)
        grads: list[Any] = []
        for i in reversed(range(count)):
            if i < count - 1:
                g = g * (found[i + 1] > 0)
            grads[:0] = g.T @ found[i], g.sum(0)
            g = g @ params[2 * i] if i else None
        adam.step(grads)
        return loss

    return Made(call, lambda i: data.batches[i % len(data.batches)], lambda loss, _: [loss])


def gelu_tanh(x: Any, g: Any) -> Any:
    """0.5 x (1 + tanh(c (x + a x^3))) and its gradient."""
    c, a = (2 / np.pi) ** 0.5, 0.044715
    t = np.tanh(c * (x + a * x**3))
    return 0.5 * x * (1 + t), g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * a * x * x))


def softmax(x: Any, g: Any) -> Any:
    """exp(x) / sum(exp(x)) over the last axis, and its gradient."""
    z = np.exp(x - x.max(-1, keepdims=True))
    z /= z.sum(-1, keepdims=True)
    return z, z * (g - (g * z).sum(-1, keepdims=True))


def layer_norm(x: Any, g: Any, weight: Any, bias: Any) -> Any:
    """(x - mean) / std * weight + bias over the last axis, and its gradients."""
    n = x - x.mean(-1, keepdims=True)
    rstd = 1 / np.sqrt(np.square(n).mean(-1, keepdims=True) + 1e-5)
    n *= rstd
    gn = g * weight
    gx = rstd * (gn - gn.mean(-1, keepdims=True) - n * (gn * n).mean(-1, keepdims=True))
    return n * weight + bias, gx, (g * n).sum(0), g.sum(0)


def cross_entropy(x: Any, y: Any) -> Any:
    """The mean of -log softmax(x)[y], and its gradient."""
    z = x - x.max(-1, keepdims=True)
    e = np.exp(z)
    total = e.sum(-1, keepdims=True)
    rows = np.arange(len(x))
    loss = (np.log(total[:, 0]) - z[rows, y]).mean()
    e /= total
    e[rows, y] -= 1
    e /= np.float32(len(x))
    return loss, e


FORWARD = {"add": np.add, "exp": np.exp, "sum": lambda x: x.sum(-1), "matmul": np.matmul}
BOTH = {
    "gelu_tanh": gelu_tanh,
    "softmax": softmax,
    "layer_norm": layer_norm,
    "cross_entropy": cross_entropy,
}
