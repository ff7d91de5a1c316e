"""Cookies of the web login: a random session ID, and an encrypted record of each pending login."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken
from starlette.requests import HTTPConnection
from starlette.responses import Response

from ...errors import LoginError, StateMismatch
from ...oauth.login import Login
from ...secret import Secret

__all__ = ["NEW_SESSION_AGE", "Cookies", "PendingLogin", "digest", "new_session_id", "read_cookies"]

NEW_SESSION_AGE = timedelta(seconds=60)
"""The age up to which a session is new."""

# Servers limit all cookies together to about 8 KB. The names are limited as well as the number, because many tabs that
# are restored at the same time start their logins before any of them has received a cookie.
_MAX_PENDING = 4
_MAX_PENDING_SIZE = 4096
_SLOTS = 6
_SLOT_SIZE = 800
_LARGE_SLOT = "large"
_REFUSAL_LIFETIME = timedelta(seconds=60)
_KEY_PURPOSE = b"cloud66_async: pending logins"
# In a list, because the names of the fields would double the size of the cookie.
_FIELDS = ("url", "state", "verifier", "redirect_url", "scopes", "created_at", "expires_at", "issuer", "target")


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

    def __init__(self, secret: Secret, *, secure: bool) -> None:
        # Client secrets of Cloud 66 are 64 random hexadecimal digits, so a cookie does not allow guessing them.
        key = hmac.digest(secret.reveal().encode("utf-8", "surrogatepass"), _KEY_PURPOSE, "sha256")
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._secure = secure
        # Browsers accept a cookie with this prefix from this host only, not from other hosts of its domain.
        prefix = "__Host-" if secure else ""
        self._session_name = f"{prefix}cloud66_session"
        self._refusal_name = f"{prefix}cloud66_refused"
        pending = f"{prefix}cloud66_login_"
        self._slots = [f"{pending}{number}" for number in range(_SLOTS)]
        self._large_slot = pending + _LARGE_SLOT
        # Consecutive logins use different cookies even if the browser has not received the first one yet.
        self._counter = itertools.count(secrets.randbelow(_SLOTS))

    # --- sessions --------------------------------------------------------------------------------

    def session_key(self, connection: HTTPConnection) -> str | None:
        """Return the key of the browser's session, or None if the browser has no session cookie, or several."""
        value = read_cookies(connection).get(self._session_name)
        return digest(value) if value else None

    def is_new_session(self, connection: HTTPConnection, now: datetime) -> bool:
        """Return whether the browser's session started during the last minute, or whether it has several sessions."""
        value = read_cookies(connection).get(self._session_name, "")
        if value is None:
            return True
        try:
            age = now.timestamp() - int(value.rpartition(".")[2], 16)
        except ValueError:
            return False
        return 0 <= age <= NEW_SESSION_AGE.total_seconds()

    def start_session(self, response: Response, value: str, lifetime: timedelta) -> None:
        """Set the session cookie to a session ID of `new_session_id`."""
        self._set(response, self._session_name, value, lifetime)

    def end_session(self, response: Response) -> None:
        """Delete the session cookie."""
        self._delete(response, self._session_name)

    # --- pending logins --------------------------------------------------------------------------

    def start_login(self, connection: HTTPConnection, response: Response, pending: PendingLogin) -> None:
        """Set a cookie for a pending login. If there would be more than four of them, delete the oldest."""
        encrypted = self._encrypt(pending)
        found = self._pending_cookies(connection)
        kept = sorted(found, key=lambda name: self._created_at(found[name]))[-_MAX_PENDING + 1 :]
        while kept and sum(len(name) + len(found[name]) for name in kept) + len(encrypted) > _MAX_PENDING_SIZE:
            del kept[0]
        chosen = self._choose_slot(encrypted, found, kept)
        for name in found:
            if name not in kept and name != chosen:
                self._delete(response, name)
        login = pending.login
        self._set(response, chosen, encrypted, login.expires_at - login.created_at)

    def pending_login(self, connection: HTTPConnection) -> PendingLogin:
        """Return the login that this callback belongs to.

        Raises StateMismatch if this browser has no valid cookie for the callback's state.
        """
        found = self._find(connection)
        if found is None:
            raise StateMismatch("invalid callback: this browser has no pending login with this state; log in again")
        return found[1]

    def end_login(self, connection: HTTPConnection, response: Response) -> None:
        """Delete the cookie of the login that this callback belongs to."""
        found = self._find(connection)
        if found is not None:
            self._delete(response, found[0])

    def _find(self, connection: HTTPConnection) -> tuple[str, PendingLogin] | None:
        state = connection.query_params.get("state", "").encode("utf-8", "surrogatepass")
        for name, encrypted in self._pending_cookies(connection).items():
            pending = self._decrypt(encrypted)
            if pending is not None and hmac.compare_digest(pending.login.state.encode(), state):
                return name, pending
        return None

    def _pending_cookies(self, connection: HTTPConnection) -> dict[str, str]:
        cookies = read_cookies(connection)
        names = [name for name in cookies if name in self._slots or name == self._large_slot]
        return {name: cookies[name] or "" for name in names}

    def _choose_slot(self, encrypted: str, found: Mapping[str, str], kept: list[str]) -> str:
        if len(self._large_slot) + len(encrypted) > _SLOT_SIZE:
            return self._large_slot
        start = next(self._counter)
        slots = [self._slots[(start + number) % _SLOTS] for number in range(_SLOTS)]
        # The slots that are deleted are used last, because a response that arrives late could delete them again.
        return min((name for name in slots if name not in kept), key=lambda name: name in found)

    def _encrypt(self, pending: PendingLogin) -> str:
        login = pending.login
        # The query of the URL is no longer needed and would double the size of the cookie.
        fields: dict[str, Any] = login.to_dict() | {"url": login.url.partition("?")[0] + "?", "target": pending.target}
        times = {name: getattr(login, name).timestamp() for name in ("created_at", "expires_at")}
        values = [(fields | times)[name] for name in _FIELDS]
        return self._fernet.encrypt(json.dumps(values, separators=(",", ":")).encode()).decode("ascii")

    def _decrypt(self, encrypted: str) -> PendingLogin | None:
        try:
            fields: dict[str, Any] = dict(zip(_FIELDS, json.loads(self._fernet.decrypt(encrypted)), strict=True))
            for name in ("created_at", "expires_at"):
                fields[name] = datetime.fromtimestamp(fields[name], UTC).isoformat()
            return PendingLogin(Login.from_dict(fields), str(fields["target"]))
        except (InvalidToken, ValueError, TypeError, LookupError, OverflowError, LoginError):
            return None

    def _created_at(self, encrypted: str) -> int:
        try:
            return self._fernet.extract_timestamp(encrypted)
        except (InvalidToken, ValueError):
            return 0

    # --- refused tokens --------------------------------------------------------------------------

    def was_refused(self, connection: HTTPConnection) -> bool:
        """Return whether Cloud 66 refused a token of this browser during the last minute."""
        return self._refusal_name in read_cookies(connection)

    def set_refused(self, response: Response) -> None:
        """Set a cookie for one minute that records the refusal of a token."""
        self._set(response, self._refusal_name, "1", _REFUSAL_LIFETIME)

    def clear_refused(self, response: Response) -> None:
        """Delete the cookie that records a refusal, so that the next refusal leads to a login again."""
        self._delete(response, self._refusal_name)

    # ---------------------------------------------------------------------------------------------

    def _set(self, response: Response, name: str, value: str, lifetime: timedelta) -> None:
        response.set_cookie(
            name, value, max_age=int(lifetime.total_seconds()), secure=self._secure, httponly=True, samesite="lax"
        )

    def _delete(self, response: Response, name: str) -> None:
        response.delete_cookie(name, secure=self._secure, httponly=True, samesite="lax")


def new_session_id(now: datetime) -> str:
    """Return a new random session ID, followed by the time in hexadecimal seconds."""
    return f"{secrets.token_urlsafe(32)}.{int(now.timestamp()):x}"


def digest(value: str) -> str:
    """Return the SHA-256 digest of a string, in hexadecimal digits."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def read_cookies(connection: HTTPConnection) -> dict[str, str | None]:
    """Return the cookies of a request. The value is None if there are several cookies with the same name.

    Names are compared byte by byte, as browsers write them. Starlette removes every kind of whitespace around a name,
    so that another host of the domain could set a cookie whose name has the prefix `__Host-` only after that.
    """
    found: dict[str, str | None] = {}
    for header, line in connection.scope["headers"]:
        if header.lower() != b"cookie":
            continue
        for pair in line.split(b";"):
            name, equals, value = pair.decode("latin-1").strip(" \t").partition("=")
            if not equals:
                continue
            if len(value) > 1 and value[0] == value[-1] == '"':  # Starlette quotes values that contain "="
                value = value[1:-1]
            found[name] = value if found.get(name, value) == value else None
    return found
