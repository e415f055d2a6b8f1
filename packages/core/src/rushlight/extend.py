"""All that the author of a backend or of an operation may import.

For the author of a backend, who states an entry point in the group `rushlight.backends`:

- `Backend`, or one that begins further on: `HostBackend` if its arrays are numpy's,
  `StridedBackend` (of `StridedArray`) if its kernels work on raw buffers.
- `hookimpl`, which marks `rushlight_probe` and `rushlight_backend` in the entry point's module.
- `Capabilities`, `MemoryStats`, `FusionPolicy`: what a backend may tell of itself.
- `required_kernels()`: the names that its table must have; `Kernel`, `Array`: for annotations.
- `get_float32_matmul_precision()`: how far products of float32 may be shortened, asked at each call
  and whenever a program is compiled.

For the author of an operation: `primitive`, `composite`, and `ops` to state it with; and decorators
of functions: `autocasts` says in which element type they compute under autocast, `chain` makes them
one operation where the device compiles.

For the author of layers and optimizers: `repeated`, one integer per dim; `padded`, the padding of a
convolution in numbers; `become`, which assigns many tensors, `gradients` and `zero_grad`, the .grad
of many; `Number`, what a Cell gives while a function is traced.

For the author of a backend that compiles: `LoopNest` (of `Access`, `Node`, `Store`), of which
`Backend.compile_nest` makes a function, so that core runs programs nest by nest; `Fused`, the whole
program that `Backend.compile` is given instead, of nests, `Product` and `Call`, on `Value` and
`Number`, and the `Graph` that it stands for; `written`, which makes one of operations; `ROW`, the
reductions along a row; `arranged`, which gives every `Life` its place in
memory; `Report`, by which `explain()` tells times.

For all: `Spec` and the arithmetic on shapes, element types, `Device`, and the errors to raise.
"""

from importlib import import_module
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
    Report,
)
from .cell import Number
from .device import Device, get_float32_matmul_precision
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
from .function.chain import chain
from .function.layer import padded, repeated
from .function.precision import autocasts
from .op import Composite, Operation, Primitive, composite, operations, primitive
from .plugins import GROUP, required_kernels
from .spec import Shape, Spec, broadcast, size
from .strided import StridedArray, StridedBackend
from .tensor import become, gradients, zero_grad

if TYPE_CHECKING:
    from pluggy import HookimplMarker

    from .compiler.fuse import Call, Fused, Product
    from .compiler.graph import Graph, Value
    from .compiler.nest import ROW, Access, LoopNest, Node, Store
    from .compiler.plan import Life, arranged
    from .compiler.program import written

    hookimpl: HookimplMarker

# Where what compiles comes from: most programs never ask for it.
COMPILER = {
    "fuse": "Call Fused Product",
    "graph": "Graph Value",
    "nest": "ROW Access LoopNest Node Store",
    "plan": "Life arranged",
    "program": "written",
}

__all__ = [
    "GROUP", "PROTOCOL", "ROW", "Access", "Array", "Backend", "BackendUnavailable", "Call",
    "Capabilities", "Composite", "ContractError", "DType", "Device", "DeviceError", "Fused",
    "FusionPolicy", "Graph", "HostBackend", "IndexOutOfRange", "Kernel", "KernelFailed", "Life",
    "LoopNest", "MemoryStats", "Node", "Number", "Operation", "OutOfMemory", "Primitive", "Product",
    "Report", "RushlightError", "Shape", "Spec", "Store", "StridedArray", "StridedBackend", "Value",
    "arranged", "as_dtype", "autocasts", "become", "bfloat16", "bool_", "broadcast", "chain",
    "composite", "float16", "float32", "float64", "get_float32_matmul_precision", "gradients",
    "hookimpl", "int8", "int16", "int32", "int64", "operations", "ops", "padded", "primitive",
    "repeated", "required_kernels", "size", "uint8", "uint32", "written", "zero_grad",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """hookimpl, for which pluggy is imported, and what compiles: few programs need them."""
    for module, names in COMPILER.items():
        if name in names.split():
            made = getattr(import_module(f".compiler.{module}", __package__), name)
            return globals().setdefault(name, made)
    if name != "hookimpl":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pluggy import HookimplMarker

    made = globals()["hookimpl"] = HookimplMarker("rushlight")
    return made
