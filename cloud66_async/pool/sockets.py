"""Connected sockets."""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import Final

__all__ = ["Address", "dial", "numeric"]

ATTEMPT_DELAY: Final = 0.25
"""Seconds before the next address is tried concurrently (RFC 8305, section 5)."""

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]]
"""One result of `getaddrinfo`."""


def numeric(host: str, port: int) -> list[Address] | None:
    """Return the address if `host` is an IP address, or None if it is a name that needs a DNS lookup."""
    for family, target in ((socket.AF_INET, (host, port)), (socket.AF_INET6, (host, port, 0, 0))):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", target)]
    return None


async def dial(addresses: list[Address]) -> socket.socket:
    """Connect to the first address that accepts, and return its socket. Every other socket is closed.

    This replaces `happy_eyeballs_delay`, which leaks the socket on Python 3.11 if it is cancelled.
    """
    waiting = _interleave_families(addresses)
    tasks: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    try:
        while waiting or tasks:
            if waiting:
                tasks.add(asyncio.create_task(_attempt(waiting.pop(0))))
            done, tasks = await asyncio.wait(
                tasks, timeout=ATTEMPT_DELAY if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            while done:
                task = done.pop()
                error = task.exception()
                if error is None:
                    tasks |= done
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                errors.append(error)
    finally:
        for task in tasks:
            if not task.cancel() and not task.cancelled() and task.exception() is None:
                task.result().close()
    raise _combine(errors)


def _interleave_families(addresses: list[Address]) -> list[Address]:
    first = [address for address in addresses if address[0] == addresses[0][0]]
    other = [address for address in addresses if address[0] != addresses[0][0]]
    pairs = chain.from_iterable(zip_longest(first, other))
    return [address for address in pairs if address is not None]


async def _attempt(address: Address) -> socket.socket:
    family, kind, protocol, _, target = address
    connected = socket.socket(family, kind, protocol)
    try:
        connected.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connected, target)
    except BaseException:
        connected.close()
        raise
    return connected


def _combine(errors: list[OSError]) -> OSError:
    if not errors:
        return OSError("the host name has no address")
    texts = list(dict.fromkeys(str(error) for error in errors))
    return errors[0] if len(texts) == 1 else OSError("; ".join(texts))
