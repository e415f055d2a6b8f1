"""What runs in a worker: batches are fetched as they are asked for.  Knows no order and no pool."""

from __future__ import annotations

import os
import pickle
import random
import signal
import traceback
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import rushlight as rl

from .fetch import END, Fetch
from .message import receive, send

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

WATCH_S = 5.0  # how often a worker that waits looks whether its parent is still there


class WorkerInfo(NamedTuple):
    """What a dataset may ask in a worker.

    id: from 0 to num_workers - 1.
    seed: of the worker's random streams in this epoch; `rl.initial_seed()` is the same.
    dataset: the worker's copy.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


class Epoch(NamedTuple):
    """An epoch begins, with this state of the random stream."""

    number: int
    stream: dict[str, int]


class Task(NamedTuple):
    """A batch is asked for: what the order says."""

    chosen: Any


class Failure(NamedTuple):
    """What was raised instead of a batch: the error itself if it can be sent, and its traceback."""

    error: Exception | None
    text: str


class Reply(NamedTuple):
    """A batch of this epoch, a Failure, or nothing if there is no further one."""

    epoch: int
    batch: Any
    over: bool


present: WorkerInfo | None = None  # in a worker, what it is


def get_worker_info() -> WorkerInfo | None:
    """Which worker this process is; None in the process of the program."""
    return present


def serve(
    number: int,
    count: int,
    fetch: Fetch,
    worker_init_fn: Callable[[int], Any] | None,
    connection: Connection,
) -> None:
    """Answer tasks, in one thread, until the other end of the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and hangs up
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not a handler that was the parent's
    tasks: SimpleQueue[Epoch | Task | None] = SimpleQueue()
    Thread(target=listen, args=(connection, tasks), daemon=True).start()
    rl.set_num_threads(1)  # each worker has a processor; the rest are the program's
    parent = os.getppid()
    epoch, fresh = 0, True
    ask: Callable[[Any], Any] | Failure | None = None
    with rl.device("numpy"):  # what a batch is made of stays on the host
        while True:
            try:
                task = tasks.get(timeout=WATCH_S)
            except Empty:
                if os.getppid() != parent:
                    return
                continue
            if task is None:
                return
            try:
                if isinstance(task, Epoch):
                    epoch = task.number
                    begin(number, count, fetch.dataset, task.stream)
                    if fresh and worker_init_fn is not None:
                        worker_init_fn(number)
                    fresh, ask = False, fetch.begin()
                    continue
                assert ask is not None
                made = ask if isinstance(ask, Failure) else ask(task.chosen)
            except Exception as error:  # the program's own code: the parent raises what it raised
                made = failure(error, number)
                if isinstance(task, Epoch):
                    ask = made
                    continue
            try:
                answer(connection, epoch, made, number)
            except (BrokenPipeError, ConnectionResetError):
                return


def answer(connection: Connection, epoch: int, made: Any, number: int) -> None:
    """Send what was made, or why it cannot be sent."""
    reply = Reply(epoch, None if made is END else made, made is END)
    try:
        send(connection, reply)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:  # what pickling a batch may raise is the program's affair
        send(connection, Reply(epoch, failure(error, number), over=False))


def listen(connection: Connection, tasks: SimpleQueue[Epoch | Task | None]) -> None:
    """Take in all tasks at once, so that the parent never waits for a worker that is busy."""
    try:
        while True:
            tasks.put(receive(connection))
    except (EOFError, OSError):
        tasks.put(None)


def begin(number: int, count: int, dataset: Any, stream: dict[str, int]) -> None:
    """Seed rl, `random` and numpy with the 128 bits of this stream; say which worker this is."""
    global present  # noqa: PLW0603  of a process there is one
    rl.set_rng_state(stream)
    bits = stream["seed"] << 64 | stream["counter"] >> 64
    random.seed(bits)
    # Both are Mersenne twisters: numpy's has a word more, or they would give the same numbers.
    words = [bits >> 32 * i & 0xFFFFFFFF for i in range(4)]
    np.random.seed([*words, 1])  # noqa: NPY002  programs use the legacy stream
    present = WorkerInfo(number, count, rl.initial_seed(), dataset)


def failure(error: Exception, number: int) -> Failure:
    """The error as it is sent; its text alone if pickle would not give it back."""
    said = "".join(traceback.format_exception(error)).rstrip()
    text = f"in DataLoader worker {number} (process {os.getpid()}):\n{said}"
    try:
        same = type(pickle.loads(pickle.dumps(error))) is type(error)  # noqa: S301  of its own making
    except Exception:  # whatever the error's own constructor raises
        same = False
    return Failure(error if same else None, text)
