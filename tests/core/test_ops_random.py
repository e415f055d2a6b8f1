"""Randomness: the published bits, sane distributions, and the same everywhere."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given, strategies as st

import rushlight as rl
from rushlight import ops, reference
from rushlight.device import Device
from rushlight.errors import ContractError

NUMPY = Device("numpy")
N = 40_000
DIGITS_OF_PI = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0)


@pytest.fixture(autouse=True)
def seeded():
    """Each test draws from the same stream, and gives back the one that was there."""
    before = rl.get_rng_state()
    rl.manual_seed(2024)
    yield
    rl.set_rng_state(before)


# -- the bits -------------------------------------------------------------------------------------


def philox(counter, key):
    """Philox4x32-10 of one block, word by word as in the paper: counter of 4 words, key of 2."""
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c[0], 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c[2], 2**32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


def test_known_answers():
    """Of Random123's kat_vectors, philox4x32 with 10 rounds."""
    ones = 0xFFFFFFFF
    zero = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    full = [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    pi = [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
    assert philox((0, 0, 0, 0), (0, 0)) == zero
    assert philox((ones,) * 4, (ones,) * 2) == full
    assert philox(DIGITS_OF_PI[:4], DIGITS_OF_PI[4:]) == pi
    # A stream has zeros in the upper half of the counter, so the first vector is reached directly.
    assert ops.random_bits(0, 0, shape=(4,), device=NUMPY).tolist() == zero


@pytest.mark.parametrize("device", ["numpy", "hostile"])
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 9))
def test_a_stream_is_consecutive_blocks(device, key, counter, count):
    place = Device(device)
    expected = []
    for i in range(-(-count // 4)):
        c = (counter + i) % 2**64
        expected += philox((c % 2**32, c // 2**32, 0, 0), (key % 2**32, key // 2**32))
    bits = ops.random_bits(key, counter, shape=(count,), device=place)
    assert bits.dtype is rl.uint32
    assert bits.tolist() == expected[:count]


def test_a_part_of_a_stream_is_the_stream():
    whole = ops.random_bits(5, 10, shape=(40,), device=NUMPY).tolist()
    assert ops.random_bits(5, 13, shape=(8,), device=NUMPY).tolist() == whole[12:20]
    assert np.ravel(ops.random_bits(5, 10, shape=(5, 8), device=NUMPY).numpy()).tolist() == whole


# -- streams --------------------------------------------------------------------------------------


def draws():
    return [
        rl.rand(3, 5).tolist(),
        rl.randn(7).tolist(),
        rl.randint(0, 100, (9,)).tolist(),
        rl.randperm(11).tolist(),
        rl.bernoulli(rl.full((13,), 0.5)).tolist(),
        rl.dropout(rl.ones(17), 0.5).tolist(),
        rl.rand(3, dtype=rl.float64).tolist(),
    ]


def test_the_same_seed_gives_the_same_values():
    rl.manual_seed(7)
    first = draws()
    assert draws() != first
    rl.manual_seed(7)
    assert draws() == first
    rl.manual_seed(8)
    assert draws() != first


def test_every_device_draws_the_same():
    rl.manual_seed(7)
    here = draws()
    rl.manual_seed(7)
    with rl.device("hostile"):
        there = [
            rl.rand(3, 5).tolist(),
            rl.randn(7).tolist(),
            rl.randint(0, 100, (9,)).tolist(),
            rl.randperm(11).tolist(),
            rl.bernoulli(rl.full((13,), 0.5)).tolist(),
            rl.dropout(rl.ones(17), 0.5).tolist(),
        ]
    assert there == here[:-1]


def test_a_state_is_two_numbers_and_resumes():
    rl.rand(5)
    state = rl.get_rng_state()
    assert state == {"seed": 2024, "counter": 2}
    assert rl.initial_seed() == 2024
    first = draws()
    rl.set_rng_state(state)
    assert draws() == first


def test_generators_are_streams_of_their_own():
    ours, theirs = rl.Generator().manual_seed(3), rl.Generator().manual_seed(3)
    rl.rand(4, generator=ours)
    before = rl.get_rng_state()
    assert rl.rand(4, generator=ours).tolist() != rl.rand(4, generator=theirs).tolist()
    assert ours.get_state() == {"seed": 3, "counter": 2}
    theirs.set_state(ours.get_state())
    assert rl.randn(4, generator=ours).tolist() == rl.randn(4, generator=theirs).tolist()
    assert rl.get_rng_state() == before
    assert ours.manual_seed(-1).initial_seed() == 2**64 - 1


def test_threads_never_draw_the_same_block():
    found = []

    def draw():
        found.extend(rl.rand(4).tolist()[0] for _ in range(50))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 200
    assert rl.get_rng_state()["counter"] == 200


# -- distributions: bounds are six standard deviations of the statistic ---------------------------


def moments(x):
    values = x.double().numpy().ravel()
    return values.mean(), values.var()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform(dtype):
    x = rl.rand(N, dtype=dtype)
    values = x.double().numpy()
    assert x.dtype.name == dtype
    assert values.min() >= 0
    assert values.max() < 1
    mean, var = moments(x)
    step = {"float16": 2.0**-11, "bfloat16": 2.0**-8}.get(dtype, 0)  # values are rounded down to it
    assert abs(mean - (1 - step) / 2) < 6 * math.sqrt(1 / 12 / N)
    assert abs(var - 1 / 12) < 6 * math.sqrt(1 / 180 / N)
    counts = np.histogram(values, 16, (0, 1))[0]
    expected = N / 16
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert chi2 < 15 + 6 * math.sqrt(30)


def test_uniform_keeps_all_its_bits():
    bits = (rl.rand(N) * 2.0**24).numpy()
    np.testing.assert_array_equal(bits, np.floor(bits))
    assert (bits % 2).mean() == pytest.approx(0.5, abs=0.02)  # the last bit is random too
    wide = rl.rand(N, dtype=rl.float64).numpy() * 2.0**53
    np.testing.assert_array_equal(wide, np.floor(wide))
    assert (wide % 2).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_normal(dtype):
    x = rl.randn(N, dtype=dtype)
    values = x.double().numpy()
    mean, var = moments(x)
    assert abs(mean) < 6 / math.sqrt(N)
    assert abs(var - 1) < 6 * math.sqrt(2 / N) + (0.002 if dtype == "bfloat16" else 0)
    assert abs((values**3).mean()) < 6 * math.sqrt(15 / N)
    assert abs((values**4).mean() - 3) < 6 * math.sqrt(96 / N) + (
        0.02 if dtype == "bfloat16" else 0
    )
    assert np.isfinite(values).all()
    inside = (np.abs(values) < 1).mean()
    assert inside == pytest.approx(0.6827, abs=0.015)


def test_neighbours_are_independent():
    for x in (rl.rand(N), rl.randn(N)):
        values = x.numpy() - x.numpy().mean()
        for lag in (1, 2, 3, 4):
            correlation = (values[lag:] * values[:-lag]).mean() / values.var()
            assert abs(correlation) < 6 / math.sqrt(N), lag


def test_randint():
    x = rl.randint(-3, 4, (N,))
    assert x.dtype is rl.int64
    counts = np.bincount(x.numpy() + 3, minlength=7)
    assert len(counts) == 7
    assert ((counts - N / 7) ** 2 / (N / 7)).sum() < 6 + 6 * math.sqrt(12)
    assert rl.randint(10, (2, 3)).shape == (2, 3)
    assert rl.randint(0, 2, (3,), dtype=rl.float32).dtype is rl.float32
    assert set(rl.randint(5, 6, (4,)).tolist()) == {5}


def test_randperm():
    assert sorted(rl.randperm(100).tolist()) == list(range(100))
    assert rl.randperm(0).tolist() == []
    firsts = np.bincount([rl.randperm(5)[0].item() for _ in range(1000)], minlength=5)
    assert ((firsts - 200) ** 2 / 200).sum() < 4 + 6 * math.sqrt(8)


def test_bernoulli_and_dropout():
    p = rl.tensor([0.0, 0.25, 1.0]).expand(N, 3)
    low, some, sure = rl.bernoulli(p).mean(0).tolist()
    assert (low, sure) == (0, 1)
    assert some == pytest.approx(0.25, abs=6 * math.sqrt(0.1875 / N))
    x = rl.ones(N, requires_grad=True)
    z = rl.dropout(x, 0.25)
    kept = z.detach().numpy() > 0
    assert kept.mean() == pytest.approx(0.75, abs=6 * math.sqrt(0.1875 / N))
    np.testing.assert_allclose(z.detach().numpy()[kept], 1 / 0.75, rtol=1e-6)
    z.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy() > 0, kept)  # the same mask
    assert rl.dropout(x, 0.5, training=False) is x
    assert rl.dropout(x, 0.0) is x
    assert rl.dropout(x, 1.0).sum().item() == 0


def test_shapes_and_types_are_those_asked_for():
    like = rl.zeros(2, 3, dtype=rl.float64)
    for made in (rl.rand_like(like), rl.randn_like(like)):
        assert made.spec == like.spec
    assert rl.rand_like(like, dtype=rl.float16).dtype is rl.float16
    assert rl.rand(()).shape == ()
    assert rl.rand(0, 3).shape == (0, 3)
    assert rl.randn((2, 3), requires_grad=True).is_leaf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rl.rand(2, dtype=rl.int64), r"rand: dtype int64; give a floating one"),
        (
            lambda: rl.randint(3, 3, (2,)),
            r"randint: from 3 to 3; the range holds 1 to 2\^63 integers",
        ),
        (lambda: rl.dropout(rl.ones(2), 1.5), r"dropout: p=1.5; a probability is from 0 to 1"),
        (
            lambda: rl.Generator().set_state(3),
            r"set_state: 3 is no state; give what get_state\(\) returned",
        ),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises(ContractError, match=f"^{message}$"):
        call()


def test_normals_agree_with_the_formula():
    pairs = reference.random_bits(3, 5, (2000,), 0) >> 8
    u, v = (pairs.reshape(-1, 2) * 2.0**-24).T
    expected = np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v)
    made = ops.normal(3, 5, shape=(1000,), dtype=rl.float32, device=NUMPY).numpy()
    # the argument of the cosine is rounded to float32, at most 4e-7 off, before it is taken
    np.testing.assert_allclose(made, expected, rtol=1e-6, atol=4e-6)
