"""All that the author of a backend or of an operation may import.

For the author of a backend, who states an entry point in the group `rushlight.backends`:

- `Backend`, or one that begins further on: `HostBackend` if its arrays are numpy's,
  `StridedBackend` (of `StridedArray`) if its kernels work on raw buffers.
- `hookimpl`, which marks `rushlight_probe` and `rushlight_backend` in the entry point's module.
- `Capabilities`, `MemoryStats`, `FusionPolicy`: what a backend may tell of itself.
- `required_kernels()`: the names that its table must have; `Kernel`, `Array`: for annotations.
- `get_float32_matmul_precision()`: how far products of float32 may be shortened, asked at each call
  and whenever a program is compiled.

For the author of an operation: `primitive`, `composite`, and `ops` to state it with; `autocasts`,
a decorator of functions that says in which element type they compute under autocast.

For the author of layers and optimizers: `repeated`, one integer per dim; `padded`, the padding of a
convolution in numbers; `become`, which assigns many tensors; `Number`, what a Cell gives while a
function is traced.

For all: `Spec` and the arithmetic on shapes, element types, and the errors to raise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import ops
from .backend import (
    PROTOCOL,
    Array,
    Backend,
    Capabilities,
    FusionPolicy,
    HostBackend,
    Kernel,
    MemoryStats,
)
from .cell import Number
from .device import get_float32_matmul_precision
from .dtypes import (
    DType,
    as_dtype,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint32,
)
from .errors import (
    BackendUnavailable,
    ContractError,
    DeviceError,
    IndexOutOfRange,
    KernelFailed,
    OutOfMemory,
    RushlightError,
)
from .function.layer import padded, repeated
from .function.precision import autocasts
from .op import Composite, Operation, Primitive, composite, operations, primitive
from .plugins import GROUP, required_kernels
from .spec import Shape, Spec, broadcast, size
from .strided import StridedArray, StridedBackend
from .tensor import become

if TYPE_CHECKING:
    from pluggy import HookimplMarker

    hookimpl: HookimplMarker

__all__ = [
    "GROUP",
    "PROTOCOL",
    "Array",
    "Backend",
    "BackendUnavailable",
    "Capabilities",
    "Composite",
    "ContractError",
    "DType",
    "DeviceError",
    "FusionPolicy",
    "HostBackend",
    "IndexOutOfRange",
    "Kernel",
    "KernelFailed",
    "MemoryStats",
    "Number",
    "Operation",
    "OutOfMemory",
    "Primitive",
    "RushlightError",
    "Shape",
    "Spec",
    "StridedArray",
    "StridedBackend",
    "as_dtype",
    "autocasts",
    "become",
    "bfloat16",
    "bool_",
    "broadcast",
    "composite",
    "float16",
    "float32",
    "float64",
    "get_float32_matmul_precision",
    "hookimpl",
    "int8",
    "int16",
    "int32",
    "int64",
    "operations",
    "ops",
    "padded",
    "primitive",
    "repeated",
    "required_kernels",
    "size",
    "uint8",
    "uint32",
]


def __getattr__(name: str) -> Any:
    """hookimpl, for which pluggy is imported: the authors of plug-ins alone need it."""
    if name != "hookimpl":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pluggy import HookimplMarker

    made = globals()["hookimpl"] = HookimplMarker("rushlight")
    return made
