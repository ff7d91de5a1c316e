"""Authlib's client, for Cloud 66: it logs users in, and sends requests of any kind with a token."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NoReturn

from .. import _wire
from .._clock import Clock, SystemClock
from .._http.lane import translate
from .._http.library import AsyncOAuth2Client, httpx
from ..config import URL
from ..errors import APIError, ConfigError, LoginError, StateMismatch, TokenRequestFailed, TransportError
from ..model import Secret
from ..operation import Call, KeptAnswer, Operation
from ..token import Token
from .answer import LONGEST, read_answer, read_fields, to_token
from .bearer import BearerAuth, MaskedToken, same_origin
from .callback import Callback, code_in, verified
from .endpoints import Endpoints, checked
from .login import LIFETIME, Login, authorization_url, begin, new_state, split_scopes

__all__ = ["Cloud66OAuth2Client"]

_FAULTS = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError)
_REFUSED = (401, 403)
# What the server sends back is for this request alone: one client may serve many users.
_NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])


class Cloud66OAuth2Client(AsyncOAuth2Client):
    """Logs users in at Cloud 66, and is a full HTTP client that sends their token.

    `login()` and `finish_login()` are the way for an application with many users: they keep nothing in
    this client. `create_authorization_url()` and `fetch_token()` work as in Authlib; the token that
    `fetch_token()` gets is then the client's own, for `get()`, `post()` and the like, whose relative URLs
    start at the API. A token goes to the API's origin only.

    `url` is the site; the four other URLs are for servers that have their endpoints elsewhere.
    `on_token` is called with each new token and may be a coroutine function. `timeout` is in seconds,
    for each phase of a request. `transport`, `verify`, `proxy`, `trust_env` and `headers` are as in the
    HTTP library. Raises ConfigError.
    """

    token_auth_class = BearerAuth
    token_auth: BearerAuth

    def __init__(
        self,
        *,
        client_id: str | None = None,
        client_secret: str | Secret | None = None,
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
        self.endpoints = Endpoints.of(url, authorize=authorize_url, token=token_url, revoke=revoke_url, api=api_url)
        method = "client_secret_post" if client_secret else "none"
        super().__init__(
            client_id,
            client_secret.reveal() if isinstance(client_secret, Secret) else client_secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            code_challenge_method="S256",
            # So that no way through Authlib can guess one that needs no user.
            grant_type="authorization_code",
            scope=scope_separator.join(split_scopes(scope)) or None,
            redirect_uri=_same(redirect_url, redirect_uri),
            base_url=self.endpoints.api,
            follow_redirects=False,
            cookies=CookieJar(_NO_COOKIES),
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
        self.token_auth.origin = httpx.URL(self.endpoints.api)
        self.token = token
        self._clock = clock or SystemClock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __del__(self) -> None:
        # Authlib's own fails, loudly, for a client whose __init__ failed.
        self.__dict__.pop("session", None)

    def __repr__(self) -> str:
        held = "with a token" if self.token else "without a token"
        return f"<{type(self).__name__} of {self.endpoints.site}, {held}>"

    def __getstate__(self) -> NoReturn:
        raise TypeError("a client holds connections and secrets: it can be neither pickled nor copied")

    @property
    def client_secret(self) -> str | None:
        """The application's secret, in clear, as Authlib wants it."""
        return None if self._client_secret is None else self._client_secret.reveal()

    @client_secret.setter
    def client_secret(self, text: str | None) -> None:
        self._client_secret = None if text is None else Secret(text)

    # --- logging in -----------------------------------------------------------------------------

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
        code = login.code(callback, now=self._clock.now())
        form = _code_form(code, login.redirect_url, login.verifier)
        answer = await self._ask_token(self.endpoints.token, form)
        token = read_answer(answer.status_code, answer.content, hide=self._sent(form), now=self._clock.now())
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
    ) -> MaskedToken:
        """The token for a callback with its state, or for a bare code; it is the client's from then on.

        Who passes a bare code has compared the state. Errors as for `finish_login`; an earlier token stays.
        """
        address = _same(redirect_url, redirect_uri) or self.redirect_uri
        if authorization_response is not None:
            if not state:
                raise StateMismatch("no state to compare with: pass the one that the user's session kept")
            code = code_in(verified(authorization_response, state=state, redirect_url=address))
        elif code is None:
            raise LoginError("neither a callback nor a code was given")
        form = _code_form(code_in({"code": code}), address, code_verifier)
        return await self._take_token(url, form)

    def parse_response_token(self, resp: httpx.Response) -> MaskedToken:
        """The token in an answer of the token endpoint; it is the client's from then on."""
        return self._accept(resp, ())

    def token_from_fragment(self, authorization_response: str, state: str | None = None) -> NoReturn:
        """Refused: a token in a fragment is not bound to anything. Raises LoginError."""
        raise LoginError("a token is never taken from a fragment: log in by code")

    async def refresh_token(self, url: str | None = None, refresh_token: str | None = None) -> MaskedToken:
        """A new token for a refresh token. Cloud 66's tokens have none, and do not expire. Raises LoginError."""
        given = refresh_token or (self.token or {}).get("refresh_token")
        if not given:
            raise LoginError("this token cannot be refreshed: log in again")
        return await self._take_token(url, {"grant_type": "refresh_token", "refresh_token": given})

    async def ensure_active_token(self, token: Any = None) -> None:
        """Nothing for a token that is good. Raises LoginError for one that has expired."""
        held = self.token if token is None else token
        expires_at = held.get("expires_at")
        if expires_at is not None and datetime.fromtimestamp(expires_at, UTC) <= self._clock.now():
            raise LoginError("the token has expired: log in again")

    async def revoke(self, token: Token | str | None = None) -> None:
        """Revoke this token, or the client's own, which is then dropped.

        Cloud 66 does not document that it can. Raises APIError where the server did not do it.
        """
        answer = await self.revoke_token(token=token)
        if answer.status_code != 200:
            raise _problem(answer, self._clock.now())

    async def revoke_token(
        self,
        url: str | None = None,
        token: Token | str | None = None,
        token_type_hint: str | None = "access_token",
    ) -> httpx.Response:
        """The server's answer to a revocation, as in Authlib; the client's own token is dropped if it was it."""
        own = (self.token or {}).get("access_token")
        text = own if token is None else Token(token.reveal() if isinstance(token, Token) else token).reveal()
        if text is None:
            raise ConfigError("there is no token to revoke")
        form = {"token": text} | ({"token_type_hint": token_type_hint} if token_type_hint else {})
        answer = await self._post(checked(url or self.endpoints.revoke), form)
        if answer.status_code == 200 and text == own:
            self.token = None
        return answer

    # --- requests -------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        url: Any,
        withhold_token: bool = False,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        **options: Any,
    ) -> httpx.Response:
        """The answer, as in the HTTP library; but 401 and 403 raise Unauthenticated and Forbidden.

        `withhold_token` sends it without the token, to any host. Raises ConfigError where there is no
        token or where it would go to another origin, and TransportError where no answer comes.
        """
        authorized = self._is_authorized(withhold_token, auth)
        response = await super().request(method, url, withhold_token=withhold_token, auth=auth, **options)
        if authorized and response.status_code in _REFUSED:
            raise _problem(response, self._clock.now())
        return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: Any,
        withhold_token: bool = False,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        **options: Any,
    ) -> AsyncGenerator[httpx.Response]:
        """The answer with its body still to be read; everything else as for `request`."""
        authorized = self._is_authorized(withhold_token, auth)
        try:
            async with super().stream(method, url, withhold_token=withhold_token, auth=auth, **options) as response:
                if authorized and response.status_code in _REFUSED:
                    raise _problem(await _collected(response), self._clock.now())
                yield response
            return
        except _FAULTS as error:
            problem = translate(error)
        raise problem

    async def send(
        self,
        request: httpx.Request,
        *,
        stream: bool = False,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        follow_redirects: Any = httpx.USE_CLIENT_DEFAULT,
    ) -> httpx.Response:
        """The answer to a request that is ready, without a token unless `auth` adds it.

        Redirects are followed where asked for, but never to another origin: headers and bodies would go
        along. Raises TransportError.
        """
        self._bind()
        default = follow_redirects is httpx.USE_CLIENT_DEFAULT
        follow = self.follow_redirects if default else bool(follow_redirects)
        response = await self._send_once(request, stream=stream, auth=auth)
        for _ in range(self.max_redirects):
            following = response.next_request if follow else None
            if following is None:
                return response
            await response.aclose()
            if not same_origin(following.url, request.url):
                raise TransportError(f"redirected to {following.url.host}, another origin: nothing was sent there")
            response = await self._send_once(following, stream=stream, auth=None)
        await response.aclose()
        raise TransportError("redirected too often")

    async def _send_once(self, request: httpx.Request, *, stream: bool, auth: Any) -> httpx.Response:
        request.headers.setdefault("Request-Id", uuid.uuid4().hex)
        try:
            return await super().send(request, stream=stream, auth=auth, follow_redirects=False)
        except _FAULTS as error:
            problem = translate(error)
        raise problem  # out here, so that it has no context: the library's errors carry the request

    def _bind(self) -> None:
        if self.is_closed:
            raise ConfigError("this client is closed")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigError("this client belongs to another event loop: make one client per event loop")

    def _is_authorized(self, withhold_token: bool, auth: Any) -> bool:
        authorized = not withhold_token and auth is httpx.USE_CLIENT_DEFAULT
        if authorized and not self.token:
            raise ConfigError("no token: log in with fetch_token(), or set client.token to one")
        return authorized

    def _application(self) -> str:
        if not self.client_id:
            raise ConfigError("no client_id: give the one of your application (Account > Apps at Cloud 66)")
        return self.client_id

    # --- the token endpoint ---------------------------------------------------------------------

    async def _take_token(self, url: str | None, form: dict[str, str]) -> MaskedToken:
        answer = await self._ask_token(checked(url or self.endpoints.token), form)
        for hook in self.compliance_hook["access_token_response"]:
            answer = hook(answer)
        token = self._accept(answer, self._sent(form))
        await self._announce(to_token(token, self._clock.now()))
        return token

    def _accept(self, answer: httpx.Response, sent: Iterable[str]) -> MaskedToken:
        self.token = read_fields(answer.status_code, answer.content, hide=sent)
        return self.token  # type: ignore[no-any-return]

    async def _ask_token(self, url: str, form: dict[str, str]) -> httpx.Response:
        try:
            return await self._post(url, form)
        except TransportError as error:
            raise TokenRequestFailed(f"no token was given: {error}") from error

    async def _post(self, url: str, form: dict[str, str]) -> httpx.Response:
        """The answer to a form with the application's credentials in it. A redirect is an answer too."""
        credentials = {"client_id": self._application()}
        if self.client_secret:
            credentials["client_secret"] = self.client_secret
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        request = self.build_request("POST", url, data=form | credentials, headers=headers)
        response = await self.send(request, stream=True, auth=None, follow_redirects=False)
        return await _collected(response)

    def _sent(self, form: Mapping[str, str]) -> tuple[str, ...]:
        names = ("code", "code_verifier", "refresh_token")
        return tuple(text for text in (self.client_secret, *map(form.get, names)) if text)

    async def _announce(self, token: Token) -> None:
        if self.on_token is not None:
            outcome = self.on_token(token)
            if inspect.isawaitable(outcome):
                await outcome


