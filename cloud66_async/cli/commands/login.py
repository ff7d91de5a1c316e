"""The commands `login` and `logout`. Their prompts come before the event loop runs."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Annotated

from cyclopts import Parameter

from ...client import Cloud66
from ...errors import Cloud66Error, ConfigError
from ...oauth.browser import open_in_browser
from ...oauth.callback import OUT_OF_BAND
from ...oauth.login import Login
from ...oauth.loopback import login_with_browser
from ...resources.ping import Identity
from ...token import Token
from ..logins import environment_variable, store as stored_logins
from ..options import Profile
from ..running import run
from ..terminal.console import plain, report, warn
from ..terminal.prompts import ask_secret
from .identity import identity_lines

__all__ = ["login", "logout"]


def login(
    *,
    client_id: Annotated[
        str | None,
        Parameter(env_var="CLOUD66_CLIENT_ID", help="Client ID of your OAuth application (Account > Apps)."),
    ] = None,
    scope: Annotated[str, Parameter(help="Scopes, separated by commas or spaces.")] = "public,redeploy",
    browser: Annotated[
        bool, Parameter(help="Open the consent page in a browser, or print its URL and prompt for the code.")
    ] = True,
    port: Annotated[int, Parameter(help="Local port for the callback; 0 selects a free port.")] = 0,
    timeout: Annotated[float, Parameter(help="Maximum time to wait for the callback, in seconds.")] = 300.0,
    token: Annotated[
        bool,
        Parameter(
            negative="", show_default=False, help="Prompt for a personal access token, check it, and store it instead."
        ),
    ] = False,
    profile: Profile = None,
) -> None:
    """Log in and store the access token.

    The client secret is read from CLOUD66_CLIENT_SECRET or from a prompt.
    """
    if token:
        _store_token(profile=profile)
    else:
        _log_in(client_id, scope=scope, browser=browser, port=port, timeout=timeout, profile=profile)


def logout(
    *,
    client_id: Annotated[
        str | None,
        Parameter(env_var="CLOUD66_CLIENT_ID", help="Client ID of your OAuth application, required for revocation."),
    ] = None,
    profile: Profile = None,
) -> None:
    """Revoke the stored access token if possible, and delete it in any case."""
    _log_out(client_id, profile=profile)


def _log_in(
    client_id: str | None, *, scope: str, browser: bool, port: int, timeout: float, profile: str | None
) -> None:
    """Log in with the authorization code flow and store the access token.

    Args:
        client_id: Client ID of the OAuth application. If it is None, ConfigError is raised.
        scope: Scopes, separated by commas or spaces.
        browser: Whether to open a local browser. Otherwise, the user opens the URL and pastes the code.
        port: Local port for the callback. 0 selects a free port.
        timeout: Maximum seconds to wait for the callback.
        profile: Name under which the login is stored.
    """
    c66 = _application(client_id)
    if browser:
        run(_with_browser(c66, scope, port, timeout, profile))
    else:
        _with_code(c66, scope, profile)


def _store_token(*, profile: str | None) -> None:
    """Check a personal access token, typed without echo or read from a pipe, and store it if the API accepts it."""
    run(_check_and_save(Token(ask_secret("Personal access token")), profile))


def _log_out(client_id: str | None, *, profile: str | None) -> None:
    """Revoke the stored token if `client_id` is given, then delete it even if the revocation failed."""
    store = stored_logins()
    name = profile or store.default_profile()
    token = run(store.load(name))
    if token is None:
        raise ConfigError(f"no login is stored{'' if profile is None else f' for the profile {profile!r}'}")
    outcome = "the token was not revoked (no --client-id); revoke it under Account > Apps"
    try:
        if client_id is not None:
            c66 = _application(client_id)  # Ctrl+C at its prompt leaves the login stored
            run(_revoke(c66, token))
            outcome = "the token was revoked"
    except Cloud66Error as error:
        outcome = f"the token was not revoked ({plain(error)}); revoke it under Account > Apps"
    run(store.delete(name))
    report(f"Login deleted; {outcome}")
    _warn_of_variable("is still set, and is used from now on")


def _application(client_id: str | None) -> Cloud66:
    if client_id is None:
        raise ConfigError(
            "no OAuth application; register one under Account > Apps and set CLOUD66_CLIENT_ID, "
            "or store a personal access token with `cloud66-async login --token`"
        )
    # Never an argument: every user of the machine can see the arguments of a process.
    secret = os.environ.get("CLOUD66_CLIENT_SECRET", "").strip() or ask_secret("Client secret")
    return Cloud66(client_id=client_id, client_secret=secret)


async def _with_browser(c66: Cloud66, scope: str, port: int, timeout: float, profile: str | None) -> None:  # noqa: ASYNC109  raises LoginError, unlike asyncio.timeout
    async with c66:
        token = await login_with_browser(c66, scope=scope, port=port, timeout=timeout, open_browser=_open)
    await _save_issued(token, profile)


def _with_code(c66: Cloud66, scope: str, profile: str | None) -> None:
    try:
        login = c66.login(scope=scope, redirect_url=OUT_OF_BAND)
        report("Visit this URL, authorize the application, and paste the code that Cloud 66 displays:\n")
        report(login.url)
        code = ask_secret("Code")
    except BaseException:
        run(c66.aclose())
        raise
    run(_finish(c66, login, code, profile))


async def _finish(c66: Cloud66, login: Login, code: str, profile: str | None) -> None:
    async with c66:
        token = await c66.finish_login(login, code)
    await _save_issued(token, profile)


async def _check_and_save(token: Token, profile: str | None) -> None:
    await _save(token, profile, await _identify(token))


async def _identify(token: Token) -> Identity:
    async with Cloud66(token=token) as c66:
        return await c66.ping.check_token()


async def _revoke(c66: Cloud66, token: Token) -> None:
    async with c66:
        await c66.revoke(token)


async def _save_issued(token: Token, profile: str | None) -> None:
    identity = Identity()
    with suppress(Cloud66Error):  # the token is valid: it was issued a moment ago
        identity = await _identify(token)
    try:
        await _save(token, profile, identity)
    except ConfigError as error:
        raise ConfigError(
            f"{error}; an access token was issued but not stored, so revoke it under Account > Apps"
        ) from None


async def _save(token: Token, profile: str | None, identity: Identity) -> None:
    store = stored_logins()
    name = profile or store.default_profile()
    await store.save(token, name)
    report(f'Logged in; profile "{plain(name)}" stored in {plain(store.path)} (readable only by you)')
    scopes = plain(" ".join(token.scopes or ()) or identity.scope or "unknown: Cloud 66 does not say")
    for label, text in identity_lines(identity, scopes=scopes):
        if text:
            report(f"{label:<7}  {text}")
    if profile is None:
        _warn_of_variable("is set and comes before this login; unset it to use the login")


def _warn_of_variable(text: str) -> None:
    variable = environment_variable()
    if variable is not None:
        warn(f"Note: {variable} {text}")


def _open(url: str) -> None:
    report("Opening the consent page in your browser; if it does not open, visit this URL:\n")
    report(url)
    open_in_browser(url)  # its result does not matter: if it fails, the user opens the URL by hand
