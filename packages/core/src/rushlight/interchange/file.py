"""Nested state in one safetensors file, written whole or not at all.

Knows no module and no optimizer, only dicts, lists, numbers, strings and tensors.  Nothing is
pickled, so a file from a stranger can be read.

The tensors are the file's tensors, each named by its path ("model.layer1.weight"), so that any
reader of safetensors finds them; all else is JSON under the key "rushlight" of the file's metadata.
"""

import io
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np

from ..creation import Place, as_tensor
from ..device import Device, resolve
from ..dtypes import bfloat16
from ..errors import ContractError, DeviceError, FileRefused, MissingExtra, WrongType
from ..tensor import Tensor

__all__ = ["load", "replacing", "save", "write"]

KEY = "rushlight"
VERSION = 1
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U32": "uint32", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
PICKLES = (b"PK\x03\x04", b"\x80\x02")  # how PyTorch's own files begin: since 1.6, and before
DAMAGES = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
HostArray = np.ndarray[Any, Any]
Location = str | os.PathLike[str]


def save(obj: Any, f: Location | BinaryIO) -> None:
    """Write a nested state to a safetensors file; `load` gives it back.

    obj: tensors and numpy arrays in dicts, lists and tuples, beside numbers, strings, bools and
        None; keys are strings, numbers, bools or None.  A tensor that stands in two places is
        written twice; its tape, its gradient and whether it requires one are not written.
    f: a path, or a file that is open for bytes.

    A path is written beside its place under another name, brought to the disk and then renamed:
    whoever opens it finds the old content or the new, never a part.
    Raises: ContractError for what cannot be saved, naming its place in the state, or for an f that
    is neither; MissingExtra without safetensors; OSError as `open` does.
    """
    path = location(f, "write", "save(obj, f), the state first")
    arrays: dict[str, HostArray] = {}
    try:
        tree = encoded(obj, (), arrays)
        text = json.dumps({"version": VERSION, "state": tree}, allow_nan=False)
    except RecursionError as error:
        raise ContractError("save: the state holds itself or is too deep; flatten it") from error
    if path is not None:
        return write(arrays, path, {KEY: text})
    with TemporaryDirectory() as folder:
        part = Path(folder, "part")
        write(arrays, part, {KEY: text})
        with part.open("rb") as source:
            return shutil.copyfileobj(source, f)  # type: ignore[arg-type]  # f is a file


def load(
    f: Location | BinaryIO, map_location: Place = None, *,
    weights_only: bool | None = None,  # noqa: ARG001  PyTorch's, and always so
) -> Any:  # fmt: skip
    """What `save` was given, or all tensors of any other safetensors file in a dict by name.

    f: a path, or a file that is open for bytes.
    map_location: the device of the tensors; None for the one on which tensors are made.
    weights_only: makes no difference: such files cannot hold programs.
    Raises: FileRefused, naming the file, for one that is not of this kind or was damaged;
    ContractError for an f that is neither; MissingExtra without safetensors; OSError as `open`
    does.
    """
    path = location(f, "read", "load(f)")
    if path is not None:
        return read(path, path, resolve(map_location))
    with TemporaryDirectory() as folder:
        part = Path(folder, "part")
        part.write_bytes(f.read())  # type: ignore[union-attr]  # f is a file
        return read(part, getattr(f, "name", type(f).__name__), resolve(map_location))


def read(path: Path, name: object, device: Device) -> Any:
    """What the file at path holds; messages call it by this name.  Raises: as `load`."""
    safe_open, broken = safetensors("load", "safe_open", "SafetensorError")
    with path.open("rb") as file:  # safetensors reports a folder as "no such device"
        head = file.read(4)
    try:
        with safe_open(path, "np") as opened:
            arrays = {key: values(opened, key) for key in opened.keys()}  # noqa: SIM118 no mapping
            text = (opened.metadata() or {}).get(KEY)
        if text is None:
            return {key: as_tensor(array, device=device) for key, array in arrays.items()}
        saved = json.loads(text)
        if saved["version"] != VERSION:
            raise FileRefused(
                f"is of version {saved['version']!r}; expected {VERSION}, read it with the release "
                f"that wrote it"
            )
        return decoded(saved["state"], arrays, device)
    except broken as error:
        theirs = " (a file of torch.save?)" if head.startswith(PICKLES) else ""
        told = f"{error}{theirs}; expected a safetensors file, fetch or write it again"
        if missing := cut(path):
            told = f"{missing}, fetch it again or bring back a copy"
        raise FileRefused(f"{name}: {told}") from error
    except FileRefused as error:
        raise FileRefused(f"{name}: {error}") from error.__cause__
    except DeviceError:
        raise
    except DAMAGES as error:
        raise FileRefused(
            f"{name}: is damaged ({type(error).__name__}: {error}); expected what save() writes"
        ) from error


