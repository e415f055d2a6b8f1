"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Iterable

import rushlight as rl


def pad_sequence(
    sequences: rl.Tensor | Iterable[rl.Tensor], batch_first: bool = False,
    padding_value: float = 0.0, padding_side: str = "right",
) -> rl.Tensor:  # fmt: skip
    """Sequences side by side, all as long as the longest.  [t_i, *s], .. -> [t, b, *s].

    batch_first: [b, t, *s].
    padding_side: "right" for padding_value after a sequence, "left" for before.
    The result is of the first one's type.
    Raises: ContractError for none, for 0-d ones, and for elements of different shapes.
    """
    if padding_side not in ("left", "right"):
        raise rl.ContractError(
            f"pad_sequence: padding_side {padding_side!r}; choose 'left' or 'right'"
        )
    if not isinstance(sequences, Iterable):
        raise rl.ContractError(f"pad_sequence: {type(sequences).__name__}; give a list of tensors")
    xs = list(sequences)
    for x in xs:
        if not isinstance(x, rl.Tensor):
            raise rl.WrongType(
                f"pad_sequence: {type(x).__name__} is not a tensor; make one with rl.tensor()"
            )
    if not xs:
        raise rl.ContractError("pad_sequence: no sequences; give at least one")
    if not xs[0].shape or {x.shape[1:] for x in xs} != {xs[0].shape[1:]}:
        shown = ", ".join(str(x.spec) for x in xs[:4])
        raise rl.ContractError(
            f"pad_sequence: {shown}; give [t, *s] with a t of their own, and the same s"
        )
    longest = max(x.shape[0] for x in xs)
    rows = []
    for x in xs:
        short = longest - x.shape[0]
        ends = (short, 0) if padding_side == "left" else (0, short)
        x = x.to(xs[0].dtype)
        rows.append(rl.pad(x, (0, 0) * (x.ndim - 1) + ends, value=padding_value) if short else x)
    return rl.stack(rows, 0 if batch_first else 1)
