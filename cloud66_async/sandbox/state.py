"""The state of a sandbox as JSON: what it has, without tokens, faults and recorded requests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import msgspec

from .._core.decoders import decoding_hook
from .._core.text import clean
from ..errors import ConfigError
from ..resources.stacks import Stack
from .actions import FakeAction, FakeDeployment
from .resources.stacks import field_names
from .stack import FakeStack
from .table import Kind, Record, Table, kinds

if TYPE_CHECKING:
    from .world import World

__all__ = ["State", "UserState", "dump", "load", "read"]

VERSION = 1
_HISTORY = ("action", "deployment")
_ACTION = "$action"  # a record may refer to an action

Time = Annotated[datetime, msgspec.Meta(tz=True)]
Number = Annotated[int, msgspec.Meta(ge=0)]


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a state."""


class AccountState(_Part, kw_only=True):
    """An account with a name."""

    number: Number
    name: str


class UserState(_Part, kw_only=True):
    """A user, with the numbers of the accounts."""

    email: str
    accounts: tuple[Number, ...] = (1,)


class ActionState(_Part, kw_only=True):
    """An action. One that has not finished goes on after loading."""

    id: int
    user: str
    action: str
    resource_id: str
    resource_type: str = "stack"
    via: str = "api"
    accepted_at: Time
    starts_at: Time
    ends_at: Time
    success: bool = True
    message: str = "Completed successfully"
    result: dict[str, Any] | None = None
    metadata: dict[str, Any] = {}


class DeploymentState(_Part, kw_only=True):
    """A deployment, with the ID of its action."""

    id: int
    action: int
    kind: str = "redeploy"
    git_hash: str
    git_ref: str | None = None
    git: str = ""


class StackState(_Part, kw_only=True):
    """A stack. Without `actions` and `deployments` it has those of the sample."""

    number: Number
    added_at: Time
    fields: dict[str, Any]
    actions: list[ActionState] | None = None
    deployments: list[DeploymentState] | None = None


class TableState(_Part, kw_only=True):
    """The records of one kind that a stack or an account has, or the record that `through` leads to."""

    kind: str
    stack: str | None = None
    account: Number | None = None
    through: list[tuple[str, str]] = []
    records: list[dict[str, Any]]


class State(_Part, kw_only=True):
    """Everything that is saved."""

    version: int
    saved_at: Time
    last_id: Number
    stack_count: Number
    accounts: list[AccountState] = []
    users: list[UserState] = []
    stacks: list[StackState] = []
    tables: list[TableState] = []


# --- saving --------------------------------------------------------------------------------------


def dump(world: World, users: Iterable[UserState]) -> bytes:
    """Return the state as JSON. This changes the state: running actions that have an effect are finished."""
    now = world.clock.now()
    for stack in world.stacks.values():
        stack.settle(now)
    tables = list(_tables(world))
    state = State(
        version=VERSION,
        saved_at=now,
        last_id=world.tables.last_id,
        stack_count=world.tables.stack_count,
        accounts=[AccountState(number=number, name=name) for number, name in world.accounts.items()],
        users=list(users),
        stacks=[_dump_stack(world, stack) for stack in world.stacks.values()],
        tables=tables,
    )
    return msgspec.json.format(msgspec.json.encode(state), indent=2)


def _dump_stack(world: World, stack: FakeStack) -> StackState:
    saved = StackState(number=stack.number, added_at=stack.added_at, fields=stack.data)
    if any(world.tables.has(kind, stack) for kind in _HISTORY):
        actions = dict.fromkeys((*stack.actions, *(item.action for item in stack.deployments)))
        saved.actions = [_dump_action(action) for action in actions]
        saved.deployments = [_dump_deployment(deployment) for deployment in stack.deployments]
    return saved


def _dump_action(action: FakeAction) -> ActionState:
    return ActionState(**{name: getattr(action, name) for name in ActionState.__struct_fields__})


def _dump_deployment(deployment: FakeDeployment) -> DeploymentState:
    fields: dict[str, Any] = {name: getattr(deployment, name) for name in DeploymentState.__struct_fields__}
    fields["action"] = deployment.action.id
    return DeploymentState(**fields)


