"""State dicts from before batches were counted, and the text of containers of parameters."""

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn

torch = pytest.importorskip("torch", reason="PyTorch is the oracle here")


@pytest.mark.parametrize(
    "make", [lambda n: n.BatchNorm2d(3), lambda n: n.InstanceNorm2d(3, track_running_stats=True)]
)
@pytest.mark.parametrize("assign", [False, True])
def test_a_state_without_the_count_of_batches_is_loaded(make, assign):
    ours, theirs = nn.Sequential(make(nn)), torch.nn.Sequential(make(torch.nn))
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype("float32")
    ours(rl.tensor(x))
    theirs(torch.tensor(x))
    old = {key: value.numpy() + 1 for key, value in theirs.state_dict().items()}
    del old["0.num_batches_tracked"]
    found = ours.load_state_dict(old, assign=assign)
    expected = theirs.load_state_dict({k: torch.tensor(v) for k, v in old.items()}, assign=assign)
    assert (found.missing_keys, found.unexpected_keys) == ([], []) == (*expected,)
    for key, value in theirs.state_dict().items():
        np.testing.assert_array_equal(ours.state_dict()[key].numpy(), value.numpy(), key)


def test_any_other_missing_key_is_refused():
    norm = nn.BatchNorm1d(3)
    state = norm.state_dict()
    del state["running_mean"], state["num_batches_tracked"]
    with pytest.raises(rl.ContractError, match=r"missing keys: 'running_mean'$"):
        norm.load_state_dict(state)
    # another module's tensor of this name is not forgiven
    net = nn.Module()
    net.register_buffer("num_batches_tracked", rl.zeros(1))
    with pytest.raises(rl.ContractError, match=r"missing keys: 'num_batches_tracked'$"):
        net.load_state_dict({})


@pytest.mark.parametrize("shapes", [[], [(2, 3)], [(2, 3), ()]], ids=str)
def test_a_list_of_parameters_reads_as_pytorchs(shapes):
    ours = nn.ParameterList(rl.zeros(shape) for shape in shapes)
    theirs = torch.nn.ParameterList(torch.zeros(shape) for shape in shapes)
    theirs = torch.nn.ParameterList(map(torch.nn.Parameter, theirs))
    assert repr(ours) == repr(theirs).replace("torch.float32", "float32")


@pytest.mark.parametrize("names", [[], ["a"], ["a", "bb"]], ids=str)
def test_a_dict_of_parameters_reads_as_pytorchs(names):
    ours = nn.ParameterDict({name: rl.zeros(2) for name in names})
    theirs = torch.nn.ParameterDict({n: torch.nn.Parameter(torch.zeros(2)) for n in names})
    assert repr(ours) == repr(theirs).replace("torch.FloatTensor", "float32")
