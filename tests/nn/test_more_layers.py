"""Rarer layers beside PyTorch's with the same weights: repr, state dict, output and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn


def numbers(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape)


def twins(call):
    """A layer by both libraries, of float64 and with the same weights; equal in repr and keys."""
    weight = [0.5, 1.0, 2.0, 0.25, 3.0]
    theirs = eval(call, {"n": torch.nn, "W": torch.tensor(weight), **vars(torch.nn)}).double()
    ours = eval(call, {"n": nn, "W": rl.tensor(weight), **vars(nn)}).double()
    state = theirs.state_dict()
    assert [(k, v.shape) for k, v in ours.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in state.items()
    ]
    ours.load_state_dict({key: value.numpy() for key, value in state.items()})
    assert [name for name, _ in ours.named_parameters()] == [
        name for name, _ in theirs.named_parameters()
    ]
    return ours, theirs


def leaves(given):
    """The tensors in what a layer returned."""
    if isinstance(given, (tuple, list)):
        return [part for item in given for part in leaves(item)]
    return [] if given is None else [given]


def near(mine, other, tolerance=1e-9):
    assert tuple(mine.shape) == tuple(other.shape)
    assert str(mine.dtype) == str(other.dtype).partition(".")[2]
    mine, other = mine.detach().numpy(), other.detach().numpy()
    np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance)


def outcome(module, layer, arrays, options):
    """Results, the gradients of their cubes' sum, and state afterwards.

    The gradients are those of inputs of float64 that are writeable, and of parameters.
    """

    def tensor(value):
        if isinstance(value, tuple):
            return tuple(map(tensor, value))
        if not isinstance(value, np.ndarray):
            return value
        made = module.tensor(value)
        asks = value.dtype == np.float64 and value.flags.writeable
        return made.requires_grad_() if asks else made

    xs = [tensor(a) for a in arrays]
    given = {name: tensor(value) for name, value in options.items()}
    # what happens in place needs a tensor that is no leaf
    fed = [x * 1.0 if isinstance(x, module.Tensor) and x.requires_grad else x for x in xs]
    results = leaves(layer(*fed, **given))
    sum((z**3).sum() for z in results if z.requires_grad).backward()
    asked = [x for x in leaves([*xs, *given.values()]) if isinstance(x, module.Tensor)]
    grads = [x.grad for x in asked if x.requires_grad]
    if isinstance(layer, (nn.Module, torch.nn.Module)):
        grads += [p.grad for p in layer.parameters()]
        results += [*layer.state_dict().values()]
    return results, grads


def compare(call, *arrays, said=True, **options):
    """A layer beside PyTorch's.  said: whether their repr is the same."""
    ours, theirs = twins(call)
    if said:
        assert repr(ours) == repr(theirs)
    mine, other = outcome(rl, ours, arrays, options), outcome(torch, theirs, arrays, options)
    for some, others in zip(mine, other, strict=True):
        for a, b in zip(some, others, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                near(a, b)


ACTIVATIONS = [
    ("CELU()", (4, 5)),
    ("CELU(0.5, True)", (4, 5)),
    ("Threshold(0.5, 7.0)", (4, 5)),
    ("Threshold(0.5, -7.0, inplace=True)", (4, 5)),
    ("RReLU(inplace=True).eval()", (4, 5)),
    ("RReLU(0.25, 0.25)", (4, 5)),
    ("Hardshrink()", (4, 5)),
    ("Hardshrink(0.1)", (4, 5)),
    ("Softshrink()", (4, 5)),
    ("Softshrink(0.1)", (4, 5)),
    ("Tanhshrink()", (4, 5)),
    ("PReLU()", (4, 5)),
    ("PReLU(3, 0.1)", (2, 3, 4)),
    ("GLU()", (3, 6)),
    ("GLU(0)", (6, 3)),
    ("Softmin(1)", (4, 5)),
    ("Softmax2d()", (2, 3, 4, 5)),
    ("Softmax2d()", (3, 4, 5)),
]


@pytest.mark.parametrize(("call", "shape"), ACTIVATIONS)
def test_activations(call, shape):
    compare(call, numbers(*shape))


@pytest.mark.parametrize("name", ["hardshrink", "softshrink", "tanhshrink", "glu"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_odd_values(name, dtype):
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, -0.5, 0.75]
    mine = getattr(nn.functional, name)(rl.tensor(odd, dtype=getattr(rl, dtype)))
    other = getattr(torch.nn.functional, name)(torch.tensor(odd, dtype=getattr(torch, dtype)))
    mine, other = mine.float().numpy(), other.float().numpy()
    np.testing.assert_allclose(mine, other, rtol=2e-2 if dtype == "bfloat16" else 1e-6)
    if name != "softshrink":  # there PyTorch's own types differ in the sign of 0
        np.testing.assert_array_equal(np.signbit(mine), np.signbit(other))


def test_threshold_of_odd_values_and_integers():
    x = [np.nan, np.inf, -np.inf, 0.5]
    np.testing.assert_array_equal(
        nn.functional.threshold(rl.tensor(x), 0.5, 3.0).numpy(), [np.nan, np.inf, 3, 3]
    )
    assert nn.functional.threshold(rl.arange(3), 1, 7.5).tolist() == [7, 7, 2]
    assert nn.functional.threshold(rl.arange(3), 1, 7.5).dtype is rl.int64


def test_random_slopes():
    rl.manual_seed(0)
    x = rl.full((4000,), -1.0, requires_grad=True)
    z = nn.RReLU()(x)
    z.sum().backward()
    slopes = -z.detach().numpy()
    assert 1 / 8 <= slopes.min() < 0.13
    assert 0.33 < slopes.max() < 1 / 3
    np.testing.assert_array_equal(x.grad.numpy(), slopes)
    rl.manual_seed(0)
    assert (nn.RReLU()(rl.full((4000,), -1.0)).numpy() == -slopes).all()


REFUSALS = [
    (lambda f, x: f.glu(x[:, :3]), "glu: float32[4, 3] along dim -1; give an even length"),
    (lambda f, x: f.softshrink(x, -1.0), "softshrink: lambd -1.0; give a number from 0"),
    (lambda f, x: f.rrelu(x, 0.5, 0.1), "rrelu: from 0.5 to 0.1; give the lower bound first"),
    (
        lambda f, x: f.margin_ranking_loss(x, x, x[0]),
        "[4, 4], float32[4, 4], target float32[4]; give all as many dims",
    ),
    (
        lambda f, x: f.cosine_embedding_loss(x, x, x),
        "[4, 4], float32[4, 4], target float32[4, 4]; give [n, d], [n, d], [n]",
    ),
    (
        lambda f, x: f.triplet_margin_loss(x, x, x[0]),
        "triplet_margin_loss: float32[4, 4], float32[4, 4], float32[4]; give all as many dims",
    ),
    (
        lambda f, x: f.triplet_margin_loss(x, x, x, margin=0),
        "triplet_margin_loss: margin 0; give a number above 0",
    ),
    (
        lambda f, x: f.multi_margin_loss(x, x[0].long(), p=3),
        "multi_margin_loss: p 3; give 1 or 2",
    ),
    (
        lambda f, x: f.multi_margin_loss(x, x[0]),
        "multi_margin_loss: input float32[4, 4], target float32[4]; give int[4]",
    ),
    (
        lambda f, x: f.multi_margin_loss(x, x[0].long() * 4),
        "multi_margin_loss: index 4 is out of range for axis 1 of length 4; give 0 to 3",
    ),
    (
        lambda f, x: f.multilabel_margin_loss(x, x[0].long()),
        "multilabel_margin_loss: input float32[4, 4], target int64[4]; give int[4, 4]",
    ),
    (
        lambda f, x: f.gaussian_nll_loss(x, x, x[0, :3]),
        "gaussian_nll_loss: var float32[3] for float32[4, 4]; give both the same shape",
    ),
    (
        lambda f, x: f.gaussian_nll_loss(x, x, -x),
        "gaussian_nll_loss: var has values below 0; give variances",
    ),
    (
        lambda f, x: f.max_unpool1d(x, x.long(), 2, output_size=(4, 10)),
        "give [8], or less than stride [2] away",
    ),
    (
        lambda f, x: f.max_unpool1d(x, x[:2].long(), 2),
        "indices int64[2, 4]; give both as max_pool1d made them",
    ),
    (
        lambda f, x: f.adaptive_max_pool2d(x[:2, None], (1, 2, 3)),
        "adaptive_max_pool2d: output_size (1, 2, 3); give one integer or two",
    ),
    (
        lambda f, x: f.pixel_unshuffle(x, 3),
        "pixel_unshuffle: float32[4, 4] by 3; give [*b, c, h, w], h and w divisible by it",
    ),
    (
        lambda f, x: f.channel_shuffle(x[None], 3),
        "channel_shuffle: float32[1, 4, 4] in 3 groups; give [b, c, *s], c divisible by groups",
    ),
    (
        lambda f, x: f.bilinear(x, x[:, :3], x[None]),
        "weight float32[1, 4, 4]; give [*s, n], [*s, m] and [o, n, m], and for bias [o]",
    ),
    (
        lambda f, x: f.embedding_bag(x.long(), x, mode="min"),
        "embedding_bag: mode 'min'; give 'sum', 'mean' or 'max'",
    ),
    (
        lambda f, x: f.embedding_bag(x[0].long(), x),
        "int64[4] with offsets None; give [b, l], or [l] and offsets [b]",
    ),
    (
        lambda f, x: f.local_response_norm(x, 2),
        "local_response_norm: float32[4, 4]; give [b, c, *s]",
    ),
    (lambda f, x: f.alpha_dropout(x, 1.5), "alpha_dropout: p=1.5; a probability is from 0 to 1"),
    (
        lambda f, x: f.soft_margin_loss(x, x, reduction="max"),
        "soft_margin_loss: reduction='max'; choose 'none', 'mean' or 'sum'",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSALS, ids=[text for _, text in REFUSALS])
def test_refusals(call, message):
    with pytest.raises(rl.RushlightError) as error:
        call(nn.functional, rl.ones(4, 4))
    assert str(error.value).endswith(message)
    with pytest.raises(Exception) as theirs:  # noqa: PT011  its class is what is asked
        call(torch.nn.functional, torch.ones(4, 4))
    assert isinstance(error.value, theirs.type)


X, Y, Z = numbers(4, 5), numbers(4, 5, seed=1), numbers(4, 5, seed=2)
SIGNS = np.where(Z > 0, 1.0, -1.0)
CLASSES = np.array([0, 3, 2, 4])
LABELS = np.array([[1, 3, -1, 0, 2], [4, -1, -1, 2, 2], [-1, 0, 1, 2, 3], [0, 1, 2, 3, 4]])
COUNTS = np.broadcast_to([0.0, 1.0, 2.0, 3.0, 7.0], (4, 5))  # of integers: no gradient
LOSSES = [
    ("MarginRankingLoss({})", (X, Y, SIGNS)),
    ("MarginRankingLoss(0.3{})", (X, Y, SIGNS)),
    ("HingeEmbeddingLoss({})", (X, SIGNS)),
    ("HingeEmbeddingLoss(0.3{})", (X, SIGNS)),
    ("HingeEmbeddingLoss({})", (X, Y)),
    ("SoftMarginLoss({})", (X, SIGNS.astype("f"))),
    ("CosineEmbeddingLoss({})", (X, Y, SIGNS[:, 0])),
    ("CosineEmbeddingLoss(0.1{})", (X, Y, SIGNS[:, 0])),
    ("CosineEmbeddingLoss({})", (X[0], Y[0], np.array(-1))),
    ("MultiMarginLoss({})", (X, CLASSES)),
    ("MultiMarginLoss(2, 0.7{})", (X, CLASSES)),
    ("MultiMarginLoss(weight=W{})", (X, CLASSES)),
    ("MultiMarginLoss({})", (X[0], np.array(2))),
    ("MultiLabelMarginLoss({})", (X, LABELS)),
    ("MultiLabelMarginLoss({})", (X[0], LABELS[0])),
    ("MultiLabelSoftMarginLoss({})", (X, (SIGNS + 1) / 2)),
    ("MultiLabelSoftMarginLoss(W{})", (X, (SIGNS + 1) / 2)),
    ("PoissonNLLLoss({})", (X, COUNTS)),
    ("PoissonNLLLoss(False, True{})", (np.abs(X), COUNTS)),
    ("PoissonNLLLoss(full=True{})", (X, COUNTS)),
    ("GaussianNLLLoss({})", (X, Y, np.abs(Z))),
    ("GaussianNLLLoss(full=True, eps=0.5{})", (X, Y, np.abs(Z))),
    ("GaussianNLLLoss({})", (X, Y, np.abs(Z[:, 0]))),
    ("GaussianNLLLoss({})", (X, Y, np.abs(Z[:, :1]))),
    ("GaussianNLLLoss({})", (X, Y, np.abs(Z[:1]))),
    ("GaussianNLLLoss({})", (X, Y, 0.3)),
    ("TripletMarginLoss({})", (X, Y, Z)),
    ("TripletMarginLoss(0.3, p=1.0, swap=True{})", (X, Y, Z)),
    ("TripletMarginLoss({})", (X[0], Y[0], Z[0])),
    ("TripletMarginWithDistanceLoss({})", (X, Y, Z)),
    (
        "TripletMarginWithDistanceLoss(distance_function=n.CosineSimilarity(), swap=True{})",
        (X, Y, Z),
    ),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("call", "inputs"), LOSSES)
def test_losses(call, inputs, reduction):
    option = ("" if "({" in call else ", ") + f"reduction={reduction!r}"
    compare(call.format(option), *inputs)


@pytest.mark.parametrize("call", ["PairwiseDistance()", "PairwiseDistance(3.0, 0.1, True)"])
def test_pairwise_distance(call):
    compare(call, X, Y)
    compare(call, X, Y[0])
    compare(call, X[0], Y[0])


@pytest.mark.parametrize("name", ["soft_margin_loss", "multilabel_soft_margin_loss"])
def test_soft_margins_do_not_overflow(name):
    x = rl.tensor([[-1000.0]], requires_grad=True)
    z = getattr(nn.functional, name)(x, rl.ones(1, 1))
    z.backward()
    assert z.item() == 1000.0
    assert x.grad.tolist() == [[-1.0]]


POOLS = [
    ("MaxPool1d(2, return_indices=True)", (2, 3, 7)),
    ("MaxPool2d(3, 2, 1, return_indices=True)", (2, 3, 7, 6)),
    ("MaxPool2d((2, 3), dilation=(1, 2), return_indices=True, ceil_mode=True)", (3, 7, 6)),
    ("MaxPool3d(2, 1, return_indices=True)", (2, 3, 3, 4, 3)),
    ("AdaptiveMaxPool1d(3)", (2, 3, 7)),
    ("AdaptiveMaxPool2d((3, None), True)", (2, 3, 7, 6)),
    ("AdaptiveMaxPool2d(2)", (3, 4, 6)),
    ("AdaptiveMaxPool3d((2, 3, 1), return_indices=True)", (2, 3, 3, 4, 3)),
    ("LPPool1d(2, 3, ceil_mode=True)", (2, 3, 7)),
    ("LPPool2d(3, 2, stride=1)", (2, 3, 4, 4)),
    ("LPPool2d(float('inf'), (1, 2))", (2, 3, 4, 4)),
    ("LPPool3d(1, 2)", (1, 2, 4, 4, 4)),
]


@pytest.mark.parametrize(("call", "shape"), POOLS)
def test_pools(call, shape):
    x = numbers(*shape)
    compare(call, np.abs(x) if call == "LPPool2d(3, 2, stride=1)" else x)


UNPOOLS = [
    ("1d(2)", (2, 3, 8), None),
    ("1d(2)", (3, 7), (7,)),
    ("2d(2)", (2, 3, 4, 6), None),
    ("2d(3, 2, 1)", (2, 3, 5, 6), (2, 3, 5, 6)),
    ("3d(2)", (2, 3, 4, 2, 4), None),
]


@pytest.mark.parametrize(("call", "shape", "size"), UNPOOLS)
def test_unpooling(call, shape, size):
    pool = eval(f"n.MaxPool{call[:-1]}, return_indices=True)", {"n": torch.nn})
    z, index = (v.numpy() for v in pool(torch.tensor(numbers(*shape))))
    compare(f"MaxUnpool{call}", z, index, **({} if size is None else {"output_size": size}))


def test_largest_of_ties_and_nothing():
    for values in (np.full((1, 5, 5), -np.inf), np.zeros((1, 5, 5))):
        for options in ({"stride": 2}, {"dilation": 2}):
            given = {"kernel_size": 3, "padding": 1, "return_indices": True, **options}
            mine = nn.functional.max_pool2d(rl.tensor(values), **given)
            other = torch.nn.functional.max_pool2d(torch.tensor(values), **given)
            for a, b in zip(mine, other, strict=True):
                near(a, b)


def test_indices_are_the_same_when_traced():
    x = rl.tensor(numbers(2, 3, 7, 6))
    for f in (
        lambda x: nn.functional.max_pool2d(x, 3, 2, 1, return_indices=True),
        lambda x: nn.functional.adaptive_max_pool2d(x, (3, 4), True),
    ):
        for a, b in zip(f(x), rl.compile(f)(x), strict=True):
            assert a.tolist() == b.tolist()


SHAPES = [
    ("PixelUnshuffle(2)", (2, 3, 4, 6)),
    ("PixelUnshuffle(3)", (2, 3, 6)),
    ("ChannelShuffle(3)", (2, 6, 4, 5)),
    ("ZeroPad1d(2)", (2, 3, 4)),
    ("ZeroPad2d((1, 2, 0, 3))", (2, 3, 4, 5)),
    ("ZeroPad2d((-1, 2, 0, -3))", (2, 3, 4, 5)),
    ("ZeroPad3d(1)", (2, 3, 2, 2, 2)),
    ("ConstantPad1d((1, 0), 3.5)", (2, 3, 4)),
    ("ConstantPad2d(1, -2)", (3, 4, 5)),
    ("ConstantPad3d((1, 2, 0, 1, 1, 1), 3.5)", (2, 3, 2, 2, 2)),
    ("ReflectionPad1d((2, 1))", (2, 3, 4)),
    ("ReflectionPad2d((2, 1, 3, 0))", (2, 3, 4, 5)),
    ("ReflectionPad3d(1)", (2, 2, 2, 2, 2)),
    ("ReplicationPad1d(3)", (3, 4)),
    ("ReplicationPad2d((2, 1, 3, 0))", (2, 3, 4, 5)),
    ("ReplicationPad3d(1)", (2, 2, 2, 2, 2)),
    ("CircularPad1d((2, 1))", (2, 3, 4)),
    ("CircularPad2d((2, 1, 3, 0))", (2, 3, 4, 5)),
    ("CircularPad3d(1)", (2, 2, 2, 2, 2)),
]
CONVOLUTIONS = [
    ("Conv1d(3, 4, 3, padding=2, padding_mode='reflect')", (2, 3, 7)),
    ("Conv1d(3, 4, 4, padding='same', dilation=2, padding_mode='circular')", (3, 9)),
    ("Conv2d(4, 4, (3, 2), 2, (2, 1), groups=2, padding_mode='replicate')", (2, 4, 5, 6)),
    ("Conv2d(4, 4, 3, padding='valid', padding_mode='circular')", (2, 4, 5, 6)),
    ("Conv3d(2, 2, (3, 1, 5), padding='same', padding_mode='reflect')", (1, 2, 4, 5, 6)),
]


@pytest.mark.parametrize(("call", "shape"), SHAPES)
def test_shapes(call, shape):
    compare(call, numbers(*shape))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize(("call", "shape"), CONVOLUTIONS)
def test_padding_of_convolutions(call, shape):
    compare(call, numbers(*shape))


@pytest.mark.parametrize("size", [(9, 11), (10, 12), (2, 3, 9, 12)])
def test_size_of_transposed_convolutions(size):
    compare("ConvTranspose2d(4, 3, 3, 2, 1)", numbers(2, 4, 5, 6), output_size=size)


def test_bilinear():
    compare("Bilinear(2, 3, 4)", numbers(5, 6, 2), numbers(5, 6, 3))
    compare("Bilinear(2, 3, 1, bias=False)", numbers(2), numbers(3))


def test_parameters_by_name():
    sizes = [("a", "2x3"), ("b", "4")]
    ours = nn.ParameterDict({"a": nn.Parameter(rl.ones(2, 3)), "b": rl.zeros(4)})
    theirs = torch.nn.ParameterDict({"a": torch.nn.Parameter(torch.ones(2, 3))})
    theirs["b"] = torch.zeros(4)
    assert [*ours] == [*theirs] == [*ours.state_dict()] == [*theirs.state_dict()]
    assert isinstance(ours["b"], nn.Parameter)
    assert len(ours) == len([*ours.parameters()]) == 2
    assert ours.get("c") is theirs.get("c") is None
    assert "a" in ours
    lines = [f"    ({name}): Parameter containing: [float32 of size {n}]" for name, n in sizes]
    assert repr(ours) == "\n".join(["ParameterDict(", *lines, ")"])
    assert ours.pop("a").shape == (2, 3)
    assert [*ours.keys()] == ["b"]
    with pytest.raises(KeyError):
        ours["a"]
    with pytest.raises(TypeError, match="ParameterDict: assignment: int is no tensor"):
        ours["a"] = 3


@pytest.mark.parametrize("options", ["add_bias_kv=True", "add_zero_attn=True", "both"])
def test_more_keys_of_attention(options):
    options = "add_bias_kv=True, add_zero_attn=True" if options == "both" else options
    call = f"MultiheadAttention(8, 2, {options})"
    x, y = numbers(3, 2, 8), numbers(4, 2, 8)
    hidden = np.array([[0, 0, 1, 1], [0, 1, 0, 1]], bool)
    compare(call, x, y, y + 1, said=False)
    compare(call, x[:, 0], y[:, 0], y[:, 0] + 1, said=False, average_attn_weights=False)
    compare(call, x, y, y + 1, said=False, key_padding_mask=hidden)
    mask = np.triu(np.ones((3, 4), bool), 1)
    compare(call, x, y, y + 1, said=False, need_weights=False, attn_mask=mask)
    compare(call[:-1] + ", kdim=4, vdim=3, bias=False)", x, y[..., :4], y[..., :3], said=False)


DECODERS = [
    "TransformerDecoderLayer(8, 2, 16, 0.0)",
    "TransformerDecoderLayer(8, 2, 16, 0.0, 'gelu', norm_first=True, bias=False)",
    "TransformerDecoder(n.TransformerDecoderLayer(8, 2, 16, 0.0), 2, n.LayerNorm(8))",
]
CAUSAL = np.triu(np.full((5, 5), -np.inf, "f"), 1)
UNSEEN = np.array([[0, 0, 0, 1], [0, 0, 1, 1]], bool)


@pytest.mark.parametrize("call", DECODERS)
def test_decoders(call):
    x, memory = numbers(5, 2, 8), numbers(4, 2, 8)
    compare(call, x, memory, said=False)
    masks = {"tgt_mask": CAUSAL, "memory_key_padding_mask": UNSEEN}
    compare(call, x, memory, said=False, tgt_is_causal=True, **masks)
    compare(call, x, memory, said=False, memory_mask=CAUSAL[:, :4])


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize("options", ["", ", batch_first=True", ", norm_first=True, bias=False"])
def test_transformer(options):
    call = f"Transformer(8, 2, 2, 1, 16, 0.0{options})"
    x, y = numbers(4, 2, 8), numbers(5, 2, 8, seed=1)
    if "batch_first" in options:
        x, y = x.swapaxes(0, 1), y.swapaxes(0, 1)
    compare(call, x, y, said=False, tgt_mask=CAUSAL, src_key_padding_mask=UNSEEN)
    compare(call, x[:, 0] if "batch" not in options else x[0], y[0, :1], said=False)


def test_mask_of_what_follows():
    ours = nn.Transformer.generate_square_subsequent_mask(5)
    near(ours, torch.nn.Transformer.generate_square_subsequent_mask(5))
    double = nn.Transformer.generate_square_subsequent_mask(2, dtype=rl.float64)
    assert double.dtype is rl.float64


FLAT, OFFSETS = np.array([1, 2, 3, 4, 1, 0]), np.array([0, 2, 2, 5, 6])
BAGS = np.array([[1, 2, 3], [1, 1, 1], [4, 0, 1]])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("options", ["", ", padding_idx=1", ", padding_idx=-3"])
def test_bags(mode, options):
    call = f"EmbeddingBag(5, 3, mode={mode!r}{options})"
    compare(call, BAGS)
    compare(call, FLAT, OFFSETS)
    compare(call[:-1] + ", include_last_offset=True)", FLAT, OFFSETS)
    if mode == "sum":
        compare(call, BAGS, per_sample_weights=numbers(3, 3))
        compare(call, FLAT, OFFSETS, per_sample_weights=numbers(6))


def test_bags_of_tables():
    table = rl.arange(6.0).reshape(3, 2)
    bag = nn.EmbeddingBag.from_pretrained(table, mode="sum")
    assert not bag.weight.requires_grad
    assert bag(rl.tensor([[0, 2]])).tolist() == [[4.0, 6.0]]
    assert nn.functional.embedding_bag(rl.zeros(2, 0).long(), table).tolist() == [[0.0, 0.0]] * 2


@pytest.mark.parametrize("size", [2, 3, 5])
@pytest.mark.parametrize("shape", [(2, 4, 3), (2, 4, 3, 2), (1, 4, 2, 1, 3)])
def test_local_response_norm(size, shape):
    compare(f"LocalResponseNorm({size}, 0.3, 0.6, 1.5)", numbers(*shape))


@pytest.mark.parametrize(
    ("layer", "shape"), [(nn.AlphaDropout, (40000,)), (nn.FeatureAlphaDropout, (200, 200, 2))]
)
def test_alpha_dropout_keeps_moments(layer, shape):
    rl.manual_seed(0)
    x = rl.randn(shape, requires_grad=True)
    for p in (0.1, 0.5):
        z = layer(p)(x)
        assert abs(z.detach().numpy().mean()) < 0.03
        assert abs(z.detach().numpy().std() - 1) < 0.03
        (g,) = rl.autograd.grad(z.sum(), x)
        assert abs(float((g == 0).float().mean()) - p) < 0.02
    if layer is nn.FeatureAlphaDropout:
        dropped = (g == 0).numpy()
        assert (dropped[..., 0] == dropped[..., 1]).all()
        assert len(set(z.detach().numpy()[dropped])) == 1
    assert layer(1.0)(x).abs().sum().item() == 0
    assert layer(0.5).eval()(x) is x


def test_gumbel_softmax():
    rl.manual_seed(0)
    logits = rl.tensor([0.0, 1.0, 2.0]).expand(30000, 3)
    z = nn.functional.gumbel_softmax(logits, tau=0.1, hard=True)
    assert (z.sum(-1) == 1).all().item()
    expected = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    np.testing.assert_allclose(z.numpy().mean(0), expected, atol=0.01)
    x = rl.tensor([[0.0, 1.0], [3.0, -1.0]], requires_grad=True)
    rl.manual_seed(1)
    soft = nn.functional.gumbel_softmax(x, dim=0)
    rl.manual_seed(1)
    hard = nn.functional.gumbel_softmax(x, hard=True, dim=0)
    (g,), (h,) = (rl.autograd.grad((z * rl.arange(2.0)).sum(), x) for z in (soft, hard))
    assert g.tolist() == h.tolist()
    near(
        hard.detach().double(),
        torch.nn.functional.one_hot(torch.tensor(soft.detach().numpy()).argmax(0), 2).T.double(),
    )


@pytest.mark.parametrize(
    "name", ["relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_", "rrelu_"]
)
def test_in_place_names(name):
    x = rl.tensor([-2.0, 0.5])
    z = getattr(nn.functional, name)(x)
    assert z is x
    near(x, getattr(torch.nn.functional, name)(torch.tensor([-2.0, 0.5])), 1e-6)


CELLS = ["RNNCell(3, 4)", "RNNCell(3, 4, False, 'relu')", "LSTMCell(3, 4)", "GRUCell(3, 4)"]
RECURRENT = [
    "RNN(3, 4)",
    "RNN(3, 4, 2, 'relu', bidirectional=True)",
    "LSTM(3, 4)",
    "LSTM(3, 4, 3, bias=False)",
    "LSTM(3, 4, 2, bidirectional=True, proj_size=2)",
    "GRU(3, 4)",
    "GRU(3, 4, 2, batch_first=True, bidirectional=True)",
]


@pytest.mark.parametrize("call", CELLS)
def test_cells(call):
    x, h, c = numbers(2, 3), numbers(2, 4), numbers(2, 4, seed=1)
    compare(call, x)
    compare(call, x[0])
    compare(call, x, (h, c) if "LSTM" in call else h)
    compare(call, x[0], (h[0], c[0]) if "LSTM" in call else h[0])


@pytest.mark.parametrize("call", RECURRENT)
def test_recurrent_layers(call):
    layer = eval(f"n.{call}", {"n": torch.nn})
    rows = layer.num_layers * (1 + layer.bidirectional)
    x, c = numbers(5, 2, 3), numbers(rows, 2, 4)
    h = numbers(rows, 2, layer.proj_size or 4, seed=1)
    x = x.swapaxes(0, 1) if layer.batch_first else x
    compare(call, x)
    compare(call, x, (h, c) if "LSTM" in call else h)
    one = (h[:, 0], c[:, 0]) if "LSTM" in call else h[:, 0]
    compare(call, x[0] if layer.batch_first else x[:, 0], one)
    compare(call, x[:, :1])


def test_parts_of_recurrent_layers():
    layer = nn.LSTM(3, 4, 2, dropout=0.5, batch_first=True)
    theirs = torch.nn.LSTM(3, 4, 2, dropout=0.5, batch_first=True)
    assert repr(layer) == repr(theirs)
    assert [[p.shape for p in row] for row in layer.all_weights] == [
        [tuple(p.shape) for p in row] for row in theirs.all_weights
    ]
    layer.flatten_parameters()
    x = rl.ones(2, 5, 3)
    rl.manual_seed(0)
    first, _ = layer(x)
    assert (first.detach().numpy() != layer(x)[0].detach().numpy()).any()
    rl.manual_seed(0)
    assert (first.detach().numpy() == layer(x)[0].detach().numpy()).all()
    layer.eval()
    assert (layer(x)[0].detach().numpy() == layer(x)[0].detach().numpy()).all()
    bound = max(float(p.detach().abs().amax()) for p in layer.parameters())
    assert 0.45 < bound <= 0.5
    with pytest.warns(UserWarning, match="dropout 0.5 drops nothing"):
        nn.GRU(3, 4, dropout=0.5)


def test_recurrent_layers_when_traced():
    for layer in (nn.LSTM(3, 4, 2, bidirectional=True), nn.GRU(3, 4), nn.RNN(3, 4)):
        traced = rl.compile(lambda x, layer=layer: layer(x)[0])
        x = rl.tensor(numbers(5, 2, 3).astype("f"))
        assert (traced(x).detach().numpy() == layer(x)[0].detach().numpy()).all()


LAYER_REFUSALS = [
    (
        lambda n, m: n.Conv2d(2, 2, 3, padding_mode="mirror"),
        "Conv2d: padding_mode 'mirror'; give 'zeros', 'reflect', 'replicate' or 'circular'",
    ),
    (
        lambda n, m: n.ConvTranspose2d(2, 2, 3, padding_mode="reflect"),
        "ConvTranspose2d: padding_mode 'reflect'; give 'zeros'",
    ),
    (
        lambda n, m: n.Transformer(8, 2, 1, 1, 8)(m.ones(4, 2, 8), m.ones(5, 3, 8)),
        "src [4, 2, 8], tgt [5, 3, 8]; give both of one batch, of vectors of length 8",
    ),
    (
        lambda n, m: n.TransformerDecoderLayer(8, 2, 16, activation="tanh"),
        "TransformerDecoderLayer: activation 'tanh'; give 'relu', 'gelu' or a function",
    ),
    (
        lambda n, m: n.GRU(3, 4)(m.zeros(5, 2, 4)),
        "GRU: float32[5, 2, 4]; give 2 or 3 axes, the last of length 3",
    ),
    (
        lambda n, m: n.LSTM(3, 4)(m.zeros(5, 2, 3), (m.zeros(1, 2, 4), m.zeros(1, 2, 5))),
        "LSTM: state [1, 2, 4], [1, 2, 5]; give [1, 2, 4] and [1, 2, 4]",
    ),
    (lambda n, m: n.GRU(3, 4)(m.zeros(0, 2, 3)), "GRU: [0, 2, 3]; give some steps"),
    (lambda n, m: n.RNN(3, 0), "RNN: hidden_size is 0; give an integer from 1"),
    (lambda n, m: n.LSTM(3, 4, proj_size=4), "LSTM: proj_size 4; give less than hidden_size"),
    (
        lambda n, m: n.RNN(3, 4, nonlinearity="elu"),
        "RNN: nonlinearity 'elu'; give 'tanh' or 'relu'",
    ),
    (
        lambda n, m: n.GRUCell(3, 4)(m.zeros(2, 3), m.zeros(3, 4)),
        "GRUCell: state [3, 4]; give [2, 4]",
    ),
    (
        lambda n, m: n.ConvTranspose1d(2, 2, 3, 2)(m.ones(2, 4), output_size=(11,)),
        "output_size [11] of float32[2, 4]; give [9], or less than stride (2,) more",
    ),
]


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
@pytest.mark.parametrize(
    ("make", "message"), LAYER_REFUSALS, ids=[text for _, text in LAYER_REFUSALS]
)
def test_refusals_of_layers(make, message):
    with pytest.raises(rl.RushlightError) as error:
        make(nn, rl)
    assert str(error.value).endswith(message)
    with pytest.raises(Exception) as theirs:  # noqa: PT011  its class is what is asked
        make(torch.nn, torch)
    assert isinstance(error.value, theirs.type)


@pytest.mark.parametrize(
    ("shape", "groups"), [((4, 3, 5), 1), ((6, 2, 3, 4), 3), ((2, 4, 1, 2, 3), 2), ((6, 1, 3), 2)]
)
def test_dirac(shape, groups):
    ours, theirs = rl.ones(shape), torch.ones(shape)
    assert nn.init.dirac_(ours, groups) is ours
    near(ours, torch.nn.init.dirac_(theirs, groups))


def test_sparse():
    for rows, share, zeros in ((40, 0.1, 4), (7, 0.5, 4), (5, 0.0, 0)):
        x = nn.init.sparse_(rl.empty(rows, 300), share, 2.0).numpy()
        assert ((x == 0).sum(0) == zeros).all()
        assert abs(x[x != 0].std() - 2.0) < 0.2
    rl.manual_seed(7)
    first = nn.init.sparse_(rl.empty(40, 30), 0.2)
    assert len({tuple(np.flatnonzero(column)) for column in (first.numpy() == 0).T}) > 20
    rl.manual_seed(7)
    assert (nn.init.sparse_(rl.empty(40, 30), 0.2).numpy() == first.numpy()).all()
    generator = rl.Generator().manual_seed(3)
    some = nn.init.sparse_(rl.empty(40, 30), 0.2, generator=generator)
    again = nn.init.sparse_(rl.empty(40, 30), 0.2, generator=rl.Generator().manual_seed(3))
    assert (some.numpy() == again.numpy()).all()


def test_gains_of_all_linear_layers():
    for name in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear", "conv3d"):
        assert nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name) == 1


@pytest.mark.parametrize(
    ("name", "shape", "arguments"),
    [("dirac_", (3, 3), ()), ("dirac_", (3, 3, 3), (2,)), ("sparse_", (3, 3, 3), (0.1,))],
)
def test_refusals_of_initialisation(name, shape, arguments):
    with pytest.raises(rl.ContractError, match=name):
        getattr(nn.init, name)(rl.ones(shape), *arguments)
    with pytest.raises(ValueError):  # noqa: PT011  PyTorch's class is what is asked
        getattr(torch.nn.init, name)(torch.ones(shape), *arguments)


def test_classes_derive_from_each_other_as_theirs():
    both = [name for name in nn.layers.__all__ if isinstance(vars(nn)[name], type)]
    for name in both:
        for other in both:
            mine = issubclass(vars(nn)[name], vars(nn)[other])
            theirs = issubclass(vars(torch.nn)[name], vars(torch.nn)[other])
            assert mine == theirs, (name, other)


WHOLE = [
    ("PReLU(3)", (2, 3, 4)),
    ("RReLU()", (4, 5)),
    ("AlphaDropout(0.3)", (4, 5)),
    ("AdaptiveMaxPool2d((3, 4))", (2, 3, 7, 6)),
    ("LPPool2d(3, 2)", (2, 3, 4, 4)),
    ("LocalResponseNorm(3)", (2, 4, 3)),
    ("PixelUnshuffle(2)", (2, 3, 4, 6)),
    ("ReflectionPad2d((2, 1, 3, 0))", (2, 3, 4, 5)),
    ("Conv2d(4, 4, 3, 2, 2, padding_mode='circular')", (2, 4, 5, 6)),
    ("TransformerEncoderLayer(8, 2, 16)", (3, 2, 8)),
    ("LSTM(3, 4, 2, dropout=0.2, bidirectional=True, proj_size=2)", (5, 2, 3)),
    ("GRUCell(3, 4)", (2, 3)),
]


@pytest.mark.parametrize(("call", "shape"), WHOLE)
def test_a_layer_learns_alike_on_other_devices_and_traced(call, shape):
    found = []
    for device, way in (("numpy", None), ("numpy", rl.compile), ("hostile", None)):
        rl.manual_seed(0)
        layer = eval(f"n.{call}", {"n": nn}).to(device)
        x = rl.tensor(np.abs(numbers(*shape)).astype("f"), device=device)

        def step(x, layer=layer):
            z = layer(x)
            z = z[0] if isinstance(z, tuple) else z
            if z.requires_grad:
                (z**3).sum().backward()
            return z

        z = (way or (lambda f: f))(step)(x)
        grads = [p.grad for p in layer.parameters()]
        found.append([v.detach().to("numpy").numpy() for v in [z, *grads]])
    for eager, traced, hostile in zip(*found, strict=True):
        np.testing.assert_array_equal(traced, eager)
        # float32, sums of some hundred through up to ten steps, in another order
        np.testing.assert_allclose(hostile, eager, rtol=1e-4, atol=1e-5 * np.abs(eager).max())


def test_bags_on_other_devices_and_traced():
    for mode in ("sum", "mean", "max"):
        bag = nn.EmbeddingBag(5, 3, mode=mode, padding_idx=1)
        z = bag(rl.tensor(FLAT), rl.tensor(OFFSETS))
        traced = rl.compile(lambda *xs, bag=bag: bag(*xs))(rl.tensor(FLAT), rl.tensor(OFFSETS))
        assert (traced.detach().numpy() == z.detach().numpy()).all()
        there = bag.to("hostile")(rl.tensor(FLAT).to("hostile"), rl.tensor(OFFSETS).to("hostile"))
        np.testing.assert_allclose(there.detach().numpy(), z.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", ["attn_mask", "key_padding_mask"])
@pytest.mark.parametrize("dtype", ["uint8", "int64"])
def test_masks_of_integers_are_refused(name, dtype):
    """Whether 1 means seen or unseen is anybody's guess."""
    given = {"attn_mask": [[1, 0], [0, 1]], "key_padding_mask": [[1, 0]]}[name]
    for lib, layers, error in ((rl, nn, rl.ContractError), (torch, torch.nn, AssertionError)):
        x, mask = lib.ones(2, 1, 4), lib.tensor(given, dtype=getattr(lib, dtype))
        with pytest.raises(error, match=name):
            layers.MultiheadAttention(4, 2)(x, x, x, **{name: mask})
