"""Rows of a table that are kept short while they are looked up, beside PyTorch."""

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn

torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")

TABLE = np.random.default_rng(0).normal(size=(6, 4)).astype("float32") * 2
INDEX = [[0, 3, 3], [5, 0, 1]]


def both(name, *args, **kwargs):
    """The layer here and PyTorch's, of one table."""
    pair = getattr(nn, name)(6, 4, *args, **kwargs), getattr(torch.nn, name)(6, 4, *args, **kwargs)
    pair[0].load_state_dict({"weight": rl.tensor(TABLE)})
    pair[1].load_state_dict({"weight": torch.tensor(TABLE)})
    return pair


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
@pytest.mark.parametrize(
    "options",
    [
        {"max_norm": 1.0},
        {"max_norm": 2.5, "norm_type": 1.0},
        {"max_norm": 1.5, "norm_type": float("inf")},
        {"max_norm": 0.0},
        {"max_norm": 1e9},
        {"max_norm": 1.0, "padding_idx": 3},
    ],
    ids=str,
)
def test_long_rows_are_shortened_in_the_table(name, options):
    ours, theirs = both(name, **options)
    assert repr(ours) == repr(theirs)
    for _ in range(2):  # the second time finds them short
        z, expected = ours(rl.tensor(INDEX)), theirs(torch.tensor(INDEX))
        np.testing.assert_allclose(z.detach().numpy(), expected.detach().numpy(), rtol=2e-6)
        np.testing.assert_allclose(
            ours.weight.detach().numpy(), theirs.weight.detach().numpy(), rtol=2e-6
        )
    (z * z).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(
        ours.weight.grad.numpy(), theirs.weight.grad.numpy(), rtol=1e-5, atol=1e-6
    )
    untouched = [2, 4]
    np.testing.assert_array_equal(ours.weight.detach().numpy()[untouched], TABLE[untouched])


def test_a_compiled_layer_shortens_them_too():
    ours, _ = both("Embedding", max_norm=1.0)
    again, _ = both("Embedding", max_norm=1.0)
    z = rl.compile(again)(rl.tensor(INDEX))
    np.testing.assert_array_equal(z.detach().numpy(), ours(rl.tensor(INDEX)).detach().numpy())
    np.testing.assert_array_equal(again.weight.detach().numpy(), ours.weight.detach().numpy())


def test_the_function_takes_pytorchs_arguments():
    ours, theirs = rl.tensor(TABLE), torch.tensor(TABLE)
    z = nn.functional.embedding(rl.tensor(INDEX), ours, None, 1.0, 3.0, False, False)
    expected = torch.nn.functional.embedding(torch.tensor(INDEX), theirs, None, 1.0, 3.0)
    np.testing.assert_allclose(z.numpy(), expected.numpy(), rtol=2e-6)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-6)
    assert nn.functional.embedding(rl.zeros(0).long(), ours, max_norm=1.0).shape == (0, 4)


@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
def test_what_is_not_supported_is_refused(name):
    with pytest.raises(rl.ContractError, match="sparse are not supported; leave them out"):
        getattr(nn.functional, name)(rl.tensor(INDEX), rl.tensor(TABLE), sparse=True)


def test_a_table_that_there_is_keeps_its_options():
    table = nn.Embedding.from_pretrained(rl.tensor(TABLE), max_norm=1.0)
    bag = nn.EmbeddingBag.from_pretrained(rl.tensor(TABLE), max_norm=1.0, mode="sum")
    assert float(table(rl.tensor([0])).norm()) == pytest.approx(1.0, rel=1e-6)
    assert (bag.mode, bag.max_norm) == ("sum", 1.0)
