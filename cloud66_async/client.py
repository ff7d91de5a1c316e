"""Cloud66: the client. It opens and closes everything and owns the resources."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from . import _tls
from ._clock import Clock, SystemClock
from ._lane import Head, Lane, Timeouts
from ._sender import Line, Sender
from ._shared import Shared
from .config import (
    NO_USER_YET,
    NOBODY,
    URL,
    USER_AGENT,
    Address,
    Application,
    Config,
    environment_token,
    read_pool,
    read_timeouts,
)
from .errors import ConfigError
from .model import Secret
from .quota import Allowance, Quota
from .retry import Retry
from .token import Token

if TYPE_CHECKING:
    import ssl

    from . import bulk
    from ._http.library import httpx
    from .oauth.client import Cloud66OAuth2Client
    from .oauth.login import Login
    from .operation import Call, Response
    from .resources.actions import Actions
    from .resources.deployments import Deployments
    from .resources.servers import Servers
    from .resources.stacks import Stacks

__all__ = ["Cloud66"]

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")


class _Keep(enum.Enum):
    """What `using` leaves as it is."""

    KEEP = enum.auto()


KEEP: Final = _Keep.KEEP
_DEFAULT_RETRY: Final = Retry()
_DEFAULT_TIMEOUTS: Final = Timeouts()


class _Lazy:
    """A resource, imported and made when it is first used: most programs need few of them."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        module = import_module(f".resources.{self._module}", __package__)
        made = getattr(module, self._name.title().replace("_", ""))(client._sender)  # noqa: SLF001  it is one of the client
        client.__dict__[self._name] = made
        return made


def lazy(module: str) -> Any:
    """The resource class of this module."""
    return _Lazy(module)


