"""Tensor: what a user holds.  Operators and methods only delegate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import ref

from . import dtypes, function as F, ops, straight
from .alias import Link, link, refresh, write
from .cell import Number
from .device import Device, resolve
from .dtypes import DType
from .errors import ContractError, DeviceError, TracingError, WrongType
from .function.given import representable
from .function.named import named
from .node import END, HOOKED, Leaf, Node, Removable
from .spec import Shape, Spec, normal_axis, size, strides_of

if TYPE_CHECKING:
    from typing import Protocol

    import numpy as np

    class Array(Protocol):
        """What a tensor holds: a backend's array, or one to be.  Opaque but for this."""

        @property
        def shape(self) -> Shape: ...
        @property
        def dtype(self) -> DType: ...


Kind = TypeVar("Kind", bound="Tensor")
differentiate: Callable[..., None]  # autograd's backward


def connect(backward: Callable[..., None]) -> None:
    """Close the way up; `autograd` calls this once."""
    global differentiate  # noqa: PLW0603  set once, as that room is imported
    differentiate = backward


def becoming(*operations: Callable[..., Any], turn: bool = False) -> Iterator[Callable[..., Any]]:
    """For each of these the method that makes a tensor the operation's result on it.

    turn: the result is a view of another shape.
    """
    for operation in operations:

        def method(self: Tensor, *given: Any, of: Any = operation, **options: Any) -> Tensor:
            """Become the result of the method of this name without the underscore."""
            return (turned if turn else in_place)(self, of, *given, **options)

        if not isinstance(operation, Late):
            method.__wrapped__ = operation  # type: ignore[attr-defined]  # so as to show its signature
        yield method


def as_type(name: str) -> Callable[[Tensor], Tensor]:
    """The method that converts to the element type of this name."""

    def method(self: Tensor) -> Tensor:
        return self.to(name)

    method.__doc__ = f"self as {name}."
    return method


