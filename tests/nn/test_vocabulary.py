"""Layers beside PyTorch's with the same weights: repr, state dict, output and gradients."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn

LOSSES = [
    "SmoothL1Loss()",
    "SmoothL1Loss(beta=0.5, reduction='sum')",
    "HuberLoss()",
    "HuberLoss(delta=0.5, reduction='none')",
    "KLDivLoss(log_target=True)",
    "KLDivLoss(reduction='batchmean', log_target=True)",
    "CosineSimilarity()",
]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype("f")


def twins(call):
    """A layer by both libraries, with the same weights."""
    ours = eval(call, {"n": nn, **vars(nn)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = eval(call, {"n": torch.nn, **vars(torch.nn)})
    state = theirs.state_dict()
    mine = ours.state_dict()
    assert [*mine] == [*state]
    assert [tuple(v.shape) for v in mine.values()] == [tuple(v.shape) for v in state.values()]
    ours.load_state_dict({k: rl.tensor(v.numpy().copy()) for k, v in state.items()})
    return ours, theirs


def near(mine, other, tolerance=3e-5):
    assert tuple(mine.shape) == tuple(other.shape)
    np.testing.assert_allclose(
        mine.detach().numpy(), other.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def compare(call, *arrays, said=True, **options):
    """repr, state dict, output, the gradients of inputs and parameters, state afterwards."""
    ours, theirs = twins(call)
    if said:
        assert repr(ours) == repr(theirs)
    results = []
    for module, layer in ((rl, ours), (torch, theirs)):
        xs = [module.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        given = {k: module.tensor(v) if hasattr(v, "shape") else v for k, v in options.items()}
        z = layer(*xs, **given)
        parts = [part for part in (z if isinstance(z, tuple) else (z,)) if part is not None]
        sum((part**2).sum() for part in parts).backward()
        found = [*parts, *[x.grad for x in xs if x.requires_grad]]
        found += [p.grad for p in layer.parameters()]
        results.append([*found, *layer.state_dict().values()])
    for mine, other in zip(*results, strict=True):
        near(mine, other)
    return ours, theirs


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.parametrize("call", LOSSES)
def test_losses(call):
    compare(call, numbers(4, 5), numbers(4, 5, seed=1))


LAYERS = [
    ("Conv1d(3, 4, 3, padding=1, dilation=2)", (2, 3, 9)),
    ("Conv1d(4, 4, 3, groups=2, stride=2, bias=False)", (4, 9)),
    ("Conv3d(3, 4, (1, 3, 5), padding='same')", (2, 3, 4, 5, 3)),
    ("ConvTranspose1d(3, 4, 3, stride=2, output_padding=1)", (2, 3, 5)),
    ("ConvTranspose2d(4, 6, 3, stride=(2, 1), padding=1, groups=2)", (2, 4, 5, 4)),
    ("ConvTranspose2d(4, 6, 2, dilation=2, bias=False)", (4, 5, 4)),
    ("ConvTranspose3d(3, 2, 2, stride=2)", (1, 3, 2, 3, 2)),
    ("MaxPool1d(2)", (2, 3, 7)),
    ("MaxPool2d(2, ceil_mode=True)", (2, 3, 7, 5)),
    ("MaxPool3d(2, stride=1, padding=1)", (2, 3, 4, 3, 5)),
    ("AvgPool1d(2, ceil_mode=True)", (2, 3, 7)),
    ("AvgPool3d(2, stride=1, padding=1, count_include_pad=False)", (2, 3, 4, 3, 5)),
    ("AdaptiveAvgPool1d(3)", (2, 3, 7)),
    ("AdaptiveAvgPool2d((3, None))", (2, 3, 7, 5)),
    ("AdaptiveAvgPool3d(2)", (2, 3, 4, 3, 5)),
    ("PixelShuffle(2)", (2, 8, 3, 4)),
    ("PixelShuffle(3)", (9, 3, 4)),
    ("ReLU6()", (4, 5)),
    ("Hardswish()", (4, 5)),
    ("Hardsigmoid()", (4, 5)),
    ("Mish()", (4, 5)),
    ("SELU()", (4, 5)),
    ("Softsign()", (4, 5)),
    ("LogSigmoid()", (4, 5)),
    ("Hardtanh(-0.5, 0.3)", (4, 5)),
    ("BatchNorm3d(3)", (2, 3, 2, 4, 3)),
    ("InstanceNorm1d(3)", (2, 3, 7)),
    ("InstanceNorm1d(3, affine=True)", (3, 7)),
    ("InstanceNorm2d(3, affine=True, eps=0.1)", (2, 3, 4, 5)),
    ("InstanceNorm2d(3, track_running_stats=True)", (2, 3, 4, 5)),
    ("InstanceNorm3d(3, affine=True, track_running_stats=True)", (2, 3, 2, 4, 3)),
    ("GroupNorm(2, 4)", (3, 4, 5)),
    ("GroupNorm(4, 4, affine=False)", (3, 4, 5, 2)),
    ("GroupNorm(1, 4, bias=False)", (3, 4)),
    ("RMSNorm(5)", (3, 5)),
    ("RMSNorm((4, 5), eps=0.1)", (3, 4, 5)),
    ("RMSNorm(5, elementwise_affine=False)", (3, 5)),
    ("Dropout1d(0.0)", (2, 3, 4)),
    ("Dropout2d(0.0)", (2, 3, 4, 4)),
    ("Dropout3d(0.0)", (2, 3, 2, 4, 4)),
]


@pytest.mark.parametrize(("call", "shape"), LAYERS)
def test_layers(call, shape):
    ours, theirs = compare(call, numbers(*shape))
    x = numbers(*shape, seed=1)
    near(ours.eval()(rl.tensor(x)), theirs.eval()(torch.tensor(x)))


@pytest.mark.parametrize("call", ["Embedding(5, 3)", "Embedding(5, 3, padding_idx=-2)"])
def test_embedding(call):
    compare(call, np.array([[0, 3, 3], [4, 1, 3]]))


def test_padding_of_embeddings():
    layer = nn.Embedding(5, 3, padding_idx=2)
    assert layer.weight[2].tolist() == [0.0] * 3
    pretrained = nn.Embedding.from_pretrained(rl.ones(4, 2))
    assert not pretrained.weight.requires_grad
    with pytest.raises(rl.ContractError, match="padding_idx 5 of 5 rows"):
        nn.Embedding(5, 3, padding_idx=5)
    with pytest.raises(IndexError):
        layer(rl.tensor([5]))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Dropout1d, (20, 30, 4)), (nn.Dropout2d, (20, 30, 2, 2)), (nn.Dropout3d, (600, 2, 2, 1))],
)
def test_channels_drop_together(layer, shape):
    z = layer(0.25)(rl.ones(shape)).numpy()
    channels = z.reshape(600, -1)
    assert (channels == channels[:, :1]).all()
    assert set(np.unique(z)) == {0.0, np.float32(1 / 0.75)}
    assert 0.15 < (channels == 0).mean() < 0.35


SEEN = np.array([[1, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]], bool)
ATTENTION = [
    ((2, 3, 5), (2, 4, 5), {}),
    ((3, 5), (4, 5), {}),
    ((2, 2, 3, 5), (2, 2, 4, 5), {"is_causal": True}),
    ((2, 3, 5), (2, 4, 5), {"attn_mask": SEEN[:2].repeat(2, 0)[:3]}),
    ((2, 3, 5), (2, 4, 5), {"attn_mask": SEEN}),
    ((2, 3, 5), (2, 4, 5), {"attn_mask": numbers(3, 4), "scale": 0.3}),
    ((2, 6, 3, 5), (2, 2, 4, 5), {"enable_gqa": True, "is_causal": True}),
]


@pytest.mark.parametrize(("query", "key", "options"), ATTENTION)
def test_attention(query, key, options):
    found = []
    for module, functional in ((rl, nn.functional), (torch, torch.nn.functional)):
        xs = [numbers(*query), numbers(*key, seed=1), numbers(*key, seed=2)]
        xs = [module.tensor(x, requires_grad=True) for x in xs]
        given = {k: module.tensor(v) if hasattr(v, "shape") else v for k, v in options.items()}
        z = functional.scaled_dot_product_attention(*xs, **given)
        (z**2).sum().backward()
        found.append([z, *[x.grad for x in xs]])
    for mine, other in zip(*found, strict=True):
        near(mine, other)


def test_attention_drops_weights():
    q, v = rl.zeros(1, 2), rl.ones(400, 1)
    z = nn.functional.scaled_dot_product_attention(q, rl.zeros(400, 2), v, dropout_p=0.5)
    assert 0.7 < z.item() < 1.3
    assert z.item() != 1.0


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("attn_mask with is_causal=True; give one of them", {"is_causal": True}),
        ("heads in axis -3 that divide query's", {"enable_gqa": True}),
    ],
)
def test_refusals_of_attention(message, options):
    q = rl.ones(2, 3)
    mask = rl.ones(2, 2) if "is_causal" in options else None
    with pytest.raises(rl.ContractError, match=message):
        nn.functional.scaled_dot_product_attention(q, q, q, mask, **options)


@pytest.mark.parametrize("options", ["", ", batch_first=True", ", bias=False"])
@pytest.mark.parametrize("masks", [{}, {"need_weights": False}, {"average_attn_weights": False}])
def test_multihead_attention(options, masks):
    x = numbers(3, 3, 8)
    compare(f"MultiheadAttention(8, 2{options})", x, x + 1, x - 1, said=False, **masks)


def test_masks_of_multihead_attention():
    x, y = numbers(4, 2, 8), numbers(3, 2, 8)
    padding, mask = np.array([[0, 0, 1], [0, 1, 0]], bool), ~np.tri(4, 3, dtype=bool)
    call = "MultiheadAttention(8, 2)"
    for need_weights in (True, False):
        given = {"need_weights": need_weights, "key_padding_mask": padding}
        compare(call, x, y, y, said=False, **given)
        compare(call, x, y, y, said=False, attn_mask=mask, **given)
    compare(call, x, y, y, said=False, attn_mask=numbers(4, 4, 3))
    compare(call, x[:, 0], y[:, 0], y[:, 0], said=False, attn_mask=numbers(4, 3))
    call = "MultiheadAttention(8, 2, kdim=5, vdim=6)"
    compare(call, x, numbers(3, 2, 5), numbers(3, 2, 6), said=False)


ENCODERS = [
    "TransformerEncoderLayer(8, 2, 16, dropout=0.0)",
    "TransformerEncoderLayer(8, 2, 16, 0.0, 'gelu', norm_first=True, batch_first=True)",
    "TransformerEncoderLayer(8, 2, 16, 0.0, n.functional.silu, bias=False)",
    "TransformerEncoder(n.TransformerEncoderLayer(8, 2, 16, 0.0), 2)",
    "TransformerEncoder(n.TransformerEncoderLayer(8, 2, 16, 0.0), 2, n.LayerNorm(8))",
]


@pytest.mark.parametrize("call", ENCODERS)
def test_encoders(call):
    compare(call, numbers(3, 3, 8), said=False)
    name = "mask" if call.startswith("TransformerEncoder(") else "src_mask"
    causal = {name: np.triu(np.full((3, 3), -np.inf, "f"), 1)}
    compare(call, numbers(3, 3, 8), said=False, is_causal=True, **causal)
    padding = {"src_key_padding_mask": np.array([[0, 0, 1]] * 3, bool)}
    compare(call, numbers(3, 3, 8), said=False, **padding)
