"""Server for the example application and its sandbox, on local ports."""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import uvicorn

from cloud66_async.integrations.starlette import WebLogin
from cloud66_async.sandbox import FakeCloud66, SandboxServer

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "dashboard"


class Dashboard(NamedTuple):
    url: str
    fake: FakeCloud66


def example() -> ModuleType:
    """Import the module of the example, which is not part of a package."""
    spec = importlib.util.spec_from_file_location("dashboard_example", EXAMPLE / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def dashboard() -> Generator[Dashboard]:
    """Serve the dashboard, with a sandbox whose clock is frozen."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        fake = FakeCloud66()
        application = fake.add_application("Dashboard", redirect_urls=[f"{url}/callback"])
        module = example()
        with SandboxServer(fake) as server:
            login = WebLogin(
                client_id=application.client_id,
                client_secret=application.client_secret,
                redirect_url=f"{url}/callback",
                scope=module.SCOPE,
                error_page=module.show_problem,
                url=server.url,
            )
            with served(module.create_app(login), listener):
                yield Dashboard(url, fake)


@contextmanager
def served(app: Any, listener: socket.socket) -> Generator[None]:
    """Serve `app` in a thread."""
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    ready, startup = threading.Event(), server.startup

    async def start(sockets: list[socket.socket] | None = None) -> None:
        await startup(sockets)
        ready.set()

    server.startup = start  # type: ignore[method-assign]

    def run() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="dashboard")
    thread.start()
    try:
        ready.wait()
        assert server.started
        yield
    finally:
        server.should_exit = True
        thread.join()
