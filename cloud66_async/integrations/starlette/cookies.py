"""Cookies of the web login: a random session ID, and an encrypted record of each pending login."""

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

__all__ = ["Cookies", "PendingLogin"]

# Each takes about 700 bytes, and proxies limit all cookies together to a few kilobytes.
_MAX_PENDING = 4
_REFUSAL_LIFETIME = timedelta(seconds=60)
_KEY_PURPOSE = b"cloud66_async: pending logins"


class PendingLogin(NamedTuple):
    """A login that has started, and the page of this site to show when it has finished."""

    login: Login
    target: str


class Cookies:
    """The cookies of one site.

    All are HttpOnly and SameSite=Lax. With https, they are also Secure and have the prefix `__Host-`.

    The data of a pending login (state, verifier, target page) is stored in a cookie of its own, encrypted and
    signed. Logins in several tabs therefore do not overwrite each other, any process of the application can finish
    a login that another process started, and starting thousands of logins uses no server memory.
    """

    def __init__(self, secret: str, *, secure: bool) -> None:
        # Client secrets of Cloud 66 are 64 random hexadecimal digits, so a cookie does not allow guessing them.
        key = hmac.digest(secret.encode(), _KEY_PURPOSE, "sha256")
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._secure = secure
        # Browsers accept a cookie with this prefix from this host only, not from other hosts of its domain.
        prefix = "__Host-" if secure else ""
        self._session_name = f"{prefix}cloud66_session"
        self._pending_prefix = f"{prefix}cloud66_login_"
        self._refusal_name = f"{prefix}cloud66_refused"

    # --- sessions --------------------------------------------------------------------------------

    def session_key(self, request: Request) -> str | None:
        """Return the key of the browser's session, or None if the browser has no session cookie."""
        value = request.cookies.get(self._session_name)
        return _digest(value) if value else None

    def start_session(self, response: Response, lifetime: timedelta) -> str:
        """Set a cookie with a new random session ID, and return the key of the session."""
        value = secrets.token_urlsafe(32)
        self._set(response, self._session_name, value, lifetime)
        return _digest(value)

    def end_session(self, response: Response) -> None:
        """Delete the session cookie."""
        self._delete(response, self._session_name)

    # --- pending logins --------------------------------------------------------------------------

    def start_login(self, request: Request, response: Response, pending: PendingLogin) -> None:
        """Set a cookie for a pending login. If there would be more than four of them, delete others."""
        earlier = [name for name in request.cookies if name.startswith(self._pending_prefix)]
        for name in earlier[: max(0, len(earlier) - _MAX_PENDING + 1)]:
            self._delete(response, name)
        login = pending.login
        # The query of the URL is no longer needed and would double the size of the cookie.
        fields = login.to_dict() | {"url": login.url.partition("?")[0] + "?", "target": pending.target}
        encrypted = self._fernet.encrypt(json.dumps(fields, separators=(",", ":")).encode()).decode("ascii")
        self._set(response, self._pending_name(login.state), encrypted, login.expires_at - login.created_at)

    def pending_login(self, request: Request) -> PendingLogin:
        """Return the login that this callback belongs to.

        Raises StateMismatch if this browser has no valid cookie for the callback's state.
        """
        encrypted = request.cookies.get(self._pending_name(request.query_params.get("state", "")), "")
        try:
            fields = json.loads(self._fernet.decrypt(encrypted))
            return PendingLogin(Login.from_dict(fields), str(fields["target"]))
        except (InvalidToken, ValueError, TypeError, LookupError, LoginError):
            pass
        raise StateMismatch("invalid callback: this browser has no pending login with this state; log in again")

    def end_login(self, request: Request, response: Response) -> None:
        """Delete the cookie of the login that this callback belongs to."""
        name = self._pending_name(request.query_params.get("state", ""))
        if name in request.cookies:
            self._delete(response, name)

    # --- refused tokens --------------------------------------------------------------------------

    def was_refused(self, request: Request) -> bool:
        """Return whether Cloud 66 refused a token of this browser during the last minute."""
        return self._refusal_name in request.cookies

    def set_refused(self, response: Response) -> None:
        """Set a cookie for one minute that records the refusal of a token."""
        self._set(response, self._refusal_name, "1", _REFUSAL_LIFETIME)

    def clear_refused(self, response: Response) -> None:
        """Delete the cookie that records a refusal, so that the next refusal leads to a login again."""
        self._delete(response, self._refusal_name)

    # ---------------------------------------------------------------------------------------------

    def _pending_name(self, state: str) -> str:
        return self._pending_prefix + _digest(state)[:16]

    def _set(self, response: Response, name: str, value: str, lifetime: timedelta) -> None:
        response.set_cookie(
            name, value, max_age=int(lifetime.total_seconds()), secure=self._secure, httponly=True, samesite="lax"
        )

    def _delete(self, response: Response, name: str) -> None:
        response.delete_cookie(name, secure=self._secure, httponly=True, samesite="lax")


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
