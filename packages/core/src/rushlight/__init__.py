"""Rushlight: deep learning with PyTorch's programming model, where the device is a plug-in.

    import rushlight as rl

    x = rl.tensor([[1.0, 2.0]], requires_grad=True)
    (x @ x.mT).sum().backward()
    print(x.grad)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import autograd, dtypes, errors, function, ops, random
from .cell import Cell
from .creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .device import Device as device
from .device import DeviceInfo, devices
from .dtypes import as_dtype as dtype
from .dtypes import finfo, float16, float32, float64, int8, int16, int32, int64, uint8, uint32
from .eager import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .errors import *  # noqa: F403  every error is public
from .function import *  # noqa: F403  every public function of tensors
from .ops import (
    abs,
    cos,
    erf,
    exp,
    floor,
    log,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    relu,
    remainder,
    rsqrt,
    sigmoid,
    sign,
    silu,
    sin,
    sqrt,
    tanh,
)
from .random import (
    Generator,
    bernoulli,
    dropout,
    get_rng_state,
    initial_seed,
    manual_seed,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    set_rng_state,
)
from .tensor import Tensor

bool = dtypes.bool_
float, double, half, int, long = float32, float64, float16, int32, int64

__version__ = "0.1.0"

LAZY = {"compile": ("compiler", "compile"), "compiler": ("compiler", ""), "extend": ("extend", ""), "scalar": ("scalar", "")}


def __getattr__(name: str) -> Any:
    """Rooms that few programs enter, imported when first asked for; bfloat16, which needs ml_dtypes."""
    if name == "bfloat16":
        return dtypes.bfloat16()
    if name in LAZY:
        from importlib import import_module

        room, inside = LAZY[name]
        module = import_module(f"rushlight.{room}")
        return getattr(module, inside) if inside else module
    raise AttributeError(f"module 'rushlight' has no attribute {name!r}")
