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
    """Word number % 4 of the block at counter low + number // 4, lane high.  All are int64.

    Each lane computes the block that it needs.  Words lie in the lower halves of 64 bits; what is
    in the upper ones is dropped where it would count, which costs nothing before a product.
    """
    fn = lanes.fn
    counter = lanes.add(low, lanes.on_bits("lshr", number, 2))
    c = [counter, upper(lanes, counter), high, upper(lanes, high)]
    k = [key, upper(lanes, key)]
    for turn in range(ROUNDS):
        if turn:
            k = [lanes.add(x, lanes.integer(step)) for x, step in zip(k, WEYL, strict=True)]
        p, q = product(lanes, c[0], MULTIPLY[0]), product(lanes, c[2], MULTIPLY[1])
        c[0], c[1] = mixed(lanes, q, c[1], k[0]), q
        c[2], c[3] = mixed(lanes, p, c[3], k[1]), p
    odd = fn.op(f"trunc {lanes.ty} {number} to {lanes.truth}")
    second = fn.op(f"trunc {lanes.ty} {lanes.on_bits('lshr', number, 1)} to {lanes.truth}")
    return lanes.where(second, lanes.where(odd, c[3], c[2]), lanes.where(odd, c[1], c[0]))


def upper(lanes: Lanes, x: str) -> str:
    """The upper half of 64 bits."""
    return lanes.on_bits("lshr", x, 32)


def product(lanes: Lanes, x: str, y: int) -> str:
    """The product of the lower half of x and a number of 32 bits: 64 bits."""
    return lanes.mul(lanes.on_bits("and", x, LOW), lanes.integer(y))


def mixed(lanes: Lanes, x: str, y: str, k: str) -> str:
    """The upper half of x, y and k in one."""
    return lanes.bitwise_xor(lanes.bitwise_xor(upper(lanes, x), y), k)
