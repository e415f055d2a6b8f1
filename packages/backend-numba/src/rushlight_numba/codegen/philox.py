"""Random words in lanes: Philox4x32-10, the bits that every device gives.

Knows `Lanes` only.
Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", sec. 3.
"""

from __future__ import annotations

from .lanes import Lanes

MULTIPLY = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
LOW = 2**32 - 1
ROUNDS = 10


def words(lanes: Lanes, key: str, low: str, high: str, number: str) -> str:
    """Word number % 4 of the block at counter low + number // 4, stream high.  All are int64.

    Each lane computes the block that it needs.
    """
    fn = lanes.fn
    c = blocks(lanes, key, lanes.add(low, lanes.on_bits("lshr", number, 2)), high)
    odd = fn.op(f"trunc {lanes.ty} {number} to {lanes.truth}")
    second = fn.op(f"trunc {lanes.ty} {lanes.on_bits('lshr', number, 1)} to {lanes.truth}")
    return lanes.where(second, lanes.where(odd, c[3], c[2]), lanes.where(odd, c[1], c[0]))


def row(lanes: Lanes, half: Lanes, key: str, low: str, high: str, number: str) -> str:
    """As many words as lanes (uint32) from scalar `number` on, of half as many blocks (int64)."""
    fn, n = lanes.fn, lanes.n
    first = fn.op(f"lshr i64 {number}, 2")
    c = blocks(half, half.splat(key), half.ramp(fn.add(low, first), 1), half.splat(high))
    pairs = [paired(half, c[i], c[i + 1], lanes.ty) for i in (0, 2)]

    def shifted(by: int) -> str:
        at = range(by, by + n)
        picked = ", ".join(f"i32 {i // 4 * 2 + i % 2 + (i % 4 // 2) * n}" for i in at)
        both = f"{lanes.ty} {pairs[0]}, {lanes.ty} {pairs[1]}"
        return fn.op(f"shufflevector {both}, <{n} x i32> <{picked}>")

    odd = lanes.splat(fn.op(f"trunc i64 {number} to i1"), "i1")
    second = lanes.splat(fn.op(f"trunc i64 {fn.op(f'lshr i64 {number}, 1')} to i1"), "i1")
    late, early = (lanes.where(odd, shifted(i + 1), shifted(i)) for i in (2, 0))
    return lanes.where(second, late, early)


def paired(lanes: Lanes, x: str, y: str, ty: str) -> str:
    """The lower halves of x and y in turn."""
    x, y = lanes.on_bits("and", x, LOW), lanes.on_bits("shl", y, 32)
    return lanes.fn.op(f"bitcast {lanes.ty} {lanes.op('or', x, y)} to {ty}")


def blocks(lanes: Lanes, key: str, counter: str, high: str) -> list[str]:
    """The four words of the block at each counter, in the lower halves of 64 bits.

    What is in the upper ones is dropped where it would count, which is free before a product.
    """
    c = [counter, upper(lanes, counter), high, upper(lanes, high)]
    k = [key, upper(lanes, key)]
    for turn in range(ROUNDS):
        if turn:
            k = [lanes.add(x, lanes.integer(step)) for x, step in zip(k, WEYL, strict=True)]
        p, q = product(lanes, c[0], MULTIPLY[0]), product(lanes, c[2], MULTIPLY[1])
        c[0], c[1] = mixed(lanes, q, c[1], k[0]), q
        c[2], c[3] = mixed(lanes, p, c[3], k[1]), p
    return c


def upper(lanes: Lanes, x: str) -> str:
    """The upper half of 64 bits."""
    return lanes.on_bits("lshr", x, 32)


def product(lanes: Lanes, x: str, y: int) -> str:
    """The product of the lower half of x and a number of 32 bits: 64 bits."""
    return lanes.mul(lanes.on_bits("and", x, LOW), lanes.integer(y))


def mixed(lanes: Lanes, x: str, y: str, k: str) -> str:
    """The upper half of x, y and k in one."""
    return lanes.bitwise_xor(lanes.bitwise_xor(upper(lanes, x), y), k)
