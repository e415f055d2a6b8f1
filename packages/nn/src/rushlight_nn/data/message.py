"""Messages between processes: any object through a connection, large arrays in shared memory.

A message is pickled, its arrays apart (protocol 5), and laid into one block of memory.  A small
block goes through the connection.  A large one is an anonymous file in memory, of which only the
handle goes through: so the sender does not wait until it is read, and goes on.  The file has no
name, so whatever is killed, nothing is left behind.

A receiver reads the file, or maps it if it is huge: then it copies nothing, and the memory is freed
with the last array in it.  What is mapped keeps a descriptor, and a process has about a thousand.

Measured between two processes, the receiver's time for 1 MiB: 0.26 ms, through the connection 0.62;
for 16 MiB: 3.3 ms mapped, 9.9 read, 11.2 through the connection.
"""

from __future__ import annotations

import os
import pickle
from itertools import accumulate
from mmap import mmap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SMALL = 64 * 1024  # bytes; what a connection holds unread is a few times as much
HUGE = 16 * 1024**2  # bytes; a thousand of these are not kept by accident
APART = 64  # bytes: each array begins on a multiple


def send(connection: Connection, message: Any) -> None:
    """Send a message; what cannot be pickled raises before anything is sent.

    Raises: BrokenPipeError or ConnectionResetError if nobody receives any more.
    """
    arrays: list[pickle.PickleBuffer] = []
    text = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(text), *[array.raw() for array in arrays]]
    sizes = [part.nbytes for part in parts]
    *starts, end = places(sizes)
    if end <= SMALL or not hasattr(os, "memfd_create"):
        block = bytearray(end)
        for start, part in zip(starts, parts, strict=True):
            block[start : start + part.nbytes] = part
        connection.send((sizes, False))
        connection.send_bytes(block)
        return
    from multiprocessing.reduction import send_handle

    with os.fdopen(os.memfd_create("batch"), "wb") as file:
        for start, part in zip(starts, parts, strict=True):
            file.seek(start)
            file.write(part)
        file.truncate(end)
        connection.send((sizes, True))
        send_handle(connection, file.fileno(), os.getpid())


def receive(connection: Connection) -> Any:
    """The next message, waited for.  Raises: EOFError or ConnectionResetError if none will come."""
    sizes, shared = connection.recv()
    *starts, end = places(sizes)
    block: bytearray | mmap
    if not shared:
        block = bytearray(connection.recv_bytes())
    else:
        from multiprocessing.reduction import recv_handle

        with os.fdopen(recv_handle(connection), "rb") as file:
            if end < HUGE:
                block = bytearray(end)
                file.seek(0)
                file.readinto(block)
            else:
                block = mmap(file.fileno(), end)
    whole = memoryview(block)
    text, *arrays = [whole[s : s + size] for s, size in zip(starts, sizes, strict=True)]
    return pickle.loads(text, buffers=arrays)  # noqa: S301  from a process of this program


def places(sizes: list[int]) -> list[int]:
    """Where parts of these sizes begin, one after another, and where all end."""
    return [0, *accumulate(-(-size // APART) * APART for size in sizes)]