def swapped(operation: Callable[..., Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """The operation as a method of its right operand."""

    def method(self: Tensor, other: Any) -> Tensor:
        return operation(other, self)

    return method


class Late:
    """A method that few programs need: its room is imported when it is first asked for."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *given: Any, **options: Any) -> Any:
        return getattr(F, self.name)(*given, **options)

    def __get__(self, x: Tensor | None, owner: type[Tensor]) -> Any:
        method = getattr(F, self.name)
        setattr(Tensor, self.name, method)
        return method if x is None else method.__get__(x)


def late(names: str) -> Iterator[Any]:
    """A late method for each of these words."""
    return map(Late, names.split())


class Tensor:
    """Values in one place, with the node that made them if a gradient may be asked.

    _data: the array.  Rebound by `assign_`, never written, so its identity is its version.
    device: where it is.
    _node: the step of the tape that made it, a Leaf if its own gradient is asked, or None.
    _base: the link of a part to its whole, see `alias`; None of what is no part.
    """

    # No __init__: an operation sets the slots itself, which is a tenth faster.
    __slots__ = ("__weakref__", "_base", "_data", "_grad", "_node", "device")
    _data: Array
    device: Device
    _node: Node | None
    _grad: Tensor | None
    _base: Link | None
    __array_ufunc__ = None  # numpy leaves `array + tensor` to the tensor, which says what to do

    # -- what is known without values

    @property
    def shape(self) -> Shape:
        """The length of each dim."""
        return self._data.shape

    @property
    def dtype(self) -> DType:
        """The element type."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return len(self._data.shape)

    @property
    def spec(self) -> Spec:
        """Shape and element type; `str()` of it is how errors show a tensor."""
        return Spec(self._data.shape, self._data.dtype)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one dim."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of dims."""
        return self.ndim

    ndimension = dim

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return size(self.shape) * self.dtype.itemsize

    def is_floating_point(self) -> bool:
        """Whether the element type is a floating one."""
        return self.dtype in dtypes.FLOATING

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len: a 0-d tensor has no length; use .numel() or .item()")
        return self.shape[0]

    # -- gradients

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient may be asked."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask, or not, for the gradient of this leaf.

        Raises: ContractError for what is not floating, and if the gradient of what was computed is
        declined.
        """
        if self._node is not None and not isinstance(self._node, Leaf):
            if requires_grad:
                return self
            raise ContractError(
                "requires_grad: this tensor was computed; only leaves can be told, use detach()"
            )
        if not requires_grad:
            self._node = None
        elif self._node is None:
            if self.dtype not in dtypes.FLOATING:
                raise ContractError(
                    f"requires_grad: {self.spec} is not floating point; convert it with .float()"
                )
            self._node = leaf = Leaf()
            leaf.op, leaf.edges, leaf.shape, leaf.dtype = END, (), self.shape, self.dtype
            leaf.tensor = ref(self)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this tensor, as far as gradients know."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def grad_fn(self) -> Node | None:
        """The step of the tape that made this tensor."""
        return None if self.is_leaf else self._node

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward() has added up here."""
        mode: Any = straight.current()
        if mode.traces:
            traced: Tensor | None = mode.read_grad(self)
            return traced
        try:
            return self._grad
        except AttributeError:  # unset until a backward pass: most tensors never have one
            return None

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            x = value._data if isinstance(value, Tensor) else None
            if x is None or x.dtype is not self._data.dtype or x.shape != self._data.shape:
                given = type(value).__name__ if x is None else value.spec
                raise ContractError(
                    f"grad: {given} for a tensor {self.spec}; give a tensor of the same shape and "
                    f"dtype"
                )
        mode: Any = straight.current()
        if mode.traces:
            mode.assign_grad(self, value)
        else:
            self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add d self / d leaf to the .grad of every leaf that asks.

        gradient: the cotangent of self; may be left out if self has one element.
        retain_graph: keep the tape for another backward pass.
        create_graph: make the gradients differentiable.
        inputs: add to these leaves alone.
        Raises: NoGradient if self asks for none, or the tape was used up.
        """
        differentiate(self, gradient, retain_graph, create_graph, inputs)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Removable:
        """Call hook(g) with the gradient of this in each backward pass; g becomes what it returns.

        Raises: ContractError unless this tensor requires a gradient.
        """
        node = asked(self, "register_hook")

        def call(g: Tensor) -> Tensor:
            own = alone(g)  # what the hook does to it in place is done to this gradient only
            shown = hook(own)
            if shown is not None and not isinstance(shown, Tensor):
                raise WrongType(
                    f"register_hook: the hook returned {type(shown).__name__}; return a tensor or "
                    f"None"
                )
            return own if shown is None else shown

        return Removable(node, call)

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in .grad too, as leaves do.

        Raises: ContractError unless this tensor requires a gradient.
        """
        node = asked(self, "retain_grad")
        kept = [hook for hook in getattr(node, "hooks", {}).values() if retains(hook, self)]
        if not self.is_leaf and not kept:
            Removable(node, Retain(self))

    def detach(self) -> Tensor:
        """The same values, of which no gradient is asked; assigning to it assigns to self."""
        z = Tensor()
        z._data, z.device, z._node = straight.current().read(self), self.device, None
        z._base = link(self)
        return z

    def detach_(self) -> Self:
        """Forget how this was made: a leaf of which no gradient is asked."""
        self._node = None
        return self

    @property
    def data(self) -> Tensor:
        """The values, apart from the tape; `x.data.copy_(v)` assigns to x."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        mode = straight.current()
        if not isinstance(value, Tensor):
            raise ContractError(
                f"data: {type(value).__name__} is not a tensor; make one with rl.tensor()"
            )
        if mode.traces:
            raise TracingError(
                "data: cannot be replaced while tracing; use copy_() under no_grad()"
            )
        self._data, self.device, self._base = value._data, value.device, None
        if isinstance(self._node, Leaf):
            self._node.shape, self._node.dtype = self.shape, self.dtype

    def as_subclass(self, cls: type[Kind]) -> Kind:
        """The same values and node as a tensor of this class."""
        z = object.__new__(cls)
        z._data, z.device, z._node = straight.current().read(self), self.device, self._node
        z._base = None
        return z

    # -- operators are the operations themselves

    __add__ = __radd__ = ops.add
    __mul__ = __rmul__ = ops.mul
    __sub__ = ops.sub
    __truediv__ = ops.div
    __floordiv__ = ops.floordiv
    __mod__ = ops.remainder
    __pow__ = ops.pow
    __neg__ = ops.neg
    __abs__ = ops.abs
    __invert__ = ops.bitwise_not
    __and__ = __rand__ = ops.bitwise_and
    __or__ = __ror__ = ops.bitwise_or
    __xor__ = __rxor__ = ops.bitwise_xor
    __lt__ = ops.less
    __le__ = ops.less_equal
    __gt__ = ops.greater
    __ge__ = ops.greater_equal
    __matmul__ = F.matmul
    __rsub__ = swapped(ops.sub)
    __rtruediv__ = swapped(ops.div)
    __rfloordiv__ = swapped(ops.floordiv)
    __rmod__ = swapped(ops.remainder)
    __rpow__ = swapped(ops.pow)
    __rlshift__ = swapped(F.bitwise_left_shift)
    __rrshift__ = swapped(F.bitwise_right_shift)
    __rmatmul__ = swapped(F.matmul)
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]  # elementwise
        return ops.equal(self, other) if comparable(other) else NotImplemented

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]  # elementwise
        return ops.not_equal(self, other) if comparable(other) else NotImplemented

    def __pos__(self) -> Tensor:
        if self.dtype is dtypes.bool_:
            raise ContractError("+: a tensor of bools has no sign; convert it with .to()")
        return self

    # -- methods are the functions of the same name

    abs, neg, exp, log, sqrt = F.abs, F.neg, F.exp, F.log, F.sqrt
    sin, cos, tanh, erf, rsqrt = F.sin, F.cos, F.tanh, F.erf, F.rsqrt
    floor, sign, relu, sigmoid = F.floor, F.sign, F.relu, F.sigmoid
    pow, maximum, minimum = F.pow, F.maximum, F.minimum
    mul, remainder = F.mul, F.remainder
    eq, ne, lt, le, gt, ge = F.eq, F.ne, F.lt, F.le, F.gt, F.ge
    bitwise_not, bitwise_and = F.bitwise_not, F.bitwise_and
    bitwise_or, bitwise_xor = F.bitwise_or, F.bitwise_xor
    add, sub, div, true_divide = F.add, F.sub, F.div, F.div
    clamp = clip = F.clamp
    square, reciprocal, masked_fill = F.square, F.reciprocal, F.masked_fill
    ceil, trunc, round, fmod, frac = F.ceil, F.trunc, F.round, F.fmod, F.frac
    log1p, expm1, log2, log10, exp2 = F.log1p, F.expm1, F.log2, F.log10, F.exp2
    tan, sinh, cosh, asin, acos = F.tan, F.sinh, F.cosh, F.asin, F.acos
    atan, atan2, hypot, xlogy = F.atan, F.atan2, F.hypot, F.xlogy
    signbit, logaddexp, logit = F.signbit, F.logaddexp, F.logit
    clamp_min, clamp_max, fmax = F.clamp_min, F.clamp_max, F.fmax
    prelu, hardshrink = F.prelu, F.hardshrink
    fmin, lerp, addcmul, addcdiv = F.fmin, F.lerp, F.addcmul, F.addcdiv
    isclose, allclose, nan_to_num = F.isclose, F.allclose, F.nan_to_num
    isnan, isinf, isfinite = F.isnan, F.isinf, F.isfinite
    logical_not, logical_and, logical_or = F.logical_not, F.logical_and, F.logical_or
    sum, prod, mean, var, std, norm = F.sum, F.prod, F.mean, F.var, F.std, F.norm
    max, min, amax, amin, argmax, argmin = F.max, F.min, F.amax, F.amin, F.argmax, F.argmin
    any, all, logsumexp = F.any, F.all, F.logsumexp
    aminmax, count_nonzero, dist = F.aminmax, F.count_nonzero, F.dist
    cumsum, cumprod, logcumsumexp = F.cumsum, F.cumprod, F.logcumsumexp
    median, nansum, logical_xor = F.median, F.nansum, F.logical_xor
    multiply, subtract, divide, negative, absolute = mul, sub, div, neg, abs
    floor_divide, arcsin, arccos, arctan = F.floor_divide, asin, acos, atan
    arctan2, sgn = atan2, sign
    greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
    cummax, cummin, trace = F.cummax, F.cummin, F.trace
    reshape, permute, transpose, t = F.reshape, F.permute, F.transpose, F.t
    view, split = F.view, named(F.split, "self", "split_size")
    swapaxes, squeeze, unsqueeze = F.swapaxes, F.squeeze, F.unsqueeze
    flatten, unflatten, expand = F.flatten, F.unflatten, F.expand
    broadcast_to, flip, narrow = F.broadcast_to, F.flip, F.narrow
    chunk, gather = F.chunk, F.gather
    scatter_add, index_select = F.scatter_add, F.index_select
    repeat, tile, repeat_interleave = F.repeat, F.tile, F.repeat_interleave
    tril, triu, roll, unbind = F.tril, F.triu, F.roll, F.unbind
    select, diagonal, diag = F.select, F.diagonal, F.diag
    expand_as, view_as, type_as = F.expand_as, F.view_as, F.type_as
    reshape_as = F.view_as
    movedim, moveaxis, swapdims = F.movedim, F.moveaxis, F.swapdims
    ravel, unfold = F.ravel, F.unfold
    dot, mv, outer = F.dot, F.mv, F.outer
    new_tensor, new_full, new_zeros = F.new_tensor, F.new_full, F.new_zeros
    new_ones, new_empty = F.new_ones, F.new_empty
    sort, argsort, topk = F.sort, F.argsort, F.topk
    nonzero, unique, bincount = F.nonzero, F.unique, F.bincount
    masked_select, take_along_dim = F.masked_select, F.take_along_dim
    scatter, index_add, index_copy, index_fill = F.scatter, F.index_add, F.index_copy, F.index_fill
    matmul, mm, bmm, equal = F.matmul, F.mm, F.bmm, F.equal
    numel, nelement, clone = F.numel, F.numel, F.clone
    softmax, log_softmax = F.softmax, F.log_softmax
    multinomial, bernoulli = F.multinomial, F.bernoulli
    inverse, pinverse, det, logdet = late("inverse pinverse det logdet")
    slogdet, matrix_power, cholesky_solve = late("slogdet matrix_power cholesky_solve")
    addmm, addmv, baddbmm = late("addmm addmv baddbmm")
    inner, kron, cross, ger, vdot = late("inner kron cross ger vdot")
    nanmean, quantile, nanquantile = late("nanmean quantile nanquantile")
    kthvalue, mode, histc, diff = late("kthvalue mode histc diff")
    scatter_reduce, index_put = late("scatter_reduce index_put")
    take, put, masked_scatter = late("take put masked_scatter")
    (argwhere,), unique_consecutive = late("argwhere"), F.unique_consecutive
    arcsinh, arccosh, arctanh = asinh, acosh, atanh = ops.asinh, ops.acosh, ops.atanh
    deg2rad, rad2deg, sinc, erfinv = F.deg2rad, F.rad2deg, F.sinc, ops.erfinv
    copysign, bitwise_left_shift = F.copysign, F.bitwise_left_shift
    __lshift__, bitwise_right_shift = bitwise_left_shift, F.bitwise_right_shift
    __rshift__ = bitwise_right_shift
    diag_embed, diagflat, rot90 = F.diag_embed, F.diagflat, F.rot90
    fliplr, flipud = F.fliplr, F.flipud
    tensor_split, split_with_sizes = F.tensor_split, F.split_with_sizes

    @property
    def mT(self) -> Tensor:  # noqa: N802  PyTorch's name
        """The last two dims exchanged.  [*b, m, n] -> [*b, n, m]."""
        n = len(self._data.shape)
        if n == 1:
            raise ContractError(f"mT: {self.spec}; give matrices, [*b, m, n]")
        return ops.permute(self, LAST_TWO_SWAPPED[n])

    @property
    def T(self) -> Tensor:  # noqa: N802  PyTorch's name
        """The dims in reverse.  [m, n] -> [n, m]."""
        return ops.permute(self, tuple(range(self.ndim))[::-1])

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """self where condition holds, other elsewhere."""
        return ops.where(condition, self, other)

    def contiguous(self) -> Tensor:
        """self: how its elements lie in memory is the backend's affair."""
        return self

    def is_contiguous(self) -> Any:
        """True: a tensor is its values, see contiguous."""
        return True

    def stride(self, dim: Any = None) -> Any:
        """By how many elements neighbours along each dim, or one, stand apart in row-major order.

        What is told is the order that the shape has, not how the backend keeps it.
        Raises: IndexOutOfRange.
        """
        steps = strides_of(tuple([n or 1 for n in self.shape]))
        return steps if dim is None else steps[normal_axis("stride", dim, self.ndim)]

    # -- indexing

    def __getitem__(self, index: Any) -> Tensor:
        from .indexing import read

        return read(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        from .indexing import write

        write(self, index, value)

    def __contains__(self, value: Any) -> Any:
        if not comparable(value):
            raise ContractError(
                f"in: {type(value).__name__} is no element; give a number or tensor"
            )
        return bool((self == value).any())

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iter: a 0-d tensor has no rows; use .item()")
        return (self[i] for i in range(self.shape[0]))

    def __reversed__(self) -> Tensor:
        return F.flip(self, 0) if self.shape else self

    # -- to other types and places

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """self in another place or of another element type; self itself if it is as asked.

        .to(device), .to(dtype), .to(device, dtype), .to(other).
        copy: a tensor of its own in any case.
        """
        device, dtype = kwargs.pop("device", None), kwargs.pop("dtype", None)
        copy = kwargs.pop("copy", False)
        kwargs.pop("non_blocking", None)
        if kwargs:
            raise TypeError(
                f"to() has no argument {next(iter(kwargs))!r}; it takes device and dtype"
            )
        for given in args:
            named = isinstance(given, str) and given not in dtypes.BY_NAME
            if isinstance(given, Tensor):
                device, dtype = given.device, given.dtype
            elif named or isinstance(given, Device):
                device = given
            elif not isinstance(given, bool):  # PyTorch's non_blocking means nothing here
                dtype = given
        z = self
        if dtype is not None and dtypes.as_dtype(dtype) is not z.dtype:
            target = dtypes.as_dtype(dtype)
            z.device.accept("to", target)
            z = ops.cast(z, target)
            if target not in dtypes.FLOATING:
                z._node = None
        place = z.device if device is None else resolve(device)
        if place is not z.device:
            return moved(z, place)
        return z.clone() if copy and z is self else z

    def type(self, dtype: Any = None) -> Any:
        """self as another element type; the name of its own, "float32", if none is given."""
        return self.dtype.name if dtype is None else self.to(dtypes.as_dtype(dtype))

    float, double, half = as_type("float32"), as_type("float64"), as_type("float16")
    bfloat16, int, long = as_type("bfloat16"), as_type("int32"), as_type("int64")
    short, char, byte = as_type("int16"), as_type("int8"), as_type("uint8")

    def bool(self) -> Tensor:
        """Whether each element is nonzero."""
        return self.to(dtypes.bool_)

    def cpu(self) -> Tensor:
        """self on the numpy device, in the host's memory."""
        return self.to("numpy")

    # -- values

    def numpy(self, *, force: Any = False) -> np.ndarray[Any, Any]:
        """The values as a numpy array that cannot be written; a view where the device is the host.

        force: also of a tensor that requires a gradient.
        Raises: ContractError if it requires one, TracingError while tracing.
        """
        if self._node is not None and not force:
            raise ContractError("numpy: this tensor requires a gradient; use .detach().numpy()")
        z: np.ndarray[Any, Any] = self.values("numpy").view()
        z.flags.writeable = False
        return z

    def values(self, what: str) -> Any:
        """The values on the host.  Raises: TracingError while tracing, in the name of `what`."""
        mode = straight.current()
        if mode.traces or not isinstance(self._data, self.device.array):
            raise TracingError(
                f"{what}: {self.spec} has no values while tracing, {caller()}; use rl.where() to "
                f"choose by value, or return the tensor and read it outside of the compiled "
                f"function"
            )
        return self.device.get(self._data)

    def item(self) -> Any:
        """The one element as a Python number.  Raises: ContractError unless there is just one."""
        if self.numel() != 1:
            raise ContractError(
                f"item: {self.spec} has {self.numel()} elements; use .tolist() for more than one"
            )
        return self.values("item").item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers; a number if 0-d."""
        return self.values("tolist").tolist()

    def __bool__(self) -> Any:
        if self.numel() != 1:
            raise ContractError(
                f"bool: the truth of {self.spec} with {self.numel()} elements is ambiguous; use "
                f".any() or .all()"
            )
        return bool(self.values("bool").item())

    def __float__(self) -> Any:
        return float(one_value(self, "float"))

    def __int__(self) -> Any:
        return int(one_value(self, "int"))

    def __index__(self) -> Any:
        if self.dtype in dtypes.FLOATING:
            raise TypeError(f"index: {self.spec} is no integer; convert it with int()")
        if self.numel() != 1:
            raise TypeError(f"index: {self.spec} has {self.numel()} elements; give only one")
        return int(one_value(self, "index"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        z = self.numpy()
        if copy is False and not (self.device.host and dtype in {None, z.dtype}):
            raise ContractError(
                f"array: {self.spec} on {self.device} as {dtype} needs a copy; leave out copy=False"
            )
        return z.astype(dtype or z.dtype, copy=bool(copy))

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: Any = None,
        dl_device: Any = None,
        copy: Any = None,
    ) -> Any:
        from .interchange.dlpack import capsule

        return capsule(self, stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> Any:
        from .interchange.dlpack import place

        return place(self)

    def __format__(self, how: str) -> str:
        return object.__format__(self, how) if self.shape else format(self.item(), how)

    def __repr__(self) -> str:
        from .display import shown

        return shown(self)

    # -- copies of the object

    def __copy__(self) -> Self:
        from .interchange.duplicate import shallow

        return shallow(self)

    def __deepcopy__(self, memo: dict[Any, Any]) -> Self:
        from .interchange.duplicate import deep

        return deep(self, memo)

    def __reduce__(self) -> Any:
        from .interchange.duplicate import parts

        return parts(self)

    # -- in place: rebinding the data, never writing the array

    def assign_(self, value: Tensor) -> Self:
        """Become value: the one way in which a tensor changes.  [*s] -> [*s].

        What this is a part of (`x[0]`, `x.mT`, `x.data` of x) changes with it.  What was taken from
        this tensor before keeps the value that it had.
        Raises: ContractError unless value has this shape and dtype, or for a leaf that asks for a
        gradient outside of no_grad(); DeviceError unless it is on this device.
        """
        mode = straight.current()
        if mode.recording and isinstance(self._node, Leaf):
            raise ContractError(
                "in place: a leaf that requires a gradient is changed; do it under rl.no_grad()"
            )
        before, after = self._data, value._data
        if after.dtype is not before.dtype or after.shape != before.shape:
            raise ContractError(
                f"assign_: {self.spec} cannot become {value.spec}; reshape or convert it first"
            )
        if self.device is not value.device:
            raise DeviceError(
                f"assign_: {self.device} cannot take from {value.device}; move it with .to()"
            )
        if self._base is not None:
            write(self._base, value)
        if mode.eager and not mode.recording:
            self._data = after  # all that assign would do
        else:
            mode.assign(self, value)
        return self

    def copy_(self, src: Any, non_blocking: Any = False) -> Self:  # it waits for nothing
        """Become src, converted, moved and stretched to what self is."""
        if not isinstance(src, Tensor):
            src = ops.full(src, shape=self.shape, dtype=self.dtype, device=self.device)
        z = src.to(self.device, self.dtype, copy=True)
        return self.assign_(z if z.shape == self.shape else ops.expand(z, self.shape))

    def fill_(self, value: Any) -> Self:
        """Become value, a number or a tensor without dims, everywhere."""
        if getattr(value, "shape", ()) != ():
            raise ContractError(f"fill_: a value of shape {list(value.shape)}; give one number")
        return self.copy_(representable("fill_", value, self.dtype))

    def zero_(self) -> Self:
        """Become 0 everywhere."""
        return self.copy_(0)

    def add_(self, other: Any, *, alpha: Any = 1) -> Self:
        """Become self + alpha other."""
        return in_place(self, F.add, other, alpha=alpha)

    def sub_(self, other: Any, *, alpha: Any = 1) -> Self:
        """Become self - alpha other."""
        return in_place(self, F.sub, other, alpha=alpha)

    def mul_(self, other: Any) -> Self:
        """Become self * other."""
        return in_place(self, ops.mul, other)

    def div_(self, other: Any, *, rounding_mode: str | None = None) -> Self:
        """Become self / other."""
        return in_place(self, F.div, other, rounding_mode=rounding_mode)

    def clamp_(self, min: Any = None, max: Any = None) -> Self:
        """Become self.clamp(min, max)."""
        return in_place(self, F.clamp, min, max)

    def scatter_(self, dim: Any, index: Tensor, src: Any = None, **options: Any) -> Self:
        """Become self.scatter(dim, index, src)."""
        return in_place(self, F.scatter, dim, index, src, **options)

    __iadd__, __isub__, __imul__, __itruediv__ = add_, sub_, mul_, div_
    abs_, neg_, exp_, log_, sqrt_, rsqrt_, sin_, cos_, tanh_, erf_, floor_, sign_ = becoming(
        abs, neg, exp, log, sqrt, rsqrt, sin, cos, tanh, erf, floor, sign
    )
    relu_, sigmoid_, pow_, remainder_, square_, reciprocal_, clip_, masked_fill_ = becoming(
        relu, sigmoid, pow, remainder, square, reciprocal, clip, masked_fill
    )
    absolute_, negative_, true_divide_ = abs_, neg_, div_
    multiply_, subtract_, divide_ = mul_, sub_, div_
    eq_, ne_, lt_, le_, gt_, ge_ = becoming(eq, ne, lt, le, gt, ge)
    greater_, greater_equal_, less_, less_equal_, not_equal_ = gt_, ge_, lt_, le_, ne_
    logical_not_, logical_and_, logical_or_ = becoming(logical_not, logical_and, logical_or)
    squeeze_, unsqueeze_, t_, transpose_ = becoming(squeeze, unsqueeze, t, transpose, turn=True)
    ceil_, trunc_, round_, fmod_, frac_ = becoming(ceil, trunc, round, fmod, frac)
    log1p_, expm1_, log2_, log10_, exp2_ = becoming(log1p, expm1, log2, log10, exp2)
    tan_, sinh_, cosh_, asin_, acos_, atan_ = becoming(tan, sinh, cosh, asin, acos, atan)
    atan2_, hypot_, xlogy_, sgn_, logit_ = becoming(atan2, hypot, xlogy, sgn, logit)
    clamp_min_, clamp_max_, nan_to_num_ = becoming(clamp_min, clamp_max, nan_to_num)
    bitwise_and_, bitwise_or_, bitwise_xor_, bitwise_not_, logical_xor_, floor_divide_ = becoming(
        bitwise_and, bitwise_or, bitwise_xor, bitwise_not, logical_xor, floor_divide
    )
    __ifloordiv__, __imod__, __ipow__ = floor_divide_, remainder_, pow_
    __iand__, __ior__, __ixor__ = bitwise_and_, bitwise_or_, bitwise_xor_
    lerp_, addcmul_, addcdiv_, tril_, triu_ = becoming(lerp, addcmul, addcdiv, tril, triu)
    scatter_add_, index_add_, index_copy_, index_fill_ = becoming(
        scatter_add, index_add, index_copy, index_fill
    )
    addmm_, addmv_, baddbmm_ = becoming(addmm, addmv, baddbmm)
    scatter_reduce_, index_put_, put_ = becoming(scatter_reduce, index_put, put)
    masked_scatter_, fill_diagonal_ = becoming(masked_scatter, Late("fill_diagonal"))
    arcsinh_, arccosh_, arctanh_ = asinh_, acosh_, atanh_ = tuple(becoming(asinh, acosh, atanh))
    deg2rad_, rad2deg_, sinc_, copysign_ = becoming(deg2rad, rad2deg, sinc, copysign)
    cumsum_, cumprod_, erfinv_ = becoming(cumsum, cumprod, erfinv)
    bitwise_left_shift_, bitwise_right_shift_ = becoming(bitwise_left_shift, bitwise_right_shift)
    __ilshift__, __irshift__ = bitwise_left_shift_, bitwise_right_shift_
    uniform_, normal_, log_normal_, cauchy_, exponential_, geometric_, random_, bernoulli_ = (
        F.uniform_, F.normal_, F.log_normal_, F.cauchy_,
        F.exponential_, F.geometric_, F.random_, F.bernoulli_,
    )  # fmt: skip


class Move:
    """The operation of a node that stands between two devices."""

    name = "to"

    def __init__(self, source: Device) -> None:
        self.source = source

    def cotangents(self, node: Node, g: Tensor) -> tuple[Tensor]:
        """g, back where the input came from."""
        return (moved(g, self.source),)


def gradients(xs: Sequence[Tensor]) -> list[Tensor | None]:
    """The .grad of each: for an optimizer, which has many."""
    if straight.current().traces:
        return [x.grad for x in xs]
    return [getattr(x, "_grad", None) for x in xs]


def zero_grad(xs: Iterable[Tensor], set_to_none: bool = True) -> None:
    """Forget the .grad of each; set_to_none=False makes them zeros instead."""
    traces = straight.current().traces
    for x in xs:
        if not set_to_none and x.grad is not None:
            x.grad = x.grad.detach_().zero_()
        elif traces:
            x.grad = None
        else:
            x._grad = None  # all that the setter would do


def become(targets: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Each target becomes its value, as by `assign_`: for an optimizer, which has many."""
    mode = straight.current()
    plain = mode.eager and not mode.recording
    for x, value in zip(targets, values, strict=True):
        if x is value and x._base is None:
            continue
        before, after = x._data, value._data
        if (
            plain
            and x._base is None
            and after.dtype is before.dtype
            and after.shape == before.shape
            and x.device is value.device
        ):
            x._data = after  # all that assign_ would do
        else:
            x.assign_(value)


class Retain:
    """The hook by which a computed tensor gets its gradient in .grad."""

    last = True  # what other hooks make of the gradient is what is kept

    def __init__(self, x: Tensor) -> None:
        self.way = ref(x)

    def __call__(self, g: Tensor) -> Tensor:
        x = self.way()
        if x is not None:
            x.grad = alone(g) if x.grad is None else x.grad + g
        return g


def asked(x: Tensor, op: str) -> Node:
    """The node of x.  Raises: ContractError if no gradient is asked of it."""
    if x._node is None:
        raise ContractError(f"{op}: {x.spec} requires no gradient; set requires_grad first")
    return x._node


def retains(hook: Any, x: Tensor) -> bool:
    """Whether this hook keeps the gradient of x."""
    return isinstance(hook, Retain) and hook.way() is x


def alone(x: Tensor) -> Tensor:
    """x as a tensor of its own: changing it in place changes nothing else."""
    z = Tensor()
    z._data, z.device, z._node, z._base = x._data, x.device, x._node, None
    return z


LAST_TWO_SWAPPED = ops.contraction.LAST_TWO_SWAPPED


def moved(x: Tensor, place: Device) -> Tensor:
    """x on another device; between host backends the array itself."""
    mode = straight.current()
    if mode.traces:
        raise TracingError(
            f"to: {x.spec} moves from {x.device} to {place}, {caller()}; move it before the "
            f"compiled function"
        )
    data = x._data if x.device.host and place.host else place.put(x.device.get(x._data))
    z: Tensor = straight.wrap(data, place)
    if x._node is not None and mode.recording:
        z._node = node = Node()
        node.op, node.edges, node.shape, node.dtype = Move(x.device), (x._node,), x.shape, x.dtype
    return z


def in_place(x: Kind, operation: Callable[..., Tensor], *operands: Any, **options: Any) -> Kind:
    """x becomes operation(x, *operands), if that does not change its shape or kind."""
    before = former(x)
    value = operation(before, *[before if y is x else y for y in operands], **options)
    if value.dtype is not x.dtype:
        if dtypes.kind(value.dtype) > dtypes.kind(x.dtype):
            raise ContractError(
                f"in place: the result {value.spec} cannot be kept in {x.spec}; convert it first"
            )
        value = value.to(x.dtype)
    x.assign_(value)
    node = before._node
    if HOOKED and node is not None and x._node is not None:
        for key, hook in tuple(getattr(node, "hooks", {}).items()):
            if retains(hook, x):  # the gradient to be kept is now that of the new value
                del node.hooks[key]
                x.retain_grad()
    return x


def former(x: Tensor) -> Tensor:
    """What x is, by itself: stands for it when x has changed, and the tape may remember it."""
    refresh(x)
    z: Tensor = straight.wrap(straight.current().read(x), x.device)
    z._node = x._node
    return z


def turned(x: Kind, operation: Callable[..., Tensor], *given: Any, **options: Any) -> Kind:
    """x becomes another view of its elements, and stays a part of what it is a part of.

    Raises: ContractError for a leaf that asks for a gradient, outside of no_grad().
    """
    mode = straight.current()
    if mode.recording and isinstance(x._node, Leaf):
        raise ContractError(
            "in place: a leaf that requires a gradient is turned; do it under rl.no_grad()"
        )
    before = former(x)
    before._base = x._base
    value = operation(before, *given, **options)
    mode.assign(x, value)
    x._base = x._base and value._base
    if isinstance(x._node, Leaf):
        x._node.shape = x.shape
    return x


def comparable(other: object) -> bool:
    """Whether == and != have a meaning for a tensor and this, if only to be refused."""
    return isinstance(other, (Tensor, Number, bool, int, float)) or hasattr(other, "__array__")


def one_value(x: Tensor, what: str) -> Any:
    """The one element of x, as a Python number.  Raises: ContractError, in the name of `what`."""
    if x.numel() != 1:
        raise ContractError(
            f"{what}: {x.spec} has {x.numel()} elements; only one can become a Python number"
        )
    return x.values(what).item()


def caller() -> str:
    """Where outside of this package the present call comes from."""
    import sys

    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").split(".")[0] == "rushlight" and frame.f_back:
        frame = frame.f_back
    return f"at {frame.f_code.co_filename}:{frame.f_lineno}"
