"""Four workers, Redis, a database and a sandbox, with one command.

Run `python docs/examples/workers/serve_workers.py`, open the URL that it
prints, and press Ctrl+C to stop it. It starts a `redis-server` and uses a
SQLite file. To use servers that run already, set REDIS_URL and DATABASE_URL,
for example postgresql://user:password@host/name. To use your Cloud 66 account
instead of the sandbox, set CLIENT_ID and CLIENT_SECRET. Requires FastAPI and
the extras `starlette`, `sandbox`, `redis` and `postgres`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvicorn

from cloud66_async.integrations.sealing import new_key
from cloud66_async.sandbox import SandboxServer

HOST = "127.0.0.1"
PORT = int(os.environ.get("PORT", "8000"))
URL = f"http://{HOST}:{PORT}"
REDIRECT_URL = f"{URL}/callback"


@contextmanager
def redis(folder: Path) -> Generator[str]:
    """Run a Redis server with its data in `folder`, and return its URL."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("no redis-server: install it, or set REDIS_URL")
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    command = [program, "--bind", HOST, "--port", str(port), "--save", ""]
    command += ["--dir", str(folder), "--loglevel", "warning"]
    # In a session of its own: Ctrl+C must end the workers first.
    process = subprocess.Popen(command, start_new_session=True)  # noqa: S603
    try:
        yield f"redis://{HOST}:{port}/0"
    finally:
        process.terminate()
        process.wait()


def prepare(running: ExitStack, folder: Path) -> None:
    """Set the environment of the workers, and start what is missing."""
    if "CLIENT_ID" not in os.environ:
        sandbox = running.enter_context(SandboxServer())
        sandbox.fake.seed(40)
        application = sandbox.fake.add_application(
            "Workers", redirect_urls=[REDIRECT_URL]
        )
        os.environ["CLIENT_ID"] = application.client_id
        os.environ["CLIENT_SECRET"] = application.client_secret
        os.environ["CLOUD66_URL"] = sandbox.url
        print(f"Sandbox:  {sandbox.url}")
    if "REDIS_URL" not in os.environ:
        os.environ["REDIS_URL"] = running.enter_context(redis(folder))
    database = f"sqlite:///{folder / 'sessions.db'}"
    os.environ.setdefault("DATABASE_URL", database)
    # Tokens are encrypted with it. A real application keeps its key: with a
    # new one, nobody is logged in.
    os.environ.setdefault("CLOUD66_STORE_KEY", new_key())
    os.environ.setdefault("REDIRECT_URL", REDIRECT_URL)
    os.environ.setdefault("WEB_CONCURRENCY", "4")


def main() -> None:
    """Serve the application until Ctrl+C is pressed."""
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory())
        prepare(running, Path(folder))
        print(f"Workers:  {URL} (press Ctrl+C to stop)", flush=True)
        uvicorn.run(
            "workers_app:create_app",
            factory=True,
            app_dir=str(Path(__file__).parent),
            host=HOST,
            port=PORT,
            workers=int(os.environ["WEB_CONCURRENCY"]),
            log_level="warning",
        )


if __name__ == "__main__":
    main()
