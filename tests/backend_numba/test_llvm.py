"""The emitter of LLVM's text: what its functions compute, how modules join and are loaded."""

import ctypes
import math
import struct
import threading

import numpy as np
import pytest

from rushlight_numba.codegen import llvm
from rushlight_numba.codegen.llvm import LANES, Fn, f32, f64, module, native

ARGS = "ptr noalias %args, i64 %chunk, ptr noalias %scratch"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_CACHE", str(tmp_path))


def run(function, *words, name=None):
    """Compile one function and call it with a block of words."""
    address = native([function])[name or function.name]
    call(address, *words)


def call(address, *words):
    block = np.array(words, np.int64)
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
    prototype(address)(block.ctypes.data, 0, None)


def computed(emit, *words):
    """The i64 that `emit(f)` names, computed by native code."""
    out = np.zeros(1, np.int64)
    f = Fn("compute", ARGS)
    f.store("i64", emit(f), f.arg("%args", 0, "ptr"))
    run(f, out.ctypes.data, *words)
    return int(out[0])


def writer(value, name="write"):
    f = Fn(name, ARGS)
    f.store("i64", value, f.arg("%args", 0, "ptr"))
    return f


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, 0.1, -3.5e38, 1e300, 1e-45, math.inf, math.nan])
def test_float32_constant_is_the_nearest(x):
    bits = struct.unpack("d", struct.pack("Q", int(f32(x), 16)))[0]
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(bits, float(np.float32(x)))
    assert math.copysign(1, bits) == math.copysign(1, x)


@pytest.mark.parametrize("x", [0.1, -1e300, 5e-324, -math.inf])
def test_float64_constant_is_exact(x):
    assert struct.unpack("d", struct.pack("Q", int(f64(x), 16)))[0] == x


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("add", 2**40, 3, 2**40 + 3),
        ("sub", 2, 5, -3),
        ("mul", -4, 2**33, -(2**35)),
        ("udiv", 17, 5, 3),
        ("urem", 17, 5, 2),
        ("imin", -1, 1, -1),
        ("imax", -1, 1, 1),
    ],
)
def test_integer(name, a, b, expected):
    def emit(f):
        return getattr(f, name)(f.arg("%args", 1), f.arg("%args", 2))

    assert computed(emit, a, b) == expected
    assert computed(lambda f: getattr(f, name)(a, b)) == expected


def test_select_takes_a_side():
    def emit(f):
        return f.select(f.icmp("slt", f.arg("%args", 1), 0), "i64", 10, 20)

    assert [computed(emit, x) for x in (-1, 0)] == [10, 20]


@pytest.mark.parametrize(("lo", "hi", "step"), [(0, 10, 1), (3, 20, 4), (5, 5, 1), (7, 2, 1)])
def test_loop_is_a_range(lo, hi, step):
    def emit(f):
        total = f.alloca("i64")
        f.store("i64", 0, total)
        with f.loop(f.arg("%args", 1), f.arg("%args", 2), f.arg("%args", 3)) as i:
            f.store("i64", f.add(f.load("i64", total), i), total)
        return f.load("i64", total)

    assert computed(emit, lo, hi, step) == sum(range(lo, hi, step))


def test_loops_and_conditions_nest():
    def emit(f):
        count = f.alloca("i64")
        f.store("i64", 0, count)
        with f.loop(0, f.arg("%args", 1)) as i, f.loop(0, i) as j:
            with f.when(f.icmp("eq", f.urem(f.add(i, j), 3), 0)):
                f.store("i64", f.add(f.load("i64", count), 1), count)
            with f.when(f.icmp("sgt", j, 1000)):
                f.store("i64", -1, count)
        return f.load("i64", count)

    assert computed(emit, 20) == sum((i + j) % 3 == 0 for i in range(20) for j in range(i))


def test_memory_of_a_call_holds_many():
    def emit(f):
        squares = f.alloca("i64", 10, align=64)
        with f.loop(0, 10) as i:
            f.store("i64", f.mul(i, i), f.gep(squares, i, "i64"))
        return f.arg(squares, f.arg("%args", 1))

    assert computed(emit, 7) == 49


@pytest.mark.parametrize("nontemporal", [False, True])
def test_vectors(nontemporal):
    memory = np.arange(3 * LANES + 16, dtype=np.float32)
    start = -memory.ctypes.data % 64 // 4
    x = memory[start : start + 2 * LANES]
    expected = x * np.float32(0.1)
    f = Fn("scale", ARGS)
    ty = f"<{LANES} x float>"
    with f.loop(0, 2 * LANES, LANES) as i:
        at = f.gep(f.arg("%args", 0, "ptr"), i)
        y = f.op(f"fmul {ty} {f.load(ty, at, 4)}, splat (float {f32(0.1)})")
        f.store(ty, y, at, 4 * LANES if LANES == 16 else 4, nontemporal=nontemporal)
    run(f, x.ctypes.data)
    np.testing.assert_array_equal(x, expected)


