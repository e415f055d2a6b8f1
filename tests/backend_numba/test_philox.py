"""Random words in nests: the reference's bits, for every shape, view, key and counter."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight.extend import Access, LoopNest, Node, Store, int64, uint32
from rushlight.reference import random_bits
from rushlight_numba.codegen.nest import NestCode

WORDS = [(0, 0), (7, 12), (2**64 - 1, 2**64 - 3), (2**63, 2**128 - 2), (12345, 5 << 64)]


def signed(word: int) -> int:
    """64 bits as an int64."""
    return word - (word >> 63 << 64)


def bits(key: int, counter: int, shape: tuple[int, int], start: int, lanes: int) -> np.ndarray:
    """The words from number `start` on, by a nest that reads key and counter."""
    rows, n = shape
    words = [Access("words", (0, 0), i, int64) for i in range(3)]
    nodes = [Node("read", (), i, int64, frozenset()) for i in range(3)]
    nodes.append(Node("index", (), (start, (n, 1)), int64, frozenset((0, 1))))
    nodes.append(Node("random", (0, 1, 2, 3), None, uint32, frozenset((0, 1))))
    store = Store(4, Access("out", (n, 1), 0, uint32))
    nest = LoopNest((rows, n), tuple(words), tuple(nodes), (store,))
    given = [signed(x) for x in (key, counter % 2**64, counter >> 64)]
    out = np.zeros(shape, np.uint32)
    NestCode(nest, lanes=lanes).run({"words": np.array(given, np.int64), "out": out})
    return out


@pytest.mark.parametrize("lanes", [1, 8, 16])
@pytest.mark.parametrize(("key", "counter"), WORDS)
@pytest.mark.parametrize(("shape", "start"), [((1, 1), 0), ((3, 64), 0), ((5, 63), 2)])
def test_the_words_are_the_references(key, counter, shape, start, lanes):
    wanted = random_bits(key, counter, (start + shape[0] * shape[1],), 0)[start:].reshape(shape)
    np.testing.assert_array_equal(bits(key, counter, shape, start, lanes), wanted)


@pytest.mark.parametrize("shape", [(1,), (7,), (13, 5), (4, 3, 33)])
def test_compiled_draws_are_those_of_eager(shape):
    def draws(x):
        a, b = rl.rand(*shape, device=x.device), rl.randn(*shape, device=x.device)
        return a, b, rl.rand(6, 8, device=x.device).transpose(0, 1)[1:, ::2]

    found = {}
    for device in ("numpy", "numba"):
        with rl.device(device):
            rl.manual_seed(2**64 - 5)
            x = rl.zeros(2)
            run = draws if device == "numpy" else rl.compile(draws)
            found[device] = [[y.numpy() for y in run(x)] for _ in range(3)]
    for wanted, given in zip(found["numpy"], found["numba"], strict=True):
        np.testing.assert_array_equal(wanted[0], given[0])
        np.testing.assert_allclose(wanted[1], given[1], rtol=2e-6, atol=2e-6)
        np.testing.assert_array_equal(wanted[2], given[2])


def test_a_counter_in_another_lane_is_read_whole():
    stream = rl.Generator()
    draw = rl.compile(lambda x: x + rl.rand(40, device=x.device, generator=stream))
    for counter in (3, 2**64 - 2, 2**127 + 2**64 - 2):
        found = []
        for device in ("numpy", "numba"):
            stream.set_state({"seed": 2**64 - 1, "counter": counter})
            found.append(draw(rl.zeros(40, device=device)).numpy())
        np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("dtype", [rl.int8, rl.int32, rl.int64, rl.uint8, rl.uint32])
def test_division_by_a_power_of_two_rounds_down(dtype):
    info = np.iinfo(dtype)
    values = np.array([info.min, info.min + 1, 0, 1, 63, 64, info.max], info.dtype)
    with rl.device("numba"):
        x = rl.tensor(values)
        for y in (1, 2, 64):
            given = rl.compile(lambda x, y=y: x // y)(x).numpy()
            np.testing.assert_array_equal(given, values // y)
