"""Authlib's client for Cloud 66: it logs users in and sends authenticated requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, NoReturn, cast

from .._core.arguments import check_sendable, check_text
from .._http.library import check_transport, httpx
from ..clock import Clock, read_clock
from ..config import URL, Config
from ..errors import Cloud66Error, ConfigError, LoginError, TokenRequestFailed, TransportError
from ..secret import Secret
from ..token import Token, hide
from ..transport import Timeouts
from .bearer import BearerAuth, MaskedToken
from .callback import Callback, attempt
from .endpoints import Endpoints, check_url
from .form import Form
from .login import (
    LIFETIME,
    Login,
    authorization_url,
    callback_form,
    login_form,
    new_state,
    one_redirect_url,
    split_scopes,
    start_login,
)
from .session import Session, to_api_error
from .token_response import parse_token_fields, parse_token_response, to_token

__all__ = ["Cloud66OAuth2Client", "client_of"]


class Cloud66OAuth2Client(Session):
    """OAuth client of Cloud 66, and an HTTP client that sends the user's token.

    Use `login()` and `finish_login()` in an application with many users: they store nothing in this client.
    `create_authorization_url()` and `fetch_token()` work as in Authlib: `fetch_token()` also stores the token in the
    client, and `get()`, `post()` and the other methods of the HTTP library send it. Relative URLs start at the API.
    A token is sent to the API's origin only. Raises ConfigError.

    Args:
        client_id: Client ID of the application (Account > Apps).
        client_secret: Secret of the application. None for an application without one.
        redirect_url: Redirect URL as registered for the application.
        redirect_uri: Authlib's name for `redirect_url`. If both are given, they must be equal.
        scope: Default scopes, as a string separated by commas or spaces, or as an iterable.
        scope_separator: Separator of the scopes in requests.
        pkce: Whether `login()` uses PKCE (S256).
        token: The client's own token.
        on_token: Function that is called with each new token. A coroutine function is awaited.
        url: URL of the site.
        authorize_url: URL of the consent page, if the server has it elsewhere.
        token_url: URL of the token endpoint, if the server has it elsewhere.
        revoke_url: URL of the revocation endpoint, if the server has it elsewhere.
        api_url: URL of the API, if the server has it elsewhere.
        expected_issuer: Issuer that every callback must name as `iss` (RFC 9207), if the server sends it. Without it,
            an issuer in a callback must have the origin of the consent page.
        clock: Source of the current time.
        timeout: Seconds for each phase of a request, and for a token or revocation request as a whole; or `Timeouts`.
            None means no limit.
        transport: Transport of the HTTP library. `verify`, `proxy` and `trust_env` then have no effect.
        verify: TLS verification, as in the HTTP library. True trusts the same CA certificates as `Cloud66`.
        proxy: Proxy, as in the HTTP library.
        trust_env: Whether to use the proxies that the environment names. Loopback hosts never use one.
        headers: Additional headers of every request.
    """

    def __init__(
        self,
        client_id: str | None = None,
        client_secret: str | Secret | None = None,
        *,
        redirect_url: str | None = None,
        redirect_uri: str | None = None,
        scope: str | Iterable[str] = (),
        scope_separator: str = " ",
        pkce: bool = True,
        token: Token | str | Mapping[str, Any] | None = None,
        on_token: Callable[[Token], object] | None = None,
        url: str = URL,
        authorize_url: str | None = None,
        token_url: str | None = None,
        revoke_url: str | None = None,
        api_url: str | None = None,
        expected_issuer: str | None = None,
        clock: Clock | None = None,
        timeout: float | Timeouts | None = 30.0,
        transport: Any = None,
        verify: Any = True,
        proxy: Any = None,
        trust_env: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # From here on, local variables hold no secret: a traceback may show them.
        secret, authentication = hide("client_secret", client_secret), attempt(BearerAuth, token)
        del client_secret, token
        if isinstance(authentication, Cloud66Error):
            raise authentication
        check_text("scope_separator", scope_separator)
        if client_id is not None:
            check_text("client_id", client_id)
            check_sendable("client_id", client_id)
        if transport is not None:
            check_transport(transport)
        method = "client_secret_post" if secret is not None and secret.reveal() else "none"
        super().__init__(
            client_id,
            secret,
            endpoints=Endpoints.of(
                url, authorize=authorize_url, token=token_url, revoke=revoke_url, api=api_url, issuer=expected_issuer
            ),
            clock=read_clock(clock, transport),
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            code_challenge_method="S256",
            # Set explicitly, so that Authlib never falls back to a grant that needs no user.
            grant_type="authorization_code",
            scope=scope_separator.join(split_scopes(scope)) or None,
            redirect_uri=one_redirect_url(redirect_url, redirect_uri),
            timeout=timeout,
            transport=transport,
            verify=verify,
            proxy=proxy,
            trust_env=trust_env,
            headers=headers,
        )
        self.scope_separator = scope_separator
        self.pkce = pkce
        self.on_token = on_token
        self.token = authentication.token

    def __repr__(self) -> str:
        state = "with a token" if self.token else "without a token"
        return f"<{type(self).__name__} of {self.endpoints.site}, {state}>"

    def login(
        self,
        *,
        scope: str | Iterable[str] | None = None,
        redirect_url: str | None = None,
        lifetime: timedelta = LIFETIME,
        parameters: Mapping[str, str] | None = None,
    ) -> Login:
        """Start a login. Redirect the user to its `url`, and store its `to_dict()` in that user's session.

        `scope` and `redirect_url` default to those of the client. `lifetime` limits the time until the callback.
        `parameters` are added to the authorization request. Raises ConfigError.
        """
        return start_login(
            self.endpoints.authorize,
            client_id=self._require_client_id(),
            redirect_url=redirect_url or self.redirect_uri or "",
            scope=self.scope or () if scope is None else scope,
            scope_separator=self.scope_separator,
            pkce=self.pkce,
            lifetime=lifetime,
            clock=self._clock,
            parameters=parameters,
            issuer=self.endpoints.issuer,
        )

    async def finish_login(self, login: Login, callback: Callback) -> Token:
        """Exchange the authorization code in `callback` for the user's token. The client does not store it.

        `callback` is the callback URL, its query string, or its parameters as a mapping. Raises StateMismatch,
        AccessDenied or LoginError before anything is sent, and TokenRequestFailed if the server returns no token.
        """
        started_here = login.url.startswith(f"{self.endpoints.authorize}?")
        form = attempt(login_form, login, callback, self._clock.now()) if started_here else None
        del callback  # a traceback may show local variables; login and form are redacted
        if form is None:
            raise LoginError(
                f"this login was not started at {self.endpoints.authorize}; finish it with the client that started it"
            )
        if isinstance(form, Cloud66Error):
            raise form
        response = await self._request_token(self.endpoints.require("token"), form)
        token = parse_token_response(response.status_code, response.content, redact=form.redact, now=self._clock.now())
        await self._notify(token)
        return token

    def create_authorization_url(
        self,
        url: str | None = None,
        state: str | None = None,
        code_verifier: str | None = None,
        *,
        redirect_url: str | None = None,
        redirect_uri: str | None = None,
        scope: str | Iterable[str] | None = None,
        **parameters: str,
    ) -> tuple[str, str]:
        """Return the URL to redirect the user to, and the state, as in Authlib. Raises ConfigError.

        Store the state and the verifier yourself, or use `login()`, whose result holds both. PKCE is used only if
        `code_verifier` is given.

        Args:
            url: URL of the consent page. Default: that of the client.
            state: State that the callback must repeat. Default: a random one.
            code_verifier: PKCE verifier.
            redirect_url: Redirect URL. Default: that of the client.
            redirect_uri: Authlib's name for `redirect_url`.
            scope: Scopes to request. Default: those of the client.
            **parameters: Additional parameters of the authorization request.
        """
        state = state or new_state()
        authorization = authorization_url(
            check_url(url or self.endpoints.authorize),
            client_id=self._require_client_id(),
            redirect_url=one_redirect_url(redirect_url, redirect_uri) or self.redirect_uri or "",
            scopes=split_scopes(self.scope or () if scope is None else scope),
            scope_separator=self.scope_separator,
            state=state,
            verifier=code_verifier,
            parameters=parameters,
        )
        return authorization, state

    async def fetch_token(
        self,
        url: str | None = None,
        *,
        authorization_response: Callback | None = None,
        state: str | None = None,
        code: str | None = None,
        code_verifier: str | None = None,
        redirect_url: str | None = None,
        redirect_uri: str | None = None,
        grant_type: str = "authorization_code",
    ) -> MaskedToken:
        """Exchange a callback or a code for a token, as in Authlib, and store the token in the client.

        Compare the state yourself if you pass `code`. Raises the errors of `finish_login`; an earlier token is then
        unchanged.

        Args:
            url: URL of the token endpoint. Default: that of the client.
            authorization_response: Callback URL, its query string, or its parameters as a mapping.
            state: State that was stored in the user's session. Required with `authorization_response`.
            code: Authorization code, in place of `authorization_response`.
            code_verifier: PKCE verifier of the login.
            redirect_url: Redirect URL of the login. Default: that of the client.
            redirect_uri: Authlib's name for `redirect_url`.
            grant_type: Authlib's parameter. Only the authorization code flow is supported.
        """
        redirect = (redirect_url, redirect_uri, self.redirect_uri)
        form = attempt(
            callback_form,
            authorization_response,
            state=state,
            code=code,
            verifier=code_verifier,
            redirect=redirect,
            grant_type=grant_type,
            endpoints=self.endpoints,
        )
        del authorization_response, state, code, code_verifier  # as in finish_login
        if isinstance(form, Cloud66Error):
            raise form
        return await self._exchange(url, form)

    def parse_response_token(self, resp: httpx.Response) -> MaskedToken:
        """Return the token in a response of the token endpoint, and store it in the client."""
        return self._store_token(resp, Form())

    def token_from_fragment(self, authorization_response: str, state: str | None = None) -> NoReturn:  # noqa: ARG002
        """Raise LoginError: a token in a fragment is not bound to a login."""
        raise LoginError("tokens in a URL fragment are not accepted; use the authorization code flow")

    async def refresh_token(self, url: str | None = None, refresh_token: str | None = None) -> MaskedToken:
        """Exchange a refresh token for a new token. Raises LoginError.

        Cloud 66 issues no refresh tokens, and its tokens do not expire.
        """
        form = Form(grant_type="refresh_token", refresh_token=refresh_token or self._token_field("refresh_token"))
        del refresh_token
        if not form.reveal("refresh_token"):
            raise LoginError("the token cannot be refreshed: there is no refresh token; log in again")
        return await self._exchange(url, form)

    async def revoke(self, token: Token | str | None = None) -> None:
        """Revoke this token, or the client's own, which the client then discards.

        Cloud 66 does not document an endpoint for this. Raises APIError if the server refuses.
        """
        form = self._token_form("revoke", token, "access_token")
        del token
        response = await self._revoke(None, form)
        if response.status_code != 200:
            raise to_api_error(response, self._clock.now(), form.redact)

    async def revoke_token(
        self,
        url: str | None = None,
        token: Token | str | None = None,
        token_type_hint: str | None = "access_token",  # noqa: S107 (a name, not a secret)
    ) -> httpx.Response:
        """Send a revocation request as in Authlib and return the response.

        If the client's own token was revoked, the client discards it.
        """
        form = self._token_form("revoke", token, token_type_hint)
        del token
        return await self._revoke(url, form)

    async def _revoke(self, url: str | None, form: Form) -> httpx.Response:
        response = await self._post(check_url(url or self.endpoints.require("revoke")), form)
        if response.status_code == 200 and form.reveal("token") == self._token_field("access_token"):
            self.token = None
        return response

    async def introspect_token(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        url: str,
        token: Token | str | None = None,
        token_type_hint: str | None = "access_token",  # noqa: S107 (a name, not a secret)
    ) -> httpx.Response:
        """Ask the introspection endpoint at `url` (RFC 7662) about this token, or about the client's own.

        Cloud 66 does not document such an endpoint. Raises ConfigError and TransportError.
        """
        form = self._token_form("introspect", token, token_type_hint)
        del token
        return await self._post(check_url(url), form)

    def _token_form(self, purpose: str, token: Token | str | None, hint: str | None) -> Form:
        given = Token(token) if isinstance(token, str) else token
        del token
        form = Form(token=self._token_field("access_token") if given is None else given.reveal())
        if not form.reveal("token"):
            raise ConfigError(f"no token to {purpose}; pass one, or set client.token")
        if hint:
            form.add("token_type_hint", hint)
        return form

    def _token_field(self, name: str) -> str:
        """Return this field of the client's own token as a string, which is empty if there is none."""
        return str((self.token or MaskedToken({})).get(name) or "")

    async def _exchange(self, url: str | None, form: Form) -> MaskedToken:
        response = await self._request_token(check_url(url or self.endpoints.require("token")), form)
        token = self._store_token(response, form)
        await self._notify(to_token(token, self._clock.now()))
        return token

    def _store_token(self, response: httpx.Response, form: Form) -> MaskedToken:
        fields = parse_token_fields(response.status_code, response.content, redact=form.redact)
        expires_at = to_token(fields, self._clock.now()).expires_at
        if expires_at is not None:
            fields["expires_at"] = expires_at
        self.token = fields
        return cast("MaskedToken", self.token)

    async def _request_token(self, url: str, form: Form) -> httpx.Response:
        try:
            response = await self._post(url, form)
        except TransportError as error:
            raise TokenRequestFailed(f"token request failed: {error}") from error
        for hook in self.compliance_hook["access_token_response"]:
            response = hook(response)
        return response

    async def _notify(self, token: Token) -> None:
        if self.on_token is not None:
            outcome = self.on_token(token)
            if inspect.isawaitable(outcome):
                await outcome


def client_of(
    config: Config, *, timeouts: Timeouts, clock: Clock, transport: httpx.AsyncBaseTransport
) -> Cloud66OAuth2Client:
    """Return the OAuth client of the application that a `Cloud66` client serves. Raises ConfigError if it has none."""
    application = config.application
    if application is None:
        raise ConfigError("this client cannot log users in: no client_id; create it with Cloud66(client_id=...)")
    return Cloud66OAuth2Client(
        client_id=application.client_id,
        client_secret=application.client_secret,
        redirect_url=application.redirect_url,
        scope_separator=application.scope_separator,
        pkce=application.pkce,
        expected_issuer=application.expected_issuer,
        url=config.site,
        authorize_url=application.authorize_url,
        token_url=application.token_url,
        revoke_url=application.revoke_url,
        api_url=None if config.address.site == config.site else config.address.api,
        clock=clock,
        timeout=application.login_timeout or timeouts,
        transport=transport,
    )
