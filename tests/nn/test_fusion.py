"""Layers with their normalisation beside torch.nn.utils.fusion and beside the two layers."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.utils import fusion as theirs

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn.utils import fusion

EPS = 2.0**-20
# The class, its arguments, the shape of an input, and whether it is transposed.
CONVOLUTIONS = {
    "line": ("Conv1d", (4, 6, 3), {"padding": 1}, (2, 4, 9)),
    "image": ("Conv2d", (3, 6, 3), {"stride": 2, "bias": False}, (2, 3, 8, 7)),
    "grouped": ("Conv2d", (4, 6, 3), {"groups": 2}, (2, 4, 8, 7)),
    "volume": ("Conv3d", (2, 6, 2), {}, (1, 2, 4, 3, 5)),
    "transposed": ("ConvTranspose2d", (3, 6, 3), {"stride": 2}, (2, 3, 5, 4)),
}


def filled(layer: Any, tensor: Any, seed: int = 0) -> Any:
    """The layer in evaluation, with numbers that its state alone decides; variances positive."""
    rng = np.random.default_rng(seed)
    state = {
        name: tensor((np.abs if name.endswith("var") else np.positive)(rng.standard_normal(shape)))
        for name, shape in [(k, tuple(v.shape)) for k, v in layer.state_dict().items()]
        if not name.endswith("tracked")
    }
    layer.load_state_dict(state, strict=False)
    return layer.eval()


def ours(layer: Any) -> Any:
    return filled(layer, lambda x: rl.tensor(x.astype(np.float32)))


def of_torch(layer: Any) -> Any:
    return filled(layer, lambda x: torch.tensor(x, dtype=torch.float32))


def assert_close(z: Any, y: Any) -> None:
    x = np.asarray(y.detach().numpy())
    np.testing.assert_allclose(z.detach().numpy(), x, rtol=16 * EPS, atol=16 * EPS)


def batch_norm(library: Any, dims: int, features: int, affine: bool) -> Any:
    return getattr(library, f"BatchNorm{dims}d")(features, affine=affine, eps=1e-3)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_a_convolution_takes_up_its_normalisation(kind: str, affine: bool) -> None:
    name, args, options, shape = CONVOLUTIONS[kind]
    dims, transpose = len(shape) - 2, "Transpose" in name
    conv = ours(getattr(nn, name)(*args, **options))
    bn = ours(batch_norm(nn, dims, 6, affine))
    fused = fusion.fuse_conv_bn_eval(conv, bn, transpose)
    other = theirs.fuse_conv_bn_eval(
        of_torch(getattr(torch.nn, name)(*args, **options)),
        of_torch(batch_norm(torch.nn, dims, 6, affine)),
        transpose,
    )
    assert_close(fused.weight, other.weight)
    assert_close(fused.bias, other.bias)
    assert fused.bias.requires_grad is other.bias.requires_grad
    assert [*fused.state_dict()] == [*other.state_dict()]
    x = rl.tensor(np.random.default_rng(1).standard_normal(shape).astype(np.float32))
    assert_close(fused(x), bn(conv(x)))
    assert (conv.bias is None) is (options.get("bias") is False)  # the layer is as it was


def test_a_transposed_convolution_of_groups() -> None:
    """PyTorch's function takes none of them."""
    conv, bn = ours(nn.ConvTranspose2d(4, 6, 3, groups=2)), ours(nn.BatchNorm2d(6))
    x = rl.tensor(np.random.default_rng(1).standard_normal((2, 4, 5, 6)).astype(np.float32))
    assert_close(fusion.fuse_conv_bn_eval(conv, bn, transpose=True)(x), bn(conv(x)))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("features", [5, 1])
def test_a_linear_layer_takes_up_its_normalisation(features: int, bias: bool) -> None:
    linear, bn = ours(nn.Linear(3, 5, bias=bias)), ours(nn.BatchNorm1d(features))
    fused = fusion.fuse_linear_bn_eval(linear, bn)
    other = theirs.fuse_linear_bn_eval(
        of_torch(torch.nn.Linear(3, 5, bias=bias)), of_torch(torch.nn.BatchNorm1d(features))
    )
    shape = (4, 1, 3) if features == 1 else (4, 3)
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    assert_close(fused(rl.tensor(x)), other(torch.tensor(x)))
    assert_close(fused(rl.tensor(x)), bn(linear(rl.tensor(x))))
    assert tuple(fused.bias.shape) == (5,)


def test_types_of_weights_stay() -> None:
    conv = ours(nn.Conv2d(2, 3, 1)).to(rl.float16)
    weight, bias = fusion.fuse_conv_bn_weights(
        conv.weight, conv.bias, rl.zeros(3), rl.ones(3), 1e-5, None, None
    )
    assert (weight.dtype, bias.dtype) == (rl.float16, rl.float16)


def test_what_cannot_be_one_layer_is_refused() -> None:
    conv, bn = nn.Conv2d(2, 3, 1).eval(), nn.BatchNorm2d(3).eval()
    with pytest.raises(rl.ContractError, match=r"a layer in training mode; call eval\(\) on both"):
        fusion.fuse_conv_bn_eval(conv, nn.BatchNorm2d(3))
    with pytest.raises(rl.ContractError, match="a normalisation without running statistics"):
        fusion.fuse_conv_bn_eval(conv, nn.BatchNorm2d(3, track_running_stats=False).eval())
    with pytest.raises(rl.ContractError, match="a Conv2d and transpose=True; give transpose=False"):
        fusion.fuse_conv_bn_eval(conv, bn, transpose=True)
    with pytest.raises(rl.ContractError, match="4 features and a normalisation of 3"):
        fusion.fuse_linear_bn_eval(nn.Linear(2, 4).eval(), bn)
