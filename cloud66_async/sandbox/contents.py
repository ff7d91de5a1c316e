"""The contents of a sandbox: the methods with which tests add, list and remove what it has."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from ..resources.common import Health
from ..resources.stacks import StackStatus
from .actions import FakeDeployment
from .oauth.access import User
from .records import add_record, check_names, find_kind, plain_fields, set_twins, table_of
from .resources import stacks as stack_resource, users as user_resource
from .resources.servers import SERVERS, sample_servers
from .stack import FakeStack

if TYPE_CHECKING:
    from ..clock import Clock
    from .kinds import RecordKind
    from .oauth.provider import Provider
    from .table import Record
    from .world import World

__all__ = ["Contents"]


class Contents:
    """What a sandbox has: accounts, users, stacks, and every record that belongs to one of them."""

    def __init__(self, world: World, provider: Provider, clock: Clock) -> None:
        self.world: World = world
        self.provider: Provider = provider
        self._clock: Clock = clock
        self._lock = threading.RLock()
        self.user: User = self.add_user("ada@example.com")
        self.add_user("grace@example.com")

    # --- stacks and deployments ------------------------------------------------------------------

    def add_stack(
        self,
        name: str,
        *,
        environment: str = "production",
        account: int = 1,
        status: StackStatus | str = StackStatus.DEPLOYED,
        health: Health | str = Health.HEALTHY,
        maintenance_mode: bool = False,
        framework: str | None = None,
        cloud: str | None = None,
        servers: int | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> FakeStack:
        """Add a stack. What you leave out has believable values, the same in every run.

        Raises ValueError if a field is unknown.

        Args:
            name: Name, which stacks in other environments may share.
            environment: Environment.
            account: Account that owns the stack.
            status: State of the latest deployment, also as a word. One that is running or queued has an action and
                finishes.
            health: Health of the stack and of its servers, also as a word.
            maintenance_mode: Whether maintenance mode is on.
            framework: Framework, for example `rails`. Stacks with the framework `docker` have services and containers.
            cloud: Name of the cloud provider, for example `aws`.
            servers: Number of servers, at least 1.
            fields: Other fields by their names in the API. They take precedence.
        """
        if servers is not None and servers < 1:
            raise ValueError(f"invalid servers {servers}: must be at least 1")
        given = plain_fields(fields or {})
        traits = stack_resource.Traits(
            state=(_code("status", status), _code("health", health)),
            framework=framework,
            cloud=cloud,
            maintenance_mode=maintenance_mode,
        )
        with self._lock:
            check_names("stack", given, stack_resource.field_names())
            stack = stack_resource.new(self.world, name, environment, account=account, fields=given, traits=traits)
            set_twins(stack.data, given)
            self.world.insert(stack)
            if servers is not None:
                self.world.table(SERVERS, stack).records[:] = sample_servers(stack, servers)
            if "status" not in given:
                stack_resource.start_deployment(self.world, stack)
        return stack

    def remove_stack(self, stack: FakeStack) -> None:
        """Remove a stack with everything that belongs to it. Raises ValueError if it is not in the sandbox."""
        with self._lock:
            if self.world.stacks.get(stack.uid) is not stack:
                raise ValueError(f"cannot remove the stack {stack.name!r}: it is not in this sandbox")
            self.world.remove(stack)

    def seed(
        self, stacks: int = 600, *, account: int = 1, accounts: Sequence[int] | None = None, seed: int = 0
    ) -> Sequence[FakeStack]:
        """Add stacks of all kinds. Some of them have problems, and some are being deployed.

        The stacks are the same in every run for the same `seed`, and others for another one. They belong to `account`,
        or to several `accounts`, of which each gets about half as many as the one before it.
        """
        owners = (account,) if accounts is None else tuple(accounts)
        if not owners:
            raise ValueError("invalid accounts (): there must be at least one")
        with self._lock:
            return stack_resource.seed(self.world, stacks, accounts=owners, seed=seed)

    def add_deployment(
        self,
        stack: FakeStack,
        *,
        git_ref: str | None = None,
        outcome: Literal["success", "failed", "pending"] = "success",
        age: float | timedelta = 0.0,
        user: str = "ada@example.com",
    ) -> FakeDeployment:
        """Add a deployment to the history of a stack. The latest one decides the status of the stack.

        Args:
            stack: Stack that is deployed.
            git_ref: Branch, tag or commit. The default is the stack's branch.
            outcome: How it ended. A `pending` one starts now, or after those that are running.
            age: How long ago it finished, in seconds. A pending one has no age.
            user: E-mail address of the user who started it.
        """
        since = age if isinstance(age, timedelta) else timedelta(seconds=age)
        if outcome not in ("success", "failed", "pending"):
            raise ValueError(f"invalid outcome {outcome!r}: must be 'success', 'failed' or 'pending'")
        if since < timedelta(0) or (since and outcome == "pending"):
            raise ValueError(f"invalid age {age}: must not be negative, and a pending deployment has none")
        with self._lock:
            if outcome == "pending":
                return self.world.deploy(stack, user=user, git_ref=git_ref)
            success = outcome == "success"
            return self.world.add_deployment(stack, user=user, git_ref=git_ref, success=success, age=since)

    # --- accounts and users ----------------------------------------------------------------------

    def add_account(self, name: str, *, users: Iterable[User | str] | None = None) -> int:
        """Add an account and return its number. Its users are those given, or else the first user of the sandbox.

        Raises ValueError if no user has one of the e-mail addresses.
        """
        with self._lock:
            found = [self._find_user(user) for user in ((self.user,) if users is None else users)]
            taken = {account for user in self.provider.users.values() for account in user.accounts}
            taken |= {stack.data["account_id"] for stack in self.world.stacks.values()}
            number = max((*taken, *self.world.accounts, 1)) + 1
            self.world.accounts[number] = name
            for user in found:
                self.add_user(user.email, accounts=(*user.accounts, number))
        return number

    def add_user(self, email: str, *, accounts: Iterable[int] = (1,)) -> User:
        """Add a user who can log in and has access to the stacks of these accounts.

        If there is a user with this e-mail address, its accounts are replaced, also for tokens that it has.
        """
        user = User(email, tuple(accounts))
        with self._lock:
            known = self.provider.users.get(email)
            self.provider.users[email] = user
            if known is not None:
                for grant in self.provider.tokens:
                    grant.user = user if grant.user == known else grant.user
                self.user = user if self.user == known else self.user
        return user

    def _set_users(self, users: Sequence[User]) -> None:
        """Replace all users. The first one becomes that of new tokens."""
        self.provider.users.clear()
        self.provider.users.update((user.email, user) for user in users)
        self.user = users[0]

    def _find_user(self, user: User | str) -> User:
        """Return the user as it is now. Raises ValueError if there is no such user."""
        email = user if isinstance(user, str) else user.email
        found = self.provider.users.get(email)
        if found is None:
            raise ValueError(f"unknown user {email!r}; call add_user() first")
        return found

    # --- records ---------------------------------------------------------------------------------

    def add(
        self, kind: RecordKind, parent: FakeStack | User | Record | int, fields: Mapping[str, object] | None = None
    ) -> Record:
        """Add a record, for example a job of a stack, and return it with all its fields.

        What you leave out has believable values. The record is that of the sandbox: if you change it, the API's
        responses change.

        Raises ValueError if the kind or a field is unknown, a value has the wrong type, or the identifier is taken.

        Args:
            kind: Kind of the record, for example `job` or `environment variable`.
            parent: What it belongs to: a stack, the number of an account, a user, or another record.
            fields: Fields by their names in the API.
        """
        with self._lock:
            return add_record(self.world, find_kind(kind), self._parent(parent), fields or {})

    def records(self, kind: RecordKind, parent: FakeStack | User | Record | int) -> tuple[Record, ...]:
        """Return the records of this kind that `parent` has, in the order of the API.

        They are those of the sandbox: if you change one, the API's responses change. Raises ValueError if the kind is
        unknown or the parent cannot have such records.
        """
        with self._lock:
            return table_of(self.world, find_kind(kind), self._parent(parent)).list()

    def remove(self, kind: RecordKind, parent: FakeStack | User | Record | int, record: Record | str | int) -> Record:
        """Remove a record, which may be given by its identifier, and return it. Raises ValueError if there is none."""
        found = find_kind(kind)
        key = found.identify(record) if isinstance(record, dict) else record
        with self._lock:
            try:
                return table_of(self.world, found, self._parent(parent)).delete(key)
            except KeyError:
                raise ValueError(f"cannot remove the {kind} with the {found.key} {key!r}: there is none") from None

    def _parent(self, parent: FakeStack | User | Record | int) -> FakeStack | Record | int:
        """Return what tables are found by: a user stands for its record."""
        if not isinstance(parent, User):
            return parent
        email = self._find_user(parent).email
        table = user_resource.user_table(self.world, self.provider.users.values())
        return next(record for record in table.list() if record["email"] == email)


def _code(name: str, state: int | str) -> int:
    """Return the number of a state, which may also be given as a word. Raises ValueError."""
    kind = {"status": StackStatus, "health": Health}[name]
    for member in kind:
        if state in (member, str(member)):
            return int(member)
    if isinstance(state, int):
        return int(state)
    raise ValueError(f"invalid {name} {state!r}: expected one of {', '.join(map(str, kind))}")
