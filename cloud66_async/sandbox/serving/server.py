"""The sandbox on a local port. Needs the extra `sandbox`."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, get_args

from ..._core.arguments import check_iterable
from ...clock import SystemClock
from ...errors import ConfigError
from ..fake import FakeCloud66
from ..faults.fault import Cut
from ..faults.rules import check_seconds
from .app import ABORT, MISSING, application
from .certificates import Certificates
from .hosts import OwnHosts

if TYPE_CHECKING:
    import asyncio

    import uvicorn

__all__ = ["SandboxServer"]

_GRACE = 2
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SandboxServer:
    """HTTP server for a sandbox. It runs in a background thread until the `with` block ends.

    Entering the block raises ConfigError if the extra `sandbox` is not installed or the port is in use.

    Args:
        fake: Sandbox to serve. The default is a new one on the real clock.
        host: IP address to listen on.
        port: Port to listen on. 0 chooses a free one.
        latency: Real seconds by which each response of the API is delayed.
        log: Whether uvicorn writes its log to the terminal.
        tls: Whether to use TLS, with a temporary authority whose certificate is in `ca_file`.
        hosts: Host names of the server in addition to `host` and those of the loopback interface. Requests for other
            names are refused, because a web site could send them through its visitor's browser.

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
        tls: bool = False,
        hosts: Iterable[str] = (),
    ) -> None:
        check_seconds("latency", latency)
        self.fake: FakeCloud66 = fake or FakeCloud66(clock=SystemClock())
        self._latency = latency
        self.connections_opened = 0
        """The number of TCP connections that were accepted."""
        self._host = host
        self._port = port
        self._log = log
        check_iterable("hosts", hosts)
        self._hosts = (host, *hosts)
        self._tls = tls
        self._certificates: Certificates | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The URL of the server, for example `http://127.0.0.1:54321`. The variable CLOUD66_URL takes it."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}"

    @property
    def ca_file(self) -> Path | None:
        """The certificate of the authority, which clients must trust, or None without TLS or while it is not running.

        Pass `tls=ssl.create_default_context(cafile=server.ca_file)` to `Cloud66`, or set the variable SSL_CERT_FILE.
        """
        return None if self._certificates is None else self._certificates.authority

    @property
    def request_count(self) -> int:
        """The number of requests, including those to the OAuth provider."""
        return self.fake.calls()

    def start(self) -> None:
        """Start serving. It ends with `stop()`."""
        try:
            import uvicorn
            from uvicorn.config import LOGGING_CONFIG

            app = OwnHosts(application(self.fake, latency=self._latency), self._hosts)
            protocol = _protocol(self)
        except ImportError:
            raise ConfigError(MISSING) from None
        listener = self._listen()
        certificates = self._certificates = Certificates((*self._hosts, *_LOOPBACK)) if self._tls else None
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_level="info" if self._log else "critical",
            log_config=LOGGING_CONFIG if self._log else None,
            access_log=self._log,
            server_header=False,
            date_header=False,  # the sandbox has its own clock
            timeout_graceful_shutdown=_GRACE,
            ssl_certfile=None if certificates is None else certificates.certificate,
            ssl_keyfile=None if certificates is None else certificates.key,
        )
        server = self._server = uvicorn.Server(config)
        ready = threading.Event()
        _notify_when_started(server, ready)
        run = partial(_run, server, listener, ready)
        self._thread = threading.Thread(target=run, name="cloud66-sandbox", daemon=True)
        self._thread.start()
        ready.wait()
        if not server.started:
            self.stop()
            raise ConfigError(f"the sandbox server did not start (port {self._port}); pass log=True to see why")

    def stop(self) -> None:
        """Stop serving and close every connection. Does nothing if it is not running."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        if self._certificates is not None:
            self._certificates.close()
        self._server = self._thread = self._certificates = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio sets TCP_NODELAY only on connections whose socket names the protocol, and a connection takes it from
        # the listener. Without it, the body of a response waits for the client's delayed ACK of the headers: 44 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            raise ConfigError(
                f"cannot listen on {self._host} port {self._port}: {error.strerror}; choose another port"
            ) from None
        self._port = listener.getsockname()[1]
        return listener


def _run(server: uvicorn.Server, listener: socket.socket, ready: threading.Event) -> None:
    try:
        server.run(sockets=[listener])
    finally:
        ready.set()
        listener.close()


def _notify_when_started(server: uvicorn.Server, ready: threading.Event) -> None:
    startup = server.startup

    async def start(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        ready.set()

    server.startup = start  # type: ignore[method-assign]


def _protocol(server: SandboxServer) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, extended to count connections and to close them without a response."""
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            server.connections_opened += 1
            # Another server in this process may have configured uvicorn's log, and URLs of the provider contain states.
            self.access_log = self.access_log and server._log  # noqa: SLF001  part of the server
            super().connection_made(transport)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            transport = self.transport
            self.scope["extensions"] = {ABORT: {cut: partial(_end, transport, cut) for cut in get_args(Cut)}}

    return Protocol


def _end(transport: asyncio.Transport, cut: Cut, data: bytes) -> None:
    """Send `data` and close the connection."""
    if cut == "reset":
        # With a linger time of 0, the system sends RST instead of FIN.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return
    if data:
        transport.write(data)
    transport.close()
