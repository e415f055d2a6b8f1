"""Mixed precision: `rl.autocast`, and the scaler that training in float16 needs."""

from .casting import autocast, get_autocast_dtype, is_autocast_enabled
from .scaler import GradScaler

__all__ = ["GradScaler", "autocast", "get_autocast_dtype", "is_autocast_enabled"]
