"""Collate: a list of samples becomes one batch of the same structure.  Knows no dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import rushlight as rl


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples of one structure -> that structure of batches.  n samples of shape s -> [n, *s].

    Tensors and numpy arrays are stacked; Python floats become float64, integers int64, as in
    PyTorch; strings and bytes stay a list; a dict becomes a dict, a named tuple one of its kind,
    any other tuple or list a list.

    Raises: ContractError for samples of different structure, TypeError for other types.

    >>> default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ['a', 'b']]
    """
    if not batch:
        raise rl.ContractError("default_collate: no samples; give at least one")
    first = batch[0]
    if isinstance(first, rl.Tensor):
        _alike(rl.Tensor, batch)
        return rl.stack(list(batch))
    if isinstance(first, (np.ndarray, np.generic)):
        return _stack(first, batch)
    if isinstance(first, (bool, int, float)):
        _alike((bool, int, float), batch)
        return rl.tensor(batch, dtype=rl.float64 if isinstance(first, float) else None)
    if isinstance(first, (str, bytes)):
        return list(batch)
    if isinstance(first, Mapping):
        _alike(Mapping, batch)
        for sample in batch:
            if sample.keys() != first.keys():
                raise rl.ContractError(
                    f"default_collate: samples with keys {list(first)} and {list(sample)}; "
                    "give samples of the same keys, or a collate_fn"
                )
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        _alike(Sequence, batch)
        return _transpose(first, batch)
    raise TypeError(
        f"default_collate: samples hold a {type(first).__name__}; "
        "give tensors, numpy arrays, numbers, strings, dicts or sequences of them, or a collate_fn"
    )


def default_convert(data: Any) -> Any:
    """One sample with its numpy arrays as tensors, in the same structure; all else as it is.

    >>> default_convert({"x": np.zeros(2), "name": "a"})
    {'x': tensor([0., 0.], dtype=float64), 'name': 'a'}
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SUO" else rl.from_numpy(np.asarray(data))
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        values = [default_convert(value) for value in data]
        return type(data)(*values) if hasattr(data, "_fields") else type(data)(values)
    return data


def _stack(first: np.ndarray[Any, Any] | np.generic, batch: Sequence[Any]) -> rl.Tensor:
    if first.dtype.kind in "SUO":
        raise TypeError(
            f"default_collate: samples hold a numpy array of {first.dtype}; "
            "give arrays of numbers, or a collate_fn"
        )
    _alike((np.ndarray, np.generic), batch)
    return rl.from_numpy(np.stack(batch))


def _alike(kinds: type | tuple[type, ...], batch: Sequence[Any]) -> None:
    """Raises: ContractError unless all samples are of a kind, and those with a shape of one."""
    first = batch[0]
    shape = getattr(first, "shape", None)
    for sample in batch:
        if not isinstance(sample, kinds) or getattr(sample, "shape", None) != shape:
            raise rl.ContractError(
                f"default_collate: samples hold {_told(first)} and {_told(sample)}; "
                "give samples alike, or a collate_fn that makes them so"
            )


def _told(sample: Any) -> str:
    """A sample as a message shows it."""
    shape = getattr(sample, "shape", None)
    return type(sample).__name__ if shape is None else f"{sample.dtype}{list(shape)}"


def _transpose(first: Sequence[Any], batch: Sequence[Sequence[Any]]) -> Any:
    lengths = sorted({len(sample) for sample in batch})
    if len(lengths) > 1:
        raise rl.ContractError(
            f"default_collate: samples of {lengths[0]} to {lengths[-1]} elements; "
            "give samples of one length, or a collate_fn"
        )
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    return type(first)(*columns) if hasattr(first, "_fields") else columns
