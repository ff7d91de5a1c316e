"""FakeCloud66: a simulated Cloud 66 in one object."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from ..clock import Clock
from ..retry import Retry
from ..token import Token
from .api import API, PREFIX
from .clock import FakeClock
from .faults import ConnectionDropped, Fault, Faults
from .hooks import PREFIX as HOOKS, hook_reply
from .message import Reply, Request
from .oauth.access import SCOPES, Application, Grant, User
from .oauth.browser import consent
from .oauth.pages import error_page, start_page
from .oauth.provider import Provider
from .oauth.settings import TOLERANT, ProviderSettings
from .recorder import RecordedRequest, Recorder
from .resources import HANDLERS, stacks as stack_resource
from .routes import api_routes
from .serving.transport import SandboxTransport, httpx_transport
from .stack import FakeStack
from .storage import PREFIX as STORAGE, storage_reply
from .world import Snapshot, World

if TYPE_CHECKING:
    from .._http.library import httpx
    from ..client import Cloud66

__all__ = ["FakeCloud66"]

_URL = "https://cloud66.sandbox.example"
# More than an hour: on a fake clock that is running, waiting for the next hour's quota takes no time.
_PATIENT = Retry(max_pause=3700.0)


class FakeCloud66:
    """A simulated Cloud 66: stacks that can be deployed, users who log in, and faults that you inject.

    It has two users, `ada@example.com` and `grace@example.com`, in account 1, and no stacks until you call `add_stack`
    or `seed`. It needs no network; `SandboxServer` serves it on a local port.

    Args:
        clock: Clock of the sandbox. The default is a new `FakeClock`, which is frozen.
        provider: Settings of the OAuth provider.
        action_seconds: How long deployments and other actions take.
        hourly_limit: Requests per user and hour.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        provider: ProviderSettings = TOLERANT,
        action_seconds: float = 60.0,
        hourly_limit: int = 3600,
    ) -> None:
        self._clock = clock or FakeClock()
        self.faults: Faults = Faults()
        self.world: World = World(self._clock, self.faults, action_seconds=action_seconds)
        self.provider: Provider = Provider(self._clock, provider)
        self._api = API(self.world, self.provider, self._clock, api_routes(), HANDLERS, hourly_limit=hourly_limit)
        self._recorder = Recorder()
        self._lock = threading.RLock()
        self.user: User = self.add_user("ada@example.com")
        self.add_user("grace@example.com")

    def __repr__(self) -> str:
        return f"<FakeCloud66: {len(self.world.stacks)} stacks, {self.calls()} calls>"

    @property
    def clock(self) -> FakeClock:
        """The fake clock. Raises TypeError if the sandbox was created with another clock."""
        if not isinstance(self._clock, FakeClock):
            raise TypeError("this sandbox runs on a real clock; create it without clock=... to control the time")
        return self._clock

    @property
    def tokens(self) -> tuple[Grant, ...]:
        """Every token that was issued, with its user and scopes, including revoked and expired ones."""
        return self.provider.tokens

    # --- contents --------------------------------------------------------------------------------

    def add_stack(
        self,
        name: str,
        *,
        environment: str = "production",
        account: int = 1,
        fields: Mapping[str, object] | None = None,
    ) -> FakeStack:
        """Add a stack. It is deployed and healthy unless `fields`, by their names in the API, say otherwise."""
        with self._lock:
            return stack_resource.add(self.world, name, environment=environment, account=account, fields=fields)

    def seed(self, stacks: int = 600, *, account: int = 1) -> Sequence[FakeStack]:
        """Add stacks of all kinds, the same in every run. Some of them are being deployed."""
        with self._lock:
            return stack_resource.seed(self.world, stacks, account=account)

    def add_user(self, email: str, *, accounts: Iterable[int] = (1,)) -> User:
        """Add a user who can log in and has access to the stacks of these accounts."""
        user = User(email, tuple(accounts))
        with self._lock:
            self.provider.users[email] = user
        return user

    def add_application(
        self,
        name: str = "Example application",
        *,
        client_id: str = "sandbox-client",
        client_secret: str = "sandbox-secret",  # noqa: S107  a sample, not a secret
        redirect_urls: Iterable[str] = ("http://127.0.0.1/callback",),
    ) -> Application:
        """Register an OAuth application. `urn:ietf:wg:oauth:2.0:oob` need not be among its redirect URLs."""
        application = Application(name, client_id, client_secret, tuple(redirect_urls))
        with self._lock:
            self.provider.applications[client_id] = application
        return application

    def add_token(self, user: User | str | None = None, scopes: Iterable[str] = SCOPES) -> Token:
        """Issue a personal access token for `user`, by default the first user.

        Raises ValueError if no user has this e-mail address.
        """
        found = self.provider.users.get(user) if isinstance(user, str) else user or self.user
        if found is None:
            raise ValueError(f"unknown user {user!r}; call add_user() first")
        with self._lock:
            return self.provider.issue(found, scopes).token

    def revoke(self, token: Token) -> None:
        """Revoke a token."""
        for grant in self.tokens:
            grant.revoked = grant.revoked or grant.token == token

    def snapshot(self) -> Snapshot:
        """Return a copy of all stacks, records, actions and counters, which `restore` takes any number of times.

        Users, applications, tokens, faults, quotas and recorded requests are not part of it.
        """
        with self._lock:
            return self.world.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Bring back the state of the snapshot.

        The stacks of that time stay the same objects. The clock does not go back: an action that had not finished has
        the same time left as it had then.
        """
        with self._lock:
            self.world.restore(snapshot)

    # --- requests --------------------------------------------------------------------------------

    def handle(self, request: Request) -> Reply:
        """Return the response to a request, without faults."""
        with self._lock:
            reply = self._handle(request)
        request_id = request.headers.get("request-id")
        return reply if request_id is None else reply.with_headers(("request-id", request_id))

    async def send(self, request: Request, *, timeout: float | None = None) -> Reply:  # noqa: ASYNC109
        """Return the response to a request, with faults, and record the request.

        Raises ConnectionDropped if a fault closes the connection, and TimeoutError if a fault delays the response by
        more than `timeout` seconds on the sandbox's clock.
        """
        operations = self._operations(request)
        fault = (None if operations is None else self.faults.take(operations)) or Fault()
        if timeout is not None and fault.delay > timeout:
            await self._clock.sleep(timeout)
            self._recorder.record(request, operations, None)
            raise TimeoutError
        if fault.delay:
            await self._clock.sleep(fault.delay)
        reply = fault.reply or self.handle(request)
        if fault.truncate:
            reply = reply._replace(body=reply.body[: len(reply.body) // 2])
        self._recorder.record(request, operations, None if fault.drop else reply.status)
        if fault.drop:
            raise ConnectionDropped
        if fault.cut:
            raise ConnectionDropped(reply)
        return reply

    def transport(self) -> SandboxTransport:
        """Return a transport to the sandbox: `Cloud66(token, transport=fake.transport(), clock=fake.clock)`."""
        return SandboxTransport(self)

    def httpx_transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport of the HTTP library: `httpx.AsyncClient(transport=fake.httpx_transport())`."""
        return httpx_transport(self)

    def client(
        self,
        token: Token | str | None = None,
        *,
        user: User | str | None = None,
        scopes: Iterable[str] = SCOPES,
        application: Application | None = None,
        redirect_url: str | None = None,
        retry: Retry = _PATIENT,
        limit: int = 32,
        reserve: int | None = None,
    ) -> Cloud66:
        """Return a client for this sandbox that runs on its clock.

        By default, a throttled call is retried in the next hour of the clock.

        Args:
            token: Token of the client. The default is a new one.
            user: User of the new token. The default is the first user.
            scopes: Scopes of the new token.
            application: Application for which the client logs users in. Such a client has no token of its own.
            redirect_url: Redirect URL of the application. The default is the first one that is registered.
            retry: When calls are retried.
            limit: Maximum number of requests in flight.
            reserve: Requests of the hourly quota that the client leaves unused.
        """
        from ..client import Cloud66

        if application is None:
            token = token or self.add_token(user, scopes)
        elif redirect_url is None:
            redirect_url = application.redirect_urls[0]
        return Cloud66(
            token,
            client_id=application.client_id if application else None,
            client_secret=application.client_secret if application else None,
            redirect_url=redirect_url,
            url=_URL,
            transport=self.transport(),
            clock=self._clock,
            retry=retry,
            limit=limit,
            reserve=reserve,
        )

    async def consent(
        self, url: str, *, user: str | None = None, decision: Literal["authorize", "deny"] = "authorize"
    ) -> str:
        """Open the consent page at `url`, decide, and return the URL of the redirect.

        `user` is the e-mail address of the user who logs in, by default `ada@example.com`. Raises LoginError if the
        page is not a consent page.
        """
        return await consent(url, user=user, decision=decision, transport=self.httpx_transport())

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The latest requests, up to 10,000, the oldest first."""
        return self._recorder.requests

    def calls(self, operation: str | None = None) -> int:
        """Return the number of requests: all, or those of one operation such as `stacks.get` or `oauth.token`."""
        return self._recorder.calls(operation)

    def _operations(self, request: Request) -> tuple[str, ...] | None:
        """Return the names by which requests are counted and faults are chosen, or None for other pages."""
        if request.path.startswith("/oauth/"):
            name = self.provider.operation(request)
            return () if name is None else (name,)
        if request.path.startswith(f"{PREFIX}/"):
            match = self._api.match(request)
            return () if match is None else match[0].names
        if request.path.startswith(STORAGE):
            return ("storage.get",)
        if request.path.startswith(HOOKS):
            return ("stacks.redeploy_by_hook",)
        return None

    def _handle(self, request: Request) -> Reply:
        if request.path.startswith("/oauth/"):
            return self.provider.handle(request)
        if request.path.startswith(f"{PREFIX}/"):
            return self._api.handle(request)
        if request.path.startswith(STORAGE):
            return storage_reply(request, self._clock.now())
        if request.path.startswith(HOOKS):
            return hook_reply(self.world, request)
        if request.path == "/" and request.method == "GET":
            applications = [(known.name, known.client_id) for known in self.provider.applications.values()]
            return start_page(stacks=len(self.world.stacks), applications=applications)
        return error_page(404, "Not found", "There is nothing at this URL.")
