"""Rushlight: deep learning with PyTorch's programming model, where the device is a plug-in.

>>> import rushlight as rl
>>> x = rl.tensor([[1.0, 2.0]], requires_grad=True)
>>> (x @ x.mT).sum().backward()
>>> x.grad
tensor([[2., 4.]])
"""

from __future__ import annotations

from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any

# First of all: begun from deeper in the chain, numpy's own import was measured to take 8 ms more.
import numpy  # noqa: F401, ICN001

from . import autograd, creation, dtypes, eager, errors, function, ops, random
from .cell import Cell
from .creation import *
from .device import (
    Device as device,  # noqa: N813  PyTorch's name
    DeviceInfo,
    devices,
    get_float32_matmul_precision,
    get_num_threads,
    memory_stats,
    set_float32_matmul_precision,
    set_num_threads,
    synchronize,
)
from .dtypes import (
    as_dtype as dtype,
    finfo,
    float16,
    float32,
    float64,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint32,
)
from .eager import *
from .errors import *
from .function.creation import *
from .function.elementwise import *
from .function.indexing import *
from .function.layer import *
from .function.loss import *
from .function.movement import *
from .function.pooling import *
from .function.random import *
from .function.reduction import *
from .random import *
from .tensor import Tensor

if TYPE_CHECKING:  # imported when first asked for
    from . import amp, compiler, extend, linalg, scalar
    from .amp import autocast, get_autocast_dtype, is_autocast_enabled
    from .compiler import compile
    from .function.contraction import *
    from .function.linalg import *
    from .function.placing import *
    from .function.product import *
    from .function.promotion import *
    from .function.statistics import *
    from .interchange.dlpack import from_dlpack
    from .interchange.file import load, save

    bfloat16: dtypes.DType

bool = dtypes.bool_
float, double, half, short, int, long = float32, float64, float16, int16, int32, int64

_MODULES = {"amp", "compiler", "extend", "linalg", "scalar", "testing"}
_LATE = {  # functions by the module that is imported for them
    "autocast": "amp",
    "compile": "compiler",
    "from_dlpack": "interchange.dlpack",
    "get_autocast_dtype": "amp",
    "is_autocast_enabled": "amp",
    "load": "interchange.file",
    "save": "interchange.file",
    **{name: f"function.{room}" for name, room in function.LATE.items()},
}

__version__ = "0.1.0"

__all__ = [
    "Cell", "DeviceInfo", "Tensor", "amp", "autocast", "autograd", "bfloat16", "bool", "compile",
    "compiler", "device", "devices", "double", "dtype", "dtypes", "e", "errors", "extend", "finfo",
    "float", "float16", "float32", "float64", "from_dlpack", "function", "get_autocast_dtype",
    "get_float32_matmul_precision", "get_num_threads", "half", "iinfo", "inf", "int", "int8",
    "int16", "int32", "int64", "is_autocast_enabled", "linalg", "load", "long", "memory_stats",
    "nan", "ops", "pi", "random", "save", "scalar", "set_float32_matmul_precision",
    "set_num_threads", "short", "synchronize", "uint8", "uint32",
]  # fmt: skip
_ROOMS = (creation, eager, errors, random, *function.ROOMS)
__all__ += [name for room in _ROOMS for name in room.__all__]
__all__ += list(function.LATE)


def __getattr__(name: str) -> Any:
    """What few programs need, imported when first asked for; bfloat16 needs ml_dtypes."""
    if name == "bfloat16":
        return dtypes.bfloat16()
    if name not in _MODULES and name not in _LATE:
        raise AttributeError(f"module 'rushlight' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(f"rushlight.{_LATE.get(name, name)}")
    found = globals()[name] = getattr(module, name) if name in _LATE else module
    return found


def __dir__() -> list[str]:
    """What is there, and what will be when it is asked for."""
    return sorted({*globals(), *__all__})
