"""The sandbox on a port of this machine. Needs the extra `sandbox`."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ...clock import SystemClock
from ...errors import ConfigError
from ..fake import FakeCloud66
from .app import ABORT, MISSING, application

if TYPE_CHECKING:
    import asyncio

    import uvicorn

__all__ = ["SandboxServer"]

_GRACE = 2


class SandboxServer:
    """Serves a sandbox over HTTP from a thread of its own, as long as the `with` block lasts.

    `fake` is what it serves, by default a fresh one on the real clock. `port` 0 takes a free one; `latency` is
    how many real seconds each answer of the API takes; `log` lets uvicorn write its lines to the terminal.
    Entering raises ConfigError if the extra `sandbox` is missing or the port is taken.

    ::

        with SandboxServer() as server:
            server.fake.seed()
            print(server.url)
    """

    def __init__(
        self,
        fake: FakeCloud66 | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0.0,
        log: bool = False,
    ) -> None:
        self.fake: FakeCloud66 = fake or FakeCloud66(clock=SystemClock())
        self._latency = latency
        self.connections_opened = 0
        """How many TCP connections were accepted."""
        self._host = host
        self._port = port
        self._log = log
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address of the site, `http://127.0.0.1:54321`: what CLOUD66_URL takes."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def request_count(self) -> int:
        """How many requests were answered, those of the OAuth provider included."""
        return self.fake.calls()

    def start(self) -> None:
        """Serve from now on, until `stop()`."""
        try:
            import uvicorn
            from uvicorn.config import LOGGING_CONFIG

            served = application(self.fake, latency=self._latency)
            protocol = _counting(self)
        except ImportError:
            raise ConfigError(MISSING) from None
        listener = self._listen()
        config = uvicorn.Config(
            served,
            http=protocol,
            ws="none",
            lifespan="off",
            log_level="info" if self._log else "critical",
            log_config=LOGGING_CONFIG if self._log else None,
            access_log=self._log,
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
        server = self._server = uvicorn.Server(config)
        ready = threading.Event()

        def serve() -> None:
            try:
                server.run(sockets=[listener])
            finally:
                ready.set()
                listener.close()

        _tell_when_started(server, ready)
        self._thread = threading.Thread(target=serve, name="cloud66-sandbox", daemon=True)
        self._thread.start()
        ready.wait()
        if not server.started:
            self.stop()
            raise ConfigError("the sandbox server did not start")

    def stop(self) -> None:
        """Stop serving and close every connection; nothing happens if it is not running."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listener = socket.socket(family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            raise ConfigError(f"cannot listen on {self._host} port {self._port}: {error.strerror}") from None
        self._port = listener.getsockname()[1]
        return listener


def _tell_when_started(server: uvicorn.Server, ready: threading.Event) -> None:
    startup = server.startup

    async def start(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        ready.set()

    server.startup = start  # type: ignore[method-assign]


def _counting(server: SandboxServer) -> type[asyncio.Protocol]:
    """Uvicorn's protocol on httptools, which counts its connections and can end them without an answer."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Counting(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            server.connections_opened += 1
            # Another server in this process may have set uvicorn's log up; addresses of the provider hold states.
            self.access_log = self.access_log and server._log  # noqa: SLF001  it is part of the server
            super().connection_made(transport)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope["extensions"] = {ABORT: {"now": self.transport.abort}}

    return Counting
