"""What programs of PyTorch's users run on here: only the imports differ from PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import rushlight as rl
import rushlight_nn

TOLERANCE = 1e-9  # of float64, some hundred operations in a row


class Kit:
    """The modules that a program imports, and numbers that are the same in both."""

    def __init__(self, t: Any, nn: Any, optim: Any) -> None:
        self.t, self.nn, self.F, self.optim = t, nn, nn.functional, optim
        self.random = np.random.default_rng(0)

    def normal(self, *shape: int) -> Any:
        return self.t.tensor(self.random.standard_normal(shape))

    def uniform(self, *shape: int) -> Any:
        return self.t.tensor(self.random.uniform(0, 1, shape))

    def integers(self, n: int, *shape: int) -> Any:
        return self.t.tensor(self.random.integers(0, n, shape))

    def known(self, module: Any) -> Any:
        """A module of float64 with the same first weights in both."""
        module = module.double()
        with self.t.no_grad():
            for p in module.parameters():
                p.copy_(self.normal(*p.shape) * 0.5)
        return module


def beside_pytorch(program: Callable[[Kit], Any]) -> Callable[[], None]:
    """The test that what a program returns agrees: structure, element types, shapes, values."""

    def test() -> None:
        ours = flat(program(Kit(rl, rushlight_nn, rushlight_nn.optim)))
        theirs = flat(program(Kit(torch, torch.nn, torch.optim)))
        assert len(ours) == len(theirs) > 0
        for x, y in zip(ours, theirs, strict=True):
            agree(x, y)

    test.__name__, test.__module__ = program.__name__, program.__module__
    return test


def agree(x: Any, y: Any) -> None:
    """One result of ours and PyTorch's."""
    assert element_type(x) == element_type(y)
    if not isinstance(x, rl.Tensor):
        assert type(x) is type(y)
        if not isinstance(x, float):
            assert x == y
            return
    x, y = (np.asarray(z) if isinstance(z, float) else z.detach().numpy() for z in (x, y))
    assert x.shape == y.shape
    np.testing.assert_allclose(x, y, rtol=TOLERANCE, atol=TOLERANCE)


def element_type(x: Any) -> str | None:
    """Of a tensor."""
    return str(x.dtype).rpartition(".")[2] if isinstance(x, (rl.Tensor, torch.Tensor)) else None


def flat(result: Any) -> list[Any]:
    """What nested dicts, lists and tuples hold, in order."""
    if isinstance(result, dict):
        return [x for key in result for x in (key, *flat(result[key]))]
    if isinstance(result, (list, tuple)):
        return [x for part in result for x in flat(part)]
    return [result]
