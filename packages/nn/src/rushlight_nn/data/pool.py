"""Pool: worker processes that fetch batches, from the side of who asks.  Knows no dataset.

Each worker has a connection of its own, and is asked in turn; so batches come in the order in which
they were asked for, and no process holds a lock that another one waits for.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from multiprocessing import current_process, get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn
from weakref import WeakSet, finalize

import rushlight as rl

from .fetch import Fetch
from .message import receive, send
from .worker import Epoch, Failure, Reply, Task, serve

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

CHECK_S = 1.0  # how often the workers are looked at while a batch is waited for
GRACE_S = 3.0  # how long a worker may take to end by itself
NOTHING = object()
HELD: WeakSet[Connection] = WeakSet()  # this process's ends of connections to workers


class Worker(NamedTuple):
    """A process, and this end of the connection to it."""

    process: BaseProcess
    connection: Connection


class Pool:
    """Workers that fetch batches.

    `close()` ends them: it is called when the pool is collected as garbage, and at exit.

    Raises: ContractError in a process that may have no children, and for what cannot be sent to a
    process.
    """

    def __init__(
        self,
        fetch: Fetch,
        count: int,
        context: BaseContext,
        worker_init_fn: Callable[[int], Any] | None,
    ) -> None:
        if current_process().daemon:
            raise rl.ContractError(
                f"DataLoader: num_workers={count} in {current_process().name}, a daemonic process, "
                "which may have no children; give num_workers=0 there"
            )
        self.workers: list[Worker] = []
        self.epoch = 0
        self.close = finalize(self, end, os.getpid(), self.workers)
        for number in range(count):
            here, there = context.Pipe()
            HELD.add(here)
            process: BaseProcess = context.Process(  # type: ignore[attr-defined]  # every context has one
                target=enter,
                args=(number, count, fetch, worker_init_fn, there),
                name=f"DataLoader worker {number}",
                daemon=True,
            )
            try:
                process.start()
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                self.close()
                raise rl.ContractError(
                    f"DataLoader: a worker cannot be given the dataset, collate_fn or "
                    f"worker_init_fn ({error}); define them at the top of a module, or give "
                    f"multiprocessing_context='fork' where the system has it"
                ) from error
            finally:
                there.close()
            self.workers.append(Worker(process, here))

    def batches(
        self,
        order: Iterator[Any],
        streams: Sequence[rl.Generator],
        prefetch: int,
        timeout_s: float,
    ) -> Iterator[Any]:
        """An epoch: the batches that the order says, asked for from now on.

        streams: the random stream of each worker.
        prefetch: how many batches each worker is ahead.
        timeout_s: for one batch; 0 for any.
        Raises: WorkerFailed for a worker that ended or took longer, and what a worker raised.
        """
        self.epoch += 1
        for worker, stream in zip(self.workers, streams, strict=True):
            self.tell(worker, Epoch(self.epoch, stream.get_state()))
        turns = cycle(self.workers)
        asked: deque[Worker] = deque()
        done: list[Worker] = []  # those whose part of a dataset without numbers is over

        def ask() -> None:
            if len(done) == len(self.workers):
                return
            chosen = next(order, NOTHING)
            if chosen is not NOTHING:
                worker = next(worker for worker in turns if worker not in done)
                self.tell(worker, Task(chosen))
                asked.append(worker)

        def replies() -> Iterator[Any]:
            while asked:
                worker = asked.popleft()
                reply = self.reply(worker, timeout_s)
                if reply.over and worker not in done:
                    done.append(worker)
                ask()
                if isinstance(reply.batch, Failure):
                    raise_again(reply.batch)
                if not reply.over:
                    yield reply.batch

        for _ in range(prefetch * len(self.workers)):
            ask()
        return replies()

    def tell(self, worker: Worker, message: Epoch | Task) -> None:
        """Send a message to a worker, which takes it at once."""
        try:
            send(worker.connection, message)
        except (BrokenPipeError, ConnectionResetError):
            self.lost(worker)

    def reply(self, worker: Worker, timeout_s: float) -> Reply:
        """The next answer of this worker in this epoch; all workers are watched meanwhile."""
        until = monotonic() + timeout_s if timeout_s else float("inf")
        ends = {each.process.sentinel: each for each in self.workers}
        while True:
            left = max(0.0, min(CHECK_S, until - monotonic()))
            ready = wait([worker.connection, *ends], left)
            if worker.connection in ready:
                try:
                    reply: Reply = receive(worker.connection)
                except (EOFError, ConnectionResetError):
                    self.lost(worker)
                if reply.epoch == self.epoch:
                    return reply
                continue  # of an epoch that was left early
            for each in self.workers:  # a child of its own may keep a sentinel open
                if each.process.sentinel in ready or not each.process.is_alive():
                    self.lost(each)
            if monotonic() >= until:
                self.close()
                raise rl.WorkerFailed(
                    f"DataLoader: no batch within {timeout_s} s; give a longer timeout, more "
                    f"workers, or 0 for no limit"
                )

    def lost(self, worker: Worker) -> NoReturn:
        """Raises: WorkerFailed, which says how the worker ended."""
        number = self.workers.index(worker)
        worker.process.join(CHECK_S)
        pid, code = worker.process.pid, worker.process.exitcode
        self.close()
        raise rl.WorkerFailed(
            f"DataLoader: worker {number} (process {pid}) {ended(code)}; see what it printed, or "
            f"give num_workers=0 to find the cause"
        )


def enter(*given: Any) -> None:
    """What a worker runs.  A forked one lets go of what it inherited, so that it sees its end."""
    for connection in HELD:
        connection.close()
    serve(*given)


def ended(code: int | None) -> str:
    """How a process came to its end."""
    if code is None:
        return "closed its connection"
    if code >= 0:
        return f"exited with code {code}"
    name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
    hint = ", as the system does when memory is short" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"


def raise_again(failure: Failure) -> None:
    """Raises: the worker's error, with the worker's traceback as a note to it."""
    if failure.error is None:
        raise rl.WorkerFailed(failure.text)
    failure.error.add_note(failure.text)
    raise failure.error


def end(parent: int, workers: list[Worker]) -> None:
    """End these workers, gently if they let it be; in a process other than the parent, nothing."""
    if os.getpid() != parent:
        return
    for worker in workers:
        hang_up(worker.connection)
    until = monotonic() + GRACE_S
    for process, _ in workers:
        process.join(max(0.0, until - monotonic()))
        if process.is_alive():
            process.terminate()
            process.join(GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def hang_up(connection: Connection) -> None:
    """Close both directions for all who hold this end: what was forked since holds it too."""
    if os.name == "posix":
        line = socket.socket(fileno=os.dup(connection.fileno()))
        with line, suppress(OSError):  # some systems refuse if the other end is closed already
            line.shutdown(socket.SHUT_RDWR)
    connection.close()


def chosen_context(given: str | BaseContext | None) -> BaseContext:
    """The way in which processes start; Python's own choice for None.

    Raises: ContractError for the name of none, and for other types.
    """
    if isinstance(given, BaseContext):
        return given
    known = get_all_start_methods()
    if given is not None and given not in known:
        raise rl.ContractError(
            f"DataLoader: multiprocessing_context {given!r}; give one of {', '.join(known)}, or a "
            f"context of multiprocessing"
        )
    return get_context(given)
