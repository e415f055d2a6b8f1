"""Every error that Rushlight raises on purpose.

RushlightError
├── ContractError
│   └── WrongType, WrongDtype, NotOffered, LinAlgError, IndexOutOfRange
├── DeviceError, NoGradient, WrongGradient, StaleValue, TracingError, OutOfMemory, KernelFailed
└── FileRefused, ExchangeRefused, BackendUnavailable, WorkerFailed, MissingExtra

Each is also an instance of what PyTorch raises in its place, so handlers written for PyTorch work.
"""

# Those that are in `rushlight` too.
__all__ = [
    "BackendUnavailable", "ContractError", "DeviceError", "ExchangeRefused", "FileRefused",
    "IndexOutOfRange", "KernelFailed", "MissingExtra", "NoGradient", "OutOfMemory",
    "RushlightError", "StaleValue", "TracingError", "WorkerFailed", "WrongDtype", "WrongGradient",
    "WrongType",
]  # fmt: skip


class RushlightError(Exception):
    """Base of every error that Rushlight raises on purpose."""


class ContractError(RushlightError, ValueError, RuntimeError):
    """Inputs that an operation does not accept."""


class WrongType(ContractError, TypeError):
    """An argument of a Python type that an operation does not take: a list for a tensor."""


class WrongDtype(ContractError, NotImplementedError, TypeError):
    """Elements of a type in which an operation does not compute: the mean of integers."""


class NotOffered(ContractError, NotImplementedError):
    """A way of computing that an operation does not offer: a mode of padding with another name."""


class LinAlgError(ContractError):
    """A matrix that cannot be factorised: a singular one, one that is not positive definite."""


class IndexOutOfRange(ContractError, IndexError):
    """An index beyond the length of its axis, or a choice among nothing."""


class DeviceError(RushlightError, ValueError, RuntimeError):
    """Inputs in different places, or a place that does not exist."""


class NoGradient(RushlightError, TypeError, RuntimeError):
    """A gradient was asked of what has none."""


class WrongGradient(RushlightError, AssertionError, RuntimeError):
    """A stated gradient disagrees with finite differences."""


class StaleValue(RushlightError, RuntimeError):
    """A tensor that backward must read was assigned since it was used."""


class TracingError(RushlightError, TypeError):
    """A value was asked of a tensor that has none yet, because the program is being traced."""


class OutOfMemory(RushlightError, RuntimeError):
    """The device has no room for a result."""


class FileRefused(RushlightError, ValueError):
    """A file that is not what its reader expects."""


class ExchangeRefused(RushlightError, BufferError, RuntimeError):
    """Memory that cannot be handed to another library, or taken from it."""


class BackendUnavailable(RushlightError, RuntimeError):
    """A backend that cannot be used here; the message is one sentence saying why."""


class KernelFailed(RushlightError, RuntimeError):
    """A kernel broke on inputs that its contract allows: a defect of the backend."""


class WorkerFailed(RushlightError, RuntimeError):
    """A process that loads data ended or does not answer, or its error could not be sent."""


class MissingExtra(RushlightError, ImportError):
    """An optional package is not installed; the message has the command that installs it."""
