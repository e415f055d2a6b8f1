"""Recurrent layers, RNN, LSTM and GRU, and their cells.

Gates stand one after another in the first axis of each weight: input, forget, cell, output in an
LSTM; reset, update, new in a GRU.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import rushlight as rl

from .. import functional as F, init
from ..module import Module
from ..parameter import Parameter, undrawn
from .argument import shown, tensor, whole

State = tuple[rl.Tensor, ...]


class Recurrent(Module):
    """What layers and cells share: a state that each step changes, and how parameters begin."""

    gates = 1  # how many vectors of length hidden_size a step is made of
    states = 1  # how many vectors are remembered

    input_size: int
    hidden_size: int

    def _step(self, x: rl.Tensor, h: rl.Tensor, state: State) -> State:
        """The state after a step.

        x, h: what the input and the hidden state give to the gates.  [b, gates n], [b, gates n].
        """
        raise NotImplementedError

    def reset_parameters(self) -> None:
        """Draw the first values anew: uniform in [-1 / sqrt(n), 1 / sqrt(n)), n hidden_size."""
        bound = 1 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _begun(self, given: Any, *shapes: tuple[int, ...], like: rl.Tensor) -> State:
        """The given state, or one of zeros.  Raises: ContractError for other shapes."""
        if given is None:
            return tuple(rl.zeros(s, dtype=like.dtype, device=like.device) for s in shapes)
        state: State = (given,) if len(shapes) == 1 else tuple(given)
        for x in state:
            tensor(type(self).__name__, x)
        if tuple(x.shape for x in state) != shapes:
            wanted = " and ".join(str(list(shape)) for shape in shapes)
            raise rl.ContractError(
                f"{type(self).__name__}: state {', '.join(str(list(x.shape)) for x in state)}; "
                f"give {wanted}"
            )
        return state

    def _checked(self, input: rl.Tensor, ndims: tuple[int, int]) -> None:
        """Raises: ContractError unless the input has so many axes, the last of input_size."""
        who = type(self).__name__
        tensor(who, input)
        if input.ndim not in ndims or input.shape[-1] != self.input_size:
            raise rl.ContractError(
                f"{who}: {input.spec}; give {ndims[0]} or {ndims[1]} axes, the "
                f"last of length {self.input_size}"
            )


class Elman(Recurrent):
    """The step of an RNN."""

    nonlinearity: str

    def _step(self, x: rl.Tensor, h: rl.Tensor, state: State) -> State:
        z: rl.Tensor = rl.tanh(x + h) if self.nonlinearity == "tanh" else rl.relu(x + h)
        return (z,)


class LongShort(Recurrent):
    """The step of an LSTM: a cell that forgets and takes up, and what is let out of it."""

    gates, states = 4, 2

    def _step(self, x: rl.Tensor, h: rl.Tensor, state: State) -> State:
        i, f, g, o = (x + h).chunk(4, -1)
        c = rl.sigmoid(f) * state[1] + rl.sigmoid(i) * rl.tanh(g)
        return rl.sigmoid(o) * rl.tanh(c), c


class Gated(Recurrent):
    """The step of a GRU: towards a new state, as far as the update gate lets it."""

    gates = 3

    def _step(self, x: rl.Tensor, h: rl.Tensor, state: State) -> State:
        xr, xz, xn = x.chunk(3, -1)
        hr, hz, hn = h.chunk(3, -1)
        new = rl.tanh(xn + rl.sigmoid(xr + hr) * hn)
        return (new + rl.sigmoid(xz + hz) * (state[0] - new),)


def _known(who: str, nonlinearity: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise rl.ContractError(f"{who}: nonlinearity {nonlinearity!r}; give 'tanh' or 'relu'")
    return nonlinearity


class Cell(Recurrent):
    """One step of a recurrent layer.  [b, input_size] -> [b, hidden_size], or without b.

    weight_ih: [gates hidden_size, input_size], weight_hh: [gates hidden_size, hidden_size],
        bias_ih, bias_hh: [gates hidden_size]; all begin uniform in [-1 / sqrt(hidden_size),
        1 / sqrt(hidden_size)).
    bias: whether there are biases.
    """

    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        whole(type(self).__name__, input_size=input_size)
        whole(type(self).__name__, 1, hidden_size=hidden_size)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        make = partial(undrawn, device=device, dtype=dtype)
        n = self.gates * hidden_size
        self.weight_ih = make(n, input_size)
        self.weight_hh = make(n, hidden_size)
        self.register_parameter("bias_ih", make(n) if bias else None)
        self.register_parameter("bias_hh", make(n) if bias else None)
        self.reset_parameters()

    def forward(self, input: rl.Tensor, hx: Any = None) -> Any:
        """The state after this input.  hx: the state before, zeros if None."""
        self._checked(input, (1, 2))
        shape = (*input.shape[:-1], self.hidden_size)
        state = self._begun(hx, *[shape] * self.states, like=input)
        x = F.linear(input, self.weight_ih, self.bias_ih)
        state = self._step(x, F.linear(state[0], self.weight_hh, self.bias_hh), state)
        return state if len(state) > 1 else state[0]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + (", bias=False" if not self.bias else "")


class RNNCell(Elman, Cell):
    """h' = nonlinearity(weight_ih x + bias_ih + weight_hh h + bias_hh).  [b, i], [b, h] -> [b, h].

    nonlinearity: "tanh" or "relu".
    Parameters: `Cell`.

    Source: Elman 1990, doi:10.1207/s15516709cog1402_1.

    >>> RNNCell(3, 4)(rl.zeros(2, 3)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = _known("RNNCell", nonlinearity)

    def extra_repr(self) -> str:
        other = self.nonlinearity != "tanh"
        return super().extra_repr() + f", nonlinearity={self.nonlinearity}" * other


class LSTMCell(LongShort, Cell):
    """c' = f c + i g, h' = o tanh(c').  [b, i], ([b, h], [b, h]) -> ([b, h], [b, h]).

    i, f and o are sigmoids, g a tanh, each of weight_ih x + bias_ih + weight_hh h + bias_hh.
    Parameters: `Cell`.

    Source: Hochreiter, Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; Gers, Schmidhuber, Cummins
    2000, doi:10.1162/089976600300015015, for f.

    >>> [tuple(x.shape) for x in LSTMCell(3, 4)(rl.zeros(2, 3))]
    [(2, 4), (2, 4)]
    """


class GRUCell(Gated, Cell):
    """h' = (1 - z) n + z h.  [b, i], [b, h] -> [b, h].

    r = sigmoid(Wir x + bir + Whr h + bhr), z alike, n = tanh(Win x + bin + r (Whn h + bhn)).
    Parameters: `Cell`.

    Source: Cho et al. 2014, arXiv:1406.1078, eq. 5 to 8, but for where r multiplies.

    >>> GRUCell(3, 4)(rl.zeros(2, 3)).shape
    (2, 4)
    """


class Layers(Recurrent):
    """Recurrent layers one above the other, over a sequence.

    [t, b, input_size] -> [t, b, d hidden_size], and the last states, [num_layers d, b,
    hidden_size]; d is 2 if bidirectional, else 1; or without b.

    num_layers: each is given what the one below returned.
    bias: whether there are biases.
    batch_first: the batch is axis 0 of input and output, not of states.
    dropout: of what each layer but the last returns, in training mode.
    bidirectional: a second pass, backwards; parameters end in _reverse.
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_ih_l1, ..: as those of the cell.

    Raises: ContractError for sizes below 1, and inputs or states of other shapes.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        whole(who, input_size=input_size, proj_size=proj_size)
        whole(who, 1, hidden_size=hidden_size, num_layers=num_layers)
        if not 0 <= dropout <= 1:
            raise rl.ContractError(f"{who}: dropout {dropout}; give a probability from 0 to 1")
        if proj_size >= hidden_size:
            raise rl.ContractError(f"{who}: proj_size {proj_size}; give less than hidden_size")
        if dropout and num_layers == 1:
            warnings.warn(
                f"{who}: dropout {dropout} drops nothing, since it follows every layer but the "
                "last, and there is one",
                stacklevel=2,
            )
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        n, out = self.gates * hidden_size, proj_size or hidden_size
        for number, suffix in enumerate(self._suffixes()):
            below = input_size if number < self._directions else out * self._directions
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (n, below), "weight_hh": (n, out)}
            shapes |= {"bias_ih": (n,), "bias_hh": (n,)} if bias else {}
            shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
            for name, shape in shapes.items():
                p = undrawn(*shape, device=device, dtype=dtype)
                self.register_parameter(name + suffix, p)
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self) -> Iterator[str]:
        """How the names of each layer's and direction's parameters end."""
        for layer in range(self.num_layers):
            yield from [f"_l{layer}", f"_l{layer}_reverse"][: self._directions]

    def flatten_parameters(self) -> None:
        """Nothing: parameters need not lie side by side here."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        return [
            [getattr(self, name + suffix) for name in names if hasattr(self, name + suffix)]
            for suffix in self._suffixes()
        ]

    def forward(self, input: rl.Tensor, hx: Any = None) -> tuple[rl.Tensor, Any]:
        """What the last layer returned at each step, and the last states of all layers.

        hx: the states before the first step, zeros if None.
        """
        self._checked(input, (2, 3))
        single = input.ndim == 2
        x = input.unsqueeze(1) if single else input
        x = x.transpose(0, 1) if self.batch_first and not single else x  # [t, b, i]
        if not x.shape[0]:
            raise rl.ContractError(f"{type(self).__name__}: {list(input.shape)}; give some steps")
        if single and hx is not None:
            hx = hx.unsqueeze(1) if self.states == 1 else [one.unsqueeze(1) for one in hx]
        rows = (self.num_layers * self._directions, x.shape[1])
        lengths = (self.proj_size or self.hidden_size, self.hidden_size)
        shapes = [(*rows, n) for n in lengths[: self.states]]
        begun = list(zip(*[s.unbind(0) for s in self._begun(hx, *shapes, like=x)], strict=True))
        ended: list[State] = []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            made = []
            for number in range(layer * self._directions, (layer + 1) * self._directions):
                z, state = self._pass(x, begun[number], number)
                made.append(z)
                ended.append(state)
            x = rl.cat(made, -1) if len(made) > 1 else made[0]
        last = [rl.stack(states) for states in zip(*ended, strict=True)]
        if single:
            x, last = x.squeeze(1), [one.squeeze(1) for one in last]
        elif self.batch_first:
            x = x.transpose(0, 1)
        return x, tuple(last) if len(last) > 1 else last[0]

    def _pass(self, x: rl.Tensor, state: State, number: int) -> tuple[rl.Tensor, State]:
        """One layer in one direction.  [t, b, i] -> [t, b, h], and the last state."""
        suffix = [*self._suffixes()][number]
        weights: Any = [
            getattr(self, f"weight_{name}{suffix}", None) for name in ("ih", "hh", "hr")
        ]
        biases = [getattr(self, f"bias_{name}{suffix}", None) for name in ("ih", "hh")]
        order = -1 if suffix.endswith("_reverse") else 1
        made = []
        for part in F.linear(x, weights[0], biases[0]).unbind(0)[::order]:
            state = self._step(part, F.linear(state[0], weights[1], biases[1]), state)
            if weights[2] is not None:
                state = (F.linear(state[0], weights[2]), *state[1:])
            made.append(state[0])
        return rl.stack(made[::order]), state

    def extra_repr(self) -> str:
        usual = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0,
            "bidirectional": False,
        }  # fmt: skip
        others = [name for name, value in usual.items() if getattr(self, name) != value]
        sizes = f"{self.input_size}, {self.hidden_size}"
        return f"{sizes}, {shown(self, *others)}" if others else sizes


