"""Checkpoints: nested state in one safetensors file, written whole or not at all.

Knows no module and no optimizer, only dicts, lists, numbers, strings and tensors.  Nothing is
pickled, so a file from a stranger can be read.

The tensors are the file's tensors, each named by its path ("model.layer1.weight"), so that any
reader of safetensors finds them; all else is JSON under the key "rushlight" of the file's metadata.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl
from rushlight.errors import ContractError, DeviceError, FileRefused, MissingExtra

KEY = "rushlight"
VERSION = 1
DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U32": "uint32",
    "U8": "uint8",
    "BOOL": "bool",
}
Location = str | os.PathLike[str]


def save(state: Any, path: Location) -> None:
    """Write a nested state to a safetensors file.

    state: tensors and numpy arrays in dicts, lists and tuples, beside numbers, strings, bools and
        None; keys are strings, numbers, bools or None.

    The file is written beside its place under another name, brought to the disk and then renamed:
    whoever opens `path` finds the old content or the new, never a part.
    Raises: ContractError for what cannot be saved, naming its place in the state, or for a path
    that is none; OSError as `open` does.
    """
    _expect_path(path, "save", "save(state, path), the state first")
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _encode(state, (), arrays)
    text = json.dumps({"version": VERSION, "state": tree}, allow_nan=False)
    write(arrays, path, {KEY: text})


def load(path: Location, device: str | rl.device | None = None) -> Any:
    """What `save` was given, its tensors on this device.

    Raises: FileRefused for a file that `save` did not write, or that was changed since;
    ContractError for a path that is none; OSError as `open` does.
    """
    _expect_path(path, "load", "load(path)")
    with opened(path) as file:
        text = (file.metadata() or {}).get(KEY)
        if text is None:
            raise FileRefused(
                f"{path}: has no {KEY!r} in its metadata; expected a checkpoint written by save(), "
                "read a file of tensors alone with load_state()"
            )
        arrays = {name: _read(path, file, name) for name in file.keys()}  # noqa: SIM118 no mapping
    try:
        saved = json.loads(text)
        version = saved["version"]
        if version != VERSION:
            raise FileRefused(
                f"{path}: is of version {version!r}; expected {VERSION}, "
                "read it with the release that wrote it"
            )
        return _decode(saved["state"], arrays, device)
    except (FileRefused, DeviceError):
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FileRefused(
            f"{path}: the metadata {KEY!r} is damaged ({type(error).__name__}: {error}); "
            "expected the JSON that save() writes"
        ) from error


def load_state(path: Location, device: str | rl.device | None = None) -> dict[str, rl.Tensor]:
    """Every tensor of any safetensors file by its name: what `load_state_dict` takes.

    Raises: FileRefused for a file that is no safetensors file or has an element type unknown here;
    ContractError for a path that is none; OSError as `open` does.
    """
    _expect_path(path, "load_state", "load_state(path)")
    with opened(path) as file:
        return {
            name: rl.tensor(_read(path, file, name), device=device)
            for name in file.keys()  # noqa: SIM118 no mapping
        }


@contextmanager
def opened(path: Location) -> Iterator[Any]:
    """The safetensors file at path.  Raises: FileRefused if it is none; OSError as `open` does."""
    safe_open, broken = _safetensors("safe_open", "SafetensorError")
    Path(path).open("rb").close()  # safetensors reports a folder as "no such device"
    try:
        with safe_open(os.fspath(path), "np") as file:
            yield file
    except broken as error:
        raise FileRefused(
            f"{path}: {error}; expected a safetensors file, fetch or write it again"
        ) from error


def write(
    arrays: Mapping[str, np.ndarray[Any, Any]],
    path: Location,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a safetensors file in one stroke: it is at `path` whole, or the old one still is.

    Raises: OSError as `open` does.
    """
    (broken,) = _safetensors("SafetensorError")
    from safetensors.numpy import save_file

    # safetensors 0.8.0 writes other layouts in the wrong order, without a word
    packed = {name: np.ascontiguousarray(x).reshape(x.shape) for name, x in arrays.items()}
    try:
        with replacing(path) as part:
            mode = part.stat().st_mode & 0o777
            save_file(packed, part, metadata)
            part.chmod(mode)  # safetensors makes its files private
    except broken as error:
        raise OSError(f"{path}: {error}") from error


