"""How far a result may lie from the exact one: by its element type and the length of its sums.

Knows numpy's arrays only.
"""

from math import sqrt
from typing import Any

import numpy as np

from ..dtypes import FLOATING, DType, finfo

HostArray = np.ndarray[Any, Any]

# Roundings between input and result, each of two units in the last place, as a fast exp has.
STEPS = 4


def tolerance(dtype: DType, terms: int = 1) -> float:
    """The relative error allowed to a sum of so many terms: (8 + 2 sqrt(terms)) eps.

    Errors of single additions have either sign, so they grow as the root of their number.
    Source: Higham 2002, "Accuracy and stability of numerical algorithms", section 2.8.
    """
    return (2 * STEPS + 2 * sqrt(terms)) * float(finfo(dtype).eps)


def rounded(exact: HostArray, dtype: DType) -> HostArray:
    """exact in the type of a result; out of its range: inf."""
    with np.errstate(all="ignore"):
        return exact.astype(dtype)


def assert_close(
    what: str,
    actual: HostArray,
    exact: HostArray,
    *,
    terms: int = 1,
    wider: float = 1.0,
    elementwise: bool = False,
) -> None:
    """Whole numbers are equal, others within the tolerance of their type; nan equals nan.

    exact: computed in a wider type.  terms: summed for one element.
    wider: a factor, for which its user gives a reason; 0 asks for equality.
    elementwise: the error is relative to each element; else to the largest, since terms of a sum
    that cancel leave an error of their own size.
    Raises: AssertionError naming what was compared, the worst element and how far it is off.
    """
    assert actual.shape == exact.shape, f"{what}: shape {actual.shape} instead of {exact.shape}"
    dtype = actual.dtype
    given, wanted = actual, rounded(exact, dtype)
    if dtype not in FLOATING:
        off = (given != wanted).astype(np.float64)
        allowed = np.zeros(given.shape)
    else:
        given, wanted = given.astype(np.float64), wanted.astype(np.float64)
        finite = np.isfinite(wanted)
        size = np.abs(np.where(finite, wanted, 0.0))
        if not elementwise:
            size = np.full(size.shape, size.max(initial=0.0))
        # Hardware may flush what is smaller than the smallest normal number.
        smallest = float(finfo(dtype).tiny)
        allowed = np.where(finite, size * tolerance(dtype, terms) * wider + smallest, 0.0)
        same = (given == wanted) | (np.isnan(given) & np.isnan(wanted))
        with np.errstate(invalid="ignore"):
            off = np.where(same, 0.0, np.abs(given - wanted))
        off = np.where(np.isnan(off), np.inf, off)  # nan on one side only
    wrong = off > allowed
    if not wrong.any():
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.unravel_index(np.argmax(np.where(wrong, off / allowed, 0.0)), off.shape)
    raise AssertionError(
        f"{what}: {given[place]} instead of {wanted[place]} at {[int(i) for i in place]}, "
        f"off by {off[place]:.3g} where {allowed[place]:.3g} is allowed "
        f"({dtype.name}, {terms} terms); "
        f"{wrong.sum()} of {wrong.size} elements are wrong"
    )


def assert_same_bits(what: str, actual: HostArray, expected: HostArray) -> None:
    """Both have one type, one shape and the same bits, those of nan and -0 included.

    Raises: AssertionError naming what was compared and the first place where they differ.
    """
    told = [f"{x.dtype.name}{list(x.shape)}" for x in (actual, expected)]
    assert told[0] == told[1], f"{what}: {told[0]} instead of {told[1]}"
    bits = [
        np.ascontiguousarray(x).reshape(-1).view(f"u{x.dtype.itemsize}") for x in (actual, expected)
    ]
    if (bits[0] == bits[1]).all():
        return
    first = int(np.argmax(bits[0] != bits[1]))
    place = [int(i) for i in np.unravel_index(first, actual.shape)]
    raise AssertionError(
        f"{what}: {actual.reshape(-1)[first]} instead of {expected.reshape(-1)[first]} at {place}; "
        f"{(bits[0] != bits[1]).sum()} of {actual.size} elements differ in their bits"
    )
