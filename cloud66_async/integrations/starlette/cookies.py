"""What the browser keeps: a random id when logged in, a sealed note for each login that is under way."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import timedelta
from typing import NamedTuple

from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import Request
from starlette.responses import Response

from ...errors import LoginError, StateMismatch
from ...oauth.login import Login

__all__ = ["Cookies", "Pending"]

# Each is about 700 bytes, and proxies accept some kilobytes.
_MOST_PENDING = 4
_REFUSED_FOR = timedelta(seconds=60)
_PURPOSE = b"cloud66_async: logins that are under way"


class Pending(NamedTuple):
    """A login that is under way, and the page at which it ends."""

    login: Login
    target: str


class Cookies:
    """The cookies of one site, all of them HttpOnly and SameSite=Lax; on https also Secure, and this host's alone.

    What a login must remember until its callback (state, verifier, the page to go to) travels in a cookie of
    its own, encrypted and signed: logins in several tabs do not overwrite each other's, any process can end
    what another began, and whoever only begins logins, by the thousand, fills nothing here.
    """

    def __init__(self, secret: str, *, secure: bool) -> None:
        # Cloud 66 makes up client secrets: 64 hexadecimal digits, which nobody guesses from what they sealed.
        key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
        self._seal = Fernet(base64.urlsafe_b64encode(key))
        self._secure = secure
        # Browsers take a cookie with this prefix from this very host only, not from its neighbours.
        prefix = "__Host-" if secure else ""
        self._session = f"{prefix}cloud66_session"
        self._pending = f"{prefix}cloud66_login_"
        self._refused = f"{prefix}cloud66_refused"

    # --- logged in -------------------------------------------------------------------------------

    def session(self, request: Request) -> str | None:
        """The key of the browser's session, None where it has none."""
        value = request.cookies.get(self._session)
        return _digest(value) if value else None

    def new_session(self, response: Response, lifetime: timedelta) -> str:
        """The key of a new session, whose id goes to the browser."""
        value = secrets.token_urlsafe(32)
        self._set(response, self._session, value, lifetime)
        return _digest(value)

    def end_session(self, response: Response) -> None:
        """Let the browser forget its session."""
        self._delete(response, self._session)

    # --- logging in ------------------------------------------------------------------------------

    def begin(self, request: Request, response: Response, pending: Pending) -> None:
        """Let the browser keep a login that is under way; one too many makes it forget another."""
        earlier = [name for name in request.cookies if name.startswith(self._pending)]
        for name in earlier[: max(0, len(earlier) - _MOST_PENDING + 1)]:
            self._delete(response, name)
        login = pending.login
        # Of the address only the server matters from now on; its query would double the cookie's size.
        kept = login.to_dict() | {"url": login.url.partition("?")[0] + "?", "target": pending.target}
        sealed = self._seal.encrypt(json.dumps(kept, separators=(",", ":")).encode()).decode("ascii")
        self._set(response, self._name(login.state), sealed, login.expires_at - login.created_at)

    def pending(self, request: Request) -> Pending:
        """The login that this callback belongs to. Raises StateMismatch where this browser began none such."""
        sealed = request.cookies.get(self._name(request.query_params.get("state", "")), "")
        try:
            kept = json.loads(self._seal.decrypt(sealed))
            return Pending(Login.from_dict(kept), str(kept["target"]))
        except (InvalidToken, ValueError, TypeError, LookupError, LoginError):
            pass
        raise StateMismatch("no login with this state is under way in this browser")

    def end_pending(self, request: Request, response: Response) -> None:
        """Let the browser forget the login that this callback belongs to."""
        name = self._name(request.query_params.get("state", ""))
        if name in request.cookies:
            self._delete(response, name)

    # --- refused ---------------------------------------------------------------------------------

    def refused_before(self, request: Request) -> bool:
        """Whether this browser was sent to log in anew during the last minute, because its token was refused."""
        return self._refused in request.cookies

    def note_refusal(self, response: Response) -> None:
        """Remember for a minute that a token was refused."""
        self._set(response, self._refused, "1", _REFUSED_FOR)

    def forget_refusal(self, response: Response) -> None:
        """Let the next refusal lead to a login again."""
        self._delete(response, self._refused)

    # ---------------------------------------------------------------------------------------------

    def _name(self, state: str) -> str:
        return self._pending + hashlib.sha256(state.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _set(self, response: Response, name: str, value: str, lifetime: timedelta) -> None:
        response.set_cookie(
            name, value, max_age=int(lifetime.total_seconds()), secure=self._secure, httponly=True, samesite="lax"
        )

    def _delete(self, response: Response, name: str) -> None:
        response.delete_cookie(name, secure=self._secure, httponly=True, samesite="lax")


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