class Cloud66:
    """A client of the Cloud 66 API: one connection pool, and the resources that it serves.

    The token comes from `token`, else from the environment (CLOUD66_ACCESS_TOKEN), else from a stored login
    (`cloud66-async login`, or that of the official toolbelt); `profile` names a stored login, and then the
    environment is not asked. Give `client_id` instead, with `client_secret` and `redirect_url`, where users log
    in: then neither the environment nor a stored login is ever used, and each user's token is
    given with `using`.

    Use it as a context manager, or call `aclose()` at the end. It opens by itself on the first call, and
    belongs to the event loop of that call.

    `url` is the address of Cloud 66, or CLOUD66_URL from the environment, `account` the id of the account to act for.
    `limit` is the size of the pool and the number of requests in flight, `timeout` the seconds for a whole
    request, or `Timeouts` for each phase. `reserve` is the number of requests that are left for others each
    hour: below it QuotaError is raised here. `pool="httpx"`, or CLOUD66_POOL, sends through the HTTP
    library's own pool; so do `proxy`, `http2`, `uds` and `transport` (a transport of that library, or the
    sandbox's). Raises ConfigError for what cannot work.
    """

    actions: Actions = lazy("actions")
    """Work that goes on after the answer."""
    deployments: Deployments = lazy("deployments")
    """Each time that a stack's code went out."""
    servers: Servers = lazy("servers")
    """The machines that a stack runs on."""
    stacks: Stacks = lazy("stacks")
    """The stacks that the token can see."""

    def __init__(
        self,
        token: str | Token | None = None,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        redirect_url: str | None = None,
        scope_separator: str = " ",
        pkce: bool = True,
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
        transport: httpx.AsyncBaseTransport | Lane | None = None,
        clock: Clock | None = None,
    ) -> None:
        if client_id is None and (client_secret is not None or redirect_url is not None):
            raise ConfigError("client_secret and redirect_url belong to a client_id: give that too")
        application = None
        if client_id is not None:
            application = Application(
                client_id=client_id,
                client_secret=None if client_secret is None else Secret(client_secret),
                redirect_url=redirect_url,
                scope_separator=scope_separator,
                pkce=pkce,
            )
        shared_config = Config(
            address=Address.read(url),
            application=application,
            limit=limit,
            reserve=reserve,
            own_pool=read_pool(pool) == "own",
            tls=tls,
            transport=transport,
            options=_library_options(proxy, http2=http2, uds=uds),
        )
        self._owner = True
        self._config = shared_config
        self._shared = Shared(shared_config, clock or SystemClock())
        self._set_up(self._find_token(token, profile), account, read_timeouts(timeout), retry)

    def _find_token(self, token: str | Token | None, profile: str | None) -> Token | None:
        if token is not None:
            return _read_token(token)
        if self._config.application is not None:
            return None
        found = environment_token() if profile is None else None
        found = found or _stored_token(self._config.address.site, profile)
        if found is None:
            raise ConfigError(NOBODY if profile is None else f"no login is stored for the profile {profile!r}")
        return found

    def _set_up(self, token: Token | None, account: int | None, timeouts: Timeouts, retry: Retry) -> None:
        self._token = token
        self._account = account
        self._sender = Sender(self._open, retry=retry, timeouts=timeouts, clock=self._shared.clock)

    async def _open(self) -> tuple[Line, Head, Allowance]:
        """What the sender needs, once there is a first call."""
        token = self._token
        if token is None:
            raise ConfigError(NO_USER_YET)
        self._prepare()
        return self._shared.line(), _head(token, self._account), self._shared.allowance(token)

    def _prepare(self) -> None:
        """Begin to load the system's roots, if it is to be; the way to the wire can be imported meanwhile."""
        if self._config.needs_roots:
            with suppress(RuntimeError):  # no thread to be had: whoever connects is told
                _tls.prepare()

    # --- views -----------------------------------------------------------------------------------

    def using(
        self,
        *,
        token: str | Token | _Keep = KEEP,
        account: int | _Keep | None = KEEP,
        timeout: float | Timeouts | _Keep | None = KEEP,
        retry: Retry | _Keep = KEEP,
    ) -> Self:
        """A view with another token, account, timeout or retry policy, on the same pool.

        It takes microseconds: make one for each web request. Closing a view closes nothing.
        Raises ConfigError for `token=None`: a forgotten login must not act as somebody else.
        """
        if token is None:  # pyright: ignore[reportUnnecessaryComparison]
            raise ConfigError("using(token=None): there is no token to use; send the user to log in")
        view = object.__new__(type(self))
        view._owner = False
        view._config = self._config
        view._shared = self._shared
        view._set_up(
            self._token if token is KEEP else _read_token(token),
            self._account if account is KEEP else account,
            self._sender.timeouts if timeout is KEEP else read_timeouts(timeout),
            self._sender.retry if retry is KEEP else retry,
        )
        return view

    # --- calls -----------------------------------------------------------------------------------

    async def send(self, call: Call[T]) -> Response[T]:
        """The whole answer to a call: status, headers, raw body and quota beside the models.

        `await c66.send(stacks.GET.at(stack=uid))`, with `from cloud66_async.resources import stacks`.
        """
        return await self._sender.send(call)

    def each(
        self,
        function: Callable[[K], Awaitable[V]],
        items: Iterable[K] | AsyncIterable[K],
        *,
        limit: int | None = None,
    ) -> AbstractAsyncContextManager[AsyncIterator[bulk.Ok[K, V] | bulk.Failed[K]]]:
        """The result of `await function(item)` for each item as they finish; see `bulk.each`.

        `limit` is how many run at a time, by default as many as the pool has connections.
        """
        from . import bulk  # half a millisecond, and not every program works in bulk

        return bulk.each(function, items, limit=self._config.limit if limit is None else limit)

    async def collect(
        self, function: Callable[[K], Awaitable[V]], items: Iterable[K], *, limit: int | None = None
    ) -> list[bulk.Ok[K, V] | bulk.Failed[K]]:
        """The result of `await function(item)` for each item, in the order of the items."""
        from . import bulk  # as in each

        return await bulk.collect(function, items, limit=self._config.limit if limit is None else limit)

    @property
    def limit(self) -> int:
        """How many requests may be in flight, and how many connections open."""
        return self._config.limit

    @property
    def quota(self) -> Quota:
        """What is left of this hour for the token, as the last answers told; empty before the first."""
        return Quota() if self._token is None else self._shared.allowance(self._token).quota

    # --- logging in ------------------------------------------------------------------------------

    def login(self, *, scope: str | Iterable[str] = "public", redirect_url: str | None = None) -> Login:
        """A login to begin: send the user to its `url`, and keep its `to_dict()` in that user's own session.

        `scope` names one or several of `public`, `redeploy`, `jobs`, `users` and `admin`. Raises ConfigError
        where the client has no `client_id`, or there is no redirect URL.
        """
        return self._oauth().login(scope=scope, redirect_url=redirect_url)

    async def finish_login(self, login: Login, callback: str | Mapping[str, str | Sequence[str]]) -> Token:
        """The user's token; nothing is kept here.

        `callback` is the URL that was called, its query string, or the parameters as a mapping. Raises
        StateMismatch, AccessDenied or LoginError before anything is sent, TokenRequestFailed where the
        server gave no token. A code is exchanged once and never again.
        """
        finishing = self._oauth().finish_login(login, callback)
        del callback  # a traceback may show local variables; a coroutine does not show its own
        return await finishing

    async def revoke(self, token: Token | str) -> None:
        """Tell the server that this token is no longer good.

        Cloud 66 does not document that it can; servers of its kind can. Raises APIError where it did not.
        """
        revoking = self._oauth().revoke(token)
        del token  # as in finish_login
        await revoking

    def _oauth(self) -> Cloud66OAuth2Client:
        from .oauth.client import Cloud66OAuth2Client  # Authlib: 110 ms, for those who log users in

        application = self._config.application
        if application is None:
            raise ConfigError("this client logs nobody in: it was made without client_id")
        return Cloud66OAuth2Client(
            client_id=application.client_id,
            client_secret=application.client_secret,
            redirect_url=application.redirect_url,
            scope_separator=application.scope_separator,
            pkce=application.pkce,
            url=self._config.address.site,
            clock=self._shared.clock,
            transport=self.transport,
        )

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """The connection pool as a transport of the HTTP library, for requests of your own.

        `httpx.AsyncClient(transport=c66.transport)`; no token is added. It is closed with this client.
        """
        return self._shared.transport()

    # --- opening and closing ---------------------------------------------------------------------

    async def aclose(self) -> None:
        """Close every connection; what is in flight ends with an error. A view closes nothing."""
        if self._owner:
            await self._shared.aclose()

    async def __aenter__(self) -> Self:
        self._prepare()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Cloud66 {self._config.address.site}, {'a token' if self._token else 'no token'}>"


def _head(token: Token, account: int | None) -> Head:
    headers = [
        ("Accept", "application/json"),
        ("Accept-Encoding", "gzip, deflate"),
        ("User-Agent", USER_AGENT),
        ("Authorization", f"Bearer {token.reveal()}"),
    ]
    if account is not None:
        headers.append(("X-Account", str(account)))
    return Head(headers)


def _read_token(token: str | Token) -> Token:
    return token if isinstance(token, Token) else Token(token)


def _stored_token(site: str, profile: str | None) -> Token | None:
    """The token of an earlier login at this site: ours, else for Cloud 66 itself the official toolbelt's."""
    from .oauth.file_store import FileStore, is_available
    from .oauth.store import DEFAULT, ToolbeltStore

    name = profile or DEFAULT
    found = FileStore(site=site).read(name) if is_available() else None
    return ToolbeltStore().read(name) if found is None and site == URL else found


def _library_options(proxy: str | None, *, http2: bool, uds: str | None) -> dict[str, Any]:
    """The options that only the HTTP library can serve."""
    options: dict[str, Any] = {}
    if proxy is not None:
        options["proxy"] = proxy
    if http2:
        options["http2"] = True
    if uds is not None:
        options["uds"] = uds
    return options
