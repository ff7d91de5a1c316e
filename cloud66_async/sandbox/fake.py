"""FakeCloud66: a simulated Cloud 66 in one object."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from ..clock import Clock
from ..retry import Retry
from ..token import Token
from .api import API, PREFIX
from .checks import RequestLog
from .clock import FakeClock
from .contents import Contents
from .faults import ConnectionDropped, Fault, Faults, Scene
from .hooks import PREFIX as HOOKS, hook_reply
from .message import Reply, Request
from .names import HOOK, STORAGE as STORED_FILE
from .oauth.access import SCOPES, Application, Grant, User
from .oauth.browser import consent, find_code
from .oauth.pages import error_page
from .oauth.provider import Provider
from .oauth.settings import TOLERANT, ProviderSettings
from .overview import PATHS, Overview, overview_reply
from .polling import PollingGuard
from .resources import HANDLERS
from .routes import Match, api_routes
from .serving.delivery import Delivery
from .serving.transport import SandboxTransport, httpx_transport
from .state import UserState, dump, load, read
from .storage import PREFIX as STORAGE, storage_reply
from .world import Snapshot, World

if TYPE_CHECKING:
    from .._http.library import httpx
    from ..client import Cloud66
    from ..oauth.login import Login
    from ..observe import Observer
    from ..polling import Polling
    from ..quota import SharedQuota
    from ..reads import SharedReads

__all__ = ["FakeCloud66"]

_URL = "https://cloud66.sandbox.example"
# More than an hour: on a fake clock, waiting for the next hour's quota takes no time.
_PATIENT = Retry(max_pause=3700.0)


class FakeCloud66(Contents, RequestLog):
    """A simulated Cloud 66: stacks that can be deployed, users who log in, and faults that you inject.

    It has two users, `ada@example.com` and `grace@example.com`, in account 1, and no stacks until you call `add_stack`
    or `seed`. It needs no network; `SandboxServer` serves it on a local port.

    Args:
        clock: Clock of the sandbox. The default is a new `FakeClock`, which skips every pause.
        provider: Settings of the OAuth provider.
        action_seconds: How long deployments and other actions take.
        hourly_limit: Requests per user and hour.
        strict: Whether requests fail the test if no operation has their method and path, or if they are writes that
            `expect_writes` did not announce.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        provider: ProviderSettings = TOLERANT,
        action_seconds: float = 60.0,
        hourly_limit: int = 3600,
        strict: bool = False,
    ) -> None:
        clock = clock or FakeClock()
        RequestLog.__init__(self, Faults(clock), strict=strict)
        world = World(clock, self.faults, action_seconds=action_seconds)
        Contents.__init__(self, world, Provider(clock, provider), clock)
        self._polling = PollingGuard(world)
        self._api = API(self.world, self.provider, self._clock, api_routes(), HANDLERS, hourly_limit=hourly_limit)

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

    def to_json(self) -> str:
        """Return the state as JSON, which `from_json` reads: accounts, users, stacks, and everything that they have.

        Running deployments go on after loading, for as long as they had left. Other running actions are saved as
        finished if they change something. Applications, tokens, faults, quotas and recorded requests are not part of
        the state.
        """
        with self._lock:
            snapshot = self.world.snapshot()
            users = [UserState(email=user.email, accounts=user.accounts) for user in self.provider.users.values()]
            try:
                return dump(self.world, users).decode()
            finally:
                self.world.restore(snapshot)

    @classmethod
    def from_json(
        cls,
        source: str | bytes | os.PathLike[str] | Mapping[str, Any],
        *,
        clock: Clock | None = None,
        provider: ProviderSettings = TOLERANT,
        action_seconds: float = 60.0,
        hourly_limit: int = 3600,
    ) -> Self:
        """Return a sandbox with the state that `to_json` returned.

        Raises ConfigError if the file cannot be read or the state is invalid; the message names the place.

        Args:
            source: JSON as text or as a mapping, or a `Path` to a file with it.
            clock: Clock of the sandbox. The default is a `FakeClock` that starts when the state was saved.
            provider: Settings of the OAuth provider.
            action_seconds: How long deployments and other actions take.
            hourly_limit: Requests per user and hour.
        """
        state = read(source)
        clock = clock or FakeClock(state.saved_at)
        fake = cls(clock=clock, provider=provider, action_seconds=action_seconds, hourly_limit=hourly_limit)
        if state.users:
            fake._set_users([User(user.email, user.accounts) for user in state.users])
        load(fake.world, state)
        return fake

    # --- requests --------------------------------------------------------------------------------

    def handle(self, request: Request) -> Reply:
        """Return the response to a request, without faults."""
        with self._lock:
            reply = self._handle(request)
        request_id = request.headers.get("request-id")
        return reply if request_id is None else reply.with_headers(("request-id", request_id))

    async def send(self, request: Request, *, timeout: float | None = None) -> Reply:  # noqa: ASYNC109
        """Return the response to a request, with faults, and record the request.

        Raises ConnectionDropped if a fault closes the connection, TimeoutError if a fault delays the response by more
        than `timeout` seconds on the sandbox's clock, and AssertionError if the sandbox is strict and rejects it.
        """
        delivery = await self.deliver(request, timeout=timeout)
        return await delivery.buffered(timeout)

    async def deliver(self, request: Request, *, timeout: float | None = None) -> Delivery:  # noqa: ASYNC109
        """Return the response to a request when its headers are sent, with the way in which its body is sent.

        Raises the errors of `send`, except for faults that concern the body.
        """
        operations, match = self._operations(request), self._match(request)
        self._reject_unexpected(request, match, operations)
        if match is not None:
            self._polling.check(match)
        fault = (None if operations is None else self.faults.take(operations, request)) or Fault()
        timed_out = timeout is not None and fault.delay > timeout
        lost = timed_out or fault.cut not in (None, "after")
        complete = not lost and fault.cut is None
        reply = self._carry_out(request, match, fault)
        time = self._clock.now()
        for _ in range(fault.deliveries - 1):
            self._recorder.record(request, operations, reply.status, match=match, time=time, complete=True)
            reply = self._carry_out(request, match, fault)
        status = None if lost else reply.status
        self._recorder.record(request, operations, status, match=match, time=time, complete=complete)
        if fault.delay:
            await self._clock.sleep(fault.delay if timeout is None else min(fault.delay, timeout))
        if timed_out:
            raise TimeoutError
        if fault.cut is not None and fault.cut != "after":
            raise ConnectionDropped(fault.cut, reply)
        return Delivery(reply, self._clock, fault.pause, fault.cut is not None)

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
        when_exhausted: Literal["wait", "refuse"] = "wait",
        polling: Polling | None = None,
        observer: Observer | None = None,
        shared_reads: SharedReads | None = None,
        shared_quota: SharedQuota | None = None,
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
            when_exhausted: What calls do when the quota is used up.
            polling: How often waiting reads the state of actions.
            observer: Function that receives every attempt.
            shared_reads: Where equal reads share one response.
            shared_quota: Where clients share the hourly quota.
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
            when_exhausted=when_exhausted,
            polling=polling,
            observer=observer,
            shared_reads=shared_reads,
            shared_quota=shared_quota,
        )

    async def consent(
        self, login: str | Login, *, user: str | None = None, decision: Literal["authorize", "deny"] = "authorize"
    ) -> str:
        """Open the consent page of `login`, or at this URL, decide, and return the callback URL.

        `user` is the e-mail address of the user who logs in, by default `ada@example.com`. Raises ValueError if the
        user is unknown, and LoginError if the application is not registered or the page is not a consent page.
        """
        if user is not None and user not in self.provider.users:
            known = ", ".join(self.provider.users)
            raise ValueError(f"unknown user {user!r}: known are {known}; add one with add_user()")
        self.provider.check_registered(login if isinstance(login, str) else login.url)
        return await consent(login, user=user, decision=decision, transport=self.httpx_transport())

    async def deny(self, login: str | Login) -> str:
        """Refuse access on the consent page of `login`, or at this URL, and return the callback URL."""
        return await self.consent(login, decision="deny")

    def expire(self, callback: str) -> None:
        """Let the code in this callback URL expire. Raises ValueError if the sandbox did not issue it."""
        with self._lock:
            self.provider.expire(find_code(callback))

    def replay(self, callback: str) -> None:
        """Redeem the code in this callback URL, as somebody who intercepted it would.

        The first use of a code gets a token, and the next one is refused: if your code comes second, its login fails.
        A second use also revokes the token of the first if the provider's settings say so. Raises ValueError if the
        sandbox did not issue the code.
        """
        with self._lock:
            self.provider.replay(find_code(callback))

    def _carry_out(self, request: Request, match: Match | None, fault: Fault) -> Reply:
        """Return the response to a request that this fault changes."""
        if fault.reply is not None:
            return fault.reply
        scene = Scene(request, None if match is None else match[0].operations[0], self.provider, self.world)
        with self._lock:
            undo = None if fault.prepare is None else fault.prepare(scene)
            try:
                reply = self.handle(request)
            finally:
                if undo is not None:
                    undo()
        return reply if fault.change is None else fault.change(reply, scene)

    def _match(self, request: Request) -> Match | None:
        """Return the route of a request to the API and the values in its path, or None."""
        return self._api.match(request) if request.path.startswith(f"{PREFIX}/") else None

    def _operations(self, request: Request) -> tuple[str, ...] | None:
        """Return the names by which requests are counted and faults are chosen, or None for other pages."""
        if request.path.startswith("/oauth/"):
            name = self.provider.operation(request)
            return () if name is None else (name,)
        if request.path.startswith(f"{PREFIX}/"):
            match = self._match(request)
            return () if match is None else match[0].names
        if request.path.startswith(STORAGE):
            return (STORED_FILE,)
        if request.path.startswith(HOOKS):
            return (HOOK,)
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
        if request.path in PATHS and request.method == "GET":
            return overview_reply(request, self._overview())
        return error_page(404, "Not found", "There is nothing at this URL.")

    def _overview(self) -> Overview:
        return Overview(
            self._clock.now(),
            self.world.stacks.values(),
            self.provider.applications.values(),
            self.calls(),
            self.requests,
            [(user, self._api.remaining(user)) for user in self.provider.users],
            self._api.hourly_limit,
        )
