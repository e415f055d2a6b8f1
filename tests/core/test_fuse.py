"""What becomes one record and what does not; every function also means what it means at once."""

import numpy as np
import pytest
from fuzz import fused as interpreting
from fuzz.program import disagreement
from fuzz.programs import drawn, failure

import rushlight as rl
import rushlight_nn as nn
from rushlight.backend import FusionPolicy
from rushlight.compiler import fuse as fusing_module, nesting
from rushlight.compiler.fuse import Call, Fuser, Product, fuse
from rushlight.compiler.graph import Value
from rushlight.compiler.simplify import simplify
from rushlight.dtypes import int64
from rushlight.errors import IndexOutOfRange

from .interpreted import Writing, fused, fusing, kinds, numbers, stored, texts

X = numbers(6, 8)


def with_gradients(function):
    """The function's result and the gradients of its squares' sum."""

    def both(*xs):
        xs = [x.detach().requires_grad_() for x in xs]
        z = function(*xs)
        return [z.detach(), *rl.autograd.grad((z * z).sum(), xs)]

    return both


def classified(x, targets):
    x = x.detach().requires_grad_()
    loss = rl.cross_entropy(x, targets)
    return loss.detach(), rl.autograd.grad(loss, x)[0]


def attended(q, k, v):
    return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def rolled(x):
    return rl.cat([x[:, 3:], x[:, :3]], 1)


def normed(x, weight, bias):
    return rl.layer_norm(x, [8], weight, bias)


def diamond(x, y):
    z = x * y
    product = z @ z
    return product + z, product.exp()


def heads(x):
    x = x.reshape(6, 2, 4).transpose(0, 1)
    return x @ x.mT


A, B = numbers(8, 7), numbers(7, 5)
QKV = [numbers(2, 3, 5, 4, seed=seed) for seed in range(3)]
AFFINE = [numbers(8), numbers(8, seed=1)]

# A function, what it is given, its records, and how many arrays each stores.
RECORDS = {
    "elementwise": (lambda x: (x.exp() + 1).sqrt() * x, [X], "nest", [1]),
    "softmax": (lambda x: x.softmax(-1), [X], "nest", [1]),
    "softmax and its gradient": (with_gradients(lambda x: x.softmax(-1)), [X], "nest", [2]),
    "softmax of columns": (lambda x: x.softmax(0), [X], "nest nest nest", None),
    "layer_norm": (normed, [X, *AFFINE], "nest", [1]),
    "layer_norm and its gradients": (with_gradients(normed), [X, *AFFINE], "nest", [4]),
    "two reductions of a row": (lambda x: (x.sum(1), x.amax(1)), [X], "nest", [2]),
    "sums over two different loops": (lambda x: ((x * 2).sum(0), (x + 1).sum(1)), [X], "nest", [2]),
    "a sum of all": (lambda x: x.sum(), [X], "nest nest", [1, 1]),
    "what reads a sum over outer loops": (lambda x: x - x.sum(0), [X], "nest nest", [1, 1]),
    "linear and relu": (lambda x, w, b: rl.linear(x, w, b).relu(), [X, numbers(5, 8), numbers(5)],
                        "product", [1]),
    "two products": (lambda x, y, z: ((x @ y).relu() @ z).sigmoid(), [X, A, B],
                     "product product", [1, 1]),
    "softmax of a product": (lambda x, y: (x @ y).softmax(-1), [X, A], "product", [1]),
    "a product of what is computed": (lambda x, y: (x * 2) @ y, [X, A], "nest product", [1, 1]),
    "a product of views": (lambda x, y: x.T @ y[::-1, 1:], [X, numbers(6, 4)], "product", [1]),
    "a product of heads": (heads, [X], "product", [1]),
    "attention": (attended, QKV, "nest product product", [1, 1, 1]),
    "a product and what it was made of": (diamond, [numbers(5, 5), numbers(5, 5, seed=1)],
                                          "nest product", [1, 2]),
    "views that are computed with": (lambda x: x.T[::2, ::-1].unsqueeze(0).expand(3, 4, 6) + 1,
                                     [X], "nest", [1]),
    "views that are returned": (lambda x: x.T[1:], [X], "", []),
    "a concatenation": (lambda x, y: rl.cat([x * 2, y + 1], 0), [X, numbers(3, 8)],
                        "nest nest", [1, 1]),
    "a stack": (lambda x, y: rl.stack([x.exp(), y.exp()], 1), [X, X + 1], "nest nest", [1, 1]),
    "a concatenation that is read": (lambda x: rolled(x) * 2, [X], "nest nest nest", None),
    "a pad": (lambda x: rl.pad(x.exp(), (1, 0, 0, 2)), [X], "nest nest nest", [1, 1, 1]),
    "a call": (lambda x: rl.linalg.inv(x[:, :6] + 3 * rl.eye(6, device=x.device)).exp(), [X],
               None, None),
}  # fmt: skip


