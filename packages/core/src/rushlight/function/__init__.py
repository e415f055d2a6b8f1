"""The functions of tensors: PyTorch's names and arguments, brought to normal form, then operations.

Most are methods of Tensor too, under the same name: the function is the method.
"""

from . import (
    contraction,
    creation,
    elementwise,
    indexing,
    layer,
    linalg,
    loss,
    movement,
    placing,
    pooling,
    product,
    promotion,
    random,
    reduction,
    statistics,
)
from .contraction import *
from .creation import *
from .creation import (
    new_empty as new_empty,
    new_full as new_full,
    new_ones as new_ones,
    new_tensor as new_tensor,
    new_zeros as new_zeros,
)
from .elementwise import *
from .indexing import *
from .layer import *
from .linalg import *
from .loss import *
from .movement import *
from .movement import (
    expand_as as expand_as,
    type_as as type_as,
    unfold as unfold,
    view_as as view_as,
)
from .placing import *
from .placing import fill_diagonal as fill_diagonal, put as put
from .pooling import *
from .product import *
from .promotion import *
from .random import *
from .random import (
    bernoulli_ as bernoulli_,
    cauchy_ as cauchy_,
    exponential_ as exponential_,
    geometric_ as geometric_,
    log_normal_ as log_normal_,
    normal_ as normal_,
    random_ as random_,
    uniform_ as uniform_,
)
from .reduction import *
from .statistics import *

# Each states in its `__all__` which functions are in `rushlight` too; the others are methods alone.
ROOMS = (
    contraction,
    creation,
    elementwise,
    indexing,
    layer,
    linalg,
    loss,
    movement,
    placing,
    pooling,
    product,
    promotion,
    random,
    reduction,
    statistics,
)