class RNN(Elman, Layers):
    """h[t] = nonlinearity(weight_ih x[t] + bias_ih + weight_hh h[t - 1] + bias_hh).

    [t, b, input_size], [l d, b, hidden_size] -> [t, b, d hidden_size], [l d, b, hidden_size].

    nonlinearity: "tanh" or "relu".
    Options and parameters: `Layers`.  Source: `RNNCell`.

    >>> z, h = RNN(3, 4, 2)(rl.zeros(5, 2, 3))
    >>> z.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
            device, dtype,
        )  # fmt: skip
        self.nonlinearity = _known("RNN", nonlinearity)


class LSTM(LongShort, Layers):
    """c[t] = f c[t - 1] + i g, h[t] = o tanh(c[t]); i, f, g and o as in `LSTMCell`.

    [t, b, input_size], ([l d, b, hidden_size], [l d, b, hidden_size]) ->
        [t, b, d hidden_size], ([l d, b, hidden_size], [l d, b, hidden_size]).

    proj_size: if not 0, h is weight_hr times what it would be, and as long as this.
    Options and parameters: `Layers`.

    Source: `LSTMCell`; Sak, Senior, Beaufays 2014, arXiv:1402.1128, for proj_size.

    >>> z, (h, c) = LSTM(3, 4, bidirectional=True)(rl.zeros(5, 2, 3))
    >>> z.shape, h.shape, c.shape
    ((5, 2, 8), (2, 2, 4), (2, 2, 4))
    """

    def _begun(self, given: Any, *shapes: tuple[int, ...], like: rl.Tensor) -> State:
        """The state, which autocast makes narrow: an LSTM is one of the operations it casts."""
        state = super()._begun(given, *shapes, like=like)
        if like.dtype is rl.float64 or not rl.is_autocast_enabled(like.device.type):
            return state
        return tuple(one.to(rl.get_autocast_dtype(like.device.type)) for one in state)


class GRU(Gated, Layers):
    """h[t] = (1 - z) n + z h[t - 1]; z and n as in `GRUCell`.

    [t, b, input_size], [l d, b, hidden_size] -> [t, b, d hidden_size], [l d, b, hidden_size].

    Options and parameters: `Layers`.  Source: `GRUCell`.

    >>> z, h = GRU(3, 4, batch_first=True)(rl.zeros(2, 5, 3))
    >>> z.shape, h.shape
    ((2, 5, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0,
            device, dtype,
        )  # fmt: skip