@pytest.mark.parametrize("what", RECORDS)
def test_records(what):
    function, given, records, stores = RECORDS[what]
    found = fused(function, *given)
    if records is not None:
        assert kinds(found) == records.split(), str(found)
    if stores is not None:
        assert stored(found) == stores, str(found)


def test_a_loss_and_its_gradient_look_nothing_up_outside_of_nests():
    found = fused(classified, X, np.arange(6) % 8)
    assert set(kinds(found)) == {"nest"}
    assert len(found.records) <= 4
    assert len(found.checks) == 1


def test_a_number_is_read_at_each_call():
    found = fused(lambda x, rate: x * rate * 2, X, 0.5)
    assert kinds(found) == ["nest"]
    (nest,) = found.records
    assert [read.buffer for read in nest.reads if not isinstance(read.buffer, Value)]


def trained(width=7, rate=0.05, optimizer=nn.optim.Adam):
    """What a training step of two layers became."""
    device = fusing()
    with rl.random.fork_rng():
        rl.manual_seed(0)
        layers = nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 3)
        model = nn.Sequential(*layers).to(device)
    chosen = optimizer(model.parameters(), rate)

    @rl.compile
    def step(x, targets):
        chosen.zero_grad()
        loss = nn.functional.cross_entropy(model(x), targets)
        loss.backward()
        chosen.step()
        return loss

    x, targets = (rl.from_numpy(a).to(device) for a in (numbers(9, 4), np.arange(9) % 3))
    losses = [step(x, targets).item() for _ in range(8)]
    assert losses[-1] < losses[0]
    return [traced.program.fused for found in step.traced.values() for traced in found][-1]


def test_a_training_step_of_two_layers():
    found = trained()
    products = [record for record in found.records if isinstance(record, Product)]
    assert len(products) == 5  # two forward, two gradients of weights, one of what is between
    assert not any(isinstance(record, Call) for record in found.records)
    assert len(found.records) <= 10
    adam = [p for p in products if p.shape in {(3, 7), (7, 4)}]
    assert [len(p.nest.stores) for p in adam] == [4, 4]  # the gradient, both moments, the weight
    assert all("sqrt" in p.nest.text() for p in adam)
    assert "row_max" in products[1].nest.text()  # the loss begins where the logits are hot


def test_texts_hold_no_sizes_and_no_rates():
    assert texts(trained()) == texts(trained(width=11, rate=0.1))
    assert "0.05" not in "".join(texts(trained()))


@pytest.mark.parametrize("what", ["softmax", "layer_norm and its gradients", "attention", "a pad"])
def test_two_shapes_have_the_same_texts(what):
    function, given, *_ = RECORDS[what]
    wider = [np.concatenate([x, x[:3], x[:2]]) for x in given[:1]]
    if what == "attention":
        wider = [np.concatenate([x, x, x]) for x in given]
    else:
        wider += given[1:]
    assert texts(fused(function, *given)) == texts(fused(function, *wider))


def test_what_is_joined_is_stored_where_it_belongs():
    found = fused(lambda x, y: rl.cat([x * 2, y + 1], 1), X, numbers(6, 3))
    buffers = {nest.stores[0].access.buffer for nest in found.records}
    assert len(buffers) == 1
    assert sorted(nest.stores[0].access.offset for nest in found.records) == [0, 8]
    assert [starts for _, starts in found.places.values()] == [(0, 0), (0, 8)]


def test_an_index_out_of_range_is_refused():
    device = fusing()
    compiled = rl.compile(lambda x, i: rl.index_select(x, 0, i) * 2)
    x = rl.from_numpy(X).to(device)
    assert compiled(x, rl.tensor([5, 0], device=device)).shape == (2, 8)
    with pytest.raises(IndexOutOfRange, match="take: index 6 is out of range"):
        compiled(x, rl.tensor([6, 0], device=device))


def test_what_is_empty_is_replayed():
    device = fusing()
    compiled = rl.compile(lambda x: x.sum(0) + 1)
    assert compiled(rl.zeros((0, 3), device=device)).tolist() == [1.0, 1.0, 1.0]
    assert [traced.program.fused for found in compiled.traced.values() for traced in found] == [
        None
    ]


def test_without_epilogues_products_stand_alone():
    device = fusing(FusionPolicy())
    compiled = rl.compile(lambda x, y: (x @ y).exp())
    compiled(*[rl.from_numpy(x).to(device) for x in (X, A)])
    (traced,) = [traced for found in compiled.traced.values() for traced in found]
    assert kinds(traced.program.fused) == ["product", "nest"]


# -- graphs by hand -------------------------------------------------------------------------------


def records(graph):
    found = fuse(simplify(graph), FusionPolicy(epilogues=True))
    return found, [len(nest.stores) for nest in (getattr(r, "nest", r) for r in found.records)]


