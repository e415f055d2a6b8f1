"""The rows in PyTorch's programming model, written once: for torch, torch.compile and Rushlight."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

from gpt_parity import IMPORTS, program
from rows import Made, Row, drawn

FACTS = {
    "records": r"(\d+) records? \(",
    "kernels": r"of (\d+) different nests?",
    "moved_bytes": r"([\d.]+) (\w+) read and written",
    "arena_bytes": r"arena of ([\d.]+) (\w+)",
}


class Frame(NamedTuple):
    """A framework.

    part: compiles a forward pass; whole: compiles a step or a function with its backward pass.
    gpt: the module examples/gpt.py.  adam: further options of Adam.
    """

    t: Any
    nn: Any
    optim: Any
    tensor: Callable[[Any], Any]
    part: Callable[[Any], Any]
    whole: Callable[[Any], Any]
    gpt: Callable[[], Any]
    adam: dict[str, Any]


def same(function: Any) -> Any:
    """What is not compiled."""
    return function


def torch_frame(compiled: bool, threads: int) -> Frame:
    """PyTorch in its best mode: Adam as one kernel; its compiler takes what can be one graph."""
    import torch
    from torch import nn

    torch.set_num_threads(threads)

    def part(function: Any) -> Any:
        return torch.compile(function, dynamic=False) if compiled else function

    def gpt() -> Any:
        module = program(IMPORTS)
        sys.modules[module.__name__] = module  # where torch.compile looks for its names
        return module

    return Frame(torch, nn, torch.optim, torch.from_numpy, part, same, gpt, {"fused": True})


def rushlight_frame(compiled: bool, threads: int) -> Frame:
    """The numba device; a whole step is one program."""
    import rushlight as rl
    import rushlight_nn as nn

    rl.set_num_threads(threads)

    def tensor(array: Any) -> Any:
        return rl.from_numpy(array).to("numba")  # both are of the host: nothing is copied

    whole = rl.compile if compiled else same
    return Frame(rl, nn, nn.optim, tensor, same, whole, program, {})


def start(frame: Frame) -> None:
    """Load what a first compilation loads."""
    x = frame.tensor(drawn(Row("increment", {"shape": (2, 3)}, None)).batches[0][0])
    frame.whole(frame.part(lambda x: x * 3.0))(x)


def made(row: Row, frame: Frame) -> Made:
    """The row, ready to be called."""
    return {"mlp": mlp, "gpt": gpt, "identity": alone, "increment": alone}.get(row.kind, function)(
        row, frame
    )


def told(compiled: Any) -> dict[str, int]:
    """What the page of `compiled.explain()` says in numbers; nothing of what is not compiled."""
    page = compiled.explain() if hasattr(compiled, "explain") else ""
    found = {name: re.search(pattern, page) for name, pattern in FACTS.items()}
    return {name: plain(*match.groups()) for name, match in found.items() if match}


def plain(number: str, unit: str = "") -> int:
    """12.5, kB -> 12500."""
    return round(float(number) * {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}[unit])


def mlp(row: Row, frame: Frame) -> Made:
    """Linear layers with ReLU between them."""
    nn, widths = frame.nn, row.sizes["widths"]
    layers: list[Any] = []
    for a, b in pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    loss = getattr(nn.functional, row.sizes["loss"])
    return step(row, frame, model, lambda x, y: loss(model(x), y))


def gpt(row: Row, frame: Frame) -> Made:
    """The model of examples/gpt.py."""
    sizes = row.sizes
    model = frame.gpt().GPT(sizes["v"], sizes["t"], sizes["layers"], sizes["d"], sizes["heads"])
    loss = frame.nn.functional.cross_entropy
    return step(row, frame, model, lambda x, y: loss(model(x).flatten(0, 1), y.flatten()))


def step(row: Row, frame: Frame, model: Any, loss_of: Any) -> Made:
    """A training step with Adam."""
    data = drawn(row)
    weights = {name: frame.tensor(x) for name, x in data.weights.items()}
    if frame.t.__name__ == "rushlight":
        model.to("numba")
    model.load_state_dict(weights)
    adam = frame.optim.Adam(model.parameters(), lr=1e-3, **frame.adam)
    forward = frame.part(loss_of)

    def run(x: Any, y: Any) -> Any:
        adam.zero_grad()
        loss = forward(x, y)
        loss.backward()
        adam.step()
        return loss

    call = frame.whole(run)
    batches = data.batches

    def fresh(i: int) -> tuple[Any, ...]:
        return tuple(map(frame.tensor, batches[i % len(batches)]))

    return Made(call, fresh, lambda loss, _: [loss.detach().numpy()], lambda: told(call))


def alone(row: Row, frame: Frame) -> Made:
    """A program with nothing in it, or next to nothing: what a call costs."""
    batches = drawn(row).batches
    forward = (lambda x: x) if row.kind == "identity" else (lambda x: x + 1.0)
    call = frame.whole(frame.part(forward))
    return Made(
        call,
        lambda i: (frame.tensor(batches[i % len(batches)][0]),),
        lambda z, _: [z.numpy()],
        lambda: told(call),
    )


def function(row: Row, frame: Frame) -> Made:
    """A function and its backward pass: gradients are left on its arguments and parameters."""
    F = frame.nn.functional
    data = drawn(row)
    parameters = [
        frame.tensor(data.weights[name].copy()).requires_grad_()
        for name in ("weight", "bias") if name in data.weights
    ]  # fmt: skip
    shape = row.sizes["shape"]
    forward = frame.part(
        {
            "gelu": F.gelu,
            "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
            "softmax": lambda x: F.softmax(x, -1),
            "layer_norm": lambda x: F.layer_norm(x, shape[-1:], *parameters),
            "cross_entropy": F.cross_entropy,
            "attention": lambda q, k, v: F.scaled_dot_product_attention(
                q, k, v, is_causal=row.sizes["causal"]
            ),
        }[row.kind]
    )

    if row.kind == "cross_entropy":

        def run(x: Any, labels: Any) -> Any:
            z = forward(x, labels)
            z.backward()
            return z
    else:

        def run(*args: Any) -> Any:
            for p in parameters:
                p.grad = None
            z = forward(*args[:-1])
            z.backward(args[-1])
            return z

    call = frame.whole(run)

    def fresh(i: int) -> tuple[Any, ...]:
        *asking, last = map(frame.tensor, data.batches[i % len(data.batches)])
        return (*(x.requires_grad_() for x in asking), last)

    def seen(z: Any, args: tuple[Any, ...]) -> list[Any]:
        grads = [x.grad.numpy() for x in (*args[:-1], *parameters)]
        return [z.detach().numpy(), *grads]

    return Made(call, fresh, seen, lambda: told(call))
