"""Where rushlight is not like PyTorch, and why: sentences for users.  A test holds each to it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple


class Deviates(NamedTuple):
    """What a public name does otherwise.

    names: public names, a method's too.  what: of the comparison, as `compare.Deviation` says.
    reason: a sentence.  calls: patterns of the arguments' label, between bars; the narrower, the
    more is compared.  dtypes: under test; "" for all.
    """

    names: str
    what: str
    reason: str
    calls: str
    dtypes: str = ""

    def covers(self, name: str, label: str, dtype: str) -> bool:
        """Whether the comparison of this call is expected to differ."""
        return (
            name in self.names.split()
            and (not self.dtypes or dtype in self.dtypes.split())
            and any(fnmatchcase(label, one) for one in self.calls.split(" | "))
        )


NAN = "1:nan*"
ROWS = "4x3:nan*"
KINKS = "3:0:-1:1*"
ORIGIN = "2:0:0*"
INTEGERS = "int64 bool"
FLOATS = "float64 float32 bfloat16"

# What became of all comparisons: alike, unlike as listed below, without a kernel in PyTorch.
COUNTED = {"alike": 28_229, "differs": 1_006, "lacking": 317}

EXCEPTIONS = [
    # -- gradients where there is none to speak of
    Deviates(
        "relu relu_ hardsigmoid",
        "gradient",
        "The gradient at nan is nan or the one of either side; PyTorch's is any of these too, but "
        "not the same.",
        NAN,
    ),
    Deviates(
        "cumprod cumprod_ logcumsumexp var var_mean",
        "gradient",
        "Where nan or infinity is among the inputs, other elements of the gradient are nan than in "
        "PyTorch.",
        ROWS,
    ),
    Deviates(
        "prod",
        "second gradient",
        "Where nan or infinity is among the inputs, other elements of the gradient are nan than in "
        "PyTorch.",
        "4x3:nan*, dim=1",
    ),
    Deviates(
        "logit logit_",
        "gradient",
        "Outside of 0 to 1, where logit is nan, PyTorch's gradient is nan too.",
        "9:inf*",
    ),
    Deviates(
        """
        eq_ ne_ not_equal_ lt_ less_ le_ less_equal_ gt_ greater_ ge_ greater_equal_ logical_and_
        logical_or_ logical_xor_ logical_not_ zero_ fill_
        """,
        "requires_grad",
        "The result does not depend on what it was, so it asks for no gradient; PyTorch's asks for "
        "one, which is 0.",
        "0d | 0d, 0d | 0x3 | 1:nan | 3x3* | 3x5 | 3x5, 0d:float64 | 3x5, ?* | 9:inf*",
        FLOATS,
    ),
    Deviates(
        "logical_and_ logical_or_ logical_xor_ logical_not_",
        "gradient",
        "A logical result has no gradient; PyTorch hands on that of the result as if it were the "
        "input.",
        "0d | 0d, 0d | 1:nan | 3x5* | 9:inf*",
        FLOATS,
    ),
    Deviates(
        "copy_",
        "requires_grad",
        "A copy of integers asks for no gradient; PyTorch's asks for one, which is 0.",
        "3, 3:int64",
        FLOATS,
    ),
    Deviates(
        "matrix_power linalg.matrix_power",
        "requires_grad",
        "The 0th power is constant and asks for no gradient; PyTorch's asks for one, which is 0.",
        "*, 0",
        FLOATS,
    ),
    Deviates(
        "slogdet linalg.slogdet",
        "requires_grad",
        "The sign asks for no gradient; PyTorch's asks for one, which is 0.",
        "*3x3*",
        "float64 float32",
    ),
    Deviates(
        """
        addmv addmv_ cat concat concatenate copy_ eq_ ne_ not_equal_ lt_ less_ le_ less_equal_ gt_
        greater_ ge_ greater_equal_ fill_ zero_ grid_sample logical_and_ logical_or_ logical_xor_
        logical_not_ matrix_power linalg.matrix_power
        """,
        "no gradient",
        "An input on which the result does not depend has no gradient; PyTorch's is 0.",
        "*beta=0 | [[]2x3, 0[]] | 3, * | 0d* | 0x3 | 1:nan | 3x* | 9:inf* | *'nearest'* | 4x3*",
        FLOATS,
    ),
    Deviates(
        """
        adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d
        adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d copysign copysign_
        cummax cummin interpolate max_pool1d max_pool2d max_pool3d nll_loss pad
        nn.AdaptiveAvgPool1d nn.AdaptiveAvgPool2d nn.AdaptiveAvgPool3d nn.AdaptiveMaxPool1d
        nn.AdaptiveMaxPool2d nn.AdaptiveMaxPool3d nn.AvgPool1d nn.AvgPool2d nn.AvgPool3d
        nn.MaxPool1d nn.MaxPool2d nn.MaxPool3d nn.NLLLoss nn.ReflectionPad1d nn.ReflectionPad2d
        nn.ReflectionPad3d nn.ReplicationPad1d nn.ReplicationPad2d nn.ReplicationPad3d
        """,
        "no second gradient",
        "The gradient does not depend on the input, so it has no gradient; PyTorch's is 0.",
        "*)(*x* | 2x3x* | 3x7* | *:int64* | 0d, 0* | 0x3, 0 | 1x2x6x5* | 3x1, 4 | 3x5, *",
        FLOATS,
    ),
    Deviates(
        "elu elu_ selu selu_ celu celu_ prelu",
        "second gradient",
        "Where the input is 0 it is that of the side to which the gradient belongs; PyTorch's "
        "gradient is that of the left side there, and its second gradient that of the right.",
        KINKS,
        FLOATS,
    ),
    Deviates(
        "norm linalg.vector_norm normalize dist cosine_similarity",
        "second gradient",
        "The norm of the zero vector has the gradient 0, and so has that; PyTorch's is nan.",
        ORIGIN,
        FLOATS,
    ),
    Deviates(
        "kl_div",
        "gradient",
        "The gradient of a target of 0 is that of its other summand; PyTorch's is nan.",
        "2:-1:-2, 2:0:0.5*",
        FLOATS,
    ),
    Deviates(
        "scatter_reduce scatter_reduce_",
        "gradient",
        "What is not included shares no gradient; PyTorch gives it a part where it is equal to "
        "the result, and that part to nobody.",
        "2:3:1, 0, *include_self=False",
        FLOATS,
    ),
    # -- PyTorch is less exact
    Deviates(
        "binary_cross_entropy nn.BCELoss",
        "second gradient",
        "PyTorch adds 1e-12 to a denominator.",
        "3x5, 3x5* | 0d, 0d | *)(3x5, 3x5",
        "float64",
    ),
    Deviates(
        "binary_cross_entropy",
        "gradient",
        "At probabilities 0 and 1 logarithms are cut off at -100 and so are their gradients; "
        "PyTorch adds 1e-12 to a denominator instead, and leaves the target's gradient infinite.",
        "4:0:1*",
        FLOATS,
    ),
    Deviates(
        "hardsigmoid nn.Hardsigmoid",
        "gradient",
        "PyTorch holds 1 / 6 as a float32.",
        "3x5 | 0d | 9:inf* | )(3x5",
        "float64",
    ),
    Deviates(
        "gelu",
        "result",
        "gelu of infinity is infinity; PyTorch's is nan.",
        "*inf*",
        "float32 bfloat16",
    ),
    Deviates(
        "std_mean var_mean",
        "result",
        "The mean of infinity is infinity; PyTorch's is nan where the variance is.",
        ROWS,
    ),
    Deviates(
        "atan2 arctan2",
        "gradient",
        "PyTorch squares uint8 in uint8, which wraps round.",
        "3:uint8*",
        FLOATS,
    ),
    Deviates(
        "atan2 arctan2",
        "second gradient",
        "PyTorch squares uint8 in uint8, which wraps round.",
        "3:uint8*",
        FLOATS,
    ),
    Deviates(
        "pow __pow__",
        "second gradient",
        "The second derivative of 0 ** y by y is 0; PyTorch's is nan.",
        "3:uint8, 0d | 3x5, 0d:float64",
    ),
    Deviates(
        "linalg.eigvalsh",
        "second gradient",
        "The gradient of a symmetric matrix is symmetric; PyTorch's has the same sum with its "
        "transpose.",
        "3x3*",
        "float64 float32",
    ),
    *[
        Deviates(
            "cholesky_solve",
            what,
            "The triangle of the factor that is not read has the gradient 0; PyTorch's has "
            "another.",
            "3x2, 3x3*",
            "float64 float32",
        )
        for what in ("gradient", "second gradient")
    ],
    # -- types
    Deviates(
        "avg_pool1d avg_pool2d avg_pool3d",
        "type",
        "Averages of integers are float32; PyTorch's are integers, cut off.",
        "2x3x7*2 | 2x3x7*ceil_mode=True | 2x3x6* | 3x7*",
        "int64",
    ),
    Deviates(
        "dropout softmax log_softmax",
        "type",
        "Integers give float32 in any case; PyTorch refuses them unless nothing is to be computed.",
        "0x3, 1 | 3x0, 0 | 3x5, 1.0",
        INTEGERS,
    ),
    Deviates(
        "hinge_embedding_loss",
        "type",
        "A loss is floating; PyTorch's is an integer.",
        "4, 4*",
        "int64",
    ),
    Deviates(
        "local_response_norm",
        "result",
        "Computed in float32; PyTorch cuts a mean of integers off.",
        "?x*",
        "int64",
    ),
    Deviates(
        """
        adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d dropout dropout1d dropout2d
        dropout3d embedding_bag gaussian_nll_loss hinge_embedding_loss soft_margin_loss
        linalg.matrix_norm linalg.norm relu topk
        """,
        "error",
        "Integers and bools are computed with as numbers; PyTorch refuses them.",
        "0d* | 0x3* | 1x2x3x4x5 | 2x3:int64* | 2x3x4* | 3, 0 | 3x4* | 3x5* | 3x7* | 4, 4*",
        INTEGERS,
    ),
    Deviates(
        "copysign",
        "second gradient",
        "The gradient is exactly 1 or -1; PyTorch divides the result by the input, and "
        "differentiates that division.",
        "3x5, 5:int32",
        "float64",
    ),
    Deviates(
        "copysign",
        "gradient",
        "At 0, PyTorch's gradient is nan; the sign has no gradient here, PyTorch's is 0.",
        "9:inf* | 3:uint8* | 3x5, 0d*",
    ),
    Deviates(
        "lp_pool1d lp_pool2d lp_pool3d",
        "error",
        "Integers and bools are refused; PyTorch computes with them.",
        "2x3x*",
        INTEGERS,
    ),
    Deviates(
        "cumsum_ cumprod_",
        "error",
        "Bools cannot become the integers that are their sums; PyTorch lets them if there is "
        "nothing to add.",
        "0d, 0 | 0x3, 0",
        "bool",
    ),
    Deviates(
        "cumsum_",
        "error",
        "A sum of another type is brought to the tensor's own; PyTorch refuses it.",
        "*dtype=*",
        "float32 bfloat16",
    ),
    Deviates(
        "randint_like random_",
        "error",
        "Numbers beyond a bool become True; PyTorch refuses them.",
        "3, 2, 5 | 3x5, 5",
        "bool",
    ),
    Deviates(
        "fmod fmod_",
        "gradient",
        "In bfloat16 a quotient is rounded before it is cut off, so the gradient of the divisor "
        "can be off by one multiple.",
        "*0d:float64",
        "bfloat16",
    ),
    Deviates(
        "det linalg.det linalg.svdvals",
        "error",
        "Linear algebra is of float32 and float64; PyTorch takes bfloat16 if there is nothing to "
        "compute.",
        "0x*",
        "bfloat16",
    ),
    # -- errors and shapes
    Deviates(
        "__getitem__", "error", "Negative steps read backward; PyTorch refuses them.", "3, :-1"
    ),
    Deviates(
        "__setitem__",
        "error",
        "What is assigned where a tuple of bools says is converted; PyTorch refuses another type.",
        "3, (True), *",
        "float64 float32 bfloat16 bool",
    ),
    Deviates(
        "logcumsumexp",
        "error",
        "Of integers along a dim that is not there: told is the type; by PyTorch, the dim.",
        "3, 1",
        INTEGERS,
    ),
]

# Public names that are not compared, and why.
OWN: dict[str, str] = {
    name: reason
    for names, reason in {
        """
        BackendUnavailable ContractError DeviceError ExchangeRefused FileRefused IndexOutOfRange
        KernelFailed MissingExtra NoGradient OutOfMemory RushlightError StaleValue TracingError
        WorkerFailed WrongDtype WrongGradient WrongType
        errors
        """: "Errors of rushlight; each is an instance of what PyTorch raises.",
        "amp linalg": "A module, whose functions are compared.",
        "memory_stats synchronize": "PyTorch has it for each kind of device.",
        "Cell devices DeviceInfo device": "A device is a plug-in here.",
        "autograd compiler dtypes extend function ops random scalar": "A module.",
        "compile": "Traces a whole program; its results are the eager ones, which are compared.",
        "Tensor": "A class; its methods are compared.",
        "dtype": "Also makes an element type of a name.",
        "spec assign_ values as_subclass": "Of rushlight's own.",
        "stride is_contiguous": "A tensor is its values: strides are always those of its shape.",
        "cpu": "PyTorch's name of the place is cpu, here it is numpy.",
    }.items()
    for name in names.split()
}