def test_what_no_loop_can_walk_is_stored_first():
    """A permutation of what was reshaped across its axes has no place in loops over all."""
    w = Writing()
    x = w("exp", w.input(4, 6))
    y = w("permute", w("reshape", w("permute", x, params=((1, 0),)), params=((4, 6),)),
          params=((1, 0),))  # fmt: skip
    graph = w.graph(w("exp", y))
    found, _ = records(graph)
    assert len(found.records) >= 2
    assert not Fuser(graph, FusionPolicy(), set()).is_inlined(x)
    values = numbers(4, 6)
    expected = graph.program().run(values)[0]
    assert np.array_equal(interpreting.execute(found, values)[0], expected)


def test_two_groups_that_wait_for_each_other_stay_two():
    """b reads a's sum, and a's other half reads b's: one nest would wait for itself."""
    w = Writing()
    x, y = w.input(6, 8), w.input(6, 8)
    total = w("sum", w("mul", x, y), params=((0,), True))
    back = w("sum", w("mul", y, total), params=((0,), True))
    found, _ = records(w.graph(w("add", w("mul", x, back), w("mul", x, y))))
    assert len(found.records) >= 3
    values = numbers(6, 8), numbers(6, 8, seed=1)
    x, y = (v.astype(np.float64) for v in values)
    exact = x * (y * (x * y).sum(0)).sum(0) + x * y
    assert np.allclose(interpreting.execute(found, *values)[0], exact, rtol=1e-4, atol=1e-4)


def test_what_is_looked_up_is_stored_before():
    w = Writing()
    x, index = w.input(5, 3), w.input(4, dtype=int64)
    found, stores = records(w.graph(w("take", w("exp", x), index, params=(0,))))
    assert stores == [1, 1, 1]  # what is looked at, the check, what was found
    values, at = numbers(5, 3), np.array([4, 0, 0, 2])
    made = interpreting.execute(found, values, at)[0]
    assert np.array_equal(made, np.exp(values)[at])


# -- random programs ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def device():
    return fusing()


@pytest.mark.parametrize("seed", range(300))
def test_a_random_program_means_the_same_fused(seed, device):
    told = failure(drawn(seed), device)
    assert not told, told


# -- planted faults -------------------------------------------------------------------------------


def found_by(device, most):
    """The first of so many programs that does not mean the same."""
    for seed in range(most):
        told = disagreement(drawn(seed), device)
        if told:
            return told
    return pytest.fail(f"{most} programs did not find it")


def without(name):
    """A method of Fuser after which what it collected in groups is forgotten."""

    def plant(monkeypatch):
        right = Fuser.add

        def add(self, k, *args):
            right(self, k, *args)
            getattr(self.groups[k], name).clear()

        monkeypatch.setattr(Fuser, "add", add)

    return plant


def method(name, wrong):
    return lambda monkeypatch: monkeypatch.setattr(Fuser, name, wrong)


def function(module, name, wrong):
    return lambda monkeypatch: monkeypatch.setattr(module, name, wrong)


def unverified(self, group, step):
    """The first place for a step, whether or not it fits."""
    return next(fusing_module.candidates(group, fusing_module.domain(step)), None)


def starting_at_zero(right):
    def shifted(index, starts, *args):
        return right(index, (0,) * len(starts), *args)

    return shifted


def short(right):
    """Slices that forget where they begin."""

    def sliced(index, bounds, *args):
        return right(index, tuple((max(0, -(n - 1) * s), n, s) for _, n, s in bounds), *args)

    return sliced


def storing_less(right):
    def stored(self):
        found = right(self)
        return found - {x for x in found if x.shape == ()} if len(found) > 3 else found

    return stored


# What is wrong with the fuser, and within how many programs it must be found.
FAULTS = {
    "a group may wait for itself": (method("is_before", lambda *_: True), 100),
    "a group may be merged with what waits": (method("waits", lambda *_: False), 100),
    "places are not verified": (method("fitting", unverified), 20),
    "sums are read before they are done": (without("summed"), 60),
    "groups wait for nothing": (without("needs"), 60),
    "what a group reads is forgotten": (without("roots"), 20),
    "parts begin at 0": (
        function(fusing_module, "shifted", starting_at_zero(fusing_module.shifted)), 20
    ),
    "slices begin at 0": (function(fusing_module, "sliced", short(fusing_module.sliced)), 20),
    "scalars are not stored": (method("stored", storing_less(Fuser.stored)), 20),
    "all loops are joined": (function(nesting, "can_join", lambda *_: True), 20),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # of the reference, which is asked what went wrong
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_fuser_is_found(fault, monkeypatch, device):
    plant, most = FAULTS[fault]
    plant(monkeypatch)
    assert found_by(device, most)
