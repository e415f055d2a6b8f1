"""DLPack: memory handed to other libraries, and taken from them, without a copy.

Knows only memory of the host, which numpy wraps; numpy's capsules are the ones that are exchanged.
Source: Python array API standard 2024.12, `__dlpack__`, `__dlpack_device__`, `from_dlpack`.
"""

from typing import Any

import numpy as np

from ..creation import Place, from_numpy
from ..device import resolve
from ..errors import ContractError, ExchangeRefused
from ..tensor import Tensor

HOST = (1, 0)  # DLPack's name of the host's memory: kDLCPU, index 0


def place(x: Tensor) -> tuple[int, int]:
    """Where the memory of x is, as DLPack says it.  Raises: ExchangeRefused unless on the host."""
    if not x.device.host:
        raise ExchangeRefused(
            f"dlpack: the memory of device {x.device} is not the host's; move x with .cpu()"
        )
    return HOST


def capsule(x: Tensor, stream: Any, max_version: Any, dl_device: Any, copy: Any) -> Any:
    """The memory of x for another library, marked as read-only.

    It is copied, and the copy may be written, where it must be: for a library that speaks DLPack
    before 1.0, which has no such mark; for negative strides, at which some libraries abort; and
    from a device that is no host, if the host's memory is asked for.
    copy: True for a copy in any case, False for an error where there would be one.
    Raises: ExchangeRefused.
    """
    if x.requires_grad:
        raise ExchangeRefused("dlpack: this tensor requires a gradient; use .detach()")
    if stream not in {None, -1}:
        raise ExchangeRefused(f"dlpack: stream {stream!r}; the host's memory has none, give None")
    if dl_device is None:
        place(x)
    elif tuple(map(int, dl_device)) != HOST:
        raise ExchangeRefused(f"dlpack: device {tuple(dl_device)}; only {HOST}, the host, is there")
    values = x.numpy()
    if values.dtype.name == "bfloat16":
        raise ExchangeRefused("dlpack: numpy hands out no bfloat16; convert x with .float()")
    unmarked = max_version is None or max_version[0] < 1
    turned = any(stride < 0 or stride % values.itemsize for stride in values.strides)
    if copy is False and (unmarked or turned or not x.device.host):
        raise ExchangeRefused(
            f"dlpack: {x.spec} on {x.device} cannot be shared without a copy; leave out copy=False"
        )
    return values.__dlpack__(max_version=max_version, copy=copy or unmarked or turned or None)


def from_dlpack(
    ext_tensor: Any, *, device: Place = None, copy: bool | None = None
) -> Tensor:  # [*s] -> [*s]
    """The array or tensor of another library, in shared memory: writing it changes the tensor.

    device: where the tensor shall be; None for the numpy device.
    copy: True for a copy in any case, False for an error where there would be one.
    Raises: ExchangeRefused for memory that is not the host's, for bfloat16 and whatever else numpy
    cannot hold, and for what requires a gradient; ContractError for an element type that tensors
    do not have, and for what has no `__dlpack__`.

    >>> from_dlpack(np.arange(3))
    tensor([0, 1, 2])
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise ContractError(
            f"from_dlpack: {type(ext_tensor).__name__} has no __dlpack__; give an array or a "
            f"tensor, or use rl.tensor()"
        )
    try:
        array = np.from_dlpack(ext_tensor, copy=copy)
    except (BufferError, RuntimeError) as error:
        raise ExchangeRefused(
            f"from_dlpack: {type(ext_tensor).__name__}: {error}; give what is detached, in the "
            f"host's memory and of an element type that numpy has"
        ) from error
    z = from_numpy(array)
    there = z.device if device is None else resolve(device)
    if copy is False and not there.host:
        raise ExchangeRefused(f"from_dlpack: device {there} needs a copy; leave out copy=False")
    return z.to(there)
