"""FlatOptimizer: a step of all parameters of a group at once, their state laid end to end.

Knows no method of optimisation.  A group's parameters are parted into buckets: those that had a
gradient in this step and are alike in device, element type and number of steps.  A bucket keeps one
flat tensor per kind of state, so a step is one operation per bucket.  Buckets last as long as the
same parameters have gradients; when that changes they are taken apart to state per parameter and
put together anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from operator import is_
from typing import Any

import rushlight as rl
from rushlight.extend import become, gradients

from .group import ParamGroup
from .optimizer import Optimizer, States

Tensors = Sequence[rl.Tensor]


class Bucket:
    """Parameters that step together.

    indices: their places in the group.
    steps: how many steps they made.
    flat: their state, a tensor [n] for each name, n the number of all their elements.
    targets: what one operation computes anew: the flat state, then the parameters.
    """

    __slots__ = ("flat", "indices", "names", "params", "steps", "targets")

    def __init__(
        self, group: Tensors, indices: list[int], steps: int, names: tuple[str, ...], flat: Tensors
    ) -> None:
        self.indices = indices
        self.params = [group[i] for i in indices]
        self.steps = rl.Cell(steps)
        self.names = names
        self.flat = tuple(flat)
        self.targets = (*self.flat, *self.params)

    def states(self) -> Iterator[tuple[rl.Tensor, dict[str, Any]]]:
        """Each parameter with its steps and its part of the flat state, in its shape."""
        ends = accumulate(p.numel() for p in self.params)
        for param, end in zip(self.params, ends, strict=True):
            parts = [x[end - param.numel() : end].reshape(param.shape) for x in self.flat]
            yield param, {"step": self.steps.value, **dict(zip(self.names, parts, strict=True))}


class Arrangement:
    """How one group is parted now.

    present: which of the parameters had a gradient, when the buckets were made.
    parked: the state that is in no bucket.
    """

    __slots__ = ("buckets", "names", "params", "parked", "present")

    def __init__(self) -> None:
        self.params: list[rl.Tensor] = []
        self.present: list[bool] = []
        self.names: tuple[str, ...] = ()
        self.buckets: list[Bucket] = []
        self.parked: States = {}

    def fits(self, params: list[rl.Tensor], present: list[bool], names: tuple[str, ...]) -> bool:
        """Whether the buckets are those for these parameters, of which these have gradients."""
        return (
            present == self.present and names == self.names and all(map(is_, params, self.params))
        )

    def states(self) -> States:
        """The state of every parameter that has some."""
        states = {param: dict(held) for param, held in self.parked.items()}
        for bucket in self.buckets:
            for param, held in bucket.states():
                states[param] = {**states.get(param, {}), **held}
        return states

    def arrange(self, params: list[rl.Tensor], present: list[bool], names: tuple[str, ...]) -> None:
        """Make buckets of the parameters that have gradients, with state of these names."""
        if self.buckets:
            rl.compiler.retrace()  # programs captured the flat tensors that go now
        states = self.states()
        alike: dict[tuple[Any, ...], list[int]] = {}
        for i, param in enumerate(params):
            if present[i]:
                steps = states.get(param, {}).get("step", 0)
                alike.setdefault((param.device, param.dtype, steps), []).append(i)
        self.buckets = [
            Bucket(
                params,
                indices,
                steps,
                names,
                [
                    joined(
                        [states.get(params[i], {}).get(name) for i in indices],
                        [params[i] for i in indices],
                    )
                    for name in names
                ],
            )
            for (_, _, steps), indices in alike.items()
        ]
        for bucket in self.buckets:
            for param in bucket.params:
                rest = {k: held for k, held in states.pop(param, {}).items() if k not in names}
                if rest.keys() - {"step"}:
                    states[param] = rest
        self.parked = states
        self.params, self.present, self.names = list(params), present, names


def joined(parts: Sequence[rl.Tensor | None], params: Tensors) -> rl.Tensor:
    """The state of these parameters end to end, zeros where there is none.  [*s_i], .. -> [n]."""
    like = params[0]
    if all(part is None for part in parts):
        count = sum(p.numel() for p in params)
        return rl.zeros(count, dtype=like.dtype, device=like.device)
    return rl.cat(
        [
            rl.zeros(param.numel(), dtype=like.dtype, device=like.device)
            if part is None
            else part.reshape(-1)
            for part, param in zip(parts, params, strict=True)
        ]
    )


class FlatOptimizer(Optimizer):
    """An optimizer that steps whole groups; derive from it and state `_names` and `_update`.

    `state` is made from the flat tensors when it is asked for, so what is written into it is lost:
    change state by `load_state_dict`.
    """

    counted = False  # whether a state dict says how many steps a parameter made

    def _prepare(self) -> None:
        self._arrangements: list[Arrangement] = []

    def _names(self, group: ParamGroup) -> tuple[str, ...]:
        """The names of what is remembered of each parameter of this group."""
        raise NotImplementedError

    def _update(self, group: ParamGroup, bucket: Bucket, grads: Tensors) -> Tensors:
        """The new flat state and the new parameters of a bucket; counts the step."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient.

        closure: computes the loss and its gradients anew; called once, first.
        Returns: what the closure returned, or None.
        """
        loss = None
        if closure is not None:
            with rl.enable_grad():
                loss = closure()
        with rl.no_grad():
            for group, arrangement in zip(self.param_groups, self._arrangements, strict=True):
                self._step(group, arrangement)
        return loss

    def _step(self, group: ParamGroup, arrangement: Arrangement) -> None:
        params = group.params
        grads = gradients(params)
        present = [grad is not None for grad in grads]
        names = self._names(group)
        if not arrangement.fits(params, present, names):
            with rl.compiler.paused():
                arrangement.arrange(params, present, names)
        for bucket in arrangement.buckets:
            chosen: Any = [grads[i] for i in bucket.indices]
            become(bucket.targets, self._update(group, bucket, chosen))

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Take more parameters into the training, with options of their own.

        param_group: "params", a parameter or several, and options.
        Raises: as the constructor does.
        """
        super().add_param_group(param_group)
        self._arrangements.append(Arrangement())

    @property
    def state(self) -> States:  # type: ignore[override]  # computed here, held in the base
        """What is remembered of each parameter that made a step, by parameter and name."""
        found: States = {}
        for arrangement in self._arrangements:
            for param, held in arrangement.states().items():
                steps = held.pop("step", 0)
                if self.counted:
                    held = {"step": rl.tensor(float(steps)), **held}
                if held:
                    found[param] = held
        return found

    def _take(self, states: States) -> None:
        arrangements = []
        for group in self.param_groups:
            arrangement = Arrangement()
            for param in group.params:
                if param in states:
                    arrangement.parked[param] = self._checked(states[param])
            arrangements.append(arrangement)
        self._arrangements = arrangements

    def _checked(self, held: Mapping[str, Any]) -> dict[str, Any]:
        """State of one parameter as a state dict has it -> as buckets are made of it."""
        return {name: value for name, value in held.items() if value is not None}
