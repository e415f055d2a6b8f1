"""Every function that draws: the same on every device, compiled or not; its distribution."""

from __future__ import annotations

import math
import random as pythons

import numpy as np
import pytest

import rushlight as rl
from rushlight.op import checked, operations
from rushlight.random import LANE

N = 40_000
SIX = 6.0  # standard deviations of a statistic: by chance once in 5e8 times, and seeds are fixed


@pytest.fixture(autouse=True)
def seeded():
    before = rl.get_rng_state()
    rl.manual_seed(77)
    yield
    rl.set_rng_state(before)


def zeros(*shape, dtype=rl.float32):
    return rl.zeros(*shape, dtype=dtype)


def chances(*shape):
    return rl.linspace(0.05, 0.95, math.prod(shape)).reshape(shape)


# Each takes a generator.  In place methods are given a tensor of their own.
FUNCTIONS = {
    "rand": lambda g: rl.rand(3, 5, generator=g),
    "rand-bfloat16": lambda g: rl.rand(7, dtype=rl.bfloat16, generator=g),
    "rand_like": lambda g: rl.rand_like(zeros(3, 2), generator=g),
    "randn": lambda g: rl.randn((7,), generator=g),
    "randn_like": lambda g: rl.randn_like(zeros(2, 2), generator=g),
    "randint": lambda g: rl.randint(-5, 100, (9,), generator=g),
    "randint-wide": lambda g: rl.randint(-(2**40), 2**41, (9,), generator=g),
    "randint-uint8": lambda g: rl.randint(256, (9,), dtype=rl.uint8, generator=g),
    "randint_like": lambda g: rl.randint_like(zeros(2, 3), 4, generator=g),
    "randperm": lambda g: rl.randperm(11, generator=g),
    "randperm-large": lambda g: rl.randperm(2**16 + 3, generator=g),
    "bernoulli": lambda g: rl.bernoulli(chances(4, 5), generator=g),
    "bernoulli-p": lambda g: rl.bernoulli(zeros(20), 0.3, generator=g),
    "Tensor.bernoulli": lambda g: chances(9).bernoulli(generator=g),
    "multinomial": lambda g: rl.multinomial(chances(2, 9), 4, generator=g),
    "multinomial-replacement": lambda g: rl.multinomial(chances(9), 20, True, generator=g),
    "normal": lambda g: rl.normal(1.0, 2.0, (5,), generator=g),
    "normal-tensors": lambda g: rl.normal(zeros(3, 1), chances(4), generator=g),
    "bernoulli_": lambda g: zeros(9).bernoulli_(0.3, generator=g),
    "bernoulli_-tensor": lambda g: zeros(2, 4, dtype=rl.int64).bernoulli_(chances(4), generator=g),
    "uniform_": lambda g: zeros(9).uniform_(-2, 3, generator=g),
    "normal_": lambda g: zeros(9).normal_(-2, 3, generator=g),
    "log_normal_": lambda g: zeros(9).log_normal_(0.5, 0.25, generator=g),
    "exponential_": lambda g: zeros(9).exponential_(2.0, generator=g),
    "geometric_": lambda g: zeros(9, dtype=rl.int32).geometric_(0.2, generator=g),
    "cauchy_": lambda g: zeros(9).cauchy_(1.0, 2.0, generator=g),
    "random_": lambda g: zeros(9, dtype=rl.int64).random_(generator=g),
    "random_-to": lambda g: zeros(9).random_(10, generator=g),
    "random_-from-to": lambda g: zeros(9, dtype=rl.int16).random_(-3, 10, generator=g),
}
BY_DEFAULT = {name: (lambda f=f: f(None)) for name, f in FUNCTIONS.items()} | {
    "dropout": lambda: rl.dropout(rl.ones(20), 0.5),
}
each_function = pytest.mark.parametrize("name", FUNCTIONS)
each_draw = pytest.mark.parametrize("name", BY_DEFAULT)


def bits(x):
    return x.dtype, x.shape, x.tolist()


@each_draw
def test_the_seed_decides(name):
    draw = BY_DEFAULT[name]
    first, second = bits(draw()), bits(draw())
    rl.manual_seed(77)
    assert bits(draw()) == first
    assert first != second


