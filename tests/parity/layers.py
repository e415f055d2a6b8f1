"""LAYERS: how each layer is constructed, and what it is then called with.

Knows neither library: a test makes both with the same parameters, and compares them in training
and in evaluation.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from parity.call import Call, Still, bad, call, drawn, still
from parity.calls import FLOATS

from rushlight.testing.case import Values, given, index, x


class Layer(NamedTuple):
    """A layer and a call of it.  given: the arguments of its constructor, as they are written."""

    given: str
    call: Call

    @property
    def label(self) -> str:
        """Both sets of arguments."""
        return f"{self.given})({self.call.label}"


def layers(given: str, *calls: Call) -> list[Layer]:
    """A layer, called with each of these, which are `bad` where the constructor is."""
    return [Layer(given, one.on(*FLOATS)) for one in calls]


def rows(*givens: str) -> list[Layer]:
    """Of each element, or of rows."""
    return [one for text in givens for one in layers(text, call(x(3, 5)), call(x(0, 5)))]


def image(n: int) -> Values:
    """A batch of n dims."""
    return x(2, 4, *(7, 6, 5)[:n])


def pools(n: int, *more: str) -> list[Layer]:
    """Pools of n dims."""
    options = ("2", "3, stride=2, padding=1", *more)
    batches = [one for text in options for one in layers(text, call(image(n)))]
    return [*batches, *layers("2", call(x(4, *(7, 6, 5)[:n])), bad(x(*[4] * (n - 1))))]


def adaptive(n: int) -> list[Layer]:
    """Adaptive pools of n dims."""
    return [one for text in ("1", "3") for one in layers(text, call(image(n)))]


def convs(n: int) -> list[Layer]:
    """Convolutions of n dims."""
    return [
        *layers("4, 6, 3, padding=1", call(image(n)), call(x(4, *(7, 6, 5)[:n])), bad(x(2, 3))),
        *layers("4, 6, 2, stride=2, groups=2, bias=False", call(image(n))),
        *layers("4, 6, 3, padding='same', dilation=2", call(image(n))),
        *layers("4, 6, 3, groups=3", bad(image(n))),
    ]


def transposed(n: int) -> list[Layer]:
    """Transposed convolutions of n dims."""
    return [
        *layers("4, 6, 3", call(x(2, 4, *(4, 3, 2)[:n])), bad(x(2, 3))),
        *layers("4, 6, 2, 2, 1, 1, groups=2, bias=False", call(x(2, 4, *(4, 3, 2)[:n]))),
    ]


def batch_norms(*shapes: tuple[int, ...]) -> list[Layer]:
    """BatchNorm of these shapes."""
    options = ("4", "4, eps=0.1, momentum=0.3", "4, affine=False", "4, track_running_stats=False")
    good = [one for text in options for one in layers(text, *[call(x(*s)) for s in shapes])]
    return [*good, *layers("4", bad(x(4)))]


def instance_norms(*shapes: tuple[int, ...]) -> list[Layer]:
    """InstanceNorm of these shapes."""
    options = ("4", "4, affine=True, eps=0.1", "4, track_running_stats=True")
    why = "a deviation of few elements cancels in the second gradient"
    calls = [call(x(*s)).rounding(2, why) for s in shapes]
    return [one for text in options for one in layers(text, *calls)]


def dropouts(*shape: int) -> list[Layer]:
    """Dropout, of nothing and of some."""
    return [
        *layers("0.0", call(x(*shape))),
        *layers("0.5", drawn(x(*shape)).up_to(0)),
        *layers("1.5", bad(x(*shape))),
    ]


def recurrent() -> list[Layer]:
    """Recurrent layers over sequences of 4 numbers."""
    return [
        *layers("4, 3", call(x(5, 2, 4)), call(x(5, 4)), bad(x(5, 2, 3))),
        *layers("4, 3, 2, bias=False, batch_first=True, bidirectional=True", call(x(2, 5, 4))),
    ]


def pairs(*space: int) -> Values:
    """Where the maxima of pairs were, of 2 channels."""
    n = prod(space)
    step = 2 ** len(space)
    return given(*[step * i for i in range(n)] * 2, shape=(1, 2, *space), dtype="int64")


def distances(low: float = -1.4142, high: float = 2.7183) -> list[Layer]:
    """Losses of an input and a target of its shape."""
    two = Values((3, 5), low, high), Values((3, 5), low, high)
    good = [
        one
        for text in ("", "reduction='sum'", "reduction='none'")
        for one in layers(text, call(*two))
    ]
    return [*good, *layers("", bad(x(3), x(4)))]


def of_classes(*more: str) -> list[Layer]:
    """Losses of scores and classes."""
    options = ("", "reduction='sum'", "ignore_index=1", *more)
    return [
        *[one for text in options for one in layers(text, call(x(4, 3), index(4, below=3)))],
        *layers("", call(x(2, 3, 5), index(2, 5, below=3)), bad(x(4, 3), index(3, below=3))),
        *layers("", bad(x(2, 3), given(0, 3, dtype="int64"))),
    ]


signs = Still(given(1, -1, 1, -1))
TABLE: dict[str, list[Layer]] = {
    **{
        name: rows("")
        for name in """
        Hardsigmoid Hardswish Identity LogSigmoid Mish ReLU ReLU6 SELU Sigmoid SiLU Softsign Tanh
        Tanhshrink
        """.split()
    },
    "CELU": rows("", "0.5"),
    "ELU": rows("", "0.5"),
    "GELU": rows("", "approximate='tanh'"),
    "GLU": layers("", call(x(3, 4)), bad(x(3, 5))),
    "Hardshrink": rows("", "0.8"),
    "Hardtanh": rows("", "-0.5, 0.3"),
    "LeakyReLU": rows("", "0.2"),
    "PReLU": [*rows(""), *layers("4, 0.3", call(image(2)), bad(x(2, 3)))],
    "RReLU": [*layers("0.2, 0.2", call(x(3, 5))), *layers("", drawn(x(3, 5)).up_to(0))],
    "Softplus": rows("", "2.0, 1.0"),
    "Softshrink": rows("", "0.8"),
    "Threshold": rows("0.1, 20.0"),
    "Softmax": [*rows("1", "dim=-1"), *layers("2", bad(x(3, 5)))],
    "LogSoftmax": rows("1", "dim=0")[:-1],
    "Softmin": rows("1"),
    "Softmax2d": layers("", call(image(2)), bad(x(3))),
    "Linear": [
        *layers("5, 3", call(x(4, 5)), call(x(5)), call(x(0, 5)), bad(x(4, 3))),
        *layers("5, 3, bias=False", call(x(2, 4, 5))),
    ],
    "Bilinear": layers("3, 4, 5", call(x(2, 3), x(2, 4)), bad(x(2, 3), x(2, 3))),
    **{f"Conv{n}d": convs(n) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": transposed(n) for n in (1, 2, 3)},
    **{f"MaxPool{n}d": pools(n, "2, ceil_mode=True", "2, 1, 0, 2") for n in (1, 2, 3)},
    **{f"AvgPool{n}d": pools(n, "2, ceil_mode=True", "3, 2, 1, False, False") for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}d": adaptive(n) for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}d": adaptive(n) for n in (1, 2, 3)},
    "BatchNorm1d": batch_norms((6, 4), (3, 4, 2)),
    "BatchNorm2d": batch_norms((2, 4, 3, 2)),
    "BatchNorm3d": batch_norms((2, 4, 3, 2, 2)),
    "InstanceNorm1d": instance_norms((2, 4, 3), (4, 3)),
    "InstanceNorm2d": instance_norms((2, 4, 3, 2)),
    "InstanceNorm3d": instance_norms((2, 4, 3, 2, 2)),
    "LayerNorm": [
        *layers("5", call(x(3, 5)), call(x(0, 5)), bad(x(3, 4))),
        *layers("(3, 5), eps=0.1, bias=False", call(x(2, 3, 5))),
        *layers("5, elementwise_affine=False", call(x(3, 5))),
    ],
    "RMSNorm": [*layers("5, 0.1", call(x(3, 5)), bad(x(3, 4))), *layers("5", call(x(2, 3, 5)))],
    "GroupNorm": [
        *layers("2, 4", call(image(1)), bad(x(2, 3))),
        *layers("4, 4, 0.1, affine=False", call(image(2))),
        *layers("3, 4", bad(image(1))),
    ],
    "Dropout": dropouts(3, 5),
    "Dropout1d": dropouts(2, 3, 4),
    "Dropout2d": dropouts(2, 3, 4, 4),
    "Dropout3d": dropouts(2, 3, 2, 4, 4),
    "AlphaDropout FeatureAlphaDropout": dropouts(2, 3, 4),
    "LocalResponseNorm": [
        *layers("2", call(image(1)), call(image(2)), bad(x(2, 3))),
        *layers("3, 0.3, 0.6, 1.5", call(image(3))),
    ],
    "EmbeddingBag": [
        *layers("5, 3", call(index(2, 4, below=5)), bad(given(5, dtype="int64")), bad(x(2))),
        *layers("5, 3, mode='max', padding_idx=1", call(index(2, 7, below=5))),
        *layers("5, 3, mode='sum'", call(index(4, below=5), given(0, 3, dtype="int64"))),
    ],
    "Embedding": [
        *layers("5, 3", call(index(2, 4, below=5)), bad(given(5, dtype="int64")), bad(x(2))),
        *layers("5, 3, padding_idx=1", call(index(7, below=5))),
    ],
    "Flatten": [*layers("", call(x(2, 3, 4))), *layers("0, 1", call(x(2, 3, 4)))],
    "Unflatten": [*layers("1, (2, 3)", call(x(2, 6)), bad(x(2, 5)))],
    "PixelShuffle": layers("2", call(x(2, 8, 3, 2)), bad(x(2, 3, 2, 2))),
    "Sequential": layers("n.Linear(5, 4), n.Tanh(), n.Linear(4, 2)", call(x(3, 5))),
    "MultiheadAttention": [
        *layers(
            "8, 2",
            call(x(3, 2, 8), x(4, 2, 8), x(4, 2, 8)),
            bad(x(3, 2, 6), x(3, 2, 6), x(3, 2, 6)),
        ),
        *layers("8, 2, bias=False, batch_first=True", call(x(2, 3, 8), x(2, 3, 8), x(2, 3, 8))),
        *layers("8, 2, kdim=5, vdim=6", call(x(3, 2, 8), x(4, 2, 5), x(4, 2, 6))),
        *layers("8, 3", bad(x(3, 2, 8), x(3, 2, 8), x(3, 2, 8))),
    ],
    "TransformerEncoderLayer": [
        *layers("8, 2, 16, 0.0", call(x(3, 2, 8))),
        *layers("8, 2, 16, 0.0, 'gelu', norm_first=True, batch_first=True", call(x(2, 3, 8))),
    ],
    "TransformerEncoder": layers("n.TransformerEncoderLayer(8, 2, 16, 0.0), 2", call(x(3, 2, 8))),
    **{
        f"{kind}Pad{n}d": [
            *layers(given, call(x(2, 4, *(7, 6, 5)[:n])), call(x(4, *(7, 6, 5)[:n]))),
            *layers("2", call(x(2, 4, *(7, 6, 5)[:n])), bad(x())),
        ]
        for kind in ("Circular", "Reflection", "Replication", "Zero")
        for n in (1, 2, 3)
        for given in [("(1, 2)", "(1, 2, 0, 1)", "(1, 2, 0, 1, 1, 1)")[n - 1]]
    },
    **{f"ConstantPad{n}d": layers("1, 2.5", call(image(n))) for n in (1, 2, 3)},
    **{
        f"LPPool{n}d": [*layers("2, 2", call(image(n))), *layers("1.0, 3, 2", call(image(n)))]
        for n in (1, 2, 3)
    },
    "MaxUnpool1d": layers("2", call(x(1, 2, 3), pairs(3))),
    "MaxUnpool2d": layers("2", call(x(1, 2, 3, 1), pairs(3, 1))),
    "MaxUnpool3d": layers("2", call(x(1, 2, 3, 1, 1), pairs(3, 1, 1))),
    "ChannelShuffle": layers("2", call(x(2, 4, 3, 2)), bad(x(2, 3, 3, 2))),
    "PixelUnshuffle": layers("2", call(x(2, 3, 4, 6)), bad(x(2, 3, 3, 3))),
    "Fold": layers("(4, 5), 2", call(x(2, 12, 12)), bad(x(2, 12, 7))),
    "Unfold": layers("2, stride=2", call(x(2, 3, 4, 6)), bad(x(3))),
    "Upsample": [
        *layers("scale_factor=2", call(image(1)), call(image(2))),
        *layers("(5, 9), mode='bilinear', align_corners=True", call(image(2))),
        *layers("9, mode='linear'", call(image(1))),
        *layers("scale_factor=0.5, mode='bicubic'", call(image(2))),
        *layers("scale_factor=2, mode='trilinear'", call(x(1, 2, 3, 2, 2))),
    ],
    "UpsamplingBilinear2d UpsamplingNearest2d": layers("scale_factor=2", call(image(2))),
    "RNN": [*recurrent(), *layers("4, 3, nonlinearity='relu'", call(x(5, 2, 4)))],
    "GRU": recurrent(),
    "LSTM": [*recurrent(), *layers("4, 3, proj_size=2", call(x(5, 2, 4)))],
    "RNNCell GRUCell": [
        *layers("4, 3", call(x(2, 4)), call(x(4)), call(x(2, 4), x(2, 3)), bad(x(2, 5))),
        *layers("4, 3, bias=False", call(x(2, 4))),
    ],
    "LSTMCell": layers("4, 3", call(x(2, 4)), call(x(2, 4), (x(2, 3), x(2, 3))), bad(x(2, 5))),
    "Transformer": layers("8, 2, 1, 1, 16, 0.0", call(x(3, 2, 8), x(4, 2, 8))),
    "TransformerDecoderLayer": layers("8, 2, 16, 0.0", call(x(3, 2, 8), x(4, 2, 8))),
    "TransformerDecoder": layers(
        "n.TransformerDecoderLayer(8, 2, 16, 0.0), 2",
        call(x(3, 2, 8), x(4, 2, 8)).rounding(2, "some forty steps one after the other"),
    ),
    "L1Loss": distances(),
    "MSELoss": distances(),
    "SmoothL1Loss": [*distances(), *layers("beta=0.5", call(x(3, 5), x(3, 5)))],
    "HuberLoss": [*distances(), *layers("delta=0.5", call(x(3, 5), x(3, 5)))],
    "KLDivLoss": [
        *distances(0.1, 0.9),
        *layers("reduction='batchmean', log_target=True", call(x(3, 5), x(3, 5))),
    ],
    "BCELoss": distances(0.1, 0.9),
    "BCEWithLogitsLoss": distances(),
    "SoftMarginLoss": layers("", call(x(4), signs), bad(x(3), still(4))),
    "PoissonNLLLoss": distances(0.1, 0.9),
    "CrossEntropyLoss": of_classes("label_smoothing=0.2"),
    "NLLLoss": of_classes(),
    "MultiMarginLoss": layers(
        "", call(x(4, 3), index(4, below=3)), bad(x(4, 3), index(3, below=3))
    ),
    "CosineSimilarity": [*layers("", call(x(3, 5), x(3, 5))), *layers("0", call(x(3, 5), x(5)))],
    "PairwiseDistance": [*layers("", call(x(3, 5), x(3, 5))), *layers("1.0", call(x(3, 5), x(5)))],
    "MarginRankingLoss": layers("0.5", call(x(4), x(4), signs)),
    "HingeEmbeddingLoss": layers("", call(x(4), signs)),
    "CosineEmbeddingLoss": layers("0.1", call(x(4, 3), x(4, 3), signs)),
    "TripletMarginLoss": layers("", call(x(4, 3), x(4, 3), x(4, 3))),
    "TripletMarginWithDistanceLoss": layers("margin=0.5", call(x(4, 3), x(4, 3), x(4, 3))),
    "GaussianNLLLoss": layers("", call(x(4, 3), x(4, 3), Values((4, 3), 0.2, 0.9))),
    "MultiLabelMarginLoss": layers(
        "", call(x(2, 4), given(1, 3, -1, 0, 2, -1, 0, 0, shape=(2, 4), dtype="int64"))
    ),
    "MultiLabelSoftMarginLoss": layers("", call(x(3, 5), still(3, 5, low=0.1, high=0.9))),
}

LAYERS = {name: calls for names, calls in TABLE.items() for name in names.split()}

# Containers of modules or parameters, which compute nothing.
CONTAINERS: dict[str, Any] = dict.fromkeys(
    ("ModuleDict", "ModuleList", "ParameterList", "ParameterDict", "Module", "Parameter"),
    "Holds modules or parameters, and computes nothing.",
)
