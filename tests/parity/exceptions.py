"""Where rushlight is not like PyTorch, and why: sentences for users.  Each is checked to hold still."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple


class Deviates(NamedTuple):
    """What a public name does otherwise.

    names: public names, a method's too.  what: of the comparison, as `compare.Deviation` says.
    reason: a sentence.  calls: a pattern of the arguments' label.  dtypes: under test; "" for all.
    """

    names: str
    what: str
    reason: str
    calls: str = "*"
    dtypes: str = ""

    def covers(self, name: str, label: str, dtype: str) -> bool:
        """Whether the comparison of this call is expected to differ."""
        return (
            name in self.names.split()
            and (not self.dtypes or dtype in self.dtypes.split())
            and fnmatchcase(label, self.calls)
        )


EXCEPTIONS: list[Deviates] = []

# Public names that are not compared, and why.
OWN: dict[str, str] = {
    name: reason
    for names, reason in {
        """
        BackendUnavailable ContractError DeviceError FileRefused IndexOutOfRange KernelFailed
        ExchangeRefused WorkerFailed WrongDtype WrongType MissingExtra NoGradient OutOfMemory RushlightError StaleValue TracingError WrongGradient
        errors
        """: "Errors of rushlight; each is an instance of what PyTorch raises.",
        "amp linalg": "A module, whose functions are compared.",
        "synchronize": "PyTorch has it for each kind of device.",
        "Cell devices DeviceInfo device": "A device is a plug-in here.",
        "autograd compiler dtypes extend function ops random scalar": "A module.",
        "compile": "Traces the whole program; its results equal the eager ones, which are compared.",
        "Tensor": "A class; its methods are compared.",
        "dtype": "Also makes an element type of a name.",
        "spec assign_ values as_subclass": "Of rushlight's own.",
        "cpu": "PyTorch's name of the place is cpu, here it is numpy.",
    }.items()
    for name in names.split()
}