@each_draw
def test_every_device_draws_the_same(name):
    here = bits(BY_DEFAULT[name]()), rl.get_rng_state()
    rl.manual_seed(77)
    with rl.device("hostile"):
        there = BY_DEFAULT[name]()
    assert there.device == "hostile"
    assert (bits(there), rl.get_rng_state()) == here


@each_draw
@pytest.mark.parametrize("device", ["numpy", "hostile"])
def test_compiled_draws_the_same(name, device):
    with rl.device(device):
        eager = [bits(BY_DEFAULT[name]()) for _ in range(3)], rl.get_rng_state()
        rl.manual_seed(77)
        compiled = rl.compile(BY_DEFAULT[name])
        assert ([bits(compiled()) for _ in range(3)], rl.get_rng_state()) == eager


@each_function
def test_a_generator_is_drawn_from_instead(name):
    rl.manual_seed(3)
    expected = bits(FUNCTIONS[name](None))
    state = rl.get_rng_state()
    generator = rl.Generator().manual_seed(3)
    assert bits(FUNCTIONS[name](generator)) == expected
    assert generator.get_state() == state
    assert rl.get_rng_state() == state


@each_draw
def test_nothing_asks_for_a_gradient(name):
    assert not BY_DEFAULT[name]().requires_grad


IN_PLACE = [name for name in FUNCTIONS if name.split("-")[0].endswith("_")]


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name):
    name = name.split("-")[0]
    arguments = {"bernoulli_": (0.5,), "geometric_": (0.5,)}.get(name, ())
    x = rl.full((2, 3), -9.0)
    row = x[1]
    assert getattr(row, name)(*arguments) is row
    assert x[0].tolist() == [-9.0] * 3
    assert -9.0 not in x[1].tolist()
    assert getattr(rl.zeros(0, 2), name)(*arguments).shape == (0, 2)
    assert getattr(rl.tensor(-9.0), name)(*arguments).item() != -9.0
    leaf = rl.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"under rl\.no_grad"):
        getattr(leaf, name)(*arguments)
    with rl.no_grad():
        getattr(leaf, name)(*arguments)
    assert leaf.requires_grad


# -- distributions --------------------------------------------------------------------------------


def close(values, mean, variance, kurtosis):
    """Mean and variance, within six standard deviations of each.

    kurtosis: the fourth central moment by the variance squared.
    """
    values = np.asarray(values, np.float64)
    n = values.size
    assert abs(values.mean() - mean) < SIX * math.sqrt(variance / n)
    assert abs(values.var() - variance) < SIX * variance * math.sqrt((kurtosis - 1) / n)


def chi_squared(counts, expected):
    """Whether counts are as expected, within six standard deviations of the statistic."""
    counts, expected = np.asarray(counts), np.asarray(expected)
    assert (expected >= 5).all()
    freedom = len(expected) - 1
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert abs(statistic - freedom) < SIX * math.sqrt(2 * freedom)


@pytest.mark.parametrize("dtype", [rl.float32, rl.float64])
def test_continuous_distributions(dtype):
    x = rl.empty(N, dtype=dtype)
    close(x.uniform_(-1, 3), 1, 16 / 12, 1.8)
    close(x.normal_(-1, 3), -1, 9, 3)
    close(x.exponential_(4), 1 / 4, 1 / 16, 9)
    assert x.min().item() > 0
    close(x.log_normal_(0.5, 0.25).log(), 0.5, 1 / 16, 3)
    y = x.cauchy_(2, 3).numpy()
    quarters = np.searchsorted([-1, 2, 5], y)
    chi_squared(np.bincount(quarters), [N / 4] * 4)
    close(rl.normal(rl.full((N,), 2.0, dtype=dtype), 3.0), 2, 9, 3)
    close(rl.normal(2.0, rl.full((N,), 3.0, dtype=dtype)), 2, 9, 3)
    close(rl.normal(2.0, 3.0, (N,), dtype=dtype), 2, 9, 3)


def test_normal_has_each_mean_and_deviation():
    z = rl.normal(rl.tensor([[-5.0], [5.0]]).expand(2, N), rl.tensor([[1.0], [0.0]]))
    close(z[0], -5, 1, 3)
    assert z[1].unique().tolist() == [5.0]


