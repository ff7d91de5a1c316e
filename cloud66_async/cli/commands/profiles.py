"""The commands `profiles` and `profiles use`: stored logins."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from cyclopts import App, Parameter

from ..exits import NOT_LOGGED_IN, USAGE, CommandError
from ..logins import masked, store
from ..options import DEFAULT_OUTPUT, Output
from ..terminal.console import plain, report
from ..terminal.output import Field, Listing

__all__ = ["app"]

app: App = App(
    name="profiles",
    help="List the stored logins, or choose the one that is used.",
    help_format="plaintext",
    result_action="return_value",
)


class _Profile(NamedTuple):
    """A stored login."""

    name: str
    is_used: bool
    scopes: str
    token: str


def _to_dict(profile: _Profile) -> Mapping[str, Any]:
    return {"name": profile.name, "used": profile.is_used, "scopes": profile.scopes.split() or None}


_PROFILES: Listing[_Profile] = Listing(
    "profile",
    (
        Field("name", lambda profile: profile.name),
        Field("used", lambda profile: profile.is_used),
        Field("scopes", lambda profile: profile.scopes),
        Field("token", lambda profile: profile.token, dropped=1),
    ),
    _to_dict,
)


@app.default
def profiles(*, output: Output = DEFAULT_OUTPUT) -> None:
    """List the logins that are stored for this server.

    A command uses the one that its option --profile or CLOUD66_PROFILE names, or else the one of profiles use.
    """
    stored = store()
    used = stored.default_profile()
    rows: list[_Profile] = []
    for name in stored.profiles():
        token = stored.read(name)
        if token is not None:
            rows.append(_Profile(name, name == used, " ".join(token.scopes or ()), masked(token)))
    output.show(_PROFILES, rows)


@app.command
def use(name: Annotated[str, Parameter(help="Name of the stored login.")], /) -> None:
    """Use this login if no other is named, here and in programs that use the SDK."""
    stored = store()
    known = stored.profiles()
    if name not in known:
        close = difflib.get_close_matches(name, known) or known
        advice = f"Did you mean {', '.join(map(plain, close))}?" if close else "Log in: cloud66-async login"
        code = USAGE if known else NOT_LOGGED_IN
        raise CommandError(f'no login is stored for the profile "{plain(name)}"', advice, code=code)
    stored.use(name)
    report(f'The profile "{plain(name)}" is used from now on')
