"""Training of image classifiers: what `rushlight train` and `rushlight predict` are made of.

`Trainer` is the loop, for any classifier; the rest reads samples, keeps run folders and draws.
"""

from .loop import Callback, Trainer
from .record import Record
from .run import RunFolder
from .samples import Samples, Source

__all__ = ["Callback", "Record", "RunFolder", "Samples", "Source", "Trainer"]
