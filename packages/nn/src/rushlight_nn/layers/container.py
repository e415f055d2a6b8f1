"""Containers: modules that hold modules or parameters in a row or by name.  They know no layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import index
from typing import Any, Generic, Self, TypeVar, overload

import rushlight as rl

from ..module import Kind, Module, indent
from ..parameter import Parameter

M = TypeVar("M", Module, Parameter)


class Row(Module, Generic[M]):
    """What the containers in a row share: Python's list, with the position as name."""

    def _position(self, at: int) -> int:
        """A position in 0..len-1.  Raises: IndexError beyond both ends."""
        at, length = index(at), len(self)
        if not -length <= at < length:
            raise IndexError(f"index {at} is out of range")
        return at % length

    def _items(self) -> list[M]:
        return [self.__dict__[name] for name in self._names()]

    def _names(self) -> list[str]:
        return [name for name in self._registered if name.isdecimal()]

    def _refill(self, items: Iterable[M]) -> None:
        items = list(items)
        for name in self._names():
            delattr(self, name)
        for i, item in enumerate(items):
            setattr(self, str(i), item)

    def _checked(self, what: str, item: object) -> M:
        """The item, if a container of this kind may hold it.  Raises: TypeError if not."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self._names())

    def __iter__(self) -> Iterator[M]:
        return iter(self._items())

    @overload
    def __getitem__(self, at: int) -> M: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> M | Self:
        if isinstance(at, slice):
            return type(self)._of(self._items()[at])
        return self._items()[self._position(at)]

    @classmethod
    def _of(cls, items: list[M]) -> Self:
        """A container of this class with these items."""
        return cls(items)  # type: ignore[call-arg]  # every subclass takes its items

    def __setitem__(self, at: int, item: M) -> None:
        setattr(self, self._names()[self._position(at)], self._checked("assignment", item))

    def __delitem__(self, at: int | slice) -> None:
        items = self._items()
        del items[at if isinstance(at, slice) else self._position(at)]
        self._refill(items)

    def append(self, item: M) -> Self:
        """Put one at the end.  Returns: this container."""
        setattr(self, str(len(self)), self._checked("append", item))
        return self

    def extend(self, items: Iterable[M]) -> Self:
        """Put each of these at the end.  Raises: TypeError, nothing added."""
        if not isinstance(items, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, "
                f"but got {type(items).__name__}"
            )
        for item in [self._checked("extend", item) for item in items]:
            self.append(item)
        return self

    def insert(self, at: int, item: M) -> Self:
        """Put one before position at, the others after it.  Returns: this container."""
        items = self._items()
        items.insert(at, self._checked("insert", item))
        self._refill(items)
        return self

    def pop(self, at: int = -1) -> M:
        """Take one out and return it."""
        item = self[at]
        del self[at]
        return item


class ModuleRow(Row[Module]):
    """What Sequential and ModuleList share."""

    def _checked(self, what: str, item: object) -> Module:
        if not isinstance(item, Module):
            raise TypeError(
                f"{type(self).__name__}.{what}: {type(item).__name__} is not a Module subclass"
            )
        return item


class Sequential(ModuleRow):
    """Modules one after another, each given what the one before returned.

    modules: the modules, or one mapping of names to modules.

    `a + b` has the modules of both, `a * 2` its own twice: the same ones, with the same parameters.

    >>> Sequential(Sequential(), Sequential())
    Sequential(
      (0): Sequential()
      (1): Sequential()
    )
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def _names(self) -> list[str]:
        return [name for name, kind in self._registered.items() if kind == "module"]

    @classmethod
    def _of(cls, items: list[Module]) -> Self:
        return cls(*items)

    @overload
    def __getitem__(self, at: int) -> Module: ...
    @overload
    def __getitem__(self, at: slice) -> Self: ...
    def __getitem__(self, at: int | slice) -> Module | Self:
        if isinstance(at, slice):
            chosen = self._names()[at]
            return type(self)({name: self.__dict__[name] for name in chosen})
        return self._items()[self._position(at)]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __iadd__(self, other: Sequential) -> Self:
        if not isinstance(other, Sequential):
            return NotImplemented
        return self.extend([*other])

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int):
            return NotImplemented
        if times < 1:
            raise ValueError(f"Sequential: {times} times its modules; give an integer from 1")
        return Sequential(*self._items() * times)

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        return self.extend((self * times)._items()[len(self) :])

    def forward(self, input: Any) -> Any:
        """The last module's result for this input; the input itself if there are no modules."""
        attributes = self.__dict__
        for name, kind in self._registered.items():
            if kind == "module":
                input = attributes[name](input)
        return input


