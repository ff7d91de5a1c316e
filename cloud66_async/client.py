"""Cloud66: the client of the API."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, NoReturn, Self, TypeVar

from ._core import tls as tls_context
from ._core.arguments import check_text
from ._core.connections import Connections
from ._core.expiry import ExpiringAllowance
from ._core.sender import Sender
from ._core.shared import SharedState
from .clock import Clock, read_clock
from .config import (
    MISSING_LOGIN,
    MISSING_USER_LOGIN,
    URL,
    USER_AGENT,
    Address,
    Application,
    Config,
    check_account,
    environment_token,
    library_options,
    read_pool,
    read_timeouts,
)
from .errors import ConfigError
from .quota import Allowance, Quota
from .resources import Resources
from .retry import Retry
from .secret import Secret
from .token import Token, hide, to_token
from .transport import SharedHeaders, Timeouts, Transport

if TYPE_CHECKING:
    import ssl

    from . import bulk
    from ._http.library import httpx
    from .oauth.client import Cloud66OAuth2Client
    from .oauth.login import Login
    from .operation import Call, Response

__all__ = ["Cloud66"]

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")


class _Unchanged(enum.Enum):
    """Sentinel for options that `using()` does not change."""

    UNCHANGED = enum.auto()

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = _Unchanged.UNCHANGED
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
        url: URL of Cloud 66. The default is CLOUD66_URL from the environment, or else https://app.cloud66.com.
        account: ID of the account to act for. The default is every account of the user.
        profile: Name of a stored login. If it is given, the environment's token is not used.
        limit: Maximum number of connections and of requests in flight.
        timeout: Total seconds per request, or a `Timeouts` with one value per phase. None means no limit.
        retry: When failed calls are retried, and after which pauses.
        reserve: Number of requests to leave unused each hour. When only these remain, calls raise QuotaError.
        pool: `"httpx"` sends requests through the HTTP library's connection pool instead of the SDK's. The default
            is CLOUD66_POOL from the environment, or else `"own"`.
        proxy: URL of a proxy. Like `http2` and `uds`, it implies the HTTP library's pool.
        http2: Whether to use HTTP/2.
        uds: Path of a Unix domain socket to connect to.
        tls: TLS context. The default trusts the system's CA certificates and requires TLS 1.2 or newer.
        transport: A `Transport`, such as the sandbox's, or a transport of the HTTP library.
        clock: Source of the current time and of pauses.

    Raises ConfigError if the settings are invalid or there is no token, and TypeError for arguments of the wrong type.
    """

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
        url: str | None = None,
        account: int | None = None,
        profile: str | None = None,
        limit: int = 32,
        timeout: float | Timeouts | None = _DEFAULT_TIMEOUTS,
        retry: Retry = _DEFAULT_RETRY,
        reserve: int | None = None,
        pool: Literal["own", "httpx"] | None = None,
        proxy: str | None = None,
        http2: bool = False,
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | Transport | None = None,
        clock: Clock | None = None,
    ) -> None:
        # From here on, local variables hold no secret: a traceback may show them.
        given, secret, hidden_proxy = hide("token", token), hide("client_secret", client_secret), hide("proxy", proxy)
        del token, client_secret, proxy
        if client_id is None and (secret is not None or redirect_url is not None):
            raise ConfigError("client_secret and redirect_url require a client_id; pass client_id as well")
        application = None
        if client_id is not None:
            application = Application(
                client_id=client_id,
                client_secret=secret,
                redirect_url=redirect_url,
                scope_separator=scope_separator,
                pkce=pkce,
                expected_issuer=expected_issuer,
            )
        self._config = config = Config(
            address=Address.parse(url),
            application=application,
            limit=limit,
            reserve=reserve,
            own_pool=read_pool(pool) == "own",
            tls=tls,
            transport=transport,
            options=library_options(hidden_proxy, http2=http2, uds=uds),
        )
        self._is_owner = True
        self._connections = Connections(config)
        self._shared = SharedState(
            self._connections.transport,
            read_clock(clock),
            prefix=config.address.api_path,
            limit=limit,
            reserve=reserve,
            connect_stream=self._connections.stream_transport,
        )
        self._set_up(self._find_token(given, profile), account, read_timeouts(timeout), retry)

    def _find_token(self, token: Secret | None, profile: str | None) -> Token | None:
        if profile is not None:
            check_text("profile", profile)
        if token is not None:
            return to_token(token)
        if self._config.application is not None:
            return None
        site = self._config.address.site
        found = environment_token(site=site) if profile is None else None
        found = found or _stored_token(site, profile)
        if found is None:
            raise ConfigError(MISSING_LOGIN if profile is None else f"no login is stored for the profile {profile!r}")
        return found

    def _set_up(self, token: Token | None, account: int | None, timeouts: Timeouts, retry: Retry) -> None:
        check_account(account)
        if not isinstance(retry, Retry):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"invalid retry: expected a Retry, not {type(retry).__name__}; Retry(attempts=1) turns retries off"
            )
        self._token = token
        self._account = account
        self._sender = Sender(self._shared, self._identify, retry=retry, timeouts=timeouts)

    def _identify(self) -> tuple[SharedHeaders, Allowance]:
        """Return the headers and the quota of this view's token."""
        token = self._token
        if token is None:
            raise ConfigError(MISSING_USER_LOGIN)
        self._load_certificates()
        allowance = self._shared.allowance(token)
        if token.expires_at is not None:
            allowance = ExpiringAllowance(allowance, token.expires_at, self._shared.clock)
        return _shared_headers(token, self._account), allowance

    def _load_certificates(self) -> None:
        """Start loading the CA certificates in a background thread if TLS is needed, so that imports can continue."""
        if self._config.needs_certificates:
            with suppress(RuntimeError):  # if no thread can be started, the first connection reports the error
                tls_context.start_loading()

    # --- views -----------------------------------------------------------------------------------

    def using(
        self,
        *,
        token: str | Token | _Unchanged = UNCHANGED,
        account: int | _Unchanged | None = UNCHANGED,
        timeout: float | Timeouts | _Unchanged | None = UNCHANGED,
        retry: Retry | _Unchanged = UNCHANGED,
    ) -> Self:
        """Return a view of this client with another token, account, timeout or retry policy.

        It uses the same connection pool and takes microseconds to create, so you can create one for each web
        request. Closing a view has no effect. Raises ConfigError for `token=None`: a missing token must not fall
        back to another user's.
        """
        hidden = token if isinstance(token, _Unchanged) else hide("token", token)
        del token  # a traceback may show local variables
        if hidden is None:
            raise ConfigError("using(token=None): no token; redirect the user to the login")
        view = object.__new__(type(self))
        view._is_owner = False
        view._config = self._config
        view._connections = self._connections
        view._shared = self._shared
        view._set_up(
            self._token if isinstance(hidden, _Unchanged) else to_token(hidden),
            self._account if account is UNCHANGED else account,
            self._sender.timeouts if timeout is UNCHANGED else read_timeouts(timeout),
            self._sender.retry if retry is UNCHANGED else retry,
        )
        return view

    # --- calls -----------------------------------------------------------------------------------

    async def send(self, call: Call[T]) -> Response[T]:
        """Send a call and return the whole response: status, headers, body and quota in addition to the data.

        For example `await c66.send(stacks.GET.bind(stack=uid))`, with `from cloud66_async.resources import stacks`.
        """
        return await self._sender.send(call)

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
        return Quota() if self._token is None else self._shared.allowance(self._token).quota

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

        Cloud 66 does not document an endpoint for this; servers of the same kind have one. Raises APIError if the
        server refuses.
        """
        revoking = self._oauth().revoke(token)
        del token  # as in finish_login
        await revoking

    def _oauth(self) -> Cloud66OAuth2Client:
        from .oauth.client import Cloud66OAuth2Client  # imported lazily: Authlib takes 110 ms, and only logins need it

        application = self._config.application
        if application is None:
            raise ConfigError("this client cannot log users in: no client_id; create it with Cloud66(client_id=...)")
        return Cloud66OAuth2Client(
            client_id=application.client_id,
            client_secret=application.client_secret,
            redirect_url=application.redirect_url,
            scope_separator=application.scope_separator,
            pkce=application.pkce,
            expected_issuer=application.expected_issuer,
            url=self._config.address.site,
            clock=self._shared.clock,
            timeout=self._sender.timeouts,
            transport=self.transport,
        )

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
            await self._shared.aclose()
            await self._connections.aclose()

    async def __aenter__(self) -> Self:
        self._load_certificates()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled or copied: it holds connections and a token; create a new one")

    def __repr__(self) -> str:
        if "_token" not in self.__dict__:  # shown in a traceback of a constructor that failed
            return "<Cloud66, not set up>"
        return f"<Cloud66 {self._config.address.site}, {'with' if self._token else 'without'} a token>"


def _shared_headers(token: Token, account: int | None) -> SharedHeaders:
    headers = [
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, deflate"),
        ("User-Agent", USER_AGENT),
        ("Authorization", f"Bearer {token.reveal()}"),
    ]
    if account is not None:
        headers.append(("X-Account", str(account)))
    return SharedHeaders(headers)


def _stored_token(site: str, profile: str | None) -> Token | None:
    """Return the stored token for this site, or, for Cloud 66 itself, the official toolbelt's."""
    from .oauth.file_store import FileStore, is_available
    from .oauth.store import DEFAULT, ToolbeltStore

    name = profile or DEFAULT
    found = FileStore(site=site).read(name) if is_available() else None
    return ToolbeltStore().read(name) if found is None and site == URL else found
