"""The command `doctor`: what works and what does not, from the network to the quota."""

from __future__ import annotations

import json as json_text
import os
import platform
from typing import Annotated

from cyclopts import Parameter

from ..._version import __version__
from ...errors import Cloud66Error
from ..exits import NOT_LOGGED_IN, THROTTLED, CommandError, worst
from ..logins import find_login
from ..options import DEFAULT_ACCESS, Access, AsJSON
from ..running import run
from ..terminal.console import has_colors, plain, print_line, warn
from ..terminal.table import paint
from ._doctor_checks import Checks, Result, check_address, failed

__all__ = ["doctor"]

_CHECKS = ("name", "proxy", "connect", "tls", "clock", "token", "account", "scopes", "quota")
_COLORS = {"ok": "green", "failed": "red", "skipped": "dim"}
_WIDTH = len("skipped")


def doctor(
    *,
    shapes: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Instead, compare what the API sends with what this program expects."
        ),
    ] = False,
    access: Access = DEFAULT_ACCESS,
    json: AsJSON = False,
) -> int:
    """Check the address, the network, the login and the quota, with a remedy for each failure.

    With --shapes, it reads one of everything that the token may read, and prints where the responses differ from what
    this program expects, for a bug report: names and types, and unknown words of enumerations, but no other values.
    """
    access.remember()
    return run(_shapes(access, json_output=json) if shapes else _doctor(access, json_output=json))


async def _doctor(access: Access, *, json_output: bool) -> int:
    first, address = check_address(os.environ.get("CLOUD66_URL"))
    _print(first, json_output=json_output)
    codes = [first.code]
    if address is None:
        for name in _CHECKS:
            _print(Result(name, "skipped", "the address is not valid"), json_output=json_output)
        return worst(codes)
    login, problem = None, ""
    try:
        login = find_login(access.profile)
    except Cloud66Error as error:
        problem = plain(error)
    checks = Checks(address, login, access.account)
    try:
        for task in checks.start():
            result = await task
            if problem and result.check == "token":
                result = failed("token", problem, "Log in: cloud66-async login", NOT_LOGGED_IN)
            _print(result, json_output=json_output)
            codes.append(result.code)
    finally:
        await checks.aclose()
    return worst(codes)


def _print(result: Result, *, json_output: bool) -> None:
    """Print the result of a check, with its remedy below it."""
    if json_output:
        values = {"check": result.check, "state": result.state, "text": result.text, "remedy": result.remedy or None}
        print_line(json_text.dumps(values, separators=(",", ":")))
        return
    state = f"{result.state:<{_WIDTH}}"
    shown = paint(state, _COLORS[result.state]) if has_colors() else state
    print_line(f"{shown}  {result.check:<7}  {plain(result.text)}")
    if result.remedy:
        print_line(f"{'':<{_WIDTH}}  {'':<7}  {result.remedy}")


async def _shapes(access: Access, *, json_output: bool) -> int:
    from ...drift import Drift  # imported lazily: only this option needs these modules
    from ._doctor_shapes import read_one_of_everything, readable

    drift = Drift()
    async with access.open(drift=drift) as c66:
        identity = await c66.ping.check_token()
        login = find_login(access.profile)
        scopes = (None if login is None else login.token.scopes) or tuple((identity.scope or "").split()) or None
        chosen = readable(scopes)
        left = c66.quota.remaining
        known = "" if left is None else f" of the {left:,} that are left this hour"
        warn(f"Reads one of everything: at most {len(chosen)} requests{known}")
        if left is not None and left < len(chosen):
            raise CommandError("the hourly quota does not suffice", "Try again in the next hour", code=THROTTLED)
        failures = await read_one_of_everything(c66, chosen)
    program = f"cloud66-async {__version__}, Python {platform.python_version()}"
    if json_output:
        content = {"program": program, "operations": drift.to_dict(), "not_read": failures}
        print_line(json_text.dumps(content, indent=2))
        return 0
    print_line(f"{program}\n")
    for line in str(drift).splitlines():
        print_line(line)
    if failures:
        print_line("\nNot read:")
        for name, reason in sorted(failures.items()):
            print_line(f"  {name}: {reason}")
    return 0
