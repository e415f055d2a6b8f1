"""Layers, optimizers and data: `import rushlight_nn as nn` where a program had torch.nn.

`nn.Linear`, `nn.functional`, `nn.init`, `nn.optim`, `nn.data`, `nn.checkpoint`, `nn.utils`.
"""

from . import checkpoint, data, functional, init, layers, optim, utils
from .layers import *  # noqa: F403 its __all__ is written out
from .module import Module
from .parameter import Parameter

__all__ = [
    "Module",
    "Parameter",
    "checkpoint",
    "data",
    "functional",
    "init",
    "layers",
    "optim",
    "utils",
]
__all__ += layers.__all__