def cut(path: Path) -> str:
    """Where a safetensors file ends, if that is too early, and what was expected up to where.

    Its first 8 bytes are the length of its header, which tells where each tensor ends behind it.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        end, what = 8, "the length of its header"
        if size >= end:
            end, what = end + int.from_bytes(file.read(end), "little"), "its header"
            if end > LONGEST_HEADER or file.peek(1)[:1] not in {b"{", b""}:
                return ""  # another kind of file
        if size >= end:
            try:
                tensors = json.loads(file.read(end - 8))
                tensors.pop("__metadata__", None)
                ends = [int(tensor["data_offsets"][1]) for tensor in tensors.values()]
            except DAMAGES:
                return ""
            end, what = end + max(ends, default=0), "its tensors"
    if size >= end:
        return ""
    return f"ends at offset {size}; expected a safetensors file with {what} up to {end}"


def values(opened: Any, key: str) -> HostArray:
    """A tensor of an open safetensors file.  Raises: FileRefused for an unknown element type."""
    dtype = opened.get_slice(key).get_dtype()
    if dtype not in DTYPES:
        raise FileRefused(
            f"tensor {key!r} has elements of {dtype}; expected one of {', '.join(DTYPES)}"
        )
    if dtype == "BF16":
        bfloat16()  # numpy knows the type only from then on
    array: HostArray = opened.get_tensor(key)
    return array


def write(
    arrays: Mapping[str, HostArray], path: Location, metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file in one stroke: it is at `path` whole, or the old one still is.

    Raises: MissingExtra without safetensors; OSError as `open` does.
    """
    (broken,) = safetensors("save", "SafetensorError")
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
    old content stays.  A link stays too: what it names is replaced.  A pipe or a device, which
    nothing can replace, is written to instead.
    Raises: OSError as `open` does.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        with TemporaryDirectory() as folder:
            part = Path(folder, "part")
            part.open("xb").close()
            yield part
            with part.open("rb") as source, path.open("wb") as target:
                return shutil.copyfileobj(source, target)
    path = Path(os.path.realpath(path))
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.open("xb").close()
    except OSError as failed:
        raise OSError(failed.errno, failed.strerror, str(path)) from failed
    try:
        yield part
        sync(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    if os.name == "posix":
        sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def location(f: object, method: str, call: str) -> Path | None:
    """f as a path; None for a file with this method.  Raises: WrongType for anything else."""
    if isinstance(f, (str, os.PathLike)):
        return Path(f)
    if hasattr(f, method) and not isinstance(f, io.TextIOBase):
        return None
    raise WrongType(
        f"{call.partition('(')[0]}: f is a {type(f).__name__}; "
        f"give a path or a file of bytes: {call}"
    )


def safetensors(op: str, *names: str) -> list[Any]:
    """These things of the package.  Raises: MissingExtra."""
    try:
        import safetensors
    except ModuleNotFoundError as missing:
        raise MissingExtra(f'{op}: needs safetensors; pip install "rushlight[save]"') from missing
    return [getattr(safetensors, name) for name in names]


def encoded(value: Any, path: tuple[Any, ...], arrays: dict[str, HostArray]) -> Any:
    """The value as JSON; what JSON has no form for becomes an object of one key, its kind."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, Tensor):
        return {"tensor": kept(value.numpy(force=True), path, arrays)}
    if isinstance(value, np.ndarray):
        return {"array": kept(value, path, arrays)}
    if isinstance(value, (list, tuple)):
        items = [encoded(item, (*path, i), arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if not isinstance(value, Mapping):
        raise ContractError(
            f"save: {shown(path)} is a {type(value).__name__}; "
            f"give tensors, arrays, numbers, strings, bools or None, in dicts, lists and tuples"
        )
    if all(isinstance(key, str) for key in value):
        return {"dict": {str(key): encoded(x, (*path, key), arrays) for key, x in value.items()}}
    for key in value:
        if key is not None and not isinstance(key, (bool, int, float, str, np.number, np.bool)):
            raise ContractError(
                f"save: {shown(path)} has the key {key!r}; give keys that are strings or numbers"
            )
    pairs = [[encoded(k, path, arrays), encoded(x, (*path, k), arrays)] for k, x in value.items()]
    return {"items": pairs}


def kept(array: HostArray, path: tuple[Any, ...], arrays: dict[str, HostArray]) -> str:
    """Put an array among those to write, and return its name there."""
    if array.dtype.name not in DTYPES.values():
        raise ContractError(
            f"save: {shown(path)} has elements of {array.dtype}; "
            f"convert it to one of {', '.join(DTYPES.values())}"
        )
    name = ".".join(map(str, path)) or "tensor"
    name = name.encode(errors="backslashreplace").decode()  # half a surrogate pair has no UTF-8
    while name in arrays or name == "__metadata__":  # two paths of one text; safetensors' own key
        name += "~"
    arrays[name] = array
    return name


def shown(path: tuple[Any, ...]) -> str:
    """A place in the state, as a message says it."""
    return "state" + "".join(f"[{key!r}]" for key in path)


def decoded(tree: Any, arrays: Mapping[str, HostArray], device: Device) -> Any:
    """The value that `encoded` turned into this.  Raises: an error that says what is wrong."""
    if not isinstance(tree, (dict, list)):
        return tree
    if isinstance(tree, list):
        return [decoded(item, arrays, device) for item in tree]
    ((kind, held),) = tree.items()
    if kind == "dict":
        return {key: decoded(item, arrays, device) for key, item in held.items()}
    if kind == "items":
        return {decoded(key, arrays, device): decoded(x, arrays, device) for key, x in held}
    if kind == "tuple":
        return tuple([decoded(item, arrays, device) for item in held])
    if kind == "tensor":
        return as_tensor(arrays[held], device=device)
    if kind == "array":
        return arrays[held].copy()
    if kind == "float":
        return float(held)
    raise ValueError(f"unknown kind {kind!r}")
