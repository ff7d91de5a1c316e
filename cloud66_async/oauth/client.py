"""Authlib's client, for Cloud 66: it logs users in, and sends requests of any kind with a token."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, NoReturn, cast

from .._http.library import httpx
from ..clock import Clock, SystemClock
from ..config import URL
from ..errors import (
    ConfigError,
    LoginError,
    StateMismatch,
    TokenRequestFailed,
    TransportError,
    TransportTimeout,
)
from ..secret import Secret
from ..token import Token
from .bearer import MaskedToken
from .callback import Callback, code_in, verified
from .endpoints import Endpoints, checked
from .form import Form, code_form
from .login import LIFETIME, Login, authorization_url, begin, new_state, split_scopes
from .session import Session, collected, problem
from .token_response import parse_token_response, read_fields, to_token

__all__ = ["Cloud66OAuth2Client"]


class Cloud66OAuth2Client(Session):
    """Logs users in at Cloud 66, and is a full HTTP client that sends their token.

    `login()` and `finish_login()` are the way for an application with many users: they keep nothing in
    this client. `create_authorization_url()` and `fetch_token()` work as in Authlib; the token that
    `fetch_token()` gets is then the client's own, for `get()`, `post()` and the like, whose relative URLs
    start at the API. A token goes to the API's origin only.

    `url` is the site; the four other URLs are for servers that have their endpoints elsewhere.
    `on_token` is called with each new token and may be a coroutine function. `timeout` is in seconds,
    for each phase of a request, and for a request of the login as a whole. `transport`, `verify`, `proxy`,
    `trust_env` and `headers` are as in the HTTP library. Raises ConfigError.
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
        clock: Clock | None = None,
        timeout: float | None = 30.0,
        transport: Any = None,
        verify: Any = True,
        proxy: Any = None,
        trust_env: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.endpoints: Endpoints = Endpoints.of(
            url, authorize=authorize_url, token=token_url, revoke=revoke_url, api=api_url
        )
        method = "client_secret_post" if client_secret else "none"
        super().__init__(
            client_id,
            client_secret.reveal() if isinstance(client_secret, Secret) else client_secret,
            api=self.endpoints.api,
            clock=clock or SystemClock(),
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            code_challenge_method="S256",
            # So that no way through Authlib can guess one that needs no user.
            grant_type="authorization_code",
            scope=scope_separator.join(split_scopes(scope)) or None,
            redirect_uri=_same(redirect_url, redirect_uri),
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
        self._patience = timeout
        self.token = token

    def __repr__(self) -> str:
        held = "with a token" if self.token else "without a token"
        return f"<{type(self).__name__} of {self.endpoints.site}, {held}>"

    @property
    def client_secret(self) -> str | None:
        """The application's secret, in clear, as Authlib wants it."""
        return None if self._client_secret is None else self._client_secret.reveal()

    @client_secret.setter
    def client_secret(self, text: str | None) -> None:
        self._client_secret = None if text is None else Secret(text)

    def login(
        self,
        *,
        scope: str | Iterable[str] | None = None,
        redirect_url: str | None = None,
        lifetime: timedelta = LIFETIME,
        parameters: Mapping[str, str] | None = None,
    ) -> Login:
        """A new login: where to send the user, and what their session must keep. Raises ConfigError."""
        return begin(
            self.endpoints.authorize,
            client_id=self._application(),
            redirect_url=redirect_url or self.redirect_uri or "",
            scope=self.scope or () if scope is None else scope,
            scope_separator=self.scope_separator,
            pkce=self.pkce,
            lifetime=lifetime,
            clock=self._clock,
            parameters=parameters,
        )

    async def finish_login(self, login: Login, callback: Callback) -> Token:
        """The token of the user whose login this is; the client itself does not take it.

        `callback` is the URL that was called, its query string, or the parameters as a mapping. Raises
        StateMismatch, AccessDenied and LoginError before anything is sent, and TokenRequestFailed where
        the server gave no token.
        """
        if not login.url.startswith(f"{self.endpoints.authorize}?"):
            raise LoginError("this login was begun at another server: its code is not for this one")
        form = code_form(login.code(callback, now=self._clock.now()), login.redirect_url, login.verifier)
        del callback  # a traceback may show local variables; login and form do not show themselves
        answer = await self._ask_token(self.endpoints.token, form)
        token = parse_token_response(answer.status_code, answer.content, mask=form.masked, now=self._clock.now())
        await self._announce(token)
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
        """Where to send the user, and the state, as in Authlib. Only a given verifier is challenged.

        The caller keeps state and verifier; `login()` does so, and always has a verifier. Raises ConfigError.
        """
        state = state or new_state()
        address = authorization_url(
            checked(url or self.endpoints.authorize),
            client_id=self._application(),
            redirect_url=_same(redirect_url, redirect_uri) or self.redirect_uri or "",
            scopes=split_scopes(self.scope or () if scope is None else scope),
            scope_separator=self.scope_separator,
            state=state,
            verifier=code_verifier,
            parameters=parameters,
        )
        return address, state

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
        """The token for a callback with its state, or for a bare code; it is the client's from then on.

        Who passes a bare code has compared the state. Errors as for `finish_login`; an earlier token stays.
        `grant_type` is there for Authlib's sake: only logins by code exist here.
        """
        if grant_type != "authorization_code":
            raise LoginError(f"grant_type {grant_type!r} gives no token of a user: log in by code")
        address = _same(redirect_url, redirect_uri) or self.redirect_uri
        if authorization_response is not None:
            if not state:
                raise StateMismatch("no state to compare with: pass the one that the user's session kept")
            code = code_in(verified(authorization_response, state=state, redirect_url=address))
        elif code is None:
            raise LoginError("neither a callback nor a code was given")
        form = code_form(code_in({"code": code}), address, code_verifier)
        del authorization_response, state, code, code_verifier  # as in finish_login
        return await self._take_token(url, form)

    def parse_response_token(self, resp: httpx.Response) -> MaskedToken:
        """The token in an answer of the token endpoint; it is the client's from then on."""
        return self._accept(resp, Form())

    def token_from_fragment(self, authorization_response: str, state: str | None = None) -> NoReturn:  # noqa: ARG002
        """Refused: a token in a fragment is not bound to anything. Raises LoginError."""
        raise LoginError("a token is never taken from a fragment: log in by code")

    async def refresh_token(self, url: str | None = None, refresh_token: str | None = None) -> MaskedToken:
        """A new token for a refresh token. Cloud 66's tokens have none, and do not expire. Raises LoginError."""
        form = Form(grant_type="refresh_token", refresh_token=refresh_token or self._held("refresh_token"))
        del refresh_token
        if not form["refresh_token"]:
            raise LoginError("this token cannot be refreshed: log in again")
        return await self._take_token(url, form)

    async def revoke(self, token: Token | str | None = None) -> None:
        """Revoke this token, or the client's own, which is then dropped.

        Cloud 66 does not document that it can. Raises APIError where the server did not do it.
        """
        answer = await self.revoke_token(token=token)
        if answer.status_code != 200:
            raise problem(answer, self._clock.now())

    async def revoke_token(
        self,
        url: str | None = None,
        token: Token | str | None = None,
        token_type_hint: str | None = "access_token",  # noqa: S107 (a name, no secret)
    ) -> httpx.Response:
        """The server's answer to a revocation, as in Authlib; the client's own token is dropped if it was it."""
        given = Token(token) if isinstance(token, str) else token
        del token
        form = Form(token=self._held("access_token") if given is None else given.reveal())
        if not form["token"]:
            raise ConfigError("there is no token to revoke")
        if token_type_hint:
            form["token_type_hint"] = token_type_hint
        answer = await self._post(checked(url or self.endpoints.revoke), form)
        if answer.status_code == 200 and form["token"] == self._held("access_token"):
            self.token = None
        return answer

    def _held(self, name: str) -> str:
        """What the client's own token has under this name, as text."""
        return str((self.token or MaskedToken({})).get(name) or "")

    def _application(self) -> str:
        if not self.client_id:
            raise ConfigError("no client_id: give the one of your application (Account > Apps at Cloud 66)")
        return self.client_id

    async def _take_token(self, url: str | None, form: Form) -> MaskedToken:
        token = self._accept(await self._ask_token(checked(url or self.endpoints.token), form), form)
        await self._announce(to_token(token, self._clock.now()))
        return token

    def _accept(self, answer: httpx.Response, form: Form) -> MaskedToken:
        fields = read_fields(answer.status_code, answer.content, mask=form.masked)
        expires_at = to_token(fields, self._clock.now()).expires_at
        if expires_at is not None:
            fields["expires_at"] = expires_at.timestamp()
        self.token = fields
        return cast("MaskedToken", self.token)

    async def _ask_token(self, url: str, form: Form) -> httpx.Response:
        try:
            answer = await self._post(url, form)
        except TransportError as error:
            raise TokenRequestFailed(f"no token was given: {error}") from error
        for hook in self.compliance_hook["access_token_response"]:
            answer = hook(answer)
        return answer

    async def _post(self, url: str, form: Form) -> httpx.Response:
        """The answer to a form with the application's credentials in it. A redirect is an answer too."""
        form["client_id"] = self._application()
        if self.client_secret:
            form["client_secret"] = self.client_secret
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        request = self.build_request("POST", url, data=form, headers=headers)
        try:
            async with asyncio.timeout(self._patience):
                return await collected(await self.send(request, stream=True, auth=None, follow_redirects=False))
        except TimeoutError:
            raise TransportTimeout("timed out (whole)", phase="whole") from None

    async def _announce(self, token: Token) -> None:
        if self.on_token is not None:
            outcome = self.on_token(token)
            if inspect.isawaitable(outcome):
                await outcome


def _same(redirect_url: str | None, redirect_uri: str | None) -> str | None:
    if redirect_url and redirect_uri and redirect_url != redirect_uri:
        raise ConfigError("redirect_url and redirect_uri are two names of one thing and must be equal")
    return redirect_url or redirect_uri
