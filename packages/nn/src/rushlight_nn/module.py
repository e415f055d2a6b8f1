"""Module: what owns parameters, buffers and other modules, and has a forward pass.

Knows no layer, no optimizer and no file.  An owned tensor or module is an ordinary attribute, found
as fast as any other; beside it stands only its name, and which of the three kinds it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np

import rushlight as rl
from rushlight.extend import zero_grad

from .hooks import Entry, Hook, Hooks, RemovableHandle, add
from .parameter import Parameter

Kind = Literal["parameter", "buffer", "module"]
State = dict[str, Any]  # tensors, and what `get_extra_state` gives
EXTRA = "_extra_state"


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` did not find in the state, and what it did not use of it."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


def _no_forward(self: Module, *args: Any, **kwargs: Any) -> Any:
    """Compute the module's result.  Every subclass states its own."""
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


class Module:
    """A part of a network: parameters, buffers, further modules, and `forward`.

    A Parameter, or a Module, that becomes an attribute is owned: it appears in `parameters()`, in
    `state_dict()` and in the repr, follows `to()`, and a module follows `train()` and `eval()`.
    Calling the module runs `forward` and the hooks around it.

    training: whether the module is in training mode; Dropout and BatchNorm differ by it.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = Parameter(rl.full((1,), 2.0))
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> Scale()(rl.ones(2))
    tensor([2., 2.], grad_fn=<MulBackward0>)
    """

    training: bool
    forward: Callable[..., Any] = _no_forward

    # What is owned, in order of registration; the values are the attributes of these names.
    _registered: dict[str, Kind]
    _transient: set[str]  # buffers that no state dict holds
    _younger: ClassVar[frozenset[str]] = frozenset()  # what older state dicts lack
    _hooks: Hooks | None = None

    def __init__(self) -> None:
        self.__dict__.update(training=True, _registered={}, _transient=set())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        return self._hooks.call(self, args, kwargs)

    # Registration

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name, unless="parameter")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name, unless="module")
            self._register(name, "module", value)
        elif name in self.__dict__.get("_registered", ()):
            self._replace(name, value)
        else:
            if name == "training" and value is not (before := self.__dict__.get(name)):
                if isinstance(value, bool) and isinstance(before, bool):
                    rl.compiler.switch(self)  # programs of either mode are kept
                else:
                    rl.compiler.retrace()
            super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.__dict__.get("_registered", ()):
            self._forget(name)
        else:
            super().__delattr__(name)

    def _register(self, name: str, kind: Kind, value: object) -> None:
        if "_registered" not in self.__dict__:
            raise AttributeError(
                f"cannot assign {kind} before Module.__init__() call; "
                f"call super().__init__() first in {type(self).__name__}.__init__"
            )
        self._registered[name] = kind
        self.__dict__[name] = value
        rl.compiler.retrace()

    def _forget(self, name: str, unless: Kind | None = None) -> None:
        """Drop the attribute of that name, unless it is one of that kind, which keeps its place."""
        registered: dict[str, Kind] = self.__dict__.get("_registered", {})
        if unless is None or registered.get(name) != unless:
            registered.pop(name, None)
            self.__dict__.get("_transient", set()).discard(name)
            if self.__dict__.pop(name, None) is not None:
                rl.compiler.retrace()

    def _replace(self, name: str, value: object) -> None:
        """Put what is no Parameter and no Module in the place of an owned attribute."""
        kind = self._registered[name]
        if value is not None and not (kind == "buffer" and isinstance(value, rl.Tensor)):
            wanted = {"parameter": "a Parameter", "buffer": "a tensor", "module": "a Module"}[kind]
            raise TypeError(
                f"cannot assign {type(value).__name__} as {kind} {name!r} of "
                f"{type(self).__name__}; give {wanted} or None, or delete the attribute first"
            )
        if rl.compiler.is_compiling():
            raise rl.TracingError(
                f"buffer {name!r} of {type(self).__name__} is replaced while tracing; "
                f"change it in place: self.{name}.copy_(value)"
            )
        self._register(name, kind, value)

    def _check_name(self, name: str, kind: Kind) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string, not {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got {name!r}')
        if not name:
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if hasattr(self, name) and self.__dict__.get("_registered", {}).get(name) != kind:
            raise KeyError(f"attribute {name!r} already exists; choose another name for the {kind}")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Own a parameter under that name; None reserves the name, as a Linear without bias does.

        Raises: KeyError for a name that is taken, empty or contains a dot; TypeError for what is no
        Parameter; ValueError for a tensor that was computed.
        """
        self._check_name(name, "parameter")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {type(param).__name__} as parameter {name!r}; "
                "give a Parameter or None"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"cannot assign a computed tensor as parameter {name!r}; "
                "keep a leaf as parameter and compute from it in forward()"
            )
        self._register(name, "parameter", param)

    def register_buffer(self, name: str, tensor: rl.Tensor | None, persistent: bool = True) -> None:
        """Own a tensor that is state but not trained, as the running mean of a BatchNorm.

        persistent: False keeps it out of `state_dict`.
        Raises: KeyError for a name that is taken, empty or contains a dot; TypeError for what is no
        tensor.
        """
        self._check_name(name, "buffer")
        if tensor is not None and not isinstance(tensor, rl.Tensor):
            raise TypeError(
                f"cannot assign {type(tensor).__name__} as buffer {name!r}; give a tensor or None"
            )
        self._register(name, "buffer", tensor)
        (self._transient.discard if persistent else self._transient.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Own a module under that name.  Raises: as `register_parameter` does."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self._check_name(name, "module")
        self._register(name, "module", module)

    add_module = register_module

    # Walking

    def _own(self, kind: Kind) -> Iterator[tuple[str, Any]]:
        attributes = self.__dict__
        for name, registered in self._registered.items():
            if registered == kind:
                yield name, attributes[name]

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all within it, with their paths; one that is shared, once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._own("module"):
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all within it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules that this one owns itself, each once, with their names."""
        seen: set[Module] = set()
        for name, module in self._own("module"):
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules that this one owns itself, each once."""
        return (module for _, module in self.named_children())

    def _named(
        self, kind: Kind, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        walk = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        seen: set[int] = set()
        for path, module in walk:
            for name, tensor in module._own(kind):
                if tensor is None or id(tensor) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(tensor))
                yield (f"{path}.{name}" if path else name), tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their paths; one that is shared, once, under its first path."""
        return self._named("parameter", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer is given."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, rl.Tensor]]:
        """The buffers with their paths; one that is shared, once, under its first path."""
        return self._named("buffer", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[rl.Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "encoder.0".  Raises: AttributeError if there is none."""
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not a Module")
        found: Module = module
        return found

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path: "encoder.0.weight".  Raises: AttributeError if there is none."""
        parameter: Parameter = self._get("parameter", target)
        return parameter

    def get_buffer(self, target: str) -> rl.Tensor:
        """The buffer at a path: "norm.running_mean".  Raises: AttributeError if there is none."""
        buffer: rl.Tensor = self._get("buffer", target)
        return buffer

    def _get(self, kind: Kind, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        if module._registered.get(name) != kind:
            raise AttributeError(f"`{name}` is not a {kind} of {type(module).__name__}")
        return getattr(module, name)

    # State

    def state_dict(
        self, *, destination: State | None = None, prefix: str = "", keep_vars: bool = False
    ) -> State:
        """Every parameter and persistent buffer by its path, detached, and every extra state.

        As in PyTorch no values are copied, and changing one of these tensors in place changes the
        module.  They hold the values of now: unlike PyTorch's, they do not follow further training.
        keep_vars: True gives the tensors themselves, not detached.
        """
        state: State = {} if destination is None else destination
        kinds: tuple[Kind, Kind] = ("parameter", "buffer")
        for kind in kinds:
            for name, tensor in self._own(kind):
                if tensor is not None and name not in self._transient:
                    state[prefix + name] = tensor if keep_vars else tensor.detach()
        if type(self).get_extra_state is not Module.get_extra_state:
            state[prefix + EXTRA] = self.get_extra_state()
        for name, module in self._own("module"):
            if module is not None:
                module.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Take the values of a state dict; all of them, or none if one does not fit.

        state_dict: tensors, or numpy arrays, by path; they are converted to this module's element
            types and devices.
        strict: whether every key must match.  Sizes must, always.
        assign: True puts the tensors of the state dict in the place of the module's own, with their
            element type and device; an optimizer made before does not know them.

        Extra states are handed to `set_extra_state` last.
        Raises: ContractError listing every missing key, unexpected key and size that differs.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"Expected state_dict to be dict-like, got {type(state_dict).__name__}; "
                "give what state_dict() returned or rl.load() read"
            )
        own, extra = self._taken()
        wanted = [*own, *extra]
        missing = [key for key in wanted if key not in state_dict and not self._may_lack(key)]
        unexpected = [key for key in state_dict if key not in own and key not in extra]
        given = {key: _as_tensor(key, state_dict[key]) for key in own if key in state_dict}
        faults = [
            f"size mismatch for {key}: {list(value.shape)} in the state, "
            f"{list(own[key].shape)} in the module"
            for key, value in given.items()
            if tuple(value.shape) != tuple(own[key].shape)
        ]
        if strict and unexpected:
            faults.insert(0, f"unexpected keys: {', '.join(map(repr, unexpected))}")
        if strict and missing:
            faults.insert(0, f"missing keys: {', '.join(map(repr, missing))}")
        if faults:
            raise rl.ContractError(
                f"load_state_dict: the state does not fit {type(self).__name__}; "
                + "; ".join(faults)
            )
        if assign:
            self._assign(given)
        else:
            self._copy(own, given)
        for key, module in extra.items():
            if key in state_dict:
                module.set_extra_state(state_dict[key])
        return IncompatibleKeys(missing, unexpected)

    def _taken(self) -> tuple[State, dict[str, Module]]:
        """By key, the tensors that take the values of a state, and the modules that take more."""
        own: State = {}
        extra: dict[str, Module] = {}
        for path, module in self.named_modules(remove_duplicate=False):
            prefix = f"{path}." if path else ""
            for name, tensor in (*module._own("parameter"), *module._own("buffer")):
                if tensor is not None and name not in module._transient:
                    own[prefix + name] = tensor
            if type(module).set_extra_state is not Module.set_extra_state:
                extra[prefix + EXTRA] = module
        return own, extra

    def get_extra_state(self) -> Any:
        """What `state_dict` holds of this module under `_extra_state`, beside its tensors.

        A subclass that has such state overrides this, and `set_extra_state`.  `rl.save` writes what
        is made of tensors, arrays, numbers, strings, bools and None.
        """
        raise RuntimeError(f"{type(self).__name__} has no extra state; override get_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Take what `get_extra_state` gave; `load_state_dict` calls it, a subclass overrides it."""
        raise RuntimeError(f"{type(self).__name__} has no extra state; override set_extra_state")

    def _may_lack(self, key: str) -> bool:
        """Whether a state may be without this tensor, which then stays as it is."""
        path, _, name = key.rpartition(".")
        return name in self.get_submodule(path)._younger

    def _copy(self, own: State, given: State) -> None:
        with rl.no_grad():
            ready = {
                key: value.detach().to(device=own[key].device, dtype=own[key].dtype, copy=True)
                for key, value in given.items()
            }
            for key, value in ready.items():
                own[key].assign_(value)

    def _assign(self, given: State) -> None:
        for key, value in given.items():
            path, _, name = key.rpartition(".")
            module = self.get_submodule(path)
            old = getattr(module, name)
            if isinstance(old, Parameter) and not isinstance(value, Parameter):
                value = Parameter(value, old.requires_grad)
            setattr(module, name, value)

    # Changing all of it

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and in every module within.  Returns: this module."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and in every module within: the same as `train(False)`."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call fn with every module within, then with this one.  Returns: this module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let every parameter ask for a gradient, or none.  Returns: this module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of every parameter; set_to_none=False makes them zeros instead."""
        zero_grad(self.parameters(), set_to_none)

    def to(
        self,
        *args: Any,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
        non_blocking: bool = False,
    ) -> Self:
        """Move every parameter, gradient and buffer to a device, or convert the floating ones.

        Called as `to(device)`, `to(dtype)`, `to(device, dtype)` or `to(tensor)`, for the device and
        element type of that tensor.  Parameters stay the same objects, so optimizers still know
        them.
        non_blocking: taken for PyTorch's sake; every move is done when this returns.
        Returns: this module.
        """
        for given in args:
            if isinstance(given, rl.Tensor):
                device, dtype = given.device, given.dtype
            elif isinstance(given, np.dtype):
                dtype = given
            else:
                device = given
        if dtype is not None and dtype not in rl.dtypes.FLOATING:
            raise TypeError(
                f"nn.Module.to only accepts floating point dtypes, but got desired dtype={dtype}"
            )

        def convert(x: rl.Tensor) -> rl.Tensor:
            return x.to(device=device, dtype=dtype if x.is_floating_point() else None)

        return self._convert(convert)

    def _convert(self, fn: Callable[[rl.Tensor], rl.Tensor]) -> Self:
        tensors: Iterable[rl.Tensor] = (*self.parameters(), *self.buffers())
        with rl.no_grad():
            for tensor in tensors:
                gradient = tensor.grad
                tensor.data = fn(tensor.data)
                if gradient is not None:
                    tensor.grad = fn(gradient)
        return self

    def type(self, dst_type: np.dtype[Any]) -> Self:
        """Convert every parameter and buffer, integers included, to this element type."""
        return self._convert(lambda x: x.to(dtype=dst_type))

    def float(self) -> Self:
        """Convert the floating parameters and buffers to float32."""
        return self.to(dtype=rl.float32)

    def double(self) -> Self:
        """Convert the floating parameters and buffers to float64."""
        return self.to(dtype=rl.float64)

    def half(self) -> Self:
        """Convert the floating parameters and buffers to float16."""
        return self.to(dtype=rl.float16)

    def bfloat16(self) -> Self:
        """Convert the floating parameters and buffers to bfloat16."""
        return self.to(dtype=rl.bfloat16)

    # Hooks

    def _hooked(self) -> Hooks:
        if self._hooks is None:
            self.__dict__["_hooks"] = Hooks()
        hooks: Hooks = self.__dict__["_hooks"]
        return hooks

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call hook(module, args) before forward; what it returns replaces args.

        A hook that returns None changes nothing.
        prepend: run it before the hooks that are there, not after.
        with_kwargs: call hook(module, args, kwargs), which may return (args, kwargs).
        Returns: a handle whose `remove()` takes the hook out.
        """
        return add(self._hooked().before, Entry(hook, with_kwargs), prepend=prepend)

    def register_forward_hook(
        self,
        hook: Hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call hook(module, args, output) after forward; what it returns replaces output.

        A hook that returns None changes nothing.
        prepend: run it before the hooks that are there, not after.
        with_kwargs: call hook(module, args, kwargs, output).
        always_call: call it, with None for the output, also when forward raises.
        Returns: a handle whose `remove()` takes the hook out.
        """
        entry = Entry(hook, with_kwargs, always_call)
        return add(self._hooked().after, entry, prepend=prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_output) when the gradients of the outputs are known.

        What it returns, if not None, replaces them.  Returns: a handle, as the other hooks do.
        """
        return add(self._hooked().backward_before, Entry(hook), prepend=prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call hook(module, grad_input, grad_output) when the gradients of the inputs are known.

        What it returns, if not None, replaces grad_input.  Only positional tensors count as inputs;
        grad_input has None for those that ask for no gradient.  Returns: a handle, as the other
        hooks do.
        """
        return add(self._hooked().backward, Entry(hook), prepend=prepend)

    # Text

    def extra_repr(self) -> str:
        """What the repr says between the parentheses beside the modules within."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        inner = [f"({name}): {indent(repr(module))}" for name, module in self._own("module")]
        if not inner and len(lines) < 2:
            return f"{self._get_name()}({extra})"
        return "\n  ".join([f"{self._get_name()}(", *lines, *inner]) + "\n)"


def indent(text: str) -> str:
    """The text with every line but the first moved two columns to the right."""
    return text.replace("\n", "\n  ")


def _as_tensor(key: str, value: object) -> rl.Tensor:
    if isinstance(value, rl.Tensor):
        return value
    if isinstance(value, np.ndarray):
        return rl.tensor(value)
    raise rl.ContractError(
        f"load_state_dict: {key} is a {type(value).__name__}; give a tensor or a numpy array"
    )


rl.compiler.watch(Module, besides={"training", "_hooks"})  # whose change is told
