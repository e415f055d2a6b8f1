"""The rows in PyTorch's programming model, written once: for torch, torch.compile and Rushlight.

`torch-cl` is PyTorch with the channels of images and of their kernels last in memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import network
from gpt_parity import IMPORTS, program
from rows import ARGUMENTS, Made, Row, aligned, drawn

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
    laid: an array as the tensors of the framework lie in memory; placed: a network, the same.
    """

    t: Any
    nn: Any
    optim: Any
    tensor: Callable[[Any], Any]
    part: Callable[[Any], Any]
    whole: Callable[[Any], Any]
    gpt: Callable[[], Any]
    adam: dict[str, Any]
    laid: Callable[[Any], Any]
    placed: Callable[[Any], Any]


def same(function: Any) -> Any:
    """What is not compiled."""
    return function


def channels_last(x: Any) -> Any:
    """The same images or kernels with their channels last in memory; anything else as it is."""
    return aligned(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if x.ndim == 4 else x


def torch_frame(compiled: bool, threads: int, *, last: bool = False) -> Frame:
    """PyTorch in its best mode: Adam as one kernel; its compiler takes what can be one graph.

    last: whether channels are last in memory.
    """
    import torch
    from torch import nn

    torch.set_num_threads(threads)

    def part(function: Any) -> Any:
        return torch.compile(function, dynamic=False) if compiled else function

    def gpt() -> Any:
        module = program(IMPORTS)
        sys.modules[module.__name__] = module  # where torch.compile looks for its names
        return module

    def placed(model: Any) -> Any:
        return model.to(memory_format=torch.channels_last) if last else model

    laid = channels_last if last else same
    adam = {"fused": True}
    return Frame(torch, nn, torch.optim, torch.from_numpy, part, same, gpt, adam, laid, placed)


def rushlight_frame(compiled: bool, threads: int) -> Frame:
    """The numba device; a whole step is one program."""
    import rushlight as rl
    import rushlight_nn as nn

    rl.set_num_threads(threads)

    def tensor(array: Any) -> Any:
        return rl.from_numpy(array).to("numba")  # both are of the host: nothing is copied

    def placed(model: Any) -> Any:
        return model.to("numba")

    whole = rl.compile if compiled else same
    return Frame(rl, nn, nn.optim, tensor, same, whole, program, {}, same, placed)


def start(frame: Frame) -> None:
    """Load what a first compilation loads."""
    x = frame.tensor(drawn(Row("increment", {"shape": (2, 3)})).batches[0][0])
    frame.whole(frame.part(lambda x: x * 3.0))(x)


def made(row: Row, frame: Frame) -> Made:
    """The row, ready to be called."""
    return MAKERS.get(row.kind, function)(row, frame)


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


def classifier(row: Row, frame: Frame) -> Made:
    """A convolutional network."""
    model = getattr(network, row.kind)(frame.nn)
    loss = frame.nn.functional.cross_entropy
    return step(row, frame, model, lambda x, y: loss(model(x), y))


def step(row: Row, frame: Frame, model: Any, loss_of: Any) -> Made:
    """A training step with Adam."""
    data = drawn(row)
    weights = {name: frame.tensor(x) for name, x in data.weights.items()}
    frame.placed(model).load_state_dict(weights)
    adam = frame.optim.Adam(model.parameters(), lr=1e-3, **frame.adam)
    forward = frame.part(loss_of)

    def run(x: Any, y: Any) -> Any:
        adam.zero_grad()
        loss = forward(x, y)
        loss.backward()
        adam.step()
        return loss

    call = frame.whole(run)
    batches = [tuple(map(frame.laid, batch)) for batch in data.batches]

    def fresh(i: int) -> tuple[Any, ...]:
        return tuple(map(frame.tensor, batches[i % len(batches)]))

    return Made(call, fresh, lambda loss, _: [loss.detach().numpy()], lambda: told(call))


def adam(row: Row, frame: Frame) -> Made:
    """A step of Adam on weights whose gradients are there."""
    data = drawn(row)
    weights = [frame.nn.Parameter(frame.tensor(x)) for x in data.weights.values()]
    for weight, g in zip(weights, data.batches[0], strict=True):
        weight.grad = frame.tensor(g)
    optimizer = frame.optim.Adam(weights, lr=1e-3, **frame.adam)
    call = frame.whole(optimizer.step)
    return Made(call, lambda _: (), lambda *_: [x.detach().numpy() for x in weights])


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
    """A function, and its backward pass: gradients are left on its arguments and parameters."""
    data = drawn(row)
    asks = not row.is_forward
    parameters = [
        frame.tensor(frame.laid(x.copy())).requires_grad_(asks) for x in data.weights.values()
    ]
    batches = [tuple(map(frame.laid, batch)) for batch in data.batches]
    count = ARGUMENTS.get(row.kind, 1)  # after these comes the cotangent, if there is one
    forward = frame.part(functions(row, frame, parameters)[row.kind])

    def both(*args: Any) -> Any:
        for p in parameters:
            p.grad = None
        z = forward(*args[:count])
        z.backward(*args[count:])
        return z

    call = frame.whole(both if asks else forward)

    def fresh(i: int) -> tuple[Any, ...]:
        args = tuple(map(frame.tensor, batches[i % len(batches)]))
        for x in args[:count] if asks else ():
            if x.is_floating_point():
                x.requires_grad_()
        return args

    def seen(z: Any, args: tuple[Any, ...]) -> list[Any]:
        asking = [x for x in (*args, *parameters) if x.requires_grad]
        return [z.detach().numpy(), *(x.grad.numpy() for x in asking)]

    return Made(call, fresh, seen, lambda: told(call))


def functions(row: Row, frame: Frame, parameters: list[Any]) -> dict[str, Any]:
    """What the rows of functions compute, by their kinds."""
    F, sizes = frame.nn.functional, row.sizes
    return {
        "add": lambda x, y: x + y,
        "exp": lambda x: x.exp(),
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "sum": lambda x: x.sum(-1),
        "matmul": lambda x, y: x @ y,
        "softmax": lambda x: F.softmax(x, -1),
        "layer_norm": lambda x: F.layer_norm(x, sizes["shape"][-1:], *parameters),
        "cross_entropy": F.cross_entropy,
        "conv": lambda x: F.conv2d(
            x, *parameters, padding=sizes["padding"], groups=sizes["groups"]
        ),
        "embedding": lambda x: F.embedding(x, *parameters),
        "attention": lambda q, k, v: F.scaled_dot_product_attention(
            q, k, v, is_causal=sizes["causal"]
        ),
    }


MAKERS = {
    "mlp": mlp,
    "gpt": gpt,
    "lenet": classifier,
    "resnet": classifier,
    "adam": adam,
    "identity": alone,
    "increment": alone,
}
