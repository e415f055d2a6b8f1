"""Prediction: the network of a run, and what it makes of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import rushlight as rl
from rushlight import FileRefused

from .framing import Framing
from .image import Floats, read_colour
from .network import ConvNet
from .run import CONFIG, MODEL, RunFolder


class Predictor:
    """The trained network of a run folder.

    Raises: FileRefused if the folder holds none, or a damaged one.
    """

    def __init__(self, folder: RunFolder, device: rl.device) -> None:
        self.device = device
        config = folder.config()
        with folder.fitting(CONFIG):
            self.classes = tuple(map(str, config["classes"]))
            height, width = config["size"]
            self.size = int(height), int(width)
            self.framing = Framing(**config["framing"])
            with device:
                self.model = ConvNet(len(self.classes), self.size).eval()
        weights = folder.weights(device)
        with folder.fitting(MODEL):
            self.model.load_state_dict(weights)

    def prepare(self, path: Path) -> Floats:
        """A picture as the network has learnt to see them.  -> [h, w], 0..1.

        Raises: FileRefused if it is no image, or a plain one.
        """
        framed = self.framing.apply(read_colour(path), self.size)
        if framed is None:
            raise FileRefused(
                f"{path}: there is nothing painted on it that stands out; "
                "give a picture of one of the classes"
            )
        return framed

    def probabilities(self, images: Sequence[Floats]) -> npt.NDArray[np.float32]:
        """Of each class, for every prepared picture.  n of [h, w] -> [n, classes]."""
        if not images:
            return np.empty((0, len(self.classes)), np.float32)
        with rl.no_grad():
            scores = self.model(rl.tensor(np.stack(images)[:, None], device=self.device))
            found: npt.NDArray[np.float32] = rl.softmax(scores, dim=1).numpy()
        if not np.isfinite(found).all():
            raise FileRefused(
                "predict: the weights of this run give no numbers, since its training diverged; "
                "train again with a smaller --lr"
            )
        return found
