"""Start of a program: imports, and the time to the first response over TLS."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median

from cloud66_async import __version__

from .harness import Harness
from .rows import TOKEN

__all__ = ["measure"]

_IMPORT = """
import asyncio, ssl, attrs, msgspec, time, sys, json
start = time.process_time()
from cloud66_async import Cloud66
ms = (time.process_time() - start) * 1e3
heavy = [name for name in ("authlib", "httpx", "httpx2", "anyio") if name in sys.modules]
print(json.dumps([ms, len(heavy)]))
"""

_CLOUD66 = """
import asyncio, time
from cloud66_async import Cloud66
async def main():
    async with Cloud66({token!r}, url={url!r}) as c66:
        await c66.stacks.get("5999b763474b0eafa5fafb64bff0ba80")
        print(time.monotonic(), time.process_time())
asyncio.run(main())
"""

_AUTHLIB = """
import asyncio, time, warnings
warnings.simplefilter("ignore")
from authlib.integrations.httpx_client import AsyncOAuth2Client
async def main():
    token = {{"access_token": {token!r}, "token_type": "Bearer"}}
    async with AsyncOAuth2Client("id", "secret", token=token) as client:
        response = await client.get({url!r} + "/api/3/stacks/5999b763474b0eafa5fafb64bff0ba80.json")
        response.json()
        print(time.monotonic(), time.process_time())
asyncio.run(main())
"""

_HTTPX = """
import asyncio, time, httpx
async def main():
    async with httpx.AsyncClient() as client:
        response = await client.get({url!r} + "/api/3/stacks/5999b763474b0eafa5fafb64bff0ba80.json")
        response.json()
        print(time.monotonic(), time.process_time())
asyncio.run(main())
"""

_RAW = """
import asyncio, ssl, time
async def main():
    host, _, port = {url!r}.removeprefix("https://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=ssl.create_default_context())
    writer.write(b"GET /api/3/stacks/5999b763474b0eafa5fafb64bff0ba80.json HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    await reader.readuntil(b"\\r\\n\\r\\n")
    print(time.monotonic(), time.process_time())
    writer.transport.abort()
asyncio.run(main())
"""

_PROGRAMS = {
    "cloud66-async": (_CLOUD66, False),
    "raw": (_RAW, False),
    "httpx": (_HTTPX, False),
    "authlib on httpx": (_AUTHLIB, True),
    "authlib on httpx2": (_AUTHLIB, False),
}

_COMMAND = (sys.executable, "-c", "from cloud66_async.cli import main; main()")

# Commands that need no server, with a text of their first line. The shell is there for the one that fails.
_WITHOUT_SERVER = {
    "cloud66-async --help": ("Usage", ("--help",)),
    "cloud66-async --version": (__version__, ("--version",)),
    "cloud66-async unknown": ("error:", ("unknown",)),
}
_SHELL = ("sh", "-c", '"$@" 2>&1 || true', "sh")


def measure(harness: Harness, *, quick: bool, progress: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Return milliseconds for the import, without that of asyncio, ssl, attrs and msgspec, and for the first response.

    The first response is over TLS. Its time starts with the process; both elapsed time and CPU time are measured. The
    first row of a command is that of a table of 600 stacks, from a server without TLS.
    """
    imports: list[float] = []
    rows: list[float] = []
    interpreters: list[float] = []
    commands: dict[str, list[float]] = {}
    heavy = 0.0
    responses: dict[str, list[tuple[float, float]]] = {}
    for repetition in range(3 if quick else 15):
        progress(f"{repetition + 1}")
        milliseconds, heavy = json.loads(harness.run(sys.executable, "-c", _IMPORT))
        imports.append(milliseconds)
        interpreters.append(harness.time_to_output("start", sys.executable, "-c", "print('start')"))
        rows.append(harness.time_to_output("Awesome", *_COMMAND, "stacks", **_login(harness)))
        for row, (marker, arguments) in _WITHOUT_SERVER.items():
            commands.setdefault(row, []).append(harness.time_to_output(marker, *_SHELL, *_COMMAND, *arguments))
        for row, (program, httpx_alone) in _PROGRAMS.items():
            interpreter = harness.httpx_python if httpx_alone else sys.executable
            if interpreter is not None:
                source = program.format(token=TOKEN, url=harness.target(tls=True)["url"])
                start = time.monotonic()
                end, cpu = map(float, harness.run(interpreter, "-c", source, pinned=False).split())
                responses.setdefault(row, []).append(((end - start) * 1e3, cpu * 1e3))
    found = {
        row: {"first response": median(elapsed for elapsed, _ in times), "cpu": median(cpu for _, cpu in times)}
        for row, times in responses.items()
    }
    found["cloud66-async"] |= {"import": median(imports), "heavy modules": heavy}
    found["python -c pass"] = {"first output": median(interpreters)}
    found["cloud66-async stacks"] = {"first output": median(rows)}
    return found | {row: {"first output": median(times)} for row, times in commands.items()}


def _login(harness: Harness) -> dict[str, str]:
    return {"CLOUD66_URL": harness.target(fleet=True)["url"], "CLOUD66_ACCESS_TOKEN": TOKEN}
