"""Kernels in numba's Python: compiled once, found again without numba, the same on any threads."""

import ctypes
import math
import os
import subprocess
import sys

import numpy as np
import pytest

import rushlight as rl
from rushlight import ops
from rushlight_numba.kernels import jitted
from rushlight_numba.kernels.jitted import Jitted, Pointer

SHIFT = 1


def doubled(x):
    return x + x + SHIFT


def plain(x):
    return x


change = doubled


def mapped(x: Pointer, z: Pointer, n: int, chunk: int, scratch: Pointer) -> None:
    for i in range(chunk * n, chunk * n + n):
        scratch[0] = change(x[i])
        z[i] = scratch[0]


def handed(z: Pointer, number: float, chunk: int) -> None:
    z[chunk] = number


def fresh(z: Pointer, chunk: int) -> None:
    z[0] = len(np.zeros(chunk))


def far(z: Pointer, chunk: int) -> None:
    z[0] = math.lgamma(chunk)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_CACHE", str(tmp_path))
    return tmp_path


def run(code, words, chunk, scratch):
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    kind(code.address())(words.ctypes.data, chunk, scratch.ctypes.data)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint8", "int64"])
@pytest.mark.parametrize(
    ("constants", "factor", "shift"),
    [({}, 2, 1), ({"SHIFT": 5}, 2, 5), ({"change": plain}, 1, 0)],
    ids=["as-written", "number", "function"],
)
def test_a_kernel_reads_its_words_and_its_constants(dtype, constants, factor, shift):
    x = np.arange(6).astype(dtype)
    z, scratch = np.zeros_like(x), np.zeros(1, dtype)
    words = np.array([x.ctypes.data, z.ctypes.data, 3], np.int64)
    kind = f"{dtype}*"
    code = Jitted(mapped, kind, kind, "int64", scratch=kind, constants=constants)
    run(code, words, 1, scratch)
    assert z.tolist() == [0, 0, 0, *(factor * i + shift for i in (3, 4, 5))]


@pytest.mark.parametrize(
    ("dtype", "number"),
    [
        ("int8", -100), ("uint8", 200), ("int16", -30000), ("uint16", 60000), ("int32", -(2**31)),
        ("uint32", 2**32 - 1), ("int64", 2**40 + 1), ("uint64", 2**64 - 1), ("float32", 0.75),
        ("float64", 0.1),
    ],
)  # fmt: skip
def test_a_number_is_handed_over_whole(dtype, number):
    z = np.zeros(2, dtype)
    words = np.array([z.ctypes.data, 0], np.int64)
    words[1:].view(dtype)[0] = number
    run(Jitted(handed, f"{dtype}*", dtype), words, 1, z)
    assert z.tolist() == [0, number]


def test_a_key_tells_types_constants_and_function_apart():
    kinds = ["float32*", "float32*", "int64"]
    codes = [
        Jitted(mapped, *kinds, scratch="float32*"),
        Jitted(mapped, *kinds, scratch="float64*"),
        Jitted(mapped, "float64*", *kinds[1:], scratch="float32*"),
        Jitted(mapped, *kinds, scratch="float32*", constants={"SHIFT": 2}),
        Jitted(mapped, *kinds, scratch="float32*", constants={"SHIFT": 3}),
        Jitted(mapped, *kinds, scratch="float32*", constants={"change": plain}),
        Jitted(fresh, *kinds, scratch="float32*"),
    ]
    assert len({code.key for code in codes}) == len({code.name for code in codes}) == len(codes)
    assert Jitted(mapped, *kinds, scratch="float32*").key == codes[0].key


def test_what_makes_arrays_or_calls_libraries_is_no_kernel():
    with pytest.raises(Exception, match="array"):
        Jitted(fresh, "int64*").text()
    with pytest.raises(AssertionError, match="lgamma"):
        Jitted(far, "float64*").text()


def test_object_code_is_written_once_and_found_again(cache, monkeypatch):
    code = Jitted(mapped, "int16*", "int16*", "int64", scratch="int16*")
    code.address()
    (entry,) = cache.iterdir()
    monkeypatch.setattr(jitted, "compiled", None)
    Jitted(mapped, "int16*", "int16*", "int64", scratch="int16*").address()
    assert [*cache.iterdir()] == [entry]


PROGRAM = """
import sys
import rushlight as rl
with rl.device("numba"):
    x = rl.arange(64 * 64).reshape(1, 1, 64, 64).to(rl.float32).requires_grad_()
    rl.max_pool2d(x, 2).sum().backward()
    x.detach().cumsum(-1)
    x.detach().reshape(-1).sort()
print("numba.core" in sys.modules)
"""


def test_a_second_process_imports_no_numba(cache):
    environment = {**os.environ, "RUSHLIGHT_CACHE": str(cache)}
    command = [sys.executable, "-c", PROGRAM]
    told = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert told == ["True\n", "False\n"]


@pytest.fixture
def threads():
    before = rl.get_num_threads()
    yield rl.set_num_threads
    rl.set_num_threads(before)


def results():
    """Bytes of what the kernels make of arrays that are cut into many chunks."""
    rng = np.random.default_rng(0)
    with rl.device("numba"):
        x = rl.tensor(rng.normal(size=(300, 700)).astype("float32"))
        image = rl.tensor(rng.normal(size=(16, 16, 24, 24)).astype("float32")).requires_grad_()
        index = rl.tensor(rng.integers(0, 50, 3000))
        rows = rl.tensor(rng.normal(size=(3000, 64)).astype("float32"))
    made = [ops.untake(rows, index, shape=(50, 64), axis=0)]
    for axis in (0, 1):
        made += [ops.cumsum(x, axis=axis), ops.cummax(x, axis=axis)]
        made += [ops.argmax(x, axis=axis, keepdim=False)]
        made += [ops.argsort(x, axis=axis, descending=True)]
    for pool in (rl.max_pool2d, rl.avg_pool2d):
        z = pool(image, 3, 2, 1)
        image.grad = None
        (z * z).sum().backward()
        made += [z.detach(), image.grad]
    return [z.numpy().tobytes() for z in made]


def test_one_thread_and_two_give_the_same_bits(threads):
    threads(1)
    alone = results()
    threads(2)
    assert results() == alone


def test_compiled_programs_call_the_same_kernels():
    rng = np.random.default_rng(1)
    image = rl.tensor(rng.normal(size=(4, 3, 12, 12)).astype("float32"), device="numba")

    def step(x):
        x = x.detach().requires_grad_()
        z = rl.max_pool2d(x, 2)
        (g,) = rl.autograd.grad((z * z).sum(), x)
        return z.detach(), g, z.detach().cumsum(-1), z.detach().argmax(-1)

    compiled = rl.compile(step)
    for found, wanted in zip(compiled(image), step(image), strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())
    (traced,) = next(iter(compiled.traced.values()))
    names = {step.op.name for step in traced.program.graph.steps}
    assert {"max_pool.fwd", "max_pool.vjp", "cumsum", "argmax"} <= names
