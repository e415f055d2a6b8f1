"""Memory of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from rushlight.extend import DType, Shape


def empty(shape: Shape, dtype: DType) -> Any:
    """An array of undefined values."""
    return np.empty(shape, dtype)
