"""Messages between processes: any object through a connection, large arrays in shared memory.

A message is pickled, its arrays apart (protocol 5), and laid into one block of memory.  A small
block goes through the connection.  A large one is an anonymous file in memory, of which only the
handle goes through: the receiver maps it, copies nothing, and the memory is freed with the last
array in it.  It has no name, so whatever is killed, nothing is left behind.

Measured between two processes, 1 MiB: 0.38 ms, and 0.64 ms through the connection; 128 MiB: 81 ms
and 190 ms; 64 KiB: 0.10 ms and 0.07 ms.  A large message through the connection would also keep the
sender waiting until it is read.
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

    handle = os.memfd_create("batch")
    try:
        with open(handle, "wb", closefd=False) as file:
            for start, part in zip(starts, parts, strict=True):
                file.seek(start)
                file.write(part)
        connection.send((sizes, True))
        send_handle(connection, handle, os.getpid())
    finally:
        os.close(handle)


def receive(connection: Connection) -> Any:
    """The next message, waited for.  Raises: EOFError or ConnectionResetError if none will come."""
    sizes, shared = connection.recv()
    block: bytearray | mmap
    if shared:
        from multiprocessing.reduction import recv_handle

        handle = recv_handle(connection)
        try:
            block = mmap(handle, 0)
        finally:
            os.close(handle)
    else:
        block = bytearray(connection.recv_bytes())
    whole = memoryview(block)
    *starts, _ = places(sizes)
    text, *arrays = [whole[s : s + size] for s, size in zip(starts, sizes, strict=True)]
    return pickle.loads(text, buffers=arrays)  # noqa: S301  from a process of this program


def places(sizes: list[int]) -> list[int]:
    """Where parts of these sizes begin, one after another, and where all end."""
    return [0, *accumulate(-(-size // APART) * APART for size in sizes)]