@pytest.mark.parametrize("dtype", [rl.float32, rl.int64, rl.float64])
@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_geometric(dtype, p):
    k = rl.empty(N, dtype=dtype).geometric_(p).double().numpy().astype(int)
    least = np.arange(1, 1 + int(math.log(20 / (N * p)) / math.log(1 - p)))
    expected = N * p * (1 - p) ** (least - 1)
    counts = [(k == i).sum() for i in least]
    chi_squared([*counts, N - sum(counts)], [*expected, N - sum(expected)])


def test_an_exponential_time_is_never_0():
    """Of the 2^24 values of u, 0 is met: what divides by such times must not meet 0."""
    smallest = min(zeros(2**22).exponential_().min().item() for _ in range(8))
    assert 0 < smallest < 2.0**-20


@pytest.mark.parametrize("p", [0.0, 0.003, 0.5, 1.0])
@pytest.mark.parametrize("dtype", [rl.float32, rl.float64])
def test_bernoulli(p, dtype):
    full = rl.full((N,), p, dtype=dtype)
    for drawn in (
        rl.bernoulli(full), rl.bernoulli(full, p), full.clone().bernoulli_(p),
        zeros(N, dtype=rl.bool).bernoulli_(full), zeros(N, dtype=rl.int8).bernoulli_(full),
    ):  # fmt: skip
        hits = drawn.double().sum().item()
        assert abs(hits - N * p) <= SIX * math.sqrt(N * p * (1 - p))


def test_float64_chances_are_not_rounded():
    assert rl.bernoulli(rl.full((10**6,), 1e-12, dtype=rl.float64)).sum().item() == 0
    assert rl.bernoulli(rl.full((10**6,), 1 - 1e-12, dtype=rl.float64)).sum().item() == 10**6


