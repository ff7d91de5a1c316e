"""The hidden command `__complete`, with which the completion scripts of shells ask for names of stacks.

It never logs in, never fails, and prints only names that need no quotation marks in a shell. The list is cached,
because it costs requests: 30 seconds for each request that it took.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import Cloud66Error
from .logins import Login, find_login, site
from .running import run
from .terminal.console import print_line

__all__ = ["complete"]

_SAFE = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?")
_SECONDS = 30
_TIMEOUT = 4.0
_PAGE_SIZE = 30


def complete(arguments: Sequence[str]) -> None:
    """Print the names of stacks that begin with a text: `__complete stacks TEXT`."""
    if arguments[:1] != ["stacks"]:
        return
    beginning = (arguments[1] if len(arguments) > 1 else "").casefold()
    for name in _names():
        if name.casefold().startswith(beginning):
            print_line(name)


def _names() -> list[str]:
    """Return the names of all stacks: from the cache if it is fresh, or if they cannot be read now."""
    try:
        login = find_login(os.environ.get("CLOUD66_PROFILE") or None)
        if login is None:
            return []
        path = _path(login)
        stored, is_fresh = _load(path)
        if is_fresh:
            return stored
        names = run(_read())
    except Cloud66Error:
        return []
    if names is None:
        return stored
    _save(path, names)
    return names


async def _read() -> list[str] | None:
    """Return the names of all stacks, or None if they cannot be read in a few seconds."""
    from ..client import Cloud66  # imported lazily: the cache suffices most of the time
    from ..retry import Retry
    from .lookup.names import full_name

    profile = os.environ.get("CLOUD66_PROFILE") or None
    try:
        async with Cloud66(profile=profile, timeout=_TIMEOUT, retry=Retry(attempts=1)) as c66:
            found = await c66.stacks.list()
    except Cloud66Error:
        return None
    return sorted({name for name in map(full_name, found) if _SAFE.fullmatch(name)})


def _path(login: Login) -> Path:
    """Return the file of the cache for this server and token. Its name does not tell the token."""
    from platformdirs import user_cache_path  # imported lazily, like all of this module

    digest = hashlib.sha256(f"{site()} {login.token.reveal()}".encode()).hexdigest()[:32]
    return user_cache_path("cloud66-async", appauthor=False) / f"stacks-{digest}.json"


def _load(path: Path) -> tuple[list[str], bool]:
    """Return the names in the cache, and whether they are fresh."""
    from ..oauth.private_files import read_private

    try:
        content: Any = json.loads(read_private(path) or b"")
        names = [str(name) for name in content["names"] if _SAFE.fullmatch(str(name))]
        age = time.time() - float(content["time"])
    except (ValueError, LookupError, TypeError, Cloud66Error):
        return [], False
    return names, 0 <= age < _SECONDS * max(1, -(-len(names) // _PAGE_SIZE))


def _save(path: Path, names: list[str]) -> None:
    """Write the cache for its owner only. A cache that cannot be written does no harm."""
    from ..oauth.private_files import create_private_directory, write_private

    with suppress(Cloud66Error, OSError):
        create_private_directory(path.parent)
        write_private(path, json.dumps({"time": time.time(), "names": names}).encode())
