"""The GPT of examples/gpt.py beside PyTorch: the same program, with its imports replaced.

    python bench/gpt_parity.py [steps] [--keep]

Both learn the same text from the same first weights and batches, in float32 on the CPU, eagerly;
the text is the source of the program itself.  Prints the losses; --keep writes them to
bench/results, and their curves to docs/images/gpt-parity.png.  Needs torch and matplotlib in the
environment; `nox -s bench -- gpt_parity` has both.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "examples" / "gpt.py"
PICTURE = ROOT / "docs" / "images" / "gpt-parity.png"
IMPORTS = {
    "import rushlight as rl": "import torch as rl",
    "import rushlight_nn as nn": "import torch.nn as nn",
    "import rushlight_nn.functional as F": "import torch.nn.functional as F",
    "from rushlight_nn import optim": "from torch import optim",
}
BLOCK, BATCH = 64, 12
BOUND = 1e-3  # of the difference of two losses, in nats per character, over 50 steps
Losses = list[float]


def program(imports: dict[str, str] | None = None) -> ModuleType:
    """examples/gpt.py as a module, with some of its lines replaced."""
    imports = imports or {}
    lines = PROGRAM.read_text("utf-8").splitlines()
    missing = imports.keys() - set(lines)
    assert not missing, f"{PROGRAM} has no line: {missing}"
    source = "\n".join(imports.get(line, line) for line in lines)
    module = ModuleType("gpt")
    vars(module)["__file__"] = str(PROGRAM)
    exec(compile(source, PROGRAM, "exec"), vars(module))  # noqa: S102  a program of this repository
    return module


def pieces(text: str, steps: int, seed: int = 0) -> list[tuple[Any, Any]]:
    """So many batches of characters and their successors: arrays of int64[BATCH, BLOCK]."""
    number = {character: i for i, character in enumerate(sorted(set(text)))}
    numbers = np.array([number[character] for character in text])
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, len(text) - BLOCK, (steps, BATCH, 1))
    return [(numbers[s + np.arange(BLOCK)], numbers[s + np.arange(1, BLOCK + 1)]) for s in starts]


def losses(text: str, steps: int, dtype: str = "float32", **options: Any) -> tuple[Losses, Losses]:
    """The loss of every step, ours and PyTorch's; options: of our train()."""
    import torch

    import rushlight as rl

    ours, theirs = program(), program(IMPORTS)
    rl.manual_seed(0)
    model = ours.GPT(len(set(text)), BLOCK).to(getattr(rl, dtype))
    weights = {name: torch.tensor(w.numpy()) for name, w in model.state_dict().items()}
    twin = theirs.GPT(len(set(text)), BLOCK).to(getattr(torch, dtype))
    twin.load_state_dict(weights)
    pairs = pieces(text, steps)
    found = ours.train(model, [tuple(map(rl.tensor, pair)) for pair in pairs], steps, **options)
    expected = theirs.train(twin, [tuple(map(torch.tensor, pair)) for pair in pairs], steps)
    return list(found), list(expected)


def picture(ours: Sequence[float], theirs: Sequence[float]) -> None:
    """Both curves over each other, and below them how far they are apart."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.6), dpi=110, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    above.plot(theirs, color="#f0a04b", linewidth=5, label="PyTorch, CPU")
    above.plot(ours, color="#1f4e8b", linewidth=1.4, label="Rushlight, numpy")
    above.set_ylabel("loss, nats per character")
    above.set_title("A GPT of 4 layers, d 128, from the same weights, on the source of Rushlight")
    above.legend(frameon=False)
    apart = np.abs(np.subtract(ours, theirs))
    steps = np.arange(len(apart))[apart > 0]
    below.semilogy(steps, apart[steps], ".", color="#1f4e8b", markersize=4)
    below.axhline(BOUND, color="#b03030", linestyle="--", linewidth=1)
    below.axvline(50, color="#888888", linestyle=":", linewidth=1)
    below.text(len(apart), 2e-8, f"{len(apart) - len(steps)} steps of no difference", ha="right")
    below.text(0, 1.4 * BOUND, f"bound over 50 steps: {BOUND:g}", color="#b03030")
    below.set_ylim(1e-8, 1)
    below.set_ylabel("difference, nats")
    below.set_xlabel("step, each of 12 x 64 characters")
    for panel in (above, below):
        panel.grid(alpha=0.25)
        panel.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE)


def main(steps: int, keep: bool) -> int:
    """Train both; the exit status is 1 if the losses of the first 50 steps differ too much."""
    import torch

    import rushlight as rl

    text = program().sources()
    ours, theirs = losses(text, steps)
    apart = np.abs(np.subtract(ours, theirs))
    for i in sorted({0, 9, 49, 99, 199, 299, steps - 1}):
        if i < steps:
            print(f"step {i + 1:4}: {ours[i]:.6f}, PyTorch {theirs[i]:.6f}, apart {apart[i]:.1e}")
    worst = float(apart[:50].max())
    print(f"largest difference of the first 50 steps: {worst:.1e} (bound {BOUND:g})")
    if keep:
        now = datetime.now(UTC).date().isoformat()
        record = {
            "date": now,
            "command": f"python bench/gpt_parity.py {steps} --keep",
            "versions": {
                "rushlight": rl.__version__,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
            "machine": platform.machine(),
            "characters": len(text),
            "largest_difference_of_50_steps": worst,
            "largest_difference": float(apart.max()),
            "rushlight": ours,
            "torch": theirs,
        }
        path = ROOT / "bench" / "results" / f"gpt-parity-{now}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        picture(ours, theirs)
        print(f"written: {path.relative_to(ROOT)}, {PICTURE.relative_to(ROOT)}")
    return int(worst > BOUND)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("steps", type=int, nargs="?", default=50)
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    raise SystemExit(main(given.steps, given.keep))
