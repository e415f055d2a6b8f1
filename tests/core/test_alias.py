"""Parts write through to their whole: beside PyTorch, whose views share memory."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import rushlight as rl

torch = pytest.importorskip("torch", reason="the tests beside PyTorch need it")

VIEWS = {
    "flat": lambda x: x.reshape(-1),
    "column": lambda x: x.reshape(-1, 1),
    "turned": lambda x: x.mT if x.ndim > 1 else x.unsqueeze(0),
    "row": lambda x: x[0] if x.ndim else x.unsqueeze(0),
    "last": lambda x: x[..., -1:] if x.ndim else x.unsqueeze(0),
    "steps": lambda x: x[::2] if x.ndim else x.unsqueeze(0),
    "new": lambda x: x.unsqueeze(-1),
    "squeezed": lambda x: x.squeeze(),
    "half": lambda x: x.chunk(2)[-1] if x.ndim else x.unsqueeze(0),
    "narrow": lambda x: x.narrow(0, 1, 1) if x.ndim and x.shape[0] > 1 else x.unsqueeze(0),
    "swapped": lambda x: x.transpose(0, -1) if x.ndim else x.unsqueeze(0),
    "detached": lambda x: x.detach(),
    "data": lambda x: x.data,
}
CHANGES = {
    "add": lambda x: x.add_(1.0),
    "mul": lambda x: x.mul_(-2.0),
    "fill": lambda x: x.fill_(7.0),
    "zero": lambda x: x.zero_(),
    "set": lambda x: x.__setitem__(0 if x.ndim else (), 5.0),
    "rest": lambda x: x.__setitem__((..., slice(1, None)) if x.ndim else (), 3.0),
}


def viewed(x, names):
    """The last of a chain of views; those between are given up."""
    for name in names:
        if name in {"flat", "column"} and isinstance(x, torch.Tensor):
            assert x.is_contiguous()  # else PyTorch would copy
        x = VIEWS[name](x)
    return x


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_chain_of_views_changes_its_whole_as_in_pytorch(data):
    """Views of views, made and changed in any order: what is changed is right, and the whole."""
    values = np.arange(24, dtype=np.float32).reshape(
        data.draw(st.sampled_from([(4, 6), (2, 3, 4)]))
    )
    ours, theirs = [rl.tensor(values)], [torch.tensor(values)]
    for _ in range(data.draw(st.integers(1, 8))):
        i = data.draw(st.integers(0, len(ours) - 1))
        if data.draw(st.booleans()):
            names = []
            x = theirs[i]
            for name in data.draw(st.lists(st.sampled_from(sorted(VIEWS)), max_size=3)):
                if name in {"flat", "column"} and not x.is_contiguous():
                    continue
                x = VIEWS[name](x)
                names.append(name)
            theirs.append(x)
            ours.append(viewed(ours[i], names))
        else:
            how = CHANGES[data.draw(st.sampled_from(sorted(CHANGES)))]
            if theirs[i].numel():
                how(ours[i])
                how(theirs[i])
                np.testing.assert_array_equal(ours[i].numpy(), theirs[i].numpy())
        np.testing.assert_array_equal(ours[0].numpy(), theirs[0].numpy())


def test_a_part_looks_again_before_it_is_changed():
    x = rl.zeros(4)
    part = x.view(2, 2)
    x.add_(1.0)
    assert part.tolist() == [[0.0, 0.0], [0.0, 0.0]]  # it keeps what it showed
    part.mul_(3.0)
    assert x.tolist() == [3.0] * 4
    assert part.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_parts_side_by_side_are_written_one_after_another():
    x = rl.zeros(4, 2)
    for i, part in enumerate(x.split(1)):
        part.add_(float(i))
    assert x.tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]


def test_a_part_does_not_keep_its_whole_alive():
    x = rl.zeros(4)
    gone = weakref.ref(x)
    part = x.view(2, 2)[0]
    del x
    gc.collect()
    assert gone() is None
    assert part.add_(1.0).tolist() == [1.0, 1.0]


def test_gradients_flow_through_a_changed_part():
    x = rl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    t = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    for leaf in (x, t):
        h = leaf * 2.0
        h.view(3, 1)[1:].mul_(leaf[0])
        (h * h).sum().backward()
    assert x.grad.tolist() == t.grad.tolist()


def test_a_part_of_a_leaf_is_changed_under_no_grad_only():
    x = rl.zeros(3, requires_grad=True)
    with pytest.raises(rl.ContractError, match="do it under"):
        x.view(-1).zero_()
    with rl.no_grad():
        x.view(-1).fill_(2.0)
    x.data.view(-1)[0] = 1.0
    assert x.tolist() == [1.0, 2.0, 2.0]
    assert x.requires_grad


def test_what_is_shown_many_times_is_not_assigned():
    x = rl.zeros(1)
    with pytest.raises(rl.ContractError, match=r"expand: .* shows elements of .* clone\(\)"):
        x.expand(3).add_(1.0)
    x = rl.zeros(2)
    x.expand(1, 2).add_(1.0)
    assert x.tolist() == [1.0, 1.0]


def test_parts_are_written_in_compiled_functions_too():
    whole = rl.zeros(2, 2)

    @rl.compile
    def change(x):
        whole.view(-1)[1:3].add_(1.0)
        x.mT[0].fill_(4.0)
        return whole * 1.0

    for i in (1.0, 2.0):
        x = rl.zeros(2, 2)
        assert change(x).tolist() == whole.tolist() == [[0.0, i], [i, 0.0]]
        assert x.tolist() == [[4.0, 0.0], [4.0, 0.0]]


def test_an_argument_that_is_a_part_is_written_through():
    x = rl.zeros(2, 2)
    add = rl.compile(lambda part: part.add_(1.0))
    add(x[1])
    add(x.mT[0])
    assert x.tolist() == [[1.0, 0.0], [2.0, 1.0]]


# -- beside PyTorch, with gradients ---------------------------------------------------------------


def detached_then_scaled(t):
    """What is detached has a tape of its own once it is changed by what asks for a gradient."""
    w = t.ones(3, requires_grad=True)
    h = (t.ones(3) * 2).detach()
    h.mul_(w)
    h.mul_(w)
    h.sum().backward()
    return w.grad.tolist()


def detached_then_set(t):
    w = t.ones(2, requires_grad=True)
    x = t.zeros(3)
    h = x.detach()
    h[0] = w[0] * 2
    h[1:].add_(w[1] * 3)
    h.sum().backward()
    return w.grad.tolist(), x.tolist()


def truncated(t):
    w = t.ones(1, requires_grad=True)
    h = t.zeros(1)
    for _ in range(3):
        h = h.detach()
        h += w
        h *= 2
        h.sum().backward()
    return w.grad.tolist()


def a_part_changed_quietly(t):
    w = t.ones(3, requires_grad=True)
    x = w * 2
    part = x[:2]
    x.mul_(3)
    with t.no_grad():
        part.add_(1)
    part.sum().backward()
    return w.grad.tolist()


@pytest.mark.parametrize(
    "program", [detached_then_scaled, detached_then_set, truncated, a_part_changed_quietly]
)
def test_gradients_through_parts_are_pytorchs(program):
    assert program(rl) == program(torch)


def test_links_do_not_pile_up():
    x = rl.zeros(3)
    for _ in range(50):
        x = x.detach()
        x = x[:].view(3)
    depth, link = 0, x._base
    while link is not None:
        depth, link = depth + 1, link[1]
    assert depth < 5


# -- compiled -------------------------------------------------------------------------------------


def test_a_stale_part_as_an_argument_is_looked_at_again():
    x = rl.zeros(2, 2)
    part = x[0]
    change = rl.compile(lambda a: a.add_(1.0))
    for _ in range(3):
        x.mul_(10.0)
        x[1].add_(1.0)
        change(part)
    assert x.tolist() == [[111.0, 111.0], [111.0, 111.0]]


def test_two_parts_of_one_whole_are_refused_as_arguments_where_one_changes():
    x = rl.zeros(4)
    change = rl.compile(lambda a, b: (a.add_(1.0), b.mul_(2.0)))
    with pytest.raises(rl.ContractError, match="take the parts inside"):
        change(x[0:3], x[1:4])


def test_gradients_are_changed_in_place_in_compiled_functions():
    w = rl.ones(2, requires_grad=True)
    w.grad = rl.zeros(2)
    held = w.grad

    @rl.compile
    def add():
        w.grad.add_(1.0)

    add()
    add()
    assert w.grad.tolist() == [2.0, 2.0]
    assert held is w.grad
    halve = rl.compile(lambda p: p.grad.mul_(0.5))
    halve(w)
    halve(w)
    assert w.grad.tolist() == [0.5, 0.5]


def test_numpys_numbers_are_pythons_in_compiled_functions():
    times = rl.compile(lambda x, a: x * a)
    for number in (np.float64(1.5), np.float32(1.5), np.int64(2), np.array(1.5)):
        z = times(rl.ones(1), number)
        assert (z.dtype, z.item()) == (rl.float32, number)


def test_what_is_changed_by_a_gradient_in_a_compiled_function_is_refused():
    w, outside = rl.ones(2, requires_grad=True), rl.zeros(2)
    with pytest.raises(rl.ContractError, match="from outside becomes, in place"):
        rl.compile(lambda b: b.add_(w))(rl.zeros(2))
    with pytest.raises(rl.ContractError, match="from outside becomes, in place"):
        rl.compile(lambda: outside.add_(w))()
    assert outside.tolist() == [0.0, 0.0]


def test_a_leaf_made_inside_leaves_no_tape():
    f = rl.compile(lambda x: (rl.ones(3, requires_grad=True) * x).sum())
    with pytest.raises(rl.NoGradient):
        f(rl.ones(3)).backward()
