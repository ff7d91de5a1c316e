"""World: everything in the sandbox that the API reads and changes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs

from .actions import FakeAction, FakeDeployment
from .samples import account_name, sample_hash
from .table import Kind, Record, Table, Tables

if TYPE_CHECKING:
    from ..clock import Clock
    from .faults import Faults
    from .stack import FakeStack

__all__ = ["Snapshot", "World"]

R = TypeVar("R")

_PAST_DURATION = timedelta(minutes=1)


@attrs.frozen(eq=False, repr=False)
class Snapshot:
    """The state of a world at one time, which `restore` takes."""

    taken_at: datetime
    entities: Sequence[object]
    states: Sequence[dict[Any, Any]]


class World:
    """All stacks and tables, and the clock on which actions run.

    `action_seconds` is how long an action takes.
    """

    def __init__(self, clock: Clock, faults: Faults, *, action_seconds: float = 60.0) -> None:
        self.clock = clock
        self.action_seconds = action_seconds
        self.stacks: dict[str, FakeStack] = {}
        self.accounts: dict[int, str] = {}
        """The names of accounts that were added by name."""
        self.tables: Tables = Tables(clock)
        self._faults = faults
        self._by_account: dict[int, list[FakeStack]] = {}

    # --- stacks and records ----------------------------------------------------------------------

    def insert(self, stack: FakeStack) -> None:
        """Add a stack."""
        self.stacks[stack.uid] = stack
        self._by_account.setdefault(stack.data["account_id"], []).append(stack)

    def remove(self, stack: FakeStack) -> None:
        """Remove a stack with everything that belongs to it."""
        del self.stacks[stack.uid]
        self._by_account[stack.data["account_id"]].remove(stack)
        self.tables.discard(stack)

    def account_name(self, number: int) -> str:
        """Return the name of the account with this number."""
        return self.accounts.get(number) or account_name(number)

    def move_to_front(self, stack: FakeStack) -> None:
        """List a stack before all others."""
        others = {uid: other for uid, other in self.stacks.items() if other is not stack}
        self.stacks.clear()  # not a new dict: snapshots refer to this one
        self.stacks.update({stack.uid: stack, **others})
        siblings = self._by_account[stack.data["account_id"]]
        siblings.remove(stack)
        siblings.insert(0, stack)

    def visible(self, accounts: Collection[int]) -> Sequence[FakeStack]:
        """Return the stacks of these accounts in the order in which they were added."""
        if len(accounts) == 1:
            return self._by_account.get(next(iter(accounts)), [])
        return [stack for stack in self.stacks.values() if stack.data["account_id"] in accounts]

    @overload
    def table(self, kind: Kind[R], parent: FakeStack | Record | int) -> Table[R]: ...
    @overload
    def table(self, kind: str, parent: FakeStack | Record | int) -> Table[Any]: ...
    def table(self, kind: Kind[Any] | str, parent: FakeStack | Record | int) -> Table[Any]:
        """Return the records of this kind, for example `server`, that `parent` has.

        The parent is a stack, a record, or the number of an account. Raises KeyError if the kind is unknown.
        """
        return self.tables.table(kind, parent)

    # --- actions ---------------------------------------------------------------------------------

    def act(
        self,
        stack: FakeStack,
        name: str,
        *,
        user: str,
        server: str | None = None,
        effect: Callable[[], object] | None = None,
    ) -> FakeAction:
        """Start an action that runs immediately. `effect` is called when it succeeds."""
        action = self._action(stack, name, user=user, starts_at=self.clock.now())
        action.effect = effect
        if server is not None:
            action.resource_type, action.resource_id = "server", server
        stack.start(action)
        return action

    def deploy(
        self,
        stack: FakeStack,
        *,
        user: str,
        via: str = "api",
        git_ref: str | None = None,
        metadata: Record | None = None,
        delay: float = 0.0,
        seconds: float | None = None,
        kind: str = "redeploy",
    ) -> FakeDeployment:
        """Start a deployment, or queue it behind those that have not finished.

        Args:
            stack: Stack to deploy.
            user: E-mail address of the user who starts it.
            via: How it is started: `web`, `api` or `hook`.
            git_ref: Branch, tag or commit. The default is the stack's branch.
            metadata: Metadata of the action.
            delay: Seconds for which it is queued in any case.
            seconds: How long it takes. The default is `action_seconds`.
            kind: Type of the deployment.
        """
        starts_at = stack.free_at(self.clock.now() + timedelta(seconds=delay))
        name = "stack_create" if kind == "first_build" else "application_deployment"
        action = self._action(stack, name, user=user, via=via, starts_at=starts_at, metadata=metadata, seconds=seconds)
        deployment = self._new_deployment(stack, action, git_ref, kind)
        stack.start(action, deployment)
        return deployment

    def add_deployment(
        self, stack: FakeStack, *, user: str, success: bool, age: timedelta, git_ref: str | None = None
    ) -> FakeDeployment:
        """Add a deployment that finished `age` ago, after one minute, to the history of a stack.

        The latest one decides the status of the stack.
        """
        end = self.clock.now() - age
        action = FakeAction(
            id=self.tables.new_id(),
            user=user,
            action="application_deployment",
            resource_id=str(stack.number + 1),
            accepted_at=end - _PAST_DURATION,
            starts_at=end - _PAST_DURATION,
            ends_at=end,
            success=success,
            message="Completed successfully" if success else "Failed",
        )
        deployment = self._new_deployment(stack, action, git_ref)
        stack.add_past(action, deployment)
        return deployment

    def _new_deployment(
        self, stack: FakeStack, action: FakeAction, git_ref: str | None, kind: str = "redeploy"
    ) -> FakeDeployment:
        number = self.tables.new_id()
        return FakeDeployment(
            id=number,
            action=action,
            kind=kind,
            git_hash=sample_hash(stack.uid, number),
            git_ref=git_ref or stack.data["git_branch"],
            git=stack.data["git"] or "",
        )

    def _action(
        self,
        stack: FakeStack,
        name: str,
        *,
        user: str,
        starts_at: datetime,
        via: str = "api",
        metadata: Record | None = None,
        seconds: float | None = None,
    ) -> FakeAction:
        failure = self._faults.take_failure(name)
        if failure is not None and failure.after is not None:
            seconds = failure.after
        return FakeAction(
            id=self.tables.new_id(),
            user=user,
            action=name,
            resource_id=str(stack.number + 1),
            via=via,
            accepted_at=self.clock.now(),
            starts_at=starts_at,
            ends_at=starts_at + timedelta(seconds=self.action_seconds if seconds is None else seconds),
            success=failure is None,
            message=(failure and failure.message) or "Completed successfully",
            metadata=metadata or {},
        )

    # --- snapshots -------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return a copy of all stacks, tables, actions and counters, which `restore` takes any number of times."""
        entities = self._entities()
        return Snapshot(self.clock.now(), entities, self._copy(map(_state, entities), entities))

    def restore(self, snapshot: Snapshot) -> None:
        """Bring back the state of the snapshot.

        The stacks, records and actions of that time stay the same objects. The clock does not go back: an action that
        had not finished has the same time left as it had then.
        """
        for entity, saved in zip(snapshot.entities, self._copy(snapshot.states, snapshot.entities), strict=True):
            state = _state(entity)
            state.clear()
            state.update(saved)
        elapsed = self.clock.now() - snapshot.taken_at
        for entity in snapshot.entities:
            if isinstance(entity, FakeAction) and not entity.finished(snapshot.taken_at):
                entity.delay(elapsed)

    def _entities(self) -> Sequence[object]:
        """Return every object whose state belongs to a snapshot, once each."""
        found: list[object] = [self.stacks, self.accounts, self._by_account, self.tables]
        for stack in self.stacks.values():
            found += stack, stack.data
        for table in self.tables:
            found.append(table)
            found += table.records
            found += (record.action for record in table.records if isinstance(record, FakeDeployment))
        return tuple({id(entity): entity for entity in found}.values())

    def _copy(self, states: Iterable[dict[Any, Any]], entities: Sequence[object]) -> Sequence[dict[Any, Any]]:
        """Copy states deeply, except that references to entities stay references to the same objects."""
        memo: dict[int, Any] = {id(entity): entity for entity in (*entities, self.clock)}
        # Some entities are dicts and thus their own state: copy the items, not the dict that `memo` holds.
        return [{key: copy.deepcopy(value, memo) for key, value in state.items()} for state in states]


def _state(entity: object) -> dict[Any, Any]:
    """Return the mutable state of an object."""
    return entity if isinstance(entity, dict) else vars(entity)  # pyright: ignore[reportUnknownVariableType]
