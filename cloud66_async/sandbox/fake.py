"""FakeCloud66: a Cloud 66 that behaves, in one object."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..clock import Clock
from ..retry import Retry
from ..token import Token
from .api import API, PREFIX
from .clock import FakeClock
from .faults import Dropped, Faults
from .handlers import HANDLERS
from .message import Reply, Request
from .oauth.access import SCOPES, Application, Grant, User
from .oauth.browser import consent
from .oauth.pages import error_page, start_page
from .oauth.provider import Provider
from .oauth.settings import TOLERANT, Profile
from .serving.transport import SandboxTransport, httpx_transport
from .stack import FakeStack
from .world import World

if TYPE_CHECKING:
    from .._http.library import httpx
    from ..client import Cloud66

__all__ = ["FakeCloud66", "RecordedRequest"]

_URL = "https://cloud66.sandbox.example"
_KEPT = 10_000
# An hour and a bit: on a clock that jumps, waiting for the next hour's requests costs nothing.
_PATIENT = Retry(max_pause=3700.0)


class RecordedRequest(NamedTuple):
    """A request that the sandbox answered; `status` is None where the connection was dropped."""

    method: str
    target: str
    operations: tuple[str, ...]
    status: int | None
    request_id: str | None
    account: str | None


class FakeCloud66:
    """A Cloud 66 of your own: stacks that can be deployed, users who log in, faults on demand.

    There are two users, `ada@example.com` and `grace@example.com`, in account 1; no stack until you
    add one or `seed()`. Time is a `FakeClock` unless `clock` says otherwise. `action_seconds` is how long
    deployments and other actions take, `hourly_limit` the requests per user and hour, `profile` the ways of the
    OAuth provider. Everything works without a network; `SandboxServer` puts it on a port.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        profile: Profile = TOLERANT,
        action_seconds: float = 60.0,
        hourly_limit: int = 3600,
    ) -> None:
        self._clock = clock or FakeClock()
        self.faults: Faults = Faults()
        self.world: World = World(self._clock, self.faults, action_seconds=action_seconds)
        self.provider: Provider = Provider(self._clock, profile)
        self._recorded: deque[RecordedRequest] = deque(maxlen=_KEPT)
        self._api = API(self.world, self.provider, self._clock, HANDLERS, hourly_limit=hourly_limit)
        self._calls: Counter[str] = Counter()
        self._request_count = 0
        self._lock = threading.RLock()
        self.user: User = self.add_user("ada@example.com")
        self.add_user("grace@example.com")

    def __repr__(self) -> str:
        return f"<FakeCloud66: {len(self.world.stacks)} stacks, {self.calls()} calls>"

    @property
    def clock(self) -> FakeClock:
        """The clock that `advance()` and `running()` move. Raises TypeError if the sandbox was given a real one."""
        if not isinstance(self._clock, FakeClock):
            raise TypeError("this sandbox runs on a real clock")
        return self._clock

    @property
    def tokens(self) -> tuple[Grant, ...]:
        """Every token that was given out, with its user and scopes, the ended ones included."""
        return self.provider.tokens

    # --- what there is ---------------------------------------------------------------------------

    def add_stack(
        self,
        name: str,
        *,
        environment: str = "production",
        account: int = 1,
        fields: Mapping[str, object] | None = None,
    ) -> FakeStack:
        """A new stack, deployed and healthy unless `fields` (by their names in the API) say otherwise."""
        with self._lock:
            return self.world.add_stack(name, environment=environment, account=account, fields=fields)

    def seed(self, stacks: int = 600, *, account: int = 1) -> Sequence[FakeStack]:
        """So many new stacks of all kinds, the same each time; some of them are being deployed."""
        with self._lock:
            return self.world.seed(stacks, account=account)

    def add_user(self, email: str, *, accounts: Iterable[int] = (1,)) -> User:
        """A user who can log in and sees the stacks of these accounts."""
        user = User(email, tuple(accounts))
        with self._lock:
            self.provider.users[email] = user
        return user

    def add_application(
        self,
        name: str = "Example application",
        *,
        client_id: str = "sandbox-client",
        client_secret: str = "sandbox-secret",  # noqa: S107  made up, and told to everybody
        redirect_urls: Iterable[str] = ("http://127.0.0.1/callback",),
    ) -> Application:
        """A registered OAuth application; `urn:ietf:wg:oauth:2.0:oob` need not be registered."""
        application = Application(name, client_id, client_secret, tuple(redirect_urls))
        with self._lock:
            self.provider.applications[client_id] = application
        return application

    def add_token(self, user: User | str | None = None, scopes: Iterable[str] = SCOPES) -> Token:
        """A new personal access token of `user`, the first user where none is named.

        Raises ValueError for an e-mail address that no user has.
        """
        found = self.provider.users.get(user) if isinstance(user, str) else user or self.user
        if found is None:
            raise ValueError(f"there is no user {user!r}: add one with add_user()")
        with self._lock:
            return self.provider.give(found, scopes).token

    def revoke(self, token: Token) -> None:
        """End a token."""
        for grant in self.tokens:
            grant.revoked = grant.revoked or grant.token == token

    # --- ways in ---------------------------------------------------------------------------------

    def handle(self, request: Request) -> Reply:
        """The answer to a request, without faults; it touches no network and waits for nothing."""
        with self._lock:
            reply = self._handle(request)
        request_id = request.headers.get("request-id")
        return reply if request_id is None else reply.plus(("request-id", request_id))

    async def send(self, request: Request, *, timeout: float | None = None) -> Reply:
        """The answer to a request, faults included.

        Raises Dropped where a fault ends the connection, and TimeoutError where one takes longer than
        `timeout` seconds by the sandbox's clock.
        """
        operations = self._operations(request)
        fault = self.faults.take(operations) if operations is not None else None
        if fault is not None and fault.seconds:
            if timeout is not None and fault.seconds > timeout:
                await self._clock.sleep(timeout)
                self._note(request, operations, None)
                raise TimeoutError
            await self._clock.sleep(fault.seconds)
        reply = self.handle(request) if fault is None or fault.reply is None else fault.reply
        if fault is not None and fault.cut:
            reply = reply._replace(body=reply.body[: len(reply.body) // 2])
        if fault is not None and fault.drop:
            self._note(request, operations, None)
            raise Dropped
        self._note(request, operations, reply.status)
        return reply

    def transport(self) -> SandboxTransport:
        """The sandbox as a way to the wire: `Cloud66(token, transport=fake.transport(), clock=fake.clock)`."""
        return SandboxTransport(self)

    def httpx_transport(self) -> httpx.AsyncBaseTransport:
        """The sandbox as a transport: `httpx.AsyncClient(transport=fake.httpx_transport())`."""
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
        """A client of this sandbox on its clock, with a new token of `user` unless one is given.

        With an `application` it has no token of its own and logs users in, by `redirect_url` or the first that is
        registered. It repeats with timeout: a throttled call waits for the next hour of the clock.
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
        """Where somebody is sent who opens `url` here and answers: the redirect with the code, or with the error.

        `user` is who signs in, by default `ada@example.com`. Raises LoginError if there is no consent page.
        """
        return await consent(url, user=user, decision=decision, transport=self.httpx_transport())

    # --- what was seen ---------------------------------------------------------------------------

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The newest requests, up to 10,000, the oldest first."""
        with self._lock:
            return tuple(self._recorded)

    def calls(self, operation: str | None = None) -> int:
        """How many requests were seen: all, or those of one operation such as `stacks.get` or `oauth.token`."""
        return self._request_count if operation is None else self._calls[operation]

    def _note(self, request: Request, operations: tuple[str, ...] | None, status: int | None) -> None:
        headers = request.headers
        recorded = RecordedRequest(
            request.method,
            # Queries of the provider hold codes, which are nobody's business afterwards.
            request.path if request.path.startswith("/oauth/") else request.target,
            operations or (),
            status,
            headers.get("request-id"),
            headers.get("x-account"),
        )
        with self._lock:
            self._recorded.append(recorded)
            self._request_count += 1
            self._calls.update(operations or ())

    def _operations(self, request: Request) -> tuple[str, ...] | None:
        """The names under which a request is counted and struck by faults; None outside API and OAuth."""
        if request.path.startswith("/oauth/"):
            name = self.provider.operation(request)
            return () if name is None else (name,)
        if request.path.startswith(f"{PREFIX}/"):
            found = self._api.route(request)
            return () if found is None else found[0].names
        return None

    def _handle(self, request: Request) -> Reply:
        if request.path.startswith("/oauth/"):
            return self.provider.handle(request)
        if request.path.startswith(f"{PREFIX}/"):
            return self._api.handle(request)
        if request.path == "/" and request.method == "GET":
            applications = [(known.name, known.client_id) for known in self.provider.applications.values()]
            return start_page(stacks=len(self.world.stacks), applications=applications)
        return error_page(404, "Not found", "There is nothing at this address.")
