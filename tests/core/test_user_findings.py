"""What users of PyTorch stumbled over, beside PyTorch: calls of long ago, nonsense, idioms."""

import numpy as np
import pytest
import rushlight_nn
import torch

import rushlight as rl

LIBRARIES = pytest.mark.parametrize("t", [rl, torch], ids=["rushlight", "torch"])


class TestIgnoreIndexIsNoBool:
    """Where size_average stood in PyTorch of long ago."""

    @pytest.mark.parametrize("loss", [rl.nll_loss, rl.cross_entropy])
    @pytest.mark.parametrize("given", [True, False, None])
    def test_functions(self, loss, given):
        x, target = rl.ones(2, 3), rl.tensor([0, 1])
        with pytest.raises(rl.WrongType, match=rf"{loss.__name__}: ignore_index {given}; .*'sum'"):
            loss(x, target, None, given)
        with pytest.raises(rl.WrongType, match="ignore_index"):
            loss(x, target, rl.ones(3), given)

    @pytest.mark.parametrize("layer", ["NLLLoss", "CrossEntropyLoss"])
    @pytest.mark.parametrize("given", [True, False, None])
    def test_layers(self, layer, given):
        with pytest.raises(rl.WrongType, match=rf"{layer}: ignore_index is {given}; .*'sum'"):
            getattr(rushlight_nn, layer)(None, given)

    def test_other_numbers(self):
        x, target = rl.tensor([[1.0, 2.0], [3.0, 5.0]]), rl.tensor([0, 1])
        for loss in (rl.nll_loss, rl.cross_entropy):
            wanted = loss(x, target, ignore_index=1)
            assert loss(x, target, ignore_index=np.int64(1)).item() == wanted.item()
            with pytest.raises(rl.WrongType, match=r"ignore_index 0\.5; give an integer"):
                loss(x, target, ignore_index=0.5)
