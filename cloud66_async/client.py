"""Cloud66: the client of the API."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, ParamSpec, Self, TypeVar

from ._core.arguments import UNCHANGED, Unchanged
from ._core.connections import Connections
from ._core.credentials import find_token
from ._core.raw import raw_call
from ._core.shared import Identity, SharedState
from ._core.view import View
from .clock import Clock, read_clock
from .config import Address, Config, library_options, read_application, read_pool
from .quota import Quota, SharedQuota
from .resources import Resources
from .retry import Retry
from .token import Token, hide
from .transport import Timeouts, Transport

if TYPE_CHECKING:
    import ssl

    from . import bulk
    from ._http.library import httpx
    from .drift import Drift
    from .oauth.client import Cloud66OAuth2Client
    from .oauth.login import Login
    from .observe import Observer
    from .operation import Call, Response
    from .polling import Polling
    from .preview import Preview
    from .reads import SharedReads
    from .transport import ResponseStream

__all__ = ["Cloud66"]

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")
P = ParamSpec("P")

_DEFAULT_RETRY: Final = Retry()
_DEFAULT_TIMEOUTS: Final = Timeouts()


class Cloud66(Resources):
    """Client of the Cloud 66 API: all resources over one connection pool.

    The access token comes from `token`, or else from the environment variable CLOUD66_ACCESS_TOKEN, or else from a
    stored login: that of `cloud66-async login`, or that of the official toolbelt. If `client_id` is given, the
    client serves the users of your application instead: it never uses the environment or a stored login, and
    `using` takes the token of each user.

    Use the client as a context manager, or call `aclose()` at the end. It opens on the first call and belongs to
    the event loop of that call.

    Args:
        token: Access token or personal access token.
        client_id: Client ID of your OAuth application, if it logs users in.
        client_secret: Client secret of your OAuth application.
        redirect_url: Redirect URL that is registered for your OAuth application.
        scope_separator: Separator between scopes in the authorization URL.
        pkce: Whether logins use PKCE (RFC 7636) with the method S256.
        expected_issuer: Issuer that every callback must name as `iss` (RFC 9207), if the server sends it. Without it,
            an issuer in a callback must have the origin of Cloud 66.
        authorize_url: URL of the consent page, if it is not at `url`.
        token_url: URL of the token endpoint, if it is not at `url`.
        revoke_url: URL of the revocation endpoint, if it is not at `url`.
        login_timeout: Total seconds for each request of a login, or `Timeouts`. The default is `timeout`.
        url: URL of Cloud 66. The default is CLOUD66_URL from the environment, or else https://app.cloud66.com.
        api_url: URL of the API, if it is not at `url`.
        account: ID of the account to act for. The default is every account of the user.
        headers: Extra headers of every request to the API.
        profile: Name of a stored login. If it is given, the environment's token is not used.
        limit: Maximum number of connections and of requests in flight.
        timeout: Total seconds per request, or a `Timeouts` with one value per phase. None means no limit.
        retry: When failed calls are retried, and after which pauses.
        polling: How often the state of actions is read while the program waits for them.
        reserve: Number of requests to leave unused each hour. When only these remain, `when_exhausted` applies.
        when_exhausted: `"wait"` delays requests until the quota resets, if that is at most `Retry.max_pause` away, and
            `"refuse"` raises QuotaError at once. Without a reserve, `"wait"` leaves the decision to the server.
        pool: `"httpx"` sends requests through the HTTP library's connection pool instead of the SDK's. The default
            is CLOUD66_POOL from the environment, or else `"own"`.
        proxy: URL of a proxy. Like `http2` and `uds`, it implies the HTTP library's pool.
        http2: Whether to use HTTP/2.
        uds: Path of a Unix domain socket to connect to.
        tls: TLS context. The default trusts the system's CA certificates and requires TLS 1.2 or newer.
        transport: A `Transport`, such as the sandbox's, or a transport of the HTTP library.
        clock: Source of the current time and of pauses. The default is that of `transport`, if any, or the system's.
        shared_reads: Where equal reads share one response, such as `MemoryReads` or `RedisReads`. Without it, each read
            is a request.
        shared_quota: Where processes share the hourly quota, such as `RedisQuota`. The default of `reserve` is then 0.
        user: Your application's name of the token's user. Tokens of the same user then share one quota.
        drift: Collects where responses differ from the models. Without it, responses are not compared.
        observer: Function that is called with an `Attempt` at the end of each attempt of a call.

    Raises ConfigError if the settings are invalid or there is no token, and TypeError for arguments of the wrong type.
    """

    _is_owner = True

    def __init__(
        self,
        token: str | Token | None = None,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        redirect_url: str | None = None,
        scope_separator: str = " ",
        pkce: bool = True,
        expected_issuer: str | None = None,
        authorize_url: str | None = None,
        token_url: str | None = None,
        revoke_url: str | None = None,
        login_timeout: float | Timeouts | None = None,
        url: str | None = None,
        api_url: str | None = None,
        account: int | None = None,
        headers: Mapping[str, str] | None = None,
        profile: str | None = None,
        limit: int = 32,
        timeout: float | Timeouts | None = _DEFAULT_TIMEOUTS,
        retry: Retry = _DEFAULT_RETRY,
        polling: Polling | None = None,
        reserve: int | None = None,
        when_exhausted: Literal["wait", "refuse"] = "wait",
        pool: Literal["own", "httpx"] | None = None,
        proxy: str | None = None,
        http2: bool = False,
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | Transport | None = None,
        clock: Clock | None = None,
        shared_reads: SharedReads | None = None,
        shared_quota: SharedQuota | None = None,
        user: str | None = None,
        drift: Drift | None = None,
        observer: Observer | None = None,
    ) -> None:
        # From here on, local variables hold no secret: a traceback may show them.
        given, secret, hidden_proxy = hide("token", token), hide("client_secret", client_secret), hide("proxy", proxy)
        del token, client_secret, proxy
        application = read_application(
            client_id,
            client_secret=secret,
            redirect_url=redirect_url,
            scope_separator=scope_separator,
            pkce=pkce,
            expected_issuer=expected_issuer,
            authorize_url=authorize_url,
            token_url=token_url,
            revoke_url=revoke_url,
            login_timeout=login_timeout,
        )
        self._config = config = Config(
            address=Address.parse(api_url or url),
            site=Address.parse(url).site,
            application=application,
            limit=limit,
            reserve=reserve,
            when_exhausted=when_exhausted,
            own_pool=read_pool(pool) == "own",
            tls=tls,
            transport=transport,
            options=library_options(hidden_proxy, http2=http2, uds=uds),
        )
        self._connections = Connections(config)
        self._shared = SharedState(
            self._connections.transport,
            read_clock(clock, transport),
            config=config,
            connect_stream=self._connections.stream_transport,
            drift=drift,
            observer=observer,
            reads=shared_reads,
            quota=shared_quota,
        )
        found = find_token(given, profile, serves_users=application is not None, site=config.site)
        view = View(found, account=account, headers=headers, timeout=timeout, retry=retry, polling=polling, user=user)
        self._use(view)

    def _use(self, view: View) -> None:
        self._view = view
        self._sender = view.sender(self._shared, self._identify)

    def _identify(self) -> Identity:
        """Return what requests with this view's token are sent with."""
        identity = self._view.identify(self._shared)
        self._connections.load_certificates()
        return identity

    def using(
        self,
        *,
        token: str | Token | Unchanged = UNCHANGED,
        account: int | Unchanged | None = UNCHANGED,
        headers: Mapping[str, str] | Unchanged = UNCHANGED,
        timeout: float | Timeouts | Unchanged | None = UNCHANGED,
        retry: Retry | Unchanged = UNCHANGED,
        polling: Polling | Unchanged | None = UNCHANGED,
        fresh: bool | Unchanged = UNCHANGED,
        user: str | Unchanged | None = UNCHANGED,
    ) -> Self:
        """Return a view of this client with another token, account, extra headers, timeout, retry policy or polling.

        It uses the same connection pool and takes microseconds to create, so you can create one for each web
        request. Closing a view has no effect. With `fresh`, its reads always go to the API, even if the client shares
        reads. `user` is the name of the token's user, None by default if the token changes. Raises ConfigError for
        `token=None`: a missing token must not fall back to another user's.
        """
        hidden = token if isinstance(token, Unchanged) else hide("token", token)
        del token  # a traceback may show local variables
        options = self._view.changed(
            token=hidden,
            account=account,
            headers=headers,
            timeout=timeout,
            retry=retry,
            polling=polling,
            fresh=fresh,
            user=user,
        )
        view = object.__new__(type(self))
        view._is_owner = False
        view._config, view._connections, view._shared = self._config, self._connections, self._shared
        view._use(options)
        return view

    # --- calls -----------------------------------------------------------------------------------

    async def send(self, call: Call[T]) -> Response[T]:
        """Send a call and return the whole response: status, headers, body and quota in addition to the data.

        For example `await c66.send(stacks.GET.bind(stack=uid))`, with `from cloud66_async.resources import stacks`.
        """
        return await self._sender.send(call)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response[Any]:
        """Send a request for which the SDK has no method. `data` of the response is the JSON without the envelope.

        `path` is percent-encoded and starts below the API's root: `/stacks.json`. Lists are not read page by page.
        Errors and retries are those of other calls.
        """
        view = self if headers is None else self.using(headers={**self._view.headers, **headers})
        call = raw_call(method, path, json=json, query=query)
        del json, query  # they may hold secrets, and a traceback may show local variables
        return await view.send(call)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[ResponseStream]:
        """Send a request as `request` does, but once, and return the response while its body arrives.

        Use it as a context manager. Iterate over the response for its data, which is not decompressed.
        """
        sender = self._sender if headers is None else self.using(headers={**self._view.headers, **headers})._sender  # noqa: SLF001  a view of this client
        call = raw_call(method, path, json=json, query=query)
        del json, query  # as in `request`
        async with sender.stream_call(call, self._config.address.origin) as response:
            yield response

    def preview(self, method: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> Preview:
        """Return the request that a method of a resource would send, for example `c66.preview(c66.stacks.get, uid)`.

        Nothing is sent. Of a method that sends several requests, it is the first.
        """
        from .preview import preview  # imported lazily: few programs need it

        return preview(method, args, kwargs, url=self._config.address.api)

    def each(
        self,
        function: Callable[[K], Awaitable[V]],
        items: Iterable[K] | AsyncIterable[K],
        *,
        limit: int | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[bulk.Ok[K, V] | bulk.Failed[K]]]:
        """Call `function` for every item concurrently and yield results as they finish; see `bulk.each`.

        `limit` is the maximum number of calls at a time. The default is the size of the connection pool.
        """
        from . import bulk  # imported lazily: takes 0.5 ms, and only bulk calls need it

        return bulk.each(function, items, limit=self._config.limit if limit is None else limit)

    async def collect(
        self, function: Callable[[K], Awaitable[V]], items: Iterable[K], *, limit: int | None = None
    ) -> list[bulk.Ok[K, V] | bulk.Failed[K]]:
        """Call `function` for every item concurrently and return the results in the order of the items."""
        from . import bulk  # imported lazily, as in `each`

        return await bulk.collect(function, items, limit=self._config.limit if limit is None else limit)

    @property
    def limit(self) -> int:
        """The maximum number of connections and of requests in flight."""
        return self._config.limit

    @property
    def quota(self) -> Quota:
        """The token's remaining quota for this hour, from the latest responses. Empty before the first response."""
        view = self._view
        return Quota() if view.token is None else self._shared.allowance(view.token, view.user).quota

    # --- logging in ------------------------------------------------------------------------------

    def login(self, *, scope: str | Iterable[str] = "public", redirect_url: str | None = None) -> Login:
        """Start a login. Redirect the user to its `url`, and store its `to_dict()` in that user's session.

        `scope` names one or more of `public`, `redeploy`, `jobs`, `users` and `admin`. Raises ConfigError if the
        client has no `client_id` or there is no redirect URL.
        """
        return self._oauth().login(scope=scope, redirect_url=redirect_url)

    async def finish_login(self, login: Login, callback: str | Mapping[str, str | Sequence[str]]) -> Token:
        """Exchange the authorization code in `callback` for the user's token. The client does not store it.

        `callback` is the callback URL, its query string, or its parameters as a mapping. Raises StateMismatch,
        AccessDenied or LoginError before anything is sent, and TokenRequestFailed if the server returns no token.
        The token request is never retried.
        """
        finishing = self._oauth().finish_login(login, callback)
        del callback  # a traceback may show local variables, but not those of a coroutine that has not started
        return await finishing

    async def revoke(self, token: Token | str) -> None:
        """Revoke a token at the server.

        Cloud 66 does not document an endpoint for this; servers of the same kind have one. Raises APIError if refused.
        """
        revoking = self._oauth().revoke(token)
        del token  # as in finish_login
        await revoking

    def _oauth(self) -> Cloud66OAuth2Client:
        from .oauth.client import client_of  # imported lazily: Authlib takes 110 ms, and only logins need it

        timeouts, clock = self._sender.timeouts, self._shared.clock
        return client_of(self._config, timeouts=timeouts, clock=clock, transport=self.transport)

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """The connection pool as a transport of the HTTP library, for requests of your own.

        For example `httpx.AsyncClient(transport=c66.transport)`. It adds no token and closes with this client.
        """
        return self._connections.httpx_transport()

    # --- opening and closing ---------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close every connection. Requests in flight raise TransportError. Closing a view has no effect."""
        if self._is_owner:
            async with aclosing(self._connections):  # a transport of the caller's may raise an error
                await self._shared.aclose()

    async def __aenter__(self) -> Self:
        self._connections.load_certificates()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: it holds connections and a token; create a new one")

    def __repr__(self) -> str:
        if "_view" not in self.__dict__:  # shown in a traceback of a constructor that failed
            return "<Cloud66, not set up>"
        return f"<Cloud66 {self._config.site}, {'with' if self._view.token else 'without'} a token>"