@contextmanager
def replacing(path: Location) -> Iterator[Path]:
    """An empty file to fill in a `with` block, after which it takes the place of `path`.

    Whoever opens `path` finds the old content or the new, never a part; if the block raises, the
    old content stays.
    Raises: OSError as `open` does.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.open("xb").close()
        yield part
        _sync(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    if os.name == "posix":
        _sync(path.parent)


def _expect_path(path: object, operation: str, call: str) -> None:
    """Raises: ContractError unless it is a path, saying how the operation is called."""
    if not isinstance(path, (str, os.PathLike)):
        raise ContractError(
            f"{operation}: the path is a {type(path).__name__}; give a string or a Path: {call}"
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _safetensors(*names: str) -> list[Any]:
    try:
        import safetensors
    except ModuleNotFoundError as missing:
        raise MissingExtra(
            'checkpoint: needs safetensors; pip install "rushlight[save]"'
        ) from missing
    return [getattr(safetensors, name) for name in names]


def _encode(value: Any, path: tuple[Any, ...], arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The value as JSON; what JSON has no form for becomes an object of one key, its kind."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, rl.Tensor):
        return {"tensor": _keep(value.detach().numpy(), path, arrays)}
    if isinstance(value, np.ndarray):
        return {"array": _keep(value, path, arrays)}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, (*path, i), arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if not isinstance(value, Mapping):
        raise ContractError(
            f"save: {_place(path)} is a {type(value).__name__}; "
            "give tensors, arrays, numbers, strings, bools or None, in dicts, lists and tuples"
        )
    if all(isinstance(key, str) for key in value):
        return {"dict": {str(key): _encode(x, (*path, key), arrays) for key, x in value.items()}}
    for key in value:
        if key is not None and not isinstance(key, (bool, int, float, str)):
            raise ContractError(
                f"save: {_place(path)} has the key {key!r}; give keys that are strings or numbers"
            )
    pairs = [[_encode(k, path, arrays), _encode(x, (*path, k), arrays)] for k, x in value.items()]
    return {"items": pairs}


def _keep(
    array: np.ndarray[Any, Any], path: tuple[Any, ...], arrays: dict[str, np.ndarray[Any, Any]]
) -> str:
    """Put an array among those to write, and return its name there."""
    if array.dtype.name not in DTYPES.values():
        raise ContractError(
            f"save: {_place(path)} has elements of {array.dtype}; "
            f"convert it to one of {', '.join(DTYPES.values())}"
        )
    name = ".".join(map(str, path)) or "tensor"
    while name in arrays or name == "__metadata__":  # two paths of one text; safetensors' own key
        name += "~"
    arrays[name] = array
    return name


def _place(path: tuple[Any, ...]) -> str:
    return "state" + "".join(f"[{key!r}]" for key in path)


def _decode(
    tree: Any, arrays: Mapping[str, np.ndarray[Any, Any]], device: str | rl.device | None
) -> Any:
    """The value that `_encode` turned into this.  Raises: an error that says what is wrong."""
    if not isinstance(tree, (dict, list)):
        return tree
    if isinstance(tree, list):
        return [_decode(item, arrays, device) for item in tree]
    ((kind, held),) = tree.items()
    if kind == "dict":
        return {key: _decode(item, arrays, device) for key, item in held.items()}
    if kind == "items":
        return {_decode(key, arrays, device): _decode(x, arrays, device) for key, x in held}
    if kind == "tuple":
        return tuple(_decode(item, arrays, device) for item in held)
    if kind == "tensor":
        return rl.tensor(arrays[held], device=device)
    if kind == "array":
        return arrays[held].copy()
    if kind == "float":
        return float(held)
    raise ValueError(f"unknown kind {kind!r}")


def _read(path: Location, file: Any, name: str) -> np.ndarray[Any, Any]:
    dtype = file.get_slice(name).get_dtype()
    if dtype not in DTYPES:
        raise FileRefused(
            f"{path}: tensor {name!r} has elements of {dtype}; expected one of {', '.join(DTYPES)}"
        )
    if dtype == "BF16":
        import ml_dtypes  # noqa: F401 numpy knows the type only from then on
    array: np.ndarray[Any, Any] = file.get_tensor(name)
    return array
