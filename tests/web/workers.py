"""Several server processes of the example application, nginx in front of them, and the sandbox that they call."""

from __future__ import annotations

import getpass
import grp
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cloud66_async.sandbox import FakeClock, FakeCloud66, ProviderSettings, SandboxServer

from ..processes.servers import free_port, require_program, wait_for

__all__ = ["UVICORN", "Workers", "running"]

ROOT = Path(__file__).parents[2]
UVICORN = [sys.executable, "-m", "uvicorn", "tests.web.worker_app:create", "--factory", "--host", "127.0.0.1"]


class Workers:
    """Two processes of the application, nginx in front of them, and the sandbox that they call."""

    def __init__(self, fake: FakeCloud66, sandbox_url: str, folder: Path, stack: ExitStack) -> None:
        self.fake = fake
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        redirect_url = f"{self.url}/callback"
        application = fake.add_application("Dashboard", redirect_urls=[redirect_url])
        self.client_secret = application.client_secret
        self.environment = {
            **os.environ,
            "TEST_URL": sandbox_url,
            "TEST_CLIENT_ID": application.client_id,
            "TEST_CLIENT_SECRET": application.client_secret,
            "TEST_REDIRECT_URL": redirect_url,
        }
        self._stack = stack

    def start(self, sessions: str = "", **environment: str) -> None:
        """Start two processes with a session store, and nginx."""
        ports = [free_port() for _ in range(2)]
        for number, port in enumerate(ports):
            self.run([*UVICORN, "--port", str(port)], f"worker{number}", TEST_SESSIONS=sessions, **environment)
        program = require_program("nginx", "nginx", "/usr/sbin")
        (self.folder / "nginx.conf").write_text(nginx_configuration(self.folder, self.port, ports))
        self.run([program, "-c", str(self.folder / "nginx.conf")], "nginx")
        for port in (*ports, self.port):
            wait_for(lambda port=port: accepts(port), f"no server on port {port}; see {self.folder}")  # type: ignore[misc]

    def run(self, command: list[str], name: str, **environment: str) -> Path:
        """Run a process until the end of the test. Return the file with its output."""
        output = self.folder / f"{name}.log"
        with output.open("wb") as file:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**self.environment, **environment},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._stack.callback(end, process)
        return output

    def logs(self) -> str:
        """Return what all processes have written."""
        return "".join(path.read_text() for path in self.folder.glob("*.log"))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server in order, or its whole process group if that takes too long on a busy machine."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def nginx_configuration(folder: Path, port: int, workers: list[int]) -> str:
    user = f"user {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name};" if os.getuid() == 0 else ""
    temporary = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = " ".join(f"server 127.0.0.1:{worker};" for worker in workers)
    return f"""
        {user} daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
        events {{ worker_connections 256; }}
        http {{
            access_log off; {temporary}
            upstream application {{ {servers} }}
            server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://application; }} }}
        }}
    """


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def running(folder: Path) -> Generator[Workers]:
    """Serve a sandbox whose clock stands still, and yield the processes to start. They end with the context."""
    fake = FakeCloud66(clock=FakeClock(autojump=False, grace=20), provider=ProviderSettings(revoke_on_reuse=True))
    fake.add_stack("web")
    with SandboxServer(fake) as server, ExitStack() as stack:
        yield Workers(fake, server.url, folder, stack)
