"""The commands `login` and `logout`."""

from __future__ import annotations

import getpass
import os
import sys
import webbrowser

from rich.markup import escape

from ..client import Cloud66
from ..config import Address
from ..errors import Cloud66Error, ConfigError
from ..oauth.file_store import FileStore
from ..oauth.loopback import login_with_browser, login_with_code
from ..oauth.store import DEFAULT
from ..token import Token
from .console import errors, out

__all__ = ["log_in", "log_out", "store_token"]


async def log_in(
    client_id: str | None, *, scope: str, browser: bool, port: int, patience: float, profile: str | None
) -> None:
    """Log in through a browser here or, without one, with a code that is pasted; store the token."""
    async with _application(client_id) as c66:
        if browser:
            token = await login_with_browser(c66, scope=scope, port=port, timeout=patience, open_browser=_open)
        else:
            token = await login_with_code(c66, scope=scope, ask=_ask_code)
    await _keep(token, profile)


async def store_token(*, profile: str | None) -> None:
    """Store a personal access token, typed without an echo or piped in."""
    await _keep(Token(_ask_secret("personal access token")), profile)


async def log_out(client_id: str | None, *, profile: str | None) -> None:
    """Delete the stored login in any case; revoke its token before, where there is a way."""
    store = _store()
    name = profile or DEFAULT
    token = await store.load(name)
    if token is None:
        raise ConfigError(f"no login is stored{'' if profile is None else f' for the profile {profile!r}'}")
    told = "its token was not revoked: that needs the application's --client-id; end it under Account > Apps"
    try:
        if client_id is not None:
            async with _application(client_id) as c66:
                await c66.revoke(token)
            told = "its token was revoked"
    except Cloud66Error as error:
        told = f"its token was not revoked ({escape(str(error))}): end it under Account > Apps"
    finally:
        await store.delete(name)
    out.print(f"The login was deleted; {told}.", soft_wrap=True)


def _application(client_id: str | None) -> Cloud66:
    if client_id is None:
        raise ConfigError(
            "a login needs an application: register one under Account > Apps and set CLOUD66_CLIENT_ID, "
            "or store a personal access token with `cloud66-async login --token`"
        )
    # Never an argument: a process list shows those to everybody on the machine.
    secret = os.environ.get("CLOUD66_CLIENT_SECRET") or _ask_secret("client secret")
    return Cloud66(client_id=client_id, client_secret=secret)


async def _keep(token: Token, profile: str | None) -> None:
    store = _store()
    await store.save(token, profile or DEFAULT)
    out.print(f"Logged in; kept in {escape(str(store.path))}, readable by you alone.", soft_wrap=True)


def _store() -> FileStore:
    return FileStore(site=Address.parse(None).site)


def _open(url: str) -> bool:
    out.print("Your browser opens the consent page. If it does not, open this address:\n")
    out.print(url, soft_wrap=True, markup=False)
    webbrowser.open(url)  # where there is no browser the address may still be opened by hand
    return True


def _ask_code(url: str) -> str:
    out.print("Open this address, agree, and paste the code that Cloud 66 shows:\n")
    out.print(url, soft_wrap=True, markup=False)
    return _ask_secret("code")


def _ask_secret(what: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"{what}: ").strip()
    errors.print(f"reading the {what} from standard input", style="dim")
    return sys.stdin.readline().strip()