def test_flags_stand_before_the_type():
    f = Fn("root", ARGS)
    f.call("float", "llvm.sqrt.f32", ("float", f32(2)), flags="reassoc contract")
    assert f"call reassoc contract float @llvm.sqrt.f32(float {f32(2)})" in f.text()


def test_functions_of_a_module_call_each_other():
    outer, inner = Fn("outer", ARGS), writer(42, "inner")
    outer.call("void", "inner", ("ptr", "%args"), ("i64", 0), ("ptr", "null"))
    text = module([outer, inner])
    assert "declare" not in text
    out = np.zeros(1, np.int64)
    call(native([outer, inner])["outer"], out.ctypes.data)
    assert out[0] == 42


def test_a_function_is_called_by_its_address():
    f = Fn("forward", ARGS)
    f.indirect(f.arg("%args", 1, "ptr"), "ptr %args, i64 0, ptr null")
    out = np.zeros(1, np.int64)
    run(f, out.ctypes.data, native([writer(7)])["write"])
    assert out[0] == 7


def test_a_symbol_is_called_by_its_name():
    seen = []
    told = ctypes.CFUNCTYPE(None, ctypes.c_int64)(seen.append)
    llvm.add_symbol("rushlight_test_told", ctypes.cast(told, ctypes.c_void_p).value)
    f = Fn("tell", ARGS)
    f.call("void", "rushlight_test_told", ("i64", f.arg("%args", 0)))
    run(f, 13)
    assert seen == [13]


def test_text_that_is_no_module_raises():
    f = Fn("wrong", ARGS)
    f.emit("store float 1, ptr %args")
    with pytest.raises(RuntimeError, match="integer constant must have integer type"):
        native([f])


def test_the_same_name_may_mean_two_functions():
    first, second = native([writer(1)])["write"], native([writer(2)])["write"]
    out = np.zeros(2, np.int64)
    call(first, out.ctypes.data)
    call(second, out.ctypes.data + 8)
    assert out.tolist() == [1, 2]


def test_the_same_object_is_loaded_once():
    assert native([writer(3)]) == native([writer(3)])


def test_what_was_compiled_is_read_from_the_cache(monkeypatch):
    text = module([writer(4)])
    code = llvm.compile_object(text)
    monkeypatch.setattr(llvm.binding, "parse_assembly", None)
    assert llvm.compile_object(text) == code
    with pytest.raises(TypeError):
        llvm.compile_object(text, level=1)


def test_what_was_written_once_is_not_written_again():
    first = llvm.written_once("five", lambda: [writer(5)])
    assert llvm.written_once("five", lambda: pytest.fail("written again")) == first
    assert llvm.written_once("six", lambda: [writer(6)]) != first
    with pytest.raises(ZeroDivisionError):  # the effort is part of what decides
        llvm.written_once("five", lambda: 1 / 0, level=1)


def test_other_sources_write_anew(monkeypatch):
    llvm.written_once("seven", lambda: [writer(7)])
    monkeypatch.setattr(llvm, "_sources", lambda: "of another version")
    with pytest.raises(ZeroDivisionError):
        llvm.written_once("seven", lambda: 1 / 0)


def test_code_without_its_object_is_written_anew(tmp_path):
    first = llvm.written_once("eight", lambda: [writer(8)])
    for file in sorted(tmp_path.iterdir(), key=lambda file: file.stat().st_size)[1:]:
        file.unlink()
    assert llvm.written_once("eight", lambda: [writer(8)]) == first
    assert len([*tmp_path.iterdir()]) == 2


def test_nothing_is_kept_where_sources_are_not_there(monkeypatch):
    monkeypatch.setattr(llvm, "_sources", lambda: "")
    written = [llvm.written_once("nine", lambda n=n: [writer(n)]) for n in (9, 10)]
    assert written[0] != written[1]


def test_threads_compile_at_once():
    found = {}

    def compile_some(k):
        for i in range(10):
            out = np.zeros(1, np.int64)
            call(native([writer(100 * k + i)])["write"], out.ctypes.data)
            found[k, i] = int(out[0])

    threads = [threading.Thread(target=compile_some, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {(k, i): 100 * k + i for k in range(3) for i in range(10)}
