"""Optimizer: parameter groups, per-parameter state, and their exchange with PyTorch's state dicts.

Knows no method of optimisation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

import rushlight as rl
from rushlight.extend import zero_grad

from .group import ParamGroup

States = dict[rl.Tensor, dict[str, Any]]


class Optimizer:
    """What every optimizer shares; derive from it and state `step`.

    params: parameters, or groups: dicts of "params" and of options that differ from the defaults.
    defaults: the options of groups that do not say.

    param_groups: the groups, of which each is a mapping of options and of "params".
    state: what is remembered of each parameter, by parameter and name.

    Raises: TypeError for what are no parameters; ContractError for none at all, for computed ones,
    and for one that is in two groups.
    """

    def __init__(
        self, params: Iterable[rl.Tensor] | Iterable[dict[str, Any]], defaults: Mapping[str, Any]
    ) -> None:
        self.defaults = dict(defaults)
        self.param_groups: list[ParamGroup] = []
        self._prepare()
        given = self._listed(params)
        if not given:
            raise rl.ContractError(
                f"{self._name}: no parameters; give model.parameters() of a model that has some"
            )
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    def _prepare(self) -> None:
        """Make room for the state, before the first group comes."""
        self.state: Mapping[rl.Tensor, dict[str, Any]] = defaultdict(dict)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _listed(self, params: Any) -> list[Any]:
        if isinstance(params, rl.Tensor):
            raise TypeError(f"{self._name}: params is one tensor; give a list of them: [tensor]")
        if callable(params) and not isinstance(params, Iterable):
            what = type(params).__name__
            owner = hasattr(params, "parameters")
            hint = "give its parameters()" if owner else "call it: model.parameters()"
            raise TypeError(f"{self._name}: params is a {what}; {hint}")
        if not isinstance(params, Iterable):
            raise TypeError(
                f"{self._name}: params is a {type(params).__name__}; give model.parameters()"
            )
        if isinstance(params, (set, frozenset)):
            raise TypeError(
                f"{self._name}: params is a set, which has no order; "
                "give a list, so that a state dict can name them by number"
            )
        return list(params)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Take more parameters into the training, with options of their own.

        param_group: "params", a parameter or several, and options.
        Raises: as the constructor does.
        """
        if not isinstance(param_group, Mapping):
            raise TypeError(
                f"{self._name}: param_group is a {type(param_group).__name__}; give a dict"
            )
        if "params" not in param_group:
            raise rl.ContractError(
                f"{self._name}: a group with {', '.join(param_group) or 'nothing'} alone; "
                'give its parameters under "params"'
            )
        params = param_group["params"]
        listed = [params] if isinstance(params, rl.Tensor) else self._listed(params)
        known = {id(p) for group in self.param_groups for p in group.params}
        for param in listed:
            if not isinstance(param, rl.Tensor):
                raise TypeError(
                    f"{self._name}: one of the params is a {type(param).__name__}; "
                    "give tensors, as model.parameters() does"
                )
            if not param.is_leaf:
                raise rl.ContractError(
                    f"{self._name}: one of the params was computed from others; "
                    "give the leaf itself, or detach() it and let it require a gradient"
                )
            if id(param) in known:
                raise rl.ContractError(
                    f"{self._name}: some parameters appear in more than one group; give each once"
                )
            known.add(id(param))
        options = {**self.defaults, **param_group, "params": listed}
        self._check(options)
        self.param_groups.append(ParamGroup(options))
        rl.compiler.retrace()

    def _check(self, options: Mapping[str, Any]) -> None:
        """Raises: ContractError for an option with a value that it cannot have."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of every parameter; set_to_none=False makes them zeros instead."""
        for group in self.param_groups:
            zero_grad(group.params, set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient.

        closure: computes the loss and its gradients anew; called once, first.
        Returns: what the closure returned, or None.
        """
        raise NotImplementedError(f"{self._name} is missing step(self, closure=None)")

    # State dicts

    def state_dict(self) -> dict[str, Any]:
        """Options and state, with parameters by number: PyTorch's layout.

        {"state": {number: {name: value}}, "param_groups": [{option: value, "params": [number]}]}
        Parameters are numbered through all groups, in order; those never stepped have no state.
        """
        numbers: dict[int, int] = {}
        groups = []
        for group in self.param_groups:
            for param in group.params:
                numbers.setdefault(id(param), len(numbers))
            groups.append({**group.copy(), "params": [numbers[id(p)] for p in group.params]})
        state = {numbers[id(p)]: dict(held) for p, held in self.state.items() if id(p) in numbers}
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take options and state of a state dict, or of PyTorch's with numpy arrays in it.

        Floating state is converted to the type and device of its parameter.
        Raises: ContractError, with nothing changed, if groups, their lengths or shapes differ.
        """
        missing = [key for key in ("state", "param_groups") if key not in state_dict]
        if missing:
            raise rl.ContractError(
                f"{self._name}.load_state_dict: no {missing[0]!r} in the state; "
                "give what state_dict() returned"
            )
        groups = state_dict["param_groups"]
        lengths = [len(group["params"]) for group in groups]
        own = [len(group.params) for group in self.param_groups]
        if lengths != own:
            raise rl.ContractError(
                f"{self._name}.load_state_dict: groups of {lengths} parameters, here of {own}; "
                "give each group its parameters before you load"
            )
        params: dict[Any, rl.Tensor] = {}
        for group, saved in zip(self.param_groups, groups, strict=True):
            params.update(zip(saved["params"], group.params, strict=True))
            self._check({**self.defaults, **saved})
        states = {
            params[number]: {
                name: self._adopted(params[number], number, name, value)
                for name, value in held.items()
            }
            for number, held in state_dict["state"].items()
            if number in params
        }
        self._take(states)
        for group, saved in zip(self.param_groups, groups, strict=True):
            group.update({key: value for key, value in saved.items() if key != "params"})
        rl.compiler.retrace()

    def _adopted(self, param: rl.Tensor, number: Any, name: str, value: Any) -> Any:
        """A value of a state dict as the state of this parameter."""
        if isinstance(value, np.ndarray):
            value = rl.tensor(value)
        if not isinstance(value, rl.Tensor) or name == "step":
            return value
        if value.ndim and value.shape != param.shape:
            raise rl.ContractError(
                f"{self._name}.load_state_dict: {name} of parameter {number} is "
                f"{list(value.shape)}, the parameter {list(param.shape)}; "
                "load the state of the same model"
            )
        floating = value.is_floating_point() and param.is_floating_point()
        return value.detach().to(device=param.device, dtype=param.dtype if floating else None)

    def _take(self, states: States) -> None:
        """Remember this of each parameter, and nothing else."""
        self.state = defaultdict(dict, states)

    def __repr__(self) -> str:
        text = f"{self._name} ("
        for i, group in enumerate(self.param_groups):
            options = (f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            text += f"\nParameter Group {i}\n" + "".join(options)
        return text + ")"
