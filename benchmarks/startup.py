"""What a program waits for before it can begin: imports, and its first answer over TLS."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median

from .lab import Lab
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


def measure(lab: Lab, *, quick: bool, report: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """Milliseconds: the import above asyncio, ssl, attrs and msgspec; process start to first answer over TLS.

    Of the latter both the time that passed, and the processor time that the process had used by then.
    """
    imports: list[float] = []
    heavy = 0.0
    answers: dict[str, list[tuple[float, float]]] = {}
    for turn in range(3 if quick else 15):
        report(f"{turn + 1}")
        took, heavy = json.loads(lab.run(sys.executable, "-c", _IMPORT))
        imports.append(took)
        for row, (program, httpx_alone) in _PROGRAMS.items():
            interpreter = lab.httpx_python if httpx_alone else sys.executable
            if interpreter is not None:
                text = program.format(token=TOKEN, url=lab.target(tls=True)["url"])
                start = time.monotonic()
                end, processor = map(float, lab.run(interpreter, "-c", text, pinned=False).split())
                answers.setdefault(row, []).append(((end - start) * 1e3, processor * 1e3))
    found = {
        row: {"first answer": median(end for end, _ in times), "processor": median(processor for _, processor in times)}
        for row, times in answers.items()
    }
    found["cloud66-async"] |= {"import": median(imports), "heavy modules": heavy}
    return found
