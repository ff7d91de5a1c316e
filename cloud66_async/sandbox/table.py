"""Tables: the records of the sandbox by kind and parent."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, overload

import attrs

from .samples import sample_uid, timestamp

if TYPE_CHECKING:
    from .._core.model import Model
    from ..clock import Clock

__all__ = ["Kind", "Owner", "Record", "Table", "Tables", "kinds", "register"]

R = TypeVar("R")
Record = dict[str, Any]
Owner = Literal["stack", "account"]
"""What the records of a kind belong to if it is not another record."""

_FIRST_ID = 100_000_001
_TIMESTAMPS = ("created_at", "created_at_iso", "updated_at", "updated_at_iso")


@attrs.frozen(eq=False)
class Kind(Generic[R]):
    """A kind of record. A record is a dict with the fields of the API, or an object that is converted to one.

    Args:
        name: Name in the singular, which error messages use.
        model: Model whose fields such a record has. None for objects, and for what the API does not describe.
        key: Field that identifies a record.
        uid: Whether new records get a uid. Otherwise they get a number.
        parent: Kind of the records that have such a table each. None if stacks or accounts have it.
        owners: Whether stacks have such a table each, or accounts, or both. It matters without a `parent` only.
        field: Field of a parent that holds the records, if they have no table of their own.
        sample: Function that returns the records which a parent has from the beginning.
        another: Function that returns one more record for tests. It takes the parent, a new number, and the fields
            that are given.
        defaults: Fields of new records that the request does not set. Timestamps among them get the current time.
        newest_first: Whether new records come first.
        timestamp: Function that returns timestamps in the format of these records.
    """

    name: str
    model: type[Model] | None = attrs.field(default=None, kw_only=True)
    key: str = attrs.field(default="id", kw_only=True)
    uid: bool = attrs.field(default=False, kw_only=True)
    parent: Kind[Any] | None = attrs.field(default=None, kw_only=True)
    owners: tuple[Owner, ...] = attrs.field(default=("stack",), kw_only=True)
    field: str | None = attrs.field(default=None, kw_only=True)
    sample: Callable[[Any], Iterable[R]] | None = attrs.field(default=None, kw_only=True)
    another: Callable[[Any, int, Mapping[str, Any]], R] | None = attrs.field(default=None, kw_only=True)
    defaults: Mapping[str, Any] = attrs.field(factory=dict[str, Any], kw_only=True)
    newest_first: bool = attrs.field(default=False, kw_only=True)
    timestamp: Callable[[datetime], str] = attrs.field(default=timestamp, kw_only=True)

    def __deepcopy__(self, memo: object) -> Kind[R]:
        return self  # it has no state of its own: snapshots share it

    def identify(self, record: object) -> str:
        """Return the identifier of a record as text."""
        return str(cast("Record", record)[self.key] if isinstance(record, dict) else getattr(record, self.key))


_KINDS: dict[str, Kind[Any]] = {}


def register(kind: Kind[R]) -> Kind[R]:
    """Let tables of this kind be found by its name. Raises ValueError if another kind has the name."""
    if _KINDS.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"cannot register the kind {kind.name!r}: the name is taken")
    return kind


def kinds() -> Mapping[str, Kind[Any]]:
    """Return every registered kind by name."""
    return _KINDS


class Table(Generic[R]):
    """The records of one kind that one parent has, in order."""

    def __init__(self, kind: Kind[R], parent: object, records: list[R], tables: Tables) -> None:
        self.kind = kind
        self.parent = parent
        self.records = records
        self._tables = tables

    def __repr__(self) -> str:
        return f"<Table: {len(self.records)} records of the kind {self.kind.name!r}>"

    def list(self) -> tuple[R, ...]:
        """Return every record."""
        return tuple(self.records)

    def get(self, key: object) -> R:
        """Return the record with this identifier. Raises KeyError if there is none."""
        return self.records[self._index(key)]

    def add(self, record: R) -> R:
        """Add a complete record and return it."""
        self.records.insert(0 if self.kind.newest_first else len(self.records), record)
        return record

    def create(self: Table[Record], fields: Mapping[str, Any]) -> Record:
        """Add a record with these fields and the defaults, and return it."""
        kind, now = self.kind, self.kind.timestamp(self._tables.clock.now())
        created = {name: now for name in _TIMESTAMPS if name in kind.defaults}
        number = self._tables.new_id()
        key = sample_uid(kind.name, number) if kind.uid else number
        return self.add({kind.key: key, **copy.deepcopy(dict(kind.defaults)), **created, **fields})

    def new_id(self) -> int:
        """Return a number that no other record has."""
        return self._tables.new_id()

    def update(self: Table[Record], key: object, fields: Mapping[str, Any]) -> Record:
        """Change these fields of a record and return it. Raises KeyError if there is no such record."""
        record = self.get(key)
        if self.kind.identify({self.kind.key: key, **fields}) != self.kind.identify(record):
            raise ValueError(f"cannot change {self.kind.key} of {self.kind.name} {key}: it identifies the record")
        now = self.kind.timestamp(self._tables.clock.now())
        record.update({name: now for name in _TIMESTAMPS[2:] if name in record})
        record.update(fields)
        return record

    def delete(self, key: object) -> R:
        """Delete a record and return it. Raises KeyError if there is none."""
        return self.records.pop(self._index(key))

    def _index(self, key: object) -> int:
        wanted = str(key)
        for index, record in enumerate(self.records):
            if self.kind.identify(record) == wanted:
                return index
        raise KeyError(wanted)


class Tables:
    """Every table of a sandbox. A table is created, with its sample records, when it is first used."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._tables: dict[tuple[Kind[Any], Hashable], Table[Any]] = {}
        self._last_id = _FIRST_ID - 1
        self._stacks = 0

    def __iter__(self) -> Iterator[Table[Any]]:
        return iter(self._tables.values())

    @overload
    def table(self, kind: Kind[R], parent: Any) -> Table[R]: ...
    @overload
    def table(self, kind: str, parent: Any) -> Table[Any]: ...
    def table(self, kind: Kind[Any] | str, parent: Any) -> Table[Any]:
        """Return the table of this kind, or of the registered kind with this name, that `parent` has.

        The parent is a stack, a record, or the number of an account. Raises KeyError if the kind is unknown.
        """
        if isinstance(kind, str):
            kind = _KINDS[kind]
        if kind.field is not None:
            return Table(kind, parent, parent[kind.field], self)
        # Records are not hashable, and their identifiers are unique within their own table only.
        owner: Hashable = parent if isinstance(parent, Hashable) else id(parent)
        found = self._tables.get((kind, owner))
        if found is None:
            records = [] if kind.sample is None else list(kind.sample(parent))
            found = self._tables[kind, owner] = Table(kind, parent, records, self)
        return found

    def new_id(self) -> int:
        """Return a number that no other record has."""
        self._last_id += 1
        return self._last_id

    @property
    def stack_count(self) -> int:
        """How many stacks were added, including removed ones."""
        return self._stacks

    @property
    def last_id(self) -> int:
        """The latest number that `new_id` returned."""
        return self._last_id

    def start_at(self, last_id: int, stack_count: int) -> None:
        """Go on after these numbers."""
        self._last_id, self._stacks = last_id, stack_count

    def has(self, kind: str, parent: Hashable) -> bool:
        """Return whether the table of this kind that a stack or an account has was created."""
        return (_KINDS[kind], parent) in self._tables

    def new_stack(self) -> int:
        """Return the number of a new stack. Numbers of removed stacks are not used again."""
        self._stacks += 1
        return self._stacks - 1

    def discard(self, parent: Hashable) -> None:
        """Delete the tables of a stack or an account."""
        for known in [known for known in self._tables if known[1] == parent]:
            del self._tables[known]
