"""The functions of tensors: PyTorch's names and arguments, brought to normal form, then operations.

Most are methods of Tensor too, under the same name: the function is the method.

Three rooms are not of this namespace, where `unfold` is the method: `margin`, `sampling` and
`unpooling` hold what PyTorch has in `torch.nn.functional` alone, and are imported from there.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import creation, elementwise, indexing, layer, loss, movement, pooling, random, reduction
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
from .loss import *
from .movement import *
from .movement import (
    expand_as as expand_as,
    type_as as type_as,
    unfold as unfold,
    view as view,
    view_as as view_as,
)
from .pooling import *
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

if TYPE_CHECKING:
    from .contraction import *
    from .linalg import *
    from .placing import *
    from .placing import fill_diagonal as fill_diagonal, put as put
    from .product import *
    from .promotion import *
    from .statistics import *

# Each states in its `__all__` which functions are in `rushlight` too; the others are methods alone.
ROOMS = (creation, elementwise, indexing, layer, loss, movement, pooling, random, reduction)

# What fewer programs need, by the room that is imported when one of them is first asked for.
_LATE_ROOMS = {
    "contraction": "einsum",
    "linalg": "cholesky_solve det inverse logdet matrix_power pinverse slogdet",
    "placing": "argwhere index_put isin masked_scatter scatter_reduce take",
    "product": "addmm addmv baddbmm block_diag cartesian_prod cross ger inner kron tensordot vdot",
    "promotion": "can_cast get_default_dtype is_tensor promote_types result_type set_default_dtype",
    "statistics": "diff histc kthvalue mode nanmean nanquantile quantile trapezoid trapz",
}
LATE = {name: room for room, names in _LATE_ROOMS.items() for name in names.split()}
_LATE_METHODS = {"fill_diagonal": "placing", "put": "placing"}


def __getattr__(name: str) -> Any:
    """A function of a late room, which from then on stands here."""
    room = LATE.get(name) or _LATE_METHODS.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{room}"), name)
    return found
