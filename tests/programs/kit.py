"""What programs of PyTorch's users run on here: only the imports differ from PyTorch's.

Each runs three times: in PyTorch, here, and here compiled as a whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn

TOLERANCE = 1e-9  # of float64, some hundred operations in a row


class Kit:
    """The modules that a program imports, and numbers that are the same in all.

    made: copies of its modules, each with the state of the numbers then; a kit that is given them
    gives them out instead of new ones, since element types cannot be changed while tracing.
    """

    def __init__(self, t: Any, nn: Any, optim: Any, made: Sequence[Any] = ()) -> None:
        self.t, self.nn, self.F, self.optim = t, nn, nn.functional, optim
        self.random = np.random.default_rng(0)
        self.prepared, self.made = list(made), []

    def normal(self, *shape: int) -> Any:
        return self.t.tensor(self.random.standard_normal(shape))

    def uniform(self, *shape: int) -> Any:
        return self.t.tensor(self.random.uniform(0, 1, shape))

    def integers(self, n: int, *shape: int) -> Any:
        return self.t.tensor(self.random.integers(0, n, shape))

    def known(self, module: Any) -> Any:
        """A module of float64 with the same first weights in all."""
        if self.prepared:
            module, self.random.bit_generator.state = self.prepared.pop(0)
            return module
        module = module.double()
        with self.t.no_grad():
            for p in module.parameters():
                p.copy_(self.normal(*p.shape) * 0.5)
        self.made.append((copy.deepcopy(module), self.random.bit_generator.state))
        return module


Program = Callable[[Kit], Any]


def beside_pytorch(program: Program) -> Callable[[], None]:
    """The test that what a program returns agrees: structure, element types, shapes, values."""

    def test() -> None:
        kit, ours = compared(program)
        for x, y in zip(compiled(program, kit), tensors(ours), strict=True):
            assert x.dtype is y.dtype
            np.testing.assert_array_equal(x.numpy(), y.numpy(), strict=True)

    return named(test, program)


def reading_values(program: Program) -> Callable[[], None]:
    """The same of a program that cannot be compiled, since what it does depends on values."""

    def test() -> None:
        kit, _ = compared(program)
        with pytest.raises(rl.TracingError):
            compiled(program, kit)

    return named(test, program)


def compared(program: Program) -> tuple[Kit, list[Any]]:
    """The kit with which it ran here, and its results, which are PyTorch's."""
    kit = Kit(rl, rushlight_nn, rushlight_nn.optim)
    ours, theirs = flat(program(kit)), flat(program(Kit(torch, torch.nn, torch.optim)))
    assert len(ours) == len(theirs) > 0
    for x, y in zip(ours, theirs, strict=True):
        agree(x, y)
    return kit, ours


def compiled(program: Program, kit: Kit) -> list[rl.Tensor]:
    """The tensors that a program returns when it is traced, after it ran with this kit."""
    again = Kit(kit.t, kit.nn, kit.optim, kit.made)
    return rl.compile(lambda: tensors(flat(program(again))))()


def tensors(results: list[Any]) -> list[rl.Tensor]:
    """The values of those that are tensors."""
    return [x.detach() for x in results if isinstance(x, rl.Tensor)]


def named(test: Callable[[], None], program: Program) -> Callable[[], None]:
    """The test under the program's name."""
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