@pytest.mark.parametrize("span", [2, 10, 2**16, 2**16 + 1, 2**33, 2**63])
def test_integers_are_even(span):
    x = rl.randint(-(span // 2), span - span // 2, (N,)).numpy()
    assert x.min() >= -(span // 2)
    assert x.max() < span - span // 2
    boxes = min(span, 16)
    where = [(int(v) + span // 2) * boxes // span for v in x]
    sizes = np.diff([-(-i * span // boxes) for i in range(boxes + 1)])
    chi_squared(np.bincount(where, minlength=boxes), N * sizes / span)
    if span > 100:
        chi_squared(np.bincount(x % 2, minlength=2), [N / 2] * 2)


def test_randint_has_no_visible_remainder():
    """3 * 2^30 by one word of 32 bits modulo it would hit the lowest third twice as often."""
    x = rl.randint(3 * 2**30, (N,)).numpy()
    chi_squared(np.bincount(x // 2**30, minlength=3), [N / 3] * 3)


def test_random_():
    for dtype, most in (
        (rl.uint8, 255), (rl.int8, 127), (rl.int64, 2**63 - 1), (rl.bool, 1), (rl.float32, 2**24),
        (rl.float64, 2**53), (rl.float16, 2**11), (rl.bfloat16, 2**8),
    ):  # fmt: skip
        x = rl.empty(N, dtype=dtype).random_().double()
        assert x.min().item() >= 0
        assert x.max().item() <= most
        assert abs(x.mean().item() / most - 0.5) < SIX / math.sqrt(12 * N) + 1 / most


@pytest.mark.parametrize("n", [5, 2**16 + 1])
def test_randperm(n):
    firsts, lasts = [], []
    for _ in range(300 if n == 5 else 20):
        order = rl.randperm(n).numpy()
        assert (np.sort(order) == np.arange(n)).all()
        firsts.append(order[0] * 5 // n)
        lasts.append(order[-1] * 5 // n)
    if n == 5:
        chi_squared(np.bincount(firsts, minlength=5), [60] * 5)
        chi_squared(np.bincount(lasts, minlength=5), [60] * 5)
    assert rl.randperm(3, dtype=rl.float32).dtype is rl.float32


def test_multinomial():
    weights = rl.tensor([1.0, 0.0, 2.0, 5.0])
    drawn = rl.multinomial(weights, N, replacement=True).numpy()
    counts = np.bincount(drawn, minlength=4)
    assert counts[1] == 0
    chi_squared(counts[[0, 2, 3]], [N / 8, N / 4, N * 5 / 8])
    pairs = rl.multinomial(weights.double().expand(N, 4), 2).numpy()
    assert (pairs[:, 0] != pairs[:, 1]).all()
    chi_squared(np.bincount(pairs[:, 0], minlength=4)[[0, 2, 3]], [N / 8, N / 4, N * 5 / 8])
    # after a 3 with chance 5/8, a 0 has 1 of 3: and so on
    seconds = np.bincount(pairs[:, 1][pairs[:, 0] == 3], minlength=4)
    chi_squared(seconds[[0, 2]], [seconds.sum() / 3, seconds.sum() * 2 / 3])


# -- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: zeros(2).exponential_(0), "exponential_: lambd 0; give a rate above 0"),
        (lambda: zeros(2).cauchy_(0, 0), "cauchy_: sigma 0; give a width above 0"),
        (lambda: zeros(2).geometric_(1.0), "geometric_: p=1.0; give a probability between 0 and 1"),
        (lambda: zeros(2).normal_(0, -1), "normal_: std -1; give a standard deviation from 0"),
        (lambda: rl.normal(0, -1, (2,)), "normal: std -1; give a standard deviation from 0"),
        (
            lambda: rl.normal(zeros(2), rl.tensor([1.0, -1.0])),
            "normal: a negative std or nan; give standard deviations from 0",
        ),
        (
            lambda: rl.normal(0.0, 1.0),
            (
                "normal: size None with 0 tensors; give a size for two numbers, and none beside "
                "tensors"
            ),
        ),
        (
            lambda: zeros(2).log_normal_(0, 0),
            "log_normal_: std 0; give a standard deviation above 0",
        ),
        (
            lambda: rl.randint(0, 70_000, (2,), dtype=rl.float16),
            "randint: from 0 to 70000 in float16, which holds -65504 to 65504; give a wider dtype",
        ),
        (lambda: zeros(2).uniform_(2, 1), "uniform_: from 2 to 1; give the lower end first"),
        (lambda: zeros(2).uniform_(0, math.inf), "uniform_: to inf; give a finite number"),
        (lambda: zeros(2).uniform_("a"), "uniform_: low 'a'; give a number"),
        (lambda: zeros(2).bernoulli_(1.5), "bernoulli_: p=1.5; a probability is from 0 to 1"),
        (
            lambda: rl.bernoulli(rl.tensor([0.5, math.nan])),
            "bernoulli: chances beyond 0 to 1 or nan; a probability is from 0 to 1",
        ),
        (
            lambda: rl.bernoulli(zeros(2, dtype=rl.int64)),
            "bernoulli: int64[2] is not floating point; convert it with .float()",
        ),
        (
            lambda: zeros(2, dtype=rl.int64).exponential_(),
            "exponential_: int64[2] is not floating point; convert it with .float()",
        ),
        (
            lambda: zeros(2, dtype=rl.int64).normal_(),
            "normal_: dtype int64; give a floating one",
        ),
        (
            lambda: rl.randint(0, 300, (2,), dtype=rl.uint8),
            "randint: from 0 to 300 in uint8, which holds 0 to 255; give a wider dtype",
        ),
        (
            lambda: zeros(2).random_(3, 3),
            "random_: from 3 to 3; the range holds 1 to 2^63 integers",
        ),
        (
            lambda: rl.Generator().set_state({"seed": "a", "counter": 0}),
            "set_state: {'seed': 'a', 'counter': 0} is no state; give what get_state() returned",
        ),
        (lambda: rl.Generator().split(-1), "split: -1 streams; give an integer from 0"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(rl.ContractError) as caught:
        call()
    assert str(caught.value) == message


# -- streams --------------------------------------------------------------------------------------


def test_seed_is_another_each_time():
    first, second = rl.seed(), rl.seed()
    assert first != second
    assert rl.initial_seed() == second
    generator = rl.Generator(device="hostile")
    assert 0 <= generator.seed() == generator.initial_seed() < 2**64
    assert generator.device == "hostile"
    assert rl.default_generator.get_state() == rl.get_rng_state()


def test_fork_rng():
    state = rl.get_rng_state()
    with rl.random.fork_rng():
        rl.manual_seed(1)
        inside = rl.rand(2).tolist()
    assert rl.get_rng_state() == state
    with pytest.raises(rl.ContractError), rl.random.fork_rng(devices=[]):
        rl.rand(3).normal_(std=-rl.rand(()).item())
    assert rl.get_rng_state() == state
    with rl.random.fork_rng(enabled=False):
        rl.manual_seed(1)
        assert rl.rand(2).tolist() == inside
    assert rl.initial_seed() == 1


def test_fork_rng_compiled():
    @rl.compile
    def draw():
        with rl.random.fork_rng():
            aside = rl.rand(2)
        return aside, rl.rand(2)

    for _ in range(3):
        aside, after = draw()
        assert aside.tolist() == after.tolist()
    assert rl.get_rng_state() == {"seed": 77, "counter": 3}


def test_a_state_is_not_read_while_tracing():
    with pytest.raises(rl.TracingError):
        rl.compile(lambda: rl.rand(rl.get_rng_state()["counter"]))()
    with pytest.raises(rl.TracingError):
        rl.compile(lambda: rl.rand(2, generator=rl.default_generator.split(1)[0]))()


def test_split_is_a_function_of_the_state():
    first = [stream.get_state() for stream in rl.Generator().manual_seed(5).split(3)]
    whole = rl.Generator().manual_seed(5)
    parts = whole.split(1) + whole.split(0) + whole.split(2)
    assert [stream.get_state() for stream in parts] == first
    assert whole.get_state() == {"seed": 5, "counter": 3}
    assert all(state["counter"] % LANE == 0 for state in first)


def test_split_streams_have_nothing_in_common():
    """Every block of many streams, of their own splits and of the first one is another one."""
    root = rl.Generator().manual_seed(5)
    streams = [*root.split(40), *root.split(40)]
    streams += [part for stream in streams[:10] for part in stream.split(10)]
    blocks = set()
    for stream in [root, *streams]:
        drawn = rl.randint(-(2**62), 2**62, (2 * 50,), generator=stream).reshape(50, 2)
        blocks |= {tuple(row) for row in drawn.tolist()}
    assert len(blocks) == 181 * 50
    assert len({tuple(stream.get_state().items()) for stream in streams}) == 180


def test_streams_of_one_key_stay_in_their_lanes():
    """Neighbouring lanes, drawn at their ends, where a counter that went on would collide."""
    lanes, found = (0, 1, 2, LANE - 1), set()
    for lane in lanes:
        counter = lane * LANE + LANE - 2
        x = rl.ops.random_bits(9, counter, shape=(4, 4), device=rl.device("numpy"))
        begin = rl.ops.random_bits(9, lane * LANE, shape=(2, 4), device=rl.device("numpy"))
        assert x[2:].tolist() == begin.tolist()
        found |= {tuple(block) for block in x.tolist()}
    assert len(found) == 4 * len(lanes)


def test_split_streams_are_not_correlated():
    pairs = rl.Generator().manual_seed(0).split(8)
    drawn = np.stack([rl.randn(N, generator=stream).numpy() for stream in pairs])
    correlations = np.corrcoef(drawn) - np.eye(8)
    assert np.abs(correlations).max() < SIX / math.sqrt(N)


def test_neighbouring_seeds_are_not_correlated():
    drawn = np.stack(
        [rl.randn(N, generator=rl.Generator().manual_seed(i)).numpy() for i in range(8)]
    )
    correlations = np.corrcoef(drawn) - np.eye(8)
    assert np.abs(correlations).max() < SIX / math.sqrt(N)


def test_pythons_random_is_not_drawn_from():
    state = pythons.getstate()
    for draw in BY_DEFAULT.values():
        draw()
    assert pythons.getstate() == state


def test_what_is_checked_is_remembered_whatever_the_counter():
    op = operations["random_bits"]
    run = checked(op, lambda key, counter, shape, device: counter)
    run(1, 0, (5,), 0)
    before = len(op.contracts)
    assert [run(1, counter, (5,), 0) for counter in (7, 8, 2**70)] == [7, 8, 2**70]
    assert len(op.contracts) == before
