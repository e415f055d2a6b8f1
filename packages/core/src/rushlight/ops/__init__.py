"""Every operation, stated once; each room names its own in its `__all__`.

Knows neither numpy nor a backend, nor whether it runs or is traced.
"""

from ..op import operations
from .contraction import *
from .conv import *
from .creation import *
from .elementwise import *
from .fused import *
from .indexing import *
from .linalg import *
from .movement import *
from .optimizer import *
from .random import *
from .reduction import *

__all__ = [name for name in operations if "." not in name]  # others are their derivatives
