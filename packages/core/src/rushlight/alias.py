"""Parts: tensors taken from others as PyTorch's views are, through which those are written.

Arrays are never written, so a part cannot change with its whole by sharing memory.  It has a link
instead: assigning to the part assigns to the whole.  The other way round, a part keeps what it
showed until it is itself changed in place, and looks at its whole again first.

A link: (way, up, op, params).
way: a weak reference to the whole; what nobody holds needs no writing.
up: the link of the whole, if that is a part too: the way on when the whole is gone.
op, params: how the part was taken; op None: it is the whole, apart from the tape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from weakref import ref

from . import straight

Link = tuple[Any, Any, Any, tuple[Any, ...]]


def link(x: Any, op: Any = None, params: tuple[Any, ...] = ()) -> Link:
    """The link of what op takes from x."""
    return ref(x), x._base and straight.trimmed(x._base), op, params


def write(part: Link, value: Any) -> None:
    """Put a part's new value into its whole."""
    link: Link | None = part
    while link is not None:
        way, up, op, params = link
        mode = straight.current()
        if op is None and mode.recording:
            from .eager import interpreting

            with interpreting(mode.quiet(False)):  # what is detached is written apart from the tape
                write(link, value)
            return
        whole = way()
        if whole is not None:
            refresh(whole)
            whole.assign_(value if op is None else op.put(whole, value, *params))
            return  # it writes its own whole
        between = None if up is None else shown(up)  # it is gone, but was perhaps itself a part
        if between is None:
            return
        value = value if op is None else op.put(between, value, *params)
        link = up


def shown(part: Link) -> Any:
    """What a part shows of its whole as that is now; None if nothing is left of it."""
    steps: list[Link] = []
    x, up = None, part
    while x is None and up is not None:  # a whole that is gone was perhaps itself a part
        steps.append(up)
        x, up = up[0](), up[1]
    if x is None:
        return None
    refresh(x)
    for _, _, op, params in reversed(steps):
        x = x.detach() if op is None else op.run((x,), params)
    return x


def wholes(x: Any) -> Iterator[Any]:
    """What x is a part of, from near to far."""
    part = x._base
    while part is not None:
        way, part = part[:2]
        if (whole := way()) is not None:
            yield whole


def refresh(x: Any) -> None:
    """If x is a part, let it show its whole as that is now."""
    if x._base is None:
        return
    mode = straight.current()
    way, _, op, _ = x._base
    if op is None and (whole := way()) is not None:
        refresh(whole)
        if mode.read(whole) is mode.read(x):
            return  # it shows that already, and may have a tape of its own
    if x._node is not None and not mode.recording:  # how x was made changes too
        from .eager import interpreting

        with interpreting(mode.quiet(True)):
            if (now := shown(x._base)) is not None and now._node is not None:
                straight.current().assign(x, now)
                return
    if (now := shown(x._base)) is not None:
        mode.assign(x, now)