def _tables(world: World) -> Iterator[TableState]:
    """Yield each table of a kind that is known by name, except those of records that were removed."""
    known = [table for table in world.tables if kinds().get(table.kind.name) is table.kind]
    homes = {id(record): table for table in known for record in table.records}
    for table in known:
        if table.kind.name not in _HISTORY:
            owner, through = _path(table, homes)
            saved = TableState(kind=table.kind.name, through=through, records=[_stored(item) for item in table.records])
            if isinstance(owner, FakeStack):
                saved.stack = owner.uid
                yield saved
            elif isinstance(owner, int):
                saved.account = owner
                yield saved


def _path(table: Table[Any], homes: Mapping[int, Table[Any]]) -> tuple[object, list[tuple[str, str]]]:
    """Return the owner of a table, None if it was removed, and how records of the owner lead to the table."""
    path: list[tuple[str, str]] = []
    while table.kind.parent is not None:
        home = homes.get(id(table.parent))
        if home is None:
            return None, path
        path.insert(0, (home.kind.name, home.kind.identify(table.parent)))
        table = home
    return table.parent, path


def _stored(value: Any) -> Any:
    """Return a value as in JSON, with references to actions."""
    if isinstance(value, FakeAction):
        return {_ACTION: value.id}
    if isinstance(value, dict):
        return {str(name): _stored(item) for name, item in cast("Record", value).items()}
    if isinstance(value, list | tuple):
        return [_stored(item) for item in cast("list[Any]", value)]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"cannot save the state: JSON has no form for {type(value).__name__}")


# --- loading -------------------------------------------------------------------------------------


