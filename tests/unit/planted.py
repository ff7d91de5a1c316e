"""Secrets to plant, and where to search for them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from cloud66_async import Login

from ..oauth.evidence import shown

__all__ = [
    "APPLICATION",
    "CLIENT_SECRET",
    "CODE",
    "HOOK",
    "LIBRARIES",
    "PASSWORD",
    "REDIRECT",
    "TOKEN",
    "Planted",
    "frames",
    "outputs",
]

TOKEN = "TOKEN-planted-in-a-test"
CLIENT_SECRET = "CLIENT-SECRET-planted"
CODE = "CODE-planted-in-a-test"
HOOK = "https://hooks.example/HOOK-planted"
PASSWORD = "PASSWORD-planted"
REDIRECT = "https://app.example/callback"
APPLICATION: dict[str, Any] = {"client_id": "ID", "client_secret": CLIENT_SECRET, "redirect_url": REDIRECT}
LIBRARIES = ("asyncio", "hpack", "hpack.hpack", "hpack.table", "httpcore", "httpcore2", "httpx", "httpx2")


class Planted:
    """What is planted, and what was put out."""

    def __init__(self) -> None:
        self.secrets = [TOKEN, CLIENT_SECRET, CODE, HOOK, PASSWORD]
        self.log = io.StringIO()

    def plant(self, login: Login) -> None:
        assert login.verifier is not None
        self.secrets += [login.state, login.verifier]

    def search(self, *texts: str) -> None:
        """Fail if a secret is in one of the texts or in the log."""
        for text in (*texts, self.log.getvalue()):
            for secret in self.secrets:
                position = text.find(secret)
                assert position < 0, text[max(position - 200, 0) : position + 200]


def frames(error: BaseException | None) -> str:
    """Return the local variables of all frames except those of tests, with the chain of causes and contexts."""
    lines: list[str] = []
    while error is not None:
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            if not trace.tb_frame.f_globals.get("__name__", "").startswith("tests."):
                lines.extend(f"{name}={shown(value)}" for name, value in trace.tb_frame.f_locals.items())
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


def outputs(value: object) -> Iterator[str]:
    """Yield everything that shows `value`."""
    # Imported here, because every test of this folder loads the module, also without the extra `cli`.
    from rich.console import Console
    from rich.pretty import pretty_repr

    console = io.StringIO()
    Console(file=console, width=500).print(value, {"inside": [value]})
    yield from (repr(value), str(value), f"{value}", pretty_repr({"inside": [value]}), console.getvalue(), shown(value))
    yield from attributes(value, 5)


def attributes(value: object, depth: int) -> Iterator[str]:
    """Yield what a crash reporter finds in the attributes of the package's objects."""
    found = getattr(value, "__dict__", None)
    if depth and found is not None and type(value).__module__.startswith("cloud66_async"):
        for attribute in list(found.values()):
            yield shown(attribute)
            yield from attributes(attribute, depth - 1)
