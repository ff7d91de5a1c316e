"""One worker process of `LocalEngine`, seen from both sides of its pipe."""

from __future__ import annotations

import asyncio
import pickle
import signal
import threading
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal

from .batches import Batch, BatchOutcome, portable
from .worker import Worker

__all__ = ["LocalProcess", "ProcessDied"]

_READY = -1  # number of the message that tells whether the worker has its client
_END_SECONDS = 5.0

_Kind = Literal["run", "cancel"]


class ProcessDied(Exception):
    """The process ended before it had finished a batch."""


class LocalProcess:
    """A worker process, and the batches that it works on. Starts at once."""

    def __init__(self, connect: bytes) -> None:
        self._loop = asyncio.get_running_loop()
        self._results: dict[int, asyncio.Future[Any]] = {_READY: self._loop.create_future()}
        self._ready = self._results[_READY]
        self._number = 0
        self.alive: bool = True
        context = get_context("spawn")  # a forked process would share sockets and locks with this one
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, connect), name="cloud66-worker", daemon=True)
        self._process.start()
        other.close()
        self.pid: int = self._process.pid or 0
        self._reader = threading.Thread(target=self._read, name="cloud66-worker-pipe", daemon=True)
        self._reader.start()

    @property
    def load(self) -> int:
        """The number of batches that it works on."""
        return len(self._results)

    async def ready(self) -> None:
        """Wait until the worker has its client. Raises what its creation raised, and ProcessDied."""
        await asyncio.shield(self._ready)

    async def run(self, batch: Batch) -> BatchOutcome:
        """Return the outcome of a batch. Raises ProcessDied."""
        outcome: BatchOutcome = await self._ask("run", pickle.dumps(batch))
        return outcome

    async def cancel(self, block: str) -> None:
        """End the batches of a block, and wait for their end. Raises ProcessDied."""
        await self._ask("cancel", block.encode())

    def close(self) -> None:
        """Let the process end."""
        self.alive = False
        self._process.terminate()

    async def wait(self) -> None:
        """Wait until the process has ended. One that does not is killed."""
        await asyncio.to_thread(self._process.join, _END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join)
        await asyncio.to_thread(self._reader.join)
        self._process.close()

    async def _ask(self, kind: _Kind, body: bytes) -> Any:
        self._number += 1
        number, future = self._number, self._loop.create_future()
        self._results[number] = future
        try:
            try:
                self._pipe.send((kind, number, body))
            except OSError:
                self.alive = False
                raise ProcessDied from None
            return await future
        finally:
            self._results.pop(number, None)

    def _read(self) -> None:
        """Pass on what the process sends, in a thread of its own, until it ends."""
        with suppress(RuntimeError):  # the event loop is closed
            try:
                while True:
                    self._loop.call_soon_threadsafe(self._receive, *self._pipe.recv())
            except (EOFError, OSError):
                self._pipe.close()
                self._loop.call_soon_threadsafe(self._lose)

    def _receive(self, number: int, body: bytes) -> None:
        future = self._results.pop(number, None)
        if future is None or future.done():
            return
        try:
            found = pickle.loads(body)  # noqa: S301  from the worker
        except Exception as error:  # noqa: BLE001  for example a class that this process cannot import
            found = error
        if isinstance(found, Exception):
            future.set_exception(found)
            future.exception()  # nobody may wait for it any more
        else:
            future.set_result(found)

    def _lose(self) -> None:
        """Note that the process has ended."""
        self.alive = False
        for future in self._results.values():
            if not future.done():
                future.set_exception(ProcessDied())
                future.exception()


# --- in the worker process -----------------------------------------------------------------------


def serve(pipe: Connection, connect: bytes) -> None:
    """Work on the batches that arrive through the pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the whole group; the parent decides
    with suppress(asyncio.CancelledError):
        asyncio.run(_serve(pipe, connect))


async def _serve(pipe: Connection, connect: bytes) -> None:
    loop = asyncio.get_running_loop()
    messages: asyncio.Queue[tuple[_Kind, int, bytes] | None] = asyncio.Queue()
    if hasattr(signal, "SIGTERM"):
        with suppress(NotImplementedError):  # on Windows
            loop.add_signal_handler(signal.SIGTERM, messages.put_nowait, None)
    threading.Thread(target=_receive, args=(pipe, loop, messages), daemon=True).start()
    tasks: set[asyncio.Task[None]] = set()
    try:
        worker = Worker(pickle.loads(connect))  # noqa: S301  from the parent
        await worker.open()
    except Exception as error:  # noqa: BLE001  raised in the parent
        _send(pipe, _READY, portable(error))
        return
    try:
        _send(pipe, _READY, None)
        while (message := await messages.get()) is not None:
            task = loop.create_task(_handle(pipe, worker, *message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        await worker.aclose()


def _receive(
    pipe: Connection, loop: asyncio.AbstractEventLoop, messages: asyncio.Queue[tuple[_Kind, int, bytes] | None]
) -> None:
    with suppress(RuntimeError):  # the event loop is closed
        try:
            while True:
                loop.call_soon_threadsafe(messages.put_nowait, pipe.recv())
        except (EOFError, OSError):
            loop.call_soon_threadsafe(messages.put_nowait, None)


async def _handle(pipe: Connection, worker: Worker, kind: _Kind, number: int, body: bytes) -> None:
    try:
        if kind == "cancel":
            await worker.cancel(body.decode())
            _send(pipe, number, None)
        else:
            batch: Batch = pickle.loads(body)  # noqa: S301  from the parent
            _send(pipe, number, await worker.run(batch))
    except Exception as error:  # noqa: BLE001  raised in the parent
        _send(pipe, number, portable(error))


def _send(pipe: Connection, number: int, value: Any) -> None:
    body = pickle.dumps(value)
    with suppress(OSError):  # the parent is gone
        pipe.send((number, body))