def read(source: str | bytes | os.PathLike[str] | Mapping[str, Any]) -> State:
    """Return a state from JSON, a file or a mapping. Raises ConfigError if it is not one."""
    try:
        data = _decoded(source)
        version = cast("Mapping[str, Any]", data).get("version") if isinstance(data, Mapping) else None
        if isinstance(version, int) and version != VERSION:
            raise _invalid("version", f"this release reads version {VERSION}, not {version}")
        return msgspec.convert(data, State)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        raise _invalid(place.strip(".`"), f"{reason[:1].lower()}{reason[1:]}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid("", f"not JSON: {error}") from None


def _decoded(source: str | bytes | os.PathLike[str] | Mapping[str, Any]) -> Any:
    if isinstance(source, Mapping):
        return source
    if isinstance(source, str | bytes):
        return msgspec.json.decode(source)
    try:
        text = Path(source).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the state of a sandbox in {os.fspath(source)}: {error.strerror}") from None
    return msgspec.json.decode(text)


def load(world: World, state: State) -> None:
    """Fill an empty world. Raises ConfigError if the state contradicts itself."""
    elapsed = world.clock.now() - state.saved_at
    world.accounts.update((account.number, account.name) for account in state.accounts)
    world.tables.start_at(state.last_id, state.stack_count)
    actions: dict[int, FakeAction] = {}
    for index, saved in enumerate(state.stacks):
        place = f"stacks[{index}]"
        stack = _load_stack(world, saved, place)
        for action in _load_history(world, stack, saved, place):
            if actions.setdefault(action.id, action) is not action:
                raise _invalid(f"{place}.actions", f"two actions have the ID {action.id}")
        if saved.actions is not None:
            stack.resume(state.saved_at)
    for index, table in enumerate(state.tables):
        _load_table(world, table, f"tables[{index}]", actions)
    for action in actions.values():
        # On a clock that is behind, finished actions would not have finished yet.
        if elapsed.total_seconds() < 0 or not action.finished(state.saved_at):
            action.delay(elapsed)


def _load_stack(world: World, saved: StackState, place: str) -> FakeStack:
    differing = sorted(saved.fields.keys() ^ field_names())
    if differing:
        problem = "is unknown" if differing[0] in saved.fields else "is missing"
        raise _invalid(f"{place}.fields", f"the field {differing[0]!r} {problem}")
    try:
        msgspec.convert(saved.fields, Stack, dec_hook=decoding_hook)
    except msgspec.ValidationError as error:
        reason, _, name = str(error).partition(" - at `$")
        raise _invalid(f"{place}.fields{name.strip('`')}", f"{reason[:1].lower()}{reason[1:]}") from None
    for name in ("name", "environment", "account_id", "status", "revision"):
        if saved.fields[name] is None:
            raise _invalid(f"{place}.fields.{name}", "must not be null")
    if saved.fields["uid"] in world.stacks:
        raise _invalid(f"{place}.fields.uid", "another stack has the same uid")
    stack = FakeStack(saved.number, dict(saved.fields), saved.added_at, world.tables)
    world.insert(stack)
    return stack


def _load_history(world: World, stack: FakeStack, saved: StackState, place: str) -> Iterable[FakeAction]:
    """Give a stack its actions and deployments, and return the actions."""
    if saved.actions is None or saved.deployments is None:
        return ()
    actions = {item.id: FakeAction(**msgspec.structs.asdict(item)) for item in saved.actions}
    deployments: list[FakeDeployment] = []
    for index, item in enumerate(saved.deployments):
        if item.action not in actions:
            raise _invalid(f"{place}.deployments[{index}].action", f"the stack has no action with the ID {item.action}")
        fields: dict[str, Any] = {**msgspec.structs.asdict(item), "action": actions[item.action]}
        deployments.append(FakeDeployment(**fields))
    world.table("deployment", stack).records[:] = deployments
    world.table("action", stack).records[:] = actions.values()
    return actions.values()


def _load_table(world: World, saved: TableState, place: str, actions: Mapping[int, FakeAction]) -> None:
    kind = kinds().get(saved.kind)
    if kind is None or kind.name in _HISTORY or kind.field is not None:
        raise _invalid(f"{place}.kind", f"unknown kind {saved.kind!r}")
    table = world.table(kind, _parent(world, saved, kind, place))
    records: list[Record] = []
    for index, record in enumerate(saved.records):
        if kind.key not in record:
            raise _invalid(f"{place}.records[{index}]", f"the field {kind.key!r}, which identifies it, is missing")
        records.append(_restored(record, actions, f"{place}.records[{index}]"))
    table.records[:] = records


def _parent(world: World, saved: TableState, kind: Kind[Any], place: str) -> Any:
    """Return what a table belongs to."""
    if (saved.stack is None) == (saved.account is None):
        raise _invalid(place, "either stack or account is required")
    owner: Any = saved.account if saved.stack is None else world.stacks.get(saved.stack)
    if owner is None:
        raise _invalid(f"{place}.stack", f"there is no stack with the uid {saved.stack!r}")
    path = [name for name, _ in saved.through]
    expected: list[str] = []
    parent = kind.parent
    while parent is not None:
        expected.insert(0, parent.name)
        parent = parent.parent
    if path != expected:
        raise _invalid(f"{place}.through", f"must lead through records of the kinds {expected}")
    for index, (name, key) in enumerate(saved.through):
        try:
            owner = world.table(name, owner).get(key)
        except KeyError:
            raise _invalid(f"{place}.through[{index}]", f"there is no {name} with the identifier {key!r}") from None
    return owner


def _restored(value: Any, actions: Mapping[int, FakeAction], place: str) -> Any:
    """Return a stored value, with actions in the place of references to them."""
    if isinstance(value, dict):
        fields = cast("Record", value)
        if fields.keys() == {_ACTION}:
            if fields[_ACTION] not in actions:
                raise _invalid(place, f"there is no action with the ID {fields[_ACTION]!r}")
            return actions[fields[_ACTION]]
        return {name: _restored(item, actions, f"{place}.{name}") for name, item in fields.items()}
    if isinstance(value, list):
        return [_restored(item, actions, place) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _invalid(place: str, problem: str) -> ConfigError:
    where = f" ({clean(place)})" if place else ""
    return ConfigError(f"invalid state of a sandbox{where}: {clean(problem)}; save one with FakeCloud66.to_json()")
