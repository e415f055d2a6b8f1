"""The handwritten digits of scikit-learn: 1,797 from scanned forms, 8 x 8, grey values 0 to 16.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.
"""

from __future__ import annotations

import numpy as np

from .extra import apps
from .samples import Samples, Source, split


def read_digits() -> Source:
    """The digits, a stratified fifth of them held out; always the same fifth.

    Raises: MissingExtra without scikit-learn.
    """
    with apps("train digits"):
        from sklearn.datasets import load_digits
    images, labels = load_digits(return_X_y=True)
    samples = Samples(
        images.reshape(-1, 8, 8).astype(np.uint8),
        labels.astype(np.int64),
        tuple(map(str, range(10))),
        top=16,
    )
    train, test = split("train digits", samples)
    return Source("digits", {}, train, test)