class ModuleList(ModuleRow):
    """A Python list of modules that a module owns.  It has no forward.

    >>> len(ModuleList([Sequential(), Sequential()]))
    2
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> Self:
        return self.extend(other)

    def __repr__(self) -> str:
        lines, start = [], 0
        for text, alike in groupby(map(repr, self)):
            count = len(list(alike))
            end = start + count - 1
            label = f"({start})" if count == 1 else f"({start}-{end})"
            times = "" if count == 1 else f"{count} x "
            lines.append(f"{label}: {times}{indent(text)}")
            start = end + 1
        if not lines:
            return f"{self._get_name()}()"
        return "\n  ".join([f"{self._get_name()}(", *lines]) + "\n)"


class ParameterList(Row[Parameter]):
    """A Python list of parameters that a module owns; it makes parameters of tensors."""

    def __init__(self, values: Iterable[rl.Tensor] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)  # type: ignore[arg-type]  # _checked makes parameters of tensors

    def _checked(self, what: str, item: object) -> Parameter:
        return as_parameter(f"ParameterList.{what}", item)

    def __iadd__(self, other: Iterable[Parameter]) -> Self:
        return self.extend(other)

    def extra_repr(self) -> str:
        return described(enumerate(self))


def as_parameter(who: str, item: object) -> Parameter:
    """A tensor as a parameter.  Raises: TypeError for anything else."""
    if isinstance(item, Parameter):
        return item
    if not isinstance(item, rl.Tensor):
        raise TypeError(f"{who}: {type(item).__name__} is no tensor")
    return Parameter(item)


def described(items: Iterable[tuple[object, Parameter]]) -> str:
    """A line for each parameter, with its name, type, shape, and device if not the host."""
    return "\n".join(
        f"  ({name}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}"
        f"{'' if p.device.host else f' ({p.device})'}]"
        for name, p in items
    )


class Names(Module, Generic[M]):
    """What the containers by name share: Python's dict, in order of insertion."""

    kind: Kind  # of what it holds

    def __init__(self, items: Mapping[str, M] | Iterable[tuple[str, M]] | None = None) -> None:
        super().__init__()
        if items is not None:
            self.update(items)

    def __getitem__(self, key: str) -> M:
        if key not in self:
            raise KeyError(key)
        item: M = self.__dict__[key]
        return item

    def __setitem__(self, key: str, item: M) -> None:
        raise NotImplementedError

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        delattr(self, key)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._registered.get(key) == self.kind

    def keys(self) -> list[str]:
        """The names, in order of insertion."""
        return [name for name, _ in self._own(self.kind)]

    def values(self) -> list[M]:
        """What it holds, in order of insertion."""
        return [module for _, module in self._own(self.kind)]

    def items(self) -> list[tuple[str, M]]:
        """Names and what they stand for, in order of insertion."""
        return list(self._own(self.kind))

    def clear(self) -> None:
        """Take everything out."""
        for key in self.keys():
            del self[key]

    def pop(self, key: str) -> M:
        """Take one out and return it.  Raises: KeyError if there is none of that name."""
        item = self[key]
        del self[key]
        return item

    def update(self, items: Mapping[str, M] | Iterable[tuple[str, M]]) -> None:
        """Put each of these in, over what has its name.  Raises: TypeError for no pairs."""
        if not isinstance(items, Iterable):
            raise TypeError(
                f"{type(self).__name__}.update should be called with an iterable of key/value "
                f"pairs, but got {type(items).__name__}"
            )
        for key, item in dict(items).items():
            self[key] = item


class ModuleDict(Names[Module]):
    """A Python dict of modules that a module owns, in order of insertion.  It has no forward.

    >>> list(ModuleDict({"a": Sequential(), "b": Sequential()}))
    ['a', 'b']
    """

    kind = "module"

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__(modules)

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)


class ParameterDict(Names[Parameter]):
    """A Python dict of parameters that a module owns; it makes parameters of tensors.

    >>> list(ParameterDict({"a": rl.zeros(2), "b": rl.zeros(3)}).keys())
    ['a', 'b']
    """

    kind = "parameter"

    def __init__(
        self,
        parameters: Mapping[str, rl.Tensor] | Iterable[tuple[str, rl.Tensor]] | None = None,
    ) -> None:
        super().__init__(parameters)  # type: ignore[arg-type]  # __setitem__ makes parameters

    def __setitem__(self, key: str, parameter: rl.Tensor) -> None:
        self.register_parameter(key, as_parameter("ParameterDict: assignment", parameter))

    def get(self, key: str, default: Any = None) -> Any:
        """The parameter of that name, or the default."""
        return self.__dict__[key] if key in self else default

    def extra_repr(self) -> str:
        return described(self.items())
