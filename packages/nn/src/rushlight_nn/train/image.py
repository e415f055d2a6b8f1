"""Image files of any mode as colour or grey values, 0 to 1.  Knows no classes and no training."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rushlight import FileRefused

from .extra import apps

Floats = npt.NDArray[np.float32]

DEEP_TOP = 65535.0  # of 16 bits
SIGNATURE_BYTES = 12
SIGNATURES = {
    "PNG": rb"\x89PNG",
    "JPEG": rb"\xff\xd8\xff",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II\*\0|MM\0\*",
    "WebP": rb"RIFF(?s:.{4})WEBP",
    "BMP": rb"BM(?s:.{4})\0{4}",
}


def read_colour(path: Path) -> Floats:
    """The pixels of an image file, upright.  [h, w, 3], 0 black to 1 white.

    Palettes are looked up, 16 bits keep their depth, and transparency shows the ground that
    contrasts with what is painted: white behind dark, black behind light.
    Raises: FileRefused if the file is no image, or not a whole one.
    """
    with apps("reading an image"):
        from PIL import Image, ImageOps, UnidentifiedImageError
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of damaged tags, which hold no pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                opened.load()
                upright = ImageOps.exif_transpose(opened)
    except UnidentifiedImageError as unknown:
        if announced(path):
            raise FileRefused(damaged(path)) from unknown
        begins = beginning(path)[:4].hex(" ") or "nothing"
        raise FileRefused(
            f"{path}: no image by what stands at offset 0 ({begins}); "
            "expected a PNG, JPEG or another format that Pillow reads"
        ) from unknown
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as bomb:
        announces = re.search(r"\d+", str(bomb))
        count = f"{int(announces[0]):,}" if announces else "more"
        raise FileRefused(
            f"{path}: an image of {count} pixels by its header; "
            f"at most {Image.MAX_IMAGE_PIXELS:,} are read, give a smaller one"
        ) from bomb
    # Pillow's decoders raise these, by format, on damaged content.
    except (OSError, SyntaxError, ValueError, IndexError, EOFError) as broken:
        if isinstance(broken, OSError) and broken.strerror:
            raise FileRefused(f"{path}: {broken.strerror}; expected an image") from broken
        raise FileRefused(damaged(path, str(broken))) from broken
    if not upright.width or not upright.height:
        raise FileRefused(f"{path}: an image without pixels; expected at least one")
    if upright.mode in {"I", "F"} or upright.mode.startswith("I;"):
        return deep(np.asarray(upright, np.float32))
    transparent = "A" in upright.getbands() or "transparency" in upright.info
    if not transparent:
        return np.asarray(upright.convert("RGB"), np.float32) / np.float32(255)
    pixels = np.asarray(upright.convert("RGBA"), np.float32) / np.float32(255)
    return composed(pixels[..., :3], pixels[..., 3:])


def image_suffixes() -> frozenset[str]:
    """The extensions of files that may be images: ".png" and so on."""
    with apps("reading an image"):
        from PIL import Image
    return frozenset(Image.registered_extensions())


def beginning(path: Path) -> bytes:
    """The first bytes of a file."""
    with path.open("rb") as file:
        return file.read(SIGNATURE_BYTES)


def announced(path: Path) -> str | None:
    """The format that the first bytes of a file announce, however it goes on; None for others."""
    begins = beginning(path)
    return next((name for name, known in SIGNATURES.items() if re.match(known, begins)), None)


def damaged(path: Path, told: str = "") -> str:
    """The sentence on an image that is not whole."""
    what = f"a {announced(path) or 'picture'}"
    why = f" ({told})" if told else ""
    return (
        f"{path}: {what}, cut or damaged before its end at offset {path.stat().st_size}{why}; "
        "expected a whole image"
    )


def deep(values: Floats) -> Floats:
    """Grey values of 16 bits, or of floats up to 1, 255 or 65535.  [h, w] -> [h, w, 3], 0..1."""
    highest = float(values.max())
    top = 1.0 if highest <= 1 else 255.0 if highest <= 255 else DEEP_TOP
    grey = np.clip(values / np.float32(top), 0, 1)
    return np.repeat(grey[..., None], 3, axis=2)


def composed(colour: Floats, alpha: Floats) -> Floats:
    """What is painted, on a ground that it contrasts with.  [h, w, 3], [h, w, 1] -> [h, w, 3]."""
    if alpha.min() == 1:
        return colour
    painted = float((grey(colour) * alpha[..., 0]).sum()) / max(float(alpha.sum()), 1e-6)
    ground = np.float32(painted < 0.5)
    return colour * alpha + ground * (1 - alpha)


def grey(colour: Floats) -> Floats:
    """Luminance.  [h, w, 3] -> [h, w].  Source: ITU-R BT.601, 2.5.1."""
    return colour @ np.array((0.299, 0.587, 0.114), np.float32)


def resized(
    values: Floats,
    size: tuple[int, int],
    window: tuple[float, float, float, float] | None = None,
) -> Floats:
    """Grey values at another height and width, each the mean of what it covers.  [h, w] -> size.

    window: the part to look at: its left, upper, right and lower end in pixels; None for all.
    """
    with apps("resizing an image"):
        from PIL import Image
    height, width = size
    left, upper, right, lower = window or (0, 0, values.shape[1], values.shape[0])
    shrinks = lower - upper >= height and right - left >= width
    how = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(image.resize((width, height), how, (left, upper, right, lower)), np.float32)
