"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import rushlight as rl


def parameters_to_vector(parameters: Iterable[rl.Tensor]) -> rl.Tensor:
    """The elements of all parameters end to end.  [*s_i], .. -> [sum of sizes].

    Raises: ContractError for none; DeviceError if they are in different places.
    """
    return rl.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: rl.Tensor, parameters: Iterable[rl.Tensor]) -> None:
    """Each parameter becomes its part of the vector, converted to its own type.

    Raises: WrongType for what is no tensor; ContractError for fewer elements than the parameters
    have, with nothing changed.
    """
    if not isinstance(vec, rl.Tensor):
        raise rl.WrongType(f"vector_to_parameters: {type(vec).__name__} is not a tensor")
    params = list(parameters)
    sizes = [p.numel() for p in params]
    if vec.ndim != 1 or vec.shape[0] < sum(sizes):
        raise rl.ContractError(
            f"vector_to_parameters: {vec.spec} for {sum(sizes)} elements; give a vector of them"
        )
    start = 0
    with rl.no_grad():
        for p, n in zip(params, sizes, strict=True):
            p.copy_(vec[start : start + n].reshape(p.shape))
            start += n
