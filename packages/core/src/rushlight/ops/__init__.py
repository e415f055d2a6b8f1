"""Every operation, stated once.  Knows neither numpy nor a backend, nor whether it runs or is traced."""

from .contraction import linear, matmul
from .conv import conv, max_pool, sum_pool
from .creation import full, iota, random_bits
from .elementwise import (
    abs,
    add,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    cast,
    cos,
    div,
    equal,
    erf,
    exp,
    floor,
    floordiv,
    gate,
    gelu,
    gelu_tanh,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p_exp,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    pow,
    relu,
    remainder,
    rsqrt,
    sigmoid,
    sign,
    silu,
    sin,
    sqrt,
    sub,
    tanh,
    where,
)
from .fused import batch_norm, binary_cross_entropy, cross_entropy, layer_norm, log_softmax, mse, softmax
from .indexing import gather, scatter_add, take, ungather, untake
from .movement import concat, expand, fold, pad, permute, reshape, slice, unslice, windows
from .optimizer import adam, sgd, sgd_plain
from .random import dropout, normal, uniform
from .reduction import argmax, max, mean, min, prod, sum, var
from ..op import operations

__all__ = [name for name, op in operations.items() if "." not in name]
