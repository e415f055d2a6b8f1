"""Hooks: functions that a module calls around its forward and backward passes.

A module without hooks never comes here: it goes straight to its forward.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import rushlight as rl

if TYPE_CHECKING:
    from types import TracebackType

    from .module import Module

Hook = Callable[..., Any]
Cotangents = tuple[rl.Tensor | None, ...]


class RemovableHandle:
    """Takes one hook out again: call `remove()`, or leave the `with` block that it opened."""

    def __init__(self, table: dict[RemovableHandle, Any]) -> None:
        self._table = table

    def remove(self) -> None:
        """Take the hook out; a second time does nothing."""
        if self._table.pop(self, None) is not None:
            rl.compiler.retrace()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()


class Entry(NamedTuple):
    """A hook, and how it wishes to be called."""

    hook: Hook
    with_kwargs: bool = False
    always_call: bool = False


Table = dict[RemovableHandle, Entry]


class Hooks:
    """The hooks of one module: around forward and around backward, each in calling order."""

    __slots__ = ("after", "backward", "backward_before", "before")

    def __init__(self) -> None:
        self.before: Table = {}
        self.after: Table = {}
        self.backward_before: Table = {}
        self.backward: Table = {}

    def call(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module's forward with every hook around it."""
        for entry in tuple(self.before.values()):
            args, kwargs = _ask_before(entry, module, args, kwargs)
        watch = Watch(module, self) if self.backward or self.backward_before else None
        if watch is not None:
            args = watch.inputs(args)
        pending = dict(self.after)
        try:
            result = module.forward(*args, **kwargs)
            for handle, entry in self.after.items():
                del pending[handle]
                given = (args, kwargs) if entry.with_kwargs else (args,)
                changed = entry.hook(module, *given, result)
                result = result if changed is None else changed
        except BaseException:
            for entry in pending.values():
                if entry.always_call:
                    given = (args, kwargs) if entry.with_kwargs else (args,)
                    entry.hook(module, *given, None)
            raise
        return result if watch is None else watch.outputs(result)


def add(table: Table, entry: Entry, *, prepend: bool) -> RemovableHandle:
    """Put a hook into its table, at the end or the beginning."""
    handle = RemovableHandle(table)
    if prepend:
        rest = dict(table)
        table.clear()
        table[handle] = entry
        table.update(rest)
    else:
        table[handle] = entry
    rl.compiler.retrace()
    return handle


def _ask_before(
    entry: Entry, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if entry.with_kwargs:
        changed = entry.hook(module, args, kwargs)
        if changed is None:
            return args, kwargs
        if not (isinstance(changed, tuple) and len(changed) == 2):
            raise rl.ContractError(
                f"forward pre-hook: returned {type(changed).__name__}; "
                "return None or (args, kwargs)"
            )
        return changed
    changed = entry.hook(module, args)
    if changed is None:
        return args, kwargs
    return (changed if isinstance(changed, tuple) else (changed,)), kwargs


class Boundary(rl.autograd.Function):
    """The identity of several tensors; backward asks what their cotangents become."""

    @staticmethod
    def forward(ctx: Any, ask: Callable[[Cotangents], Cotangents], *tensors: rl.Tensor) -> Any:
        """The tensors themselves."""
        ctx.ask = ask
        return tensors

    @staticmethod
    def backward(ctx: Any, *cotangents: rl.Tensor | None) -> Any:
        """What the function makes of them."""
        return None, *ctx.ask(cotangents)


class Watch:
    """One forward pass of a module with backward hooks: a boundary before it and one behind it."""

    def __init__(self, module: Module, hooks: Hooks) -> None:
        self.module = module
        self.hooks = hooks
        self.places: list[int] = []  # of the inputs that ask for a gradient, among the tensors
        self.count = 0  # of input tensors
        self.grad_output: Cotangents = ()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, seen from now on."""
        where = [i for i, x in enumerate(args) if isinstance(x, rl.Tensor)]
        self.count = len(where)
        if rl.is_grad_enabled():
            self.places = [k for k, i in enumerate(where) if args[i].requires_grad]
        if not self.places:
            return args
        changed = list(args)
        asking = [where[k] for k in self.places]
        seen = Boundary.apply(self.arrive, *[args[i] for i in asking])
        for i, x in zip(asking, seen, strict=True):
            changed[i] = x
        return tuple(changed)

    def outputs(self, result: Any) -> Any:
        """The result, seen from now on."""
        parts = list(result) if isinstance(result, (tuple, list)) else [result]
        if not all(isinstance(x, rl.Tensor) for x in parts):
            warnings.warn(
                f"backward hooks of {type(self.module).__name__} are not called: they need an "
                f"output that is a tensor or a tuple of tensors, not {type(result).__name__}",
                stacklevel=4,
            )
            return result
        if not (rl.is_grad_enabled() and any(x.requires_grad for x in parts)):
            return result
        seen = Boundary.apply(self.leave, *parts)
        if isinstance(result, rl.Tensor):
            return seen[0]
        return type(result)(*seen) if hasattr(result, "_fields") else type(result)(seen)

    def leave(self, grad_output: Cotangents) -> Cotangents:
        """The gradients of the outputs are known: ask the hooks before the backward pass."""
        for entry in tuple(self.hooks.backward_before.values()):
            grad_output = _changed(entry.hook(self.module, grad_output), grad_output)
        self.grad_output = grad_output
        if not self.places:
            for entry in tuple(self.hooks.backward.values()):
                entry.hook(self.module, (None,) * self.count, grad_output)
        return grad_output

    def arrive(self, known: Cotangents) -> Cotangents:
        """The gradients of the inputs are known: ask the hooks after the backward pass."""
        spread: list[rl.Tensor | None] = [None] * self.count
        for k, g in zip(self.places, known, strict=True):
            spread[k] = g
        grad_input: Cotangents = tuple(spread)
        for entry in tuple(self.hooks.backward.values()):
            changed = entry.hook(self.module, grad_input, self.grad_output)
            grad_input = _changed(changed, grad_input)
        return tuple(grad_input[k] for k in self.places)


def _changed(returned: Any, before: Cotangents) -> Cotangents:
    """The gradients that a hook returned, or those that it was given if it returned None."""
    if returned is None:
        return before
    given: Cotangents = returned if isinstance(returned, tuple) else (returned,)
    if len(given) != len(before):
        raise rl.ContractError(
            f"backward hook: returned {len(given)} gradients for {len(before)}; "
            "return as many as it was given, or None"
        )
    return given
