"""What an operation costs beside its arithmetic: numpy device and PyTorch eager, one thread each.

    python bench/overhead.py [rounds]

One framework per process, processes alternated; a case is the median over rounds of the best of
five repeats in a process, in microseconds.  `bare` is what the numpy calls of a kernel cost alone.
Needs torch in the environment; `nox -s bench -- overhead` has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from timeit import Timer

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
ROWS = [(64, 128), (256, 1024)]  # of softmax, layer_norm and cross_entropy, bounded by 1.3
BOUNDS = {  # ours / torch, except *: ours / bare
    "a + b": 0.75,
    "a + b, grad": 0.6,
    "a * 2.0": 0.6,
    "reshape(3, 2)": 0.9,
    "permute(1, 0)": 0.9,
    "x.sum()": 1.0,
    "2x2 @ 2x2": 1.0,
    "ten operations, forward + backward": 0.6,
    "ten of many kinds, forward + backward": 1.0,
    "2-16-16-1 step, Adam": 0.5,
    "2-16-16-1 step, Adam, compiled": 0.5,  # only ours: torch.compile is slower than eager here
    "linear 50x16x16": 1.2,
    "linear 128x256x256 *": 1.2,  # OpenBLAS against MKL; the seam shows beside the bare product
}


def best_us(run: Callable[[], object]) -> float:
    """The best of five repeats of about 40 ms each, per call."""
    timer = Timer(run)
    number, seconds = timer.autorange()
    number = max(1, int(number * 0.04 / seconds))
    return min(timer.repeat(5, number)) / number * 1e6


def cases(t) -> dict[str, Callable[[], object]]:
    """The cases, written once for both frameworks: t is torch or rushlight."""
    if t.__name__ == "torch":
        import torch.nn.functional as F
        from torch import nn

        t.set_num_threads(1)
        more = {"fused": True}
    else:
        import rushlight_nn as nn

        F, more = nn.functional, {}
    t.manual_seed(0)
    a, b = t.ones(1), t.ones(1)
    ag, bg = t.ones(1, requires_grad=True), t.ones(1, requires_grad=True)
    x, m = t.ones(2, 3), t.ones(2, 2)

    def chain():
        z = ag
        for _ in range(5):
            z = z * b
            z = z + a
        z.backward()
        ag.grad = None

    def mixed():
        z = ag * bg
        z = (z + ag).relu()
        z = z * z - bg
        z = (z * 0.5 + 1.0).tanh()
        z = z.exp() / 2.0
        ag.grad = bg.grad = None
        z.backward()

    net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
    adam = (t.optim if t.__name__ == "torch" else nn.optim).Adam(net.parameters(), lr=1e-3, **more)
    points, truth = t.randn(50, 2), t.randn(50, 1)

    def step():
        adam.zero_grad()
        loss = F.mse_loss(net(points), truth)
        loss.backward()
        adam.step()

    def linear(n, k):
        x, w, b = t.randn(n, k), t.randn(k, k), t.randn(k)
        return lambda: F.linear(x, w, b)

    made = {
        "a + b": lambda: a + b,
        "a + b, grad": lambda: ag + bg,
        "a * 2.0": lambda: a * 2.0,
        "reshape(3, 2)": lambda: x.reshape(3, 2),
        "permute(1, 0)": lambda: x.permute(1, 0),
        "x.sum()": lambda: x.sum(),  # noqa: PLW0108  called as the others are
        "2x2 @ 2x2": lambda: m @ m,
        "ten operations, forward + backward": chain,
        "ten of many kinds, forward + backward": mixed,
        "2-16-16-1 step, Adam": step,
        "2-16-16-1 step, Adam, compiled": step if t.__name__ == "torch" else t.compile(step),
        "linear 50x16x16": linear(50, 16),
        "linear 128x256x256 *": linear(128, 256),
    }
    for n, c in ROWS:
        made |= row_cases(t, F, n, c)
    return made


def row_cases(t, F, n: int, c: int) -> dict[str, Callable[[], object]]:  # noqa: N803  its usual name
    """softmax, layer_norm and cross_entropy over n rows of c."""
    rows, g = t.randn(n, c), t.randn(n, c)
    asking = t.randn(n, c).requires_grad_()
    weight, bias = t.ones(c, requires_grad=True), t.zeros(c, requires_grad=True)
    constant = weight.detach(), bias.detach()
    classes = t.randint(0, c, (n,))

    def both(function, *more):
        def run():
            asking.grad = weight.grad = bias.grad = None
            z = function(asking, *more)
            z.backward(g if z.shape else None)

        return run

    return {
        f"softmax {n}x{c} *": lambda: F.softmax(rows, 1),
        f"softmax {n}x{c}, forward + backward *": both(F.softmax, 1),
        f"layer_norm {n}x{c} *": lambda: F.layer_norm(rows, (c,), *constant),
        f"layer_norm {n}x{c}, forward + backward *": both(F.layer_norm, (c,), weight, bias),
        f"cross_entropy {n}x{c} *": lambda: F.cross_entropy(rows, classes),
        f"cross_entropy {n}x{c}, forward + backward *": both(F.cross_entropy, classes),
    }


def bare() -> dict[str, Callable[[], object]]:
    """The kernels of the cases called on numpy arrays, with neither tensor nor tape around them."""
    import numpy as np

    from rushlight import reference

    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((128, 256), (256, 256)))
    made: dict[str, Callable[[], object]] = {
        "linear 128x256x256 *": lambda: reference.linear(x, w, w[0])
    }
    for n, c in ROWS:
        made |= bare_rows(np, reference, n, c)
    return made


def bare_rows(np, reference, n: int, c: int) -> dict[str, Callable[[], object]]:
    """The kernels of softmax, layer_norm and cross_entropy over n rows of c."""
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((n, c)).astype(np.float32) for _ in range(2))
    weight, bias, one = np.ones(c, np.float32), np.zeros(c, np.float32), np.ones((), np.float32)
    target = rng.integers(0, c, n)

    def softmax():
        return reference.softmax_vjp(g, reference.softmax(x, 1), 1)

    def layer_norm():
        _, mu, rstd = reference.layer_norm_fwd(x, weight, bias, (1,), 1e-5)
        return reference.layer_norm_vjp(g, x, weight, mu, rstd, (1,), (True, True, True))

    def cross_entropy():
        _, *kept = reference.cross_entropy_fwd(x, target, -100)
        return reference.cross_entropy_vjp(one, x, target, *kept, -100)

    return {
        f"softmax {n}x{c} *": lambda: reference.softmax(x, 1),
        f"softmax {n}x{c}, forward + backward *": softmax,
        f"layer_norm {n}x{c} *": lambda: reference.layer_norm(x, weight, bias, (1,), 1e-5),
        f"layer_norm {n}x{c}, forward + backward *": layer_norm,
        f"cross_entropy {n}x{c} *": lambda: reference.cross_entropy(x, target, -100),
        f"cross_entropy {n}x{c}, forward + backward *": cross_entropy,
    }


def child(which: str) -> None:
    """Time every case of one framework, and print it as JSON."""
    if which == "torch":
        import torch as t
    elif which == "rushlight":
        import rushlight as t
    made = bare() if which == "bare" else cases(t)
    only = os.environ.get("ONLY", "")
    print(json.dumps({name: best_us(run) for name, run in made.items() if only in name}))


def main(rounds: int) -> int:
    """Alternate processes, print the table; the exit status counts the bounds that are missed."""
    times: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for which in ("rushlight", "torch", "bare"):
            command = [sys.executable, __file__, "--child", which]
            done = subprocess.run(
                command, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True
            )
            for name, us in json.loads(done.stdout).items():
                times.setdefault(name, {}).setdefault(which, []).append(us)
    print(f"| us, medians of {rounds} processes | rushlight | torch | bare | ratio | bound |")
    print("|---|---|---|---|---|---|")
    missed = 0
    for name, found in times.items():
        ours, torch = median(found["rushlight"]), median(found["torch"])
        numpy = median(found["bare"]) if "bare" in found else None
        ratio = ours / (numpy if numpy is not None else torch)
        bound = BOUNDS.get(name, 1.3)
        missed += ratio > bound
        shown = f"{numpy:.2f}" if numpy is not None else ""
        mark = "" if ratio <= bound else " missed"
        print(f"| {name} | {ours:.2f} | {torch:.2f} | {shown} | {ratio:.2f} | {bound}{mark} |")
    return missed


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
    else:
        sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 5))
