"""The authorization endpoint: the application's request, the user's decision, and the code."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs

from ...errors import LoginError
from ...oauth.callback import OUT_OF_BAND
from ..message import Rejected, Reply, Request
from .access import Application, Grant, User, random_text
from .pages import code_page, consent_page, error_page

if TYPE_CHECKING:
    from ...clock import Clock
    from .settings import ProviderSettings

__all__ = ["Authorization", "Code", "find_redirect_url"]

_COOKIE = "cloud66_sandbox"
_PARAMETERS = (
    "client_id", "redirect_uri", "redirect_url", "response_type", "scope", "state", "code_challenge",
    "code_challenge_method",
)  # fmt: skip
_LIFETIME = timedelta(minutes=10)
_DENIED = "The resource owner or authorization server denied the request."


@attrs.frozen
class _Validated:
    """A valid authorization request."""

    application: Application
    redirect: str
    scopes: tuple[str, ...]
    state: str
    challenge: str | None


@attrs.define
class Code:
    """An authorization code. `grant` is set when it has been exchanged for a token.

    Args:
        application: Application that requested it.
        redirect: Redirect URL of the request.
        scopes: Scopes that the user granted.
        challenge: PKCE code challenge, if the request had one.
        user: User who logged in.
        expires_at: Time when it expires.
        grant: Grant that it was exchanged for.
    """

    application: Application
    redirect: str
    scopes: tuple[str, ...]
    challenge: str | None = attrs.field(repr=False)
    user: User
    expires_at: datetime
    grant: Grant | None = None


class Authorization:
    """The authorization endpoint. `codes` holds the codes that the token endpoint accepts."""

    def __init__(
        self,
        clock: Clock,
        settings: ProviderSettings,
        applications: Mapping[str, Application],
        users: Mapping[str, User],
    ) -> None:
        self.codes: dict[str, Code] = {}
        self._clock = clock
        self._settings = settings
        self._applications = applications
        self._users = users
        self._key = random_text().encode()

    def show_consent(self, request: Request) -> Reply:
        """Return the consent page."""
        fields = _parameters(request.query)
        validated = self._validate(fields)
        browser = _browser(request) or random_text()
        hidden = [(name, fields[name]) for name in _PARAMETERS if name in fields]
        page = consent_page(
            application=validated.application.name,
            scopes=validated.scopes,
            users=self._users,
            redirect=validated.redirect,
            hidden=[*hidden, ("authenticity_token", self._sign(browser, fields))],
        )
        return page.with_headers(("set-cookie", f"{_COOKIE}={browser}; Path=/oauth; HttpOnly; SameSite=Lax"))

    def decide(self, request: Request) -> Reply:
        """Return the redirect that follows from the user's decision."""
        fields = _parameters(request.form)
        # Without the cookie, the signature is compared with that of an unknown browser.
        signature = self._sign(_browser(request) or random_text(), fields)
        if not hmac.compare_digest(signature.encode(), fields.get("authenticity_token", "").encode()):
            raise _rejected("Invalid form", "Go back to the application and start the login again.", status=403)
        validated = self._validate(fields)
        user = self._users.get(fields.get("user", ""))
        decision = fields.get("decision")
        if decision == "deny":
            return self._redirect_back(validated, error="access_denied", error_description=_DENIED)
        if decision != "authorize" or user is None:
            raise _rejected("Incomplete form", "Choose a user and press one of the two buttons.")
        code = random_text()
        self.codes[code] = Code(
            validated.application,
            validated.redirect,
            validated.scopes,
            validated.challenge,
            user,
            self._clock.now() + _LIFETIME,
        )
        return self._redirect_back(validated, code=code)

    def show_code(self, request: Request) -> Reply:
        """Return the page with the code, for programs that cannot receive a redirect."""
        return code_page(_parameters(request.query).get("code", ""))

    def check_registered(self, url: str) -> None:
        """Raise LoginError, which says how to register it, if the application of this authorization URL is unknown."""
        fields = dict(parse_qsl(urlsplit(url).query))
        client_id, redirect = fields.get("client_id"), find_redirect_url(fields, self._settings)
        if client_id is None or redirect is None:
            return
        application = self._applications.get(client_id)
        call = f"add_application(client_id={client_id!r}, redirect_urls=[{redirect!r}])"
        if application is None:
            known = ", ".join(map(repr, self._applications)) or "none"
            raise LoginError(f"unknown client ID {client_id!r}: registered are {known}; call {call} first")
        if redirect != OUT_OF_BAND and not application.accepts(redirect):
            known = ", ".join(map(repr, application.redirect_urls)) or "none"
            raise LoginError(
                f"unknown redirect URL {redirect!r} of the client ID {client_id!r}: registered are {known}; call {call}"
            )

    def _validate(self, fields: Mapping[str, str]) -> _Validated:
        """Validate an authorization request.

        Raises Rejected with a page, or with a redirect if the error may be sent to the application.
        """
        application = self._applications.get(fields.get("client_id", ""))
        if application is None:
            raise _rejected("Unknown application", "No application is registered with this client ID.")
        redirect = find_redirect_url(fields, self._settings)
        if redirect is None or not (redirect == OUT_OF_BAND or application.accepts(redirect)):
            known = ", ".join(application.redirect_urls) or "none"
            raise _rejected(
                "Unknown redirect URL",
                f"The redirect URL is missing or not registered. Registered: {known}. "
                "The command cloud66-async sandbox registers another one with --redirect-url.",
            )
        if fields.get("response_type") != "code":
            raise _rejected("Unsupported response type", "This server issues codes: response_type must be code.")
        scopes = _scopes(fields.get("scope", ""), self._settings.scope_separators)
        if not set(scopes) <= set(application.scopes):
            raise _rejected("Unknown scope", "A requested scope is unknown, or the separator is not supported.")
        validated = _Validated(application, redirect, scopes, fields.get("state", ""), self._challenge(fields))
        if validated.challenge is None and self._settings.pkce == "required":
            description = "A code challenge is required."
            raise Rejected(self._redirect_back(validated, error="invalid_request", error_description=description))
        return validated

    def _challenge(self, fields: Mapping[str, str]) -> str | None:
        challenge = fields.get("code_challenge")
        if not challenge or self._settings.pkce == "ignored":
            return None
        if fields.get("code_challenge_method") != "S256":
            raise _rejected("Unsupported code challenge", "The code challenge method must be S256.")
        return challenge

    def _redirect_back(self, validated: _Validated, **fields: str) -> Reply:
        """Return the redirect to the application, or to the page with the code if it cannot receive a redirect."""
        if validated.redirect == OUT_OF_BAND:
            if "error" in fields:
                return Reply.json(fields, status=400)
            return _redirect("/oauth/authorize/native?" + urlencode(fields))
        if validated.state:
            fields["state"] = validated.state
        if self._settings.issuer is not None:
            fields["iss"] = self._settings.issuer
        return _redirect(f"{validated.redirect}{'&' if '?' in validated.redirect else '?'}{urlencode(fields)}")

    def _sign(self, browser: str, fields: Mapping[str, str]) -> str:
        """Return a signature that ties a form to the browser that received it and to the application's request."""
        parameters = urlencode([(name, fields[name]) for name in _PARAMETERS if name in fields])
        return hmac.new(self._key, f"{browser}\n{parameters}".encode(), hashlib.sha256).hexdigest()


def find_redirect_url(fields: Mapping[str, str], settings: ProviderSettings) -> str | None:
    """Return the redirect URL under any of the accepted names, or None if it is absent or the values differ."""
    values = {fields[name] for name in settings.redirect_names if fields.get(name)}
    return values.pop() if len(values) == 1 else None


def _parameters(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the parameters by name. Raises Rejected if one is repeated (RFC 6749, section 3.1)."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _rejected("Repeated parameter", "The request contains a parameter more than once.")
    return fields


def _scopes(text: str, separators: str) -> tuple[str, ...]:
    for separator in separators:
        text = text.replace(separator, " ")
    return tuple(dict.fromkeys(text.split())) or ("public",)


def _redirect(target: str) -> Reply:
    return Reply(302, (("location", target), ("cache-control", "no-store"), ("referrer-policy", "no-referrer")))


def _browser(request: Request) -> str | None:
    """Return the cookie that identifies the browser."""
    for cookie in request.headers.get("cookie", "").split(";"):
        name, _, value = cookie.strip().partition("=")
        if name == _COOKIE:
            return value
    return None


def _rejected(title: str, text: str, *, status: int = 400) -> Rejected:
    return Rejected(error_page(status, title, text))
