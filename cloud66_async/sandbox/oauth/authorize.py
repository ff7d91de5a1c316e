"""The authorization endpoint: from the application's request through the user's answer to a code."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import attrs

from ..message import Refused, Reply, Request
from .access import OUT_OF_BAND, Application, Grant, User, mint
from .pages import code_page, consent_page, error_page

if TYPE_CHECKING:
    from ...clock import Clock
    from .settings import Profile

__all__ = ["Authorization", "Code", "redirect_value", "unrepeated"]

_COOKIE = "cloud66_sandbox"
_ECHOED = (
    "client_id", "redirect_uri", "redirect_url", "response_type", "scope", "state", "code_challenge",
    "code_challenge_method",
)  # fmt: skip
_LIFE = timedelta(minutes=10)
_DENIED = "The resource owner or authorization server denied the request."


@attrs.frozen
class _Asked:
    """What an application asks for, checked."""

    application: Application
    redirect: str
    scopes: tuple[str, ...]
    state: str
    challenge: str | None


@attrs.define
class Code:
    """A code that was given out; `grant` is what its use brought."""

    application: Application
    redirect: str
    scopes: tuple[str, ...]
    challenge: str | None = attrs.field(repr=False)
    user: User
    expires_at: datetime
    grant: Grant | None = None


class Authorization:
    """The endpoint itself; `codes` holds what the token endpoint redeems."""

    def __init__(
        self,
        clock: Clock,
        profile: Profile,
        applications: Mapping[str, Application],
        users: Mapping[str, User],
    ) -> None:
        self.codes: dict[str, Code] = {}
        self._clock = clock
        self._profile = profile
        self._applications = applications
        self._users = users
        self._key = mint().encode()

    def ask(self, request: Request) -> Reply:
        """The consent page."""
        fields = unrepeated(request.query)
        asked = self._read(fields)
        browser = _browser(request) or mint()
        echoed = [(name, fields[name]) for name in _ECHOED if name in fields]
        page = consent_page(
            application=asked.application.name,
            scopes=asked.scopes,
            users=self._users,
            redirect=asked.redirect,
            hidden=[*echoed, ("authenticity_token", self._seal(browser, fields))],
        )
        return page.plus(("set-cookie", f"{_COOKIE}={browser}; Path=/oauth; HttpOnly; SameSite=Lax"))

    def decide(self, request: Request) -> Reply:
        """The redirect that follows from the user's answer."""
        fields = unrepeated(request.form)
        # A browser without the cookie gets a seal that nobody knows.
        seal = self._seal(_browser(request) or mint(), fields)
        if not hmac.compare_digest(seal.encode(), fields.get("authenticity_token", "").encode()):
            raise _refused("Not from this page", "Go back to the application and start anew.", status=403)
        asked = self._read(fields)
        user = self._users.get(fields.get("user", ""))
        decision = fields.get("decision")
        if decision == "deny":
            return _send(asked, error="access_denied", error_description=_DENIED)
        if decision != "authorize" or user is None:
            raise _refused("Incomplete answer", "Choose a user and press one of the two buttons.")
        code = mint()
        self.codes[code] = Code(
            asked.application, asked.redirect, asked.scopes, asked.challenge, user, self._clock.now() + _LIFE
        )
        return _send(asked, code=code)

    def show(self, request: Request) -> Reply:
        """The page with the code, for programs that no redirect reaches."""
        return code_page(unrepeated(request.query).get("code", ""))

    def _read(self, fields: Mapping[str, str]) -> _Asked:
        """The request, checked. Raises Refused: with a page where nobody can be told, else with a redirect."""
        application = self._applications.get(fields.get("client_id", ""))
        if application is None:
            raise _refused("Unknown application", "No application is registered under this client id.")
        redirect = redirect_value(fields, self._profile)
        if redirect is None or not (redirect == OUT_OF_BAND or application.accepts(redirect)):
            raise _refused("Unknown redirect", "The redirect URL is missing, or not registered for this application.")
        if fields.get("response_type") != "code":
            raise _refused("Unsupported response type", "This server gives codes: response_type must be code.")
        scopes = _scopes(fields.get("scope", ""), self._profile.scope_separators)
        if not set(scopes) <= set(application.scopes):
            raise _refused("Unknown scope", "A requested scope is unknown, or they are separated in another way.")
        asked = _Asked(application, redirect, scopes, fields.get("state", ""), self._challenge(fields))
        if asked.challenge is None and self._profile.pkce == "required":
            raise Refused(_send(asked, error="invalid_request", error_description="A code challenge is required."))
        return asked

    def _challenge(self, fields: Mapping[str, str]) -> str | None:
        challenge = fields.get("code_challenge")
        if not challenge or self._profile.pkce == "ignored":
            return None
        if fields.get("code_challenge_method") != "S256":
            raise _refused("Unsupported code challenge", "The code challenge method must be S256.")
        return challenge

    def _seal(self, browser: str, fields: Mapping[str, str]) -> str:
        """Binds a form to the browser that got it and to what the application asked for."""
        asked = urlencode([(name, fields[name]) for name in _ECHOED if name in fields])
        return hmac.new(self._key, f"{browser}\n{asked}".encode(), hashlib.sha256).hexdigest()


def redirect_value(fields: Mapping[str, str], profile: Profile) -> str | None:
    """The redirect URL under any of the names that the profile knows; None if it is absent or they differ."""
    values = {fields[name] for name in profile.redirect_names if fields.get(name)}
    return values.pop() if len(values) == 1 else None


def unrepeated(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The parameters by name. Raises Refused where one is repeated (RFC 6749, section 3.1)."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _refused("Repeated parameter", "A parameter of the request is there more than once.")
    return fields


def _scopes(text: str, separators: str) -> tuple[str, ...]:
    for separator in separators:
        text = text.replace(separator, " ")
    return tuple(dict.fromkeys(text.split())) or ("public",)


def _send(asked: _Asked, **fields: str) -> Reply:
    """The way back to the application, or to where its user can read what it has to know."""
    if asked.redirect == OUT_OF_BAND:
        if "error" in fields:
            return Reply.json(fields, status=400)
        return _redirect("/oauth/authorize/native?" + urlencode(fields))
    if asked.state:
        fields["state"] = asked.state
    return _redirect(f"{asked.redirect}{'&' if '?' in asked.redirect else '?'}{urlencode(fields)}")


def _redirect(target: str) -> Reply:
    return Reply(302, (("location", target), ("cache-control", "no-store"), ("referrer-policy", "no-referrer")))


def _browser(request: Request) -> str | None:
    """The cookie by which a browser is known again."""
    for cookie in request.headers.get("cookie", "").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == _COOKIE:
            return value
    return None


def _refused(title: str, text: str, *, status: int = 400) -> Refused:
    return Refused(error_page(status, title, text))
