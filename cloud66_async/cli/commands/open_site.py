"""The command `open`."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from cyclopts import Parameter

from ...client import Cloud66
from ...config import Address
from ...oauth.browser import open_in_browser
from ...resources.stacks import Stack
from ..exits import CommandError
from ..lookup.names import find_stack, full_name
from ..options import DEFAULT_ACCESS, Access, Environment, StackName
from ..running import run
from ..terminal.console import plain, print_line, report
from ..terminal.prompts import is_interactive

__all__ = ["open_site"]

# The address comes from the server, and the browser is a program of this computer.
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")


def open_site(
    stack: StackName,
    *,
    environment: Environment = None,
    dashboard: Annotated[
        bool, Parameter(negative="", show_default=False, help="The page of the stack in the dashboard instead.")
    ] = False,
    only_print: Annotated[
        bool, Parameter(name="--print", negative="", show_default=False, help="Print the address, and open nothing.")
    ] = False,
    access: Access = DEFAULT_ACCESS,
) -> None:
    """Open the site of a stack, or its page in the dashboard, in a browser.

    Without a terminal, or if CI is set, the address is printed.
    """
    found = run(_find(access.open(), stack, environment))
    address = f"{Address.parse(None).site}/stacks/{found.uid}" if dashboard else _site(found)
    if only_print or not is_interactive():
        print_line(address)
        return
    report(f"Opening {address}")
    if not open_in_browser(address):
        raise CommandError("no browser could be opened", f"Open it yourself: {address}")


async def _find(c66: Cloud66, name: str, environment: str | None) -> Stack:
    async with c66:
        return await find_stack(c66, name, environment)


def _site(stack: Stack) -> str:
    """Return the address of the site. Raises CommandError if there is none that a browser should open."""
    given = (stack.application_address or stack.fqdn or "").strip()
    if not given:
        advice = f"Its page in the dashboard: cloud66-async open {full_name(stack)} --dashboard"
        raise CommandError(f"{full_name(stack)} has no address yet", advice)
    address = given if "://" in given else f"http://{given}"
    if not _is_web_address(address):
        raise CommandError(f"not opened: {plain(given)!r} is not the address of a web site")
    return address


def _is_web_address(address: str) -> bool:
    if not address.isascii() or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    shown = f"[{host}]" if host is not None and ":" in host else host or ""
    return parts.scheme in ("http", "https") and parts.username is None and _HOST.fullmatch(shown) is not None