def _same(redirect_url: str | None, redirect_uri: str | None) -> str | None:
    if redirect_url and redirect_uri and redirect_url != redirect_uri:
        raise ConfigError("redirect_url and redirect_uri are two names of one thing and must be equal")
    return redirect_url or redirect_uri


def _code_form(code: str, redirect_url: str | None, verifier: str | None) -> dict[str, str]:
    form = {"grant_type": "authorization_code", "code": code}
    if redirect_url:
        form |= {"redirect_url": redirect_url, "redirect_uri": redirect_url}
    if verifier:
        form["code_verifier"] = verifier
    return form


async def _collected(response: httpx.Response) -> httpx.Response:
    """The same answer, closed, with as much of its body as a token answer may have, and a byte more."""
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.aiter_bytes():
            parts.append(part[: LONGEST + 1 - size])
            size += len(parts[-1])
            if size > LONGEST:
                break
    except _FAULTS as error:
        problem = translate(error)
    else:
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _FRAMING]
        return httpx.Response(response.status_code, headers=headers, content=b"".join(parts), request=response.request)
    finally:
        await response.aclose()
    raise problem


_FRAMING = ("content-encoding", "content-length", "transfer-encoding", "set-cookie")


def _problem(response: httpx.Response, now: datetime) -> APIError:
    request = response.request
    operation: Operation[None] = Operation(method=request.method, path=request.url.path, shape=None)
    answer = KeptAnswer(response.status_code, response.content, dict(response.headers))
    return _wire.error(Call(operation, request.url.path), answer, request.headers["Request-Id"], now)
