"""The OAuth provider: applications, users and tokens."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus, urlencode

from ...token import Token
from ..message import Rejected, Reply, Request
from .access import SCOPES, Application, Grant, User, random_text
from .authorize import Authorization, Code, find_redirect_url
from .pages import error_page
from .settings import TOLERANT, ProviderSettings

if TYPE_CHECKING:
    from ...clock import Clock

__all__ = ["REALM", "Provider"]

REALM = "Cloud 66 sandbox"

_FORM = "application/x-www-form-urlencoded"


class Provider:
    """Everything under `/oauth`, and every token with its user."""

    def __init__(self, clock: Clock, settings: ProviderSettings = TOLERANT) -> None:
        self.applications: dict[str, Application] = {}
        self.users: dict[str, User] = {}
        self._grants: dict[str, Grant] = {}
        self._clock = clock
        self._settings = settings
        self._authorization = Authorization(clock, settings, self.applications, self.users)
        self._endpoints: Mapping[tuple[str, str], tuple[str, Callable[[Request], Reply]]] = {
            ("GET", "/oauth/authorize"): ("oauth.authorize", self._authorization.show_consent),
            ("POST", "/oauth/authorize"): ("oauth.decide", self._authorization.decide),
            ("GET", "/oauth/authorize/native"): ("oauth.native", self._authorization.show_code),
            ("POST", "/oauth/token"): ("oauth.token", self._token),
            ("POST", "/oauth/revoke"): ("oauth.revoke", self._revoke),
            ("GET", "/oauth/token/info"): ("oauth.token_info", self._info),
        }

    def __repr__(self) -> str:
        return f"<Provider: {len(self.applications)} applications, {len(self.users)} users>"

    @property
    def tokens(self) -> tuple[Grant, ...]:
        """Every token that was issued, including revoked and expired ones."""
        return tuple(self._grants.values())

    def operation(self, request: Request) -> str | None:
        """Return the name of the endpoint that `request` goes to, for example `oauth.token`, or None."""
        found = self._endpoints.get((request.method, request.path))
        return None if found is None else found[0]

    def handle(self, request: Request) -> Reply:
        """Return the response to a request under `/oauth`."""
        found = self._endpoints.get((request.method, request.path))
        if found is None:
            return error_page(404, "Not found", "There is nothing at this URL.")
        try:
            return found[1](request)
        except Rejected as rejected:
            return rejected.reply

    def issue(
        self,
        user: User | None,
        scopes: Iterable[str] = SCOPES,
        *,
        application: Application | None = None,
        expires_in: int | None = None,
    ) -> Grant:
        """Issue a token. Without an application it is a personal access token."""
        now = self._clock.now()
        text = random_text()
        granted = tuple(dict.fromkeys(scopes))
        expires_at = None if expires_in is None else now + timedelta(seconds=expires_in)
        token = Token(text, scopes=granted, expires_at=expires_at)
        grant = Grant(token, user, granted, now, application, expires_at)
        self._grants[text] = grant
        return grant

    def check_registered(self, url: str) -> None:
        """Raise LoginError if the application or the redirect URL of this authorization URL is not registered."""
        self._authorization.check_registered(url)

    def expire(self, code: str) -> None:
        """Let an authorization code expire now. Raises ValueError for an unknown code."""
        self._code(code).expires_at = self._clock.now()

    def replay(self, code: str) -> None:
        """Redeem an authorization code, as somebody who intercepted it would who also knows the client secret.

        The first use issues a token. A later use is refused, and revokes that token if the settings say so. Raises
        ValueError for an unknown code.
        """
        found = self._code(code)
        if found.grant is not None:
            found.grant.revoked = found.grant.revoked or self._settings.revoke_on_reuse
        else:
            found.grant = self.issue(
                found.user, found.scopes, application=found.application, expires_in=self._settings.expires_in
            )

    def _code(self, code: str) -> Code:
        found = self._authorization.codes.get(code)
        if found is None:
            raise ValueError("unknown authorization code; pass the callback that consent() returned")
        return found

    def authenticate(self, authorization: str) -> Grant:
        """Return the grant of the token in this `Authorization` header.

        Raises Rejected with Doorkeeper's response if the token is not valid.
        """
        scheme, _, text = authorization.strip().partition(" ")
        grant = self._grants.get(text.strip()) if scheme.lower() == "bearer" else None
        problem = "The access token is invalid" if grant is None else grant.problem(self._clock.now())
        if grant is None or problem is not None:
            challenge = f'Bearer realm="{REALM}", error="invalid_token", error_description="{problem}"'
            raise Rejected(Reply(401, (("content-type", "text/html"), ("www-authenticate", challenge))))
        return grant

    def _token(self, request: Request) -> Reply:
        try:
            return self._token_response(request, self._exchange(request))
        except _TokenError as error:
            headers = (("www-authenticate", f'Bearer realm="{REALM}"'),) if error.status == 401 else ()
            fields = {"error": error.code, "error_description": str(error)}
            return self._encode(request, fields, status=error.status, headers=headers)

    def _exchange(self, request: Request) -> Grant:
        fields = _fields(request)
        application = self._application(request, fields)
        kind = _required(fields, "grant_type")
        if kind == "client_credentials" and self._settings.client_credentials:
            return self.issue(None, ("public",), application=application, expires_in=self._settings.expires_in)
        if kind != "authorization_code":
            raise _TokenError("unsupported_grant_type", "The grant type is not supported by this server.")
        code = self._authorization.codes.get(_required(fields, "code"))
        redirect = find_redirect_url(fields, self._settings)
        if self._settings.redirect_required and redirect is None:
            raise _TokenError("invalid_request", f"Missing required parameter: {self._settings.redirect_names[0]}.")
        if code is None or code.application is not application or self._clock.now() >= code.expires_at:
            raise _invalid_grant()
        if code.grant is not None:
            code.grant.revoked = code.grant.revoked or self._settings.revoke_on_reuse
            raise _invalid_grant()
        if redirect not in (None, code.redirect):
            raise _invalid_grant()
        self._check_verifier(code, fields.get("code_verifier"))
        code.grant = self.issue(code.user, code.scopes, application=application, expires_in=self._settings.expires_in)
        return code.grant

    def _application(self, request: Request, fields: Mapping[str, str]) -> Application:
        basic = _basic(request.headers.get("authorization", ""))
        client_id, secret = basic or (fields.get("client_id", ""), fields.get("client_secret", ""))
        application = self.applications.get(client_id)
        if application is None or not hmac.compare_digest(application.client_secret.encode(), secret.encode()):
            raise _TokenError(
                "invalid_client",
                "Client authentication failed due to unknown client, no client authentication included, "
                "or unsupported authentication method.",
                status=401,
            )
        return application

    def _check_verifier(self, code: Code, verifier: str | None) -> None:
        if self._settings.pkce == "ignored" or code.challenge is None is verifier:
            return
        if verifier is None:
            raise _TokenError("invalid_request", "Missing required parameter: code_verifier.")
        digest = hashlib.sha256(verifier.encode()).digest()
        found = base64.urlsafe_b64encode(digest).rstrip(b"=")
        if code.challenge is None or not hmac.compare_digest(found, code.challenge.encode()):
            raise _invalid_grant()

    def _token_response(self, request: Request, grant: Grant) -> Reply:
        fields: dict[str, object] = {
            "access_token": grant.token.reveal(),
            "token_type": "Bearer",
            "scope": " ".join(grant.scopes),
            "created_at": int(grant.created_at.timestamp()),
        }
        if grant.expires_at is not None:
            fields["expires_in"] = int((grant.expires_at - grant.created_at).total_seconds())
        return self._encode(request, fields)

    def _encode(
        self,
        request: Request,
        fields: Mapping[str, object],
        *,
        status: int = 200,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Reply:
        """Return a response with `fields` in the configured format."""
        sent = (("cache-control", "no-store"), ("pragma", "no-cache"), *headers)
        wants_json = "json" in request.headers.get("accept", "")
        if self._settings.response_format == "json" or (self._settings.response_format == "accept" and wants_json):
            return Reply.json(fields, status=status, headers=sent)
        return Reply(status, (("content-type", f"{_FORM}; charset=utf-8"), *sent), urlencode(fields).encode())

    def _revoke(self, request: Request) -> Reply:
        try:
            fields = _fields(request)
            application = self._application(request, fields)
        except _TokenError as error:
            described = {"error": "unauthorized_client", "error_description": str(error)}
            return Reply.json(described, status=403)
        grant = self._grants.get(fields.get("token", ""))
        # An unknown token is not an error (RFC 7009, section 2.2), and neither is another application's.
        if grant is not None and grant.application is application:
            grant.revoked = True
        return Reply.json({})

    def _info(self, request: Request) -> Reply:
        try:
            grant = self.authenticate(request.headers.get("authorization", ""))
        except Rejected as rejected:
            described = {"error": "invalid_token", "error_description": "The access token is not valid"}
            challenge = rejected.reply.header("www-authenticate") or ""
            return Reply.json(described, status=401, headers=(("www-authenticate", challenge),))
        expires_at = grant.expires_at
        return Reply.json(
            {
                "resource_owner_id": None if grant.user is None else list(self.users).index(grant.user.email) + 1,
                "scope": grant.scopes,
                "expires_in": None if expires_at is None else int((expires_at - self._clock.now()).total_seconds()),
                "application": {"uid": grant.application.client_id if grant.application else None},
                "created_at": int(grant.created_at.timestamp()),
            }
        )


class _TokenError(Exception):
    """An error of the token endpoint (RFC 6749, section 5.2)."""

    def __init__(self, code: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.status = status


def _invalid_grant() -> _TokenError:
    return _TokenError(
        "invalid_grant",
        "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used "
        "in the authorization request, or was issued to another client.",
    )


def _required(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name)
    if not value:
        raise _TokenError("invalid_request", f"Missing required parameter: {name}.")
    return value


def _fields(request: Request) -> dict[str, str]:
    fields = dict(request.form)
    if _FORM not in request.headers.get("content-type", ""):
        raise _TokenError("invalid_request", "The body must be form-encoded.")
    if len(fields) != len(request.form):
        raise _TokenError("invalid_request", "The request contains a parameter more than once.")
    return fields


def _basic(header: str) -> tuple[str, str] | None:
    """Return client ID and client secret from the header, or None (RFC 6749, section 2.3.1)."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(client_id), unquote_plus(secret)
