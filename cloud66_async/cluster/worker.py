"""Worker: what runs in each worker process, with one client and one connection pool."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

import attrs

from .. import bulk
from .._core.arguments import check_text
from .._core.tasks import end_tasks
from ..bulk import Failed, Ok
from ..client import Cloud66
from ..errors import ConfigError, MissingToken
from ..oauth.store import DEFAULT, MemoryStore, TokenStore
from .batches import Batch, BatchOutcome, portable
from .claims import Claims, claimed_call

if TYPE_CHECKING:
    from ..transport import RawResponse, Request, Transport

__all__ = ["Connect", "StoredLogin", "Worker"]

Connect = Callable[[], Cloud66 | Awaitable[Cloud66]]
"""What creates the client of a worker process. It is sent to each of them, so it must not hold a token."""

_MAX_CANCELLED = 1000  # blocks

_may_write: ContextVar[bool] = ContextVar("cloud66_async_may_write", default=True)


@attrs.frozen
class StoredLogin:
    """Creates a client with a stored login. Only the name of the login is sent to a worker, which loads its token.

    Args:
        store: Store that every worker can read, for example a database.
        profile: Name of the login.
        account: Name under which the store holds it, if it has several for the profile.
        options: Further arguments of `Cloud66`, for example `{"limit": 16}`.
    """

    store: TokenStore
    profile: str = DEFAULT
    account: str | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict[str, Any], repr=False)

    def __attrs_post_init__(self) -> None:
        check_text("profile", self.profile)
        if self.account is not None:
            check_text("account", self.account)
        if not isinstance(self.options, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid options: expected a mapping, not {type(self.options).__name__}")
        if isinstance(self.store, MemoryStore):
            raise ConfigError("a MemoryStore keeps logins in this process only; use a store that workers can read")
        if "token" in self.options:
            raise ConfigError("do not pass a token to workers; put the login into a store that they can read")

    async def __call__(self) -> Cloud66:
        """Load the token and return a client. Raises MissingToken if there is none."""
        token = await self.store.load(self.profile, self.account)
        if token is None:
            raise MissingToken(f"no login is stored for the profile {self.profile!r}; log in with the same store")
        return Cloud66(token, **self.options)


class Worker:
    """One worker process's client, and the batches that it works on.

    An engine creates one in each process, in the event loop that runs the batches.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._c66: Cloud66 | None = None
        self._writing = asyncio.Semaphore()
        self._claims: dict[bytes, Claims] = {}
        self._running: dict[asyncio.Task[None], str] = {}
        self._cancelled: deque[str] = deque(maxlen=_MAX_CANCELLED)

    async def open(self) -> None:
        """Create the client, if there is none yet.

        Raises what its creation raises, and TypeError if the result is not a client.
        """
        if self._c66 is not None:
            return
        found = self._connect()
        c66 = await found if inspect.isawaitable(found) else found
        if not isinstance(c66, Cloud66):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"invalid connect: it returned {type(c66).__name__} instead of a Cloud66")
        self._c66 = c66
        self._writing = asyncio.Semaphore(c66.limit)
        _protect_reads(c66)

    async def run(self, batch: Batch) -> BatchOutcome:
        """Return the results of a batch. A batch that is cancelled meanwhile has fewer."""
        results: list[Ok[int, Any] | Failed[int]] = []
        failure: Exception | None = None
        if batch.block in self._cancelled:
            return BatchOutcome(())
        # In a task of its own, which `cancel` ends without ending that of the engine.
        task = asyncio.create_task(self._work_on(batch, results))
        self._running[task] = batch.block
        try:
            await asyncio.wait([task])
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Exception):
                failure = portable(error)
            elif error is not None:
                raise error
        finally:
            try:
                await end_tasks([task])
            finally:
                del self._running[task]
        return BatchOutcome(tuple(results), failure)

    async def cancel(self, block: str) -> None:
        """End the batches of a block, wait for them, and ignore those that arrive later."""
        self._cancelled.append(block)
        await end_tasks([task for task, name in self._running.items() if name == block])

    async def aclose(self) -> None:
        """Close the client and the stores of claims."""
        async with AsyncExitStack() as stack:
            if self._c66 is not None:
                stack.push_async_callback(self._c66.aclose)
            for claims in self._claims.values():
                stack.push_async_callback(claims.aclose)
            await end_tasks(list(self._running))

    async def _work_on(self, batch: Batch, results: list[Ok[int, Any] | Failed[int]]) -> None:
        """Append the results of a batch."""
        c66 = self._c66
        if c66 is None:
            raise ConfigError("the worker is not open; call open() first")
        _may_write.set(batch.work.writes)
        claims = None if batch.claims is None else self._open_claims(batch.claims)

        async def call(pair: tuple[int, Any]) -> Any:
            number, item = pair
            if claims is None:
                return await batch.work.call(c66, item)
            async with self._writing:  # of what waits for a connection, it would not be known whether it was written
                return await claimed_call(claims, batch, number, item, c66)

        async with bulk.each(call, batch.items, limit=c66.limit) as found:
            async for result in found:
                match result:
                    case Ok((number, _), value):
                        results.append(Ok(number, value))
                    case Failed((number, _), error):
                        results.append(Failed(number, error))

    def _open_claims(self, pickled: bytes) -> Claims:
        """Return the store, which is the same for all batches: each has connections of its own."""
        found = self._claims.get(pickled)
        if found is None:
            found = self._claims[pickled] = cast("Claims", pickle.loads(pickled))  # noqa: S301  from the caller
        return found


def _protect_reads(c66: Cloud66) -> None:
    """Let the client refuse writes in batches that are declared to make none: such batches may be repeated."""
    shared = c66._shared  # noqa: SLF001  a client of this worker
    connect = shared._connect  # noqa: SLF001

    def protected() -> Transport:
        return _ProtectedTransport(connect())

    shared._connect = protected  # noqa: SLF001
    if shared.loop is not None:  # it was used before it was returned
        shared.transport = _ProtectedTransport(shared.transport)


class _ProtectedTransport:
    """Transport that refuses writes in batches that must not make any."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, request: Request) -> RawResponse:
        """Send the request, or raise ConfigError."""
        if not request.repeatable and not _may_write.get():
            raise ConfigError(
                f"not sent: the function makes a {request.method} request; pass writes=True and claims to each()"
            )
        return await self._transport.send(request)

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()
