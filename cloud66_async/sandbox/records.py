"""Records that tests add: checked fields, with believable values for all others."""

from __future__ import annotations

import copy
import enum
import re
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, cast

import attrs
import msgspec

from .._core.decoders import decoding_hook
from .._core.timestamps import parse_timestamp
from ..secret import Secret
from .samples import legacy_timestamp, sample_hash, sample_uid, timestamp
from .stack import FakeStack
from .table import Kind, Record, Table, Tables, kinds

if TYPE_CHECKING:
    from .world import World

__all__ = ["add_record", "check_names", "find_kind", "plain_fields", "set_twins", "table_of"]

_SPECIAL = {"action": "add_deployment()", "deployment": "add_deployment()", "user": "add_user()"}
_IDENTIFIERS = ("id", "uid", "uuid")
_CREATED = ("created_at", "created_at_iso", "updated_at", "updated_at_iso")
_HEX = re.compile(r"[0-9a-f]{32,}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def find_kind(name: str) -> Kind[Record]:
    """Return the kind with this name. Raises ValueError if there is none, or if its records are objects."""
    if name in _SPECIAL:
        raise ValueError(f"cannot use the kind {name!r} here; use {_SPECIAL[name]}")
    found = kinds().get(name)
    if found is None:
        raise ValueError(f"unknown kind {name!r}{_suggestion(name, kinds().keys() - _SPECIAL.keys())}")
    return found


def table_of(world: World, kind: Kind[Record], parent: FakeStack | Record | int) -> Table[Record]:
    """Return the records of this kind that `parent` has. Raises ValueError if it cannot have any."""
    if kind.parent is not None:
        known = [record for table in world.tables if table.kind is kind.parent for record in table.records]
        if not any(parent is record for record in known):
            raise ValueError(
                f"cannot use {_describe(parent)} as the parent of a record of the kind {kind.name!r}: it is not a "
                f"record of the kind {kind.parent.name!r}; pass one that add() or records() returned"
            )
    elif isinstance(parent, FakeStack):
        if "stack" not in kind.owners:
            raise _wrong_owner(kind, parent, "the number of an account")
        if world.stacks.get(parent.uid) is not parent:
            raise ValueError(f"cannot use {_describe(parent)}: it is not in this sandbox; pass one of its stacks")
    elif isinstance(parent, bool) or not isinstance(parent, int) or "account" not in kind.owners:
        raise _wrong_owner(kind, parent, "a stack" if "stack" in kind.owners else "the number of an account")
    return world.table(kind, parent)


def add_record(
    world: World, kind: Kind[Record], parent: FakeStack | Record | int, fields: Mapping[str, object]
) -> Record:
    """Add a record with these fields, and believable values for all others, and return it.

    Raises ValueError if a field is unknown or has a value of the wrong type, or if its identifier is taken.
    """
    table = table_of(world, kind, parent)
    given, number = plain_fields(fields), table.new_id()
    model = kind.model
    template = _template(world, kind, parent, number, given)
    names = {kind.key, *template, *(attrs.fields_dict(model) if model is not None else ())}
    check_names(f"record of the kind {kind.name!r}", given, names)
    record = {**_renewed(world, table, template, number), **given}
    set_twins(record, given)
    _name(table, record, given)
    _check_values(kind, record)
    if any(kind.identify(known) == kind.identify(record) for known in table.records):
        raise ValueError(
            f"cannot add a record of the kind {kind.name!r} ({kind.key} {record[kind.key]!r}): there already is one; "
            f"change that one, or leave out {kind.key!r}"
        )
    return table.add(record)


def check_names(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ValueError if a name is unknown. `what` is what has the known ones."""
    names = sorted(known)
    for name in given:
        if name not in names:
            raise ValueError(f"unknown field {name!r} of a {what}{_suggestion(name, names)}")


def plain_fields(fields: Mapping[str, object]) -> Record:
    """Return fields with values as in JSON: enumerations, timestamps and secrets are converted.

    Raises TypeError if a value has no form in JSON.
    """
    return {name: _plain(name, value) for name, value in fields.items()}


def _plain(name: str, value: object) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise ValueError(f"invalid {name} {value.isoformat()!r}: must be timezone-aware; pass tzinfo=UTC")
        return timestamp(value.astimezone(UTC))
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, object]", value).items()
        return {str(key): _plain(f"{name}.{key}", item) for key, item in items}
    if isinstance(value, list | tuple):
        return [_plain(f"{name}[{index}]", item) for index, item in enumerate(cast("Iterable[object]", value))]
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"invalid {name}: JSON has no form for {type(value).__name__}; pass text, a number or a list")


# --- values that were not given ------------------------------------------------------------------


def _template(world: World, kind: Kind[Record], parent: Any, number: int, given: Record) -> Record:
    """Return a record like the one to add: one more, a sample, or else one with the defaults."""
    if kind.another is not None:
        return kind.another(parent, number, given)
    if kind.sample is not None:
        for owner in (parent, *_alternatives(world, parent)):
            for record in kind.sample(owner):
                return copy.deepcopy(record)
    names = () if kind.model is None else attrs.fields_dict(kind.model)
    return {**dict.fromkeys(names), **copy.deepcopy(dict(kind.defaults))}


def _alternatives(world: World, parent: Any) -> Iterable[FakeStack]:
    """Yield stacks like `parent`, with and without containers: some kinds of records only one of them has."""
    if isinstance(parent, FakeStack):
        for framework, backend in (("docker", "kubernetes"), ("rails", None)):
            data = {**parent.data, "framework": framework, "backend": backend}
            yield FakeStack(parent.number, data, parent.added_at, Tables(world.clock))


def _renewed(world: World, table: Table[Record], template: Record, number: int) -> Record:
    """Return the record with identifiers of its own, and with the current time."""
    kind, now = table.kind, world.clock.now()
    if kind.another is None:
        for name in {kind.key, *_IDENTIFIERS} & template.keys():
            template[name] = _new_identifier(table, name, template[name], number)
    for name in _CREATED:
        if name in template:
            old = template[name]
            legacy = isinstance(old, str) and old.endswith(" UTC")
            template[name] = legacy_timestamp(now) if legacy else kind.timestamp(now)
    return template


def _new_identifier(table: Table[Record], name: str, old: object, number: int) -> object:
    """Return an identifier in the form of another one."""
    kind = table.kind
    if isinstance(old, str):
        if _UUID.fullmatch(old):
            return str(uuid.UUID(sample_uid(kind.name, number)))
        found = _HEX.search(old)
        if found is not None:
            text = sample_hash(kind.name, number) + sample_hash(number, kind.name)
            return old[: found.start()] + text[: len(found[0])]
        return _unused(old, {str(record.get(name)) for record in table.records})
    if name == "id":
        return number
    return sample_uid(kind.name, number) if name in ("uid", "uuid") or kind.uid else None


def _unused(text: str, used: set[str]) -> str:
    """Return the text, with a number if it is used."""
    separator = "_" if text.isupper() else " " if " " in text else "-"
    number, found = 1, text
    while found in used:
        number += 1
        found = f"{text}{separator}{number}"
    return found


def _name(table: Table[Record], record: Record, given: Record) -> None:
    """Give a record a name of its own if it has names and none was given. Raises ValueError if one is needed."""
    kind = table.kind
    if record.get(kind.key) in (None, ""):
        raise ValueError(f"cannot add a record of the kind {kind.name!r}: pass its {kind.key!r}, which identifies it")
    name = next(iter(kind.defaults)) if kind.field is not None else "name"
    if name in record and name not in given and name != kind.key:
        base = record[name] or kind.name.replace(" ", "-")
        record[name] = _unused(base, {str(known.get(name)) for known in table.records})


def set_twins(record: Record, given: Record) -> None:
    """Set the other field of each timestamp that was given: fields that end in `_iso` take precedence in models."""
    for name in given:
        twin = name.removesuffix("_iso") if name.endswith("_iso") else f"{name}_iso"
        if name.partition("_at")[1] and twin in record and twin not in given:
            time = None if given[name] is None else parse_timestamp(given[name])
            form = timestamp if twin.endswith("_iso") else legacy_timestamp
            record[twin] = None if time is None else form(time)


# --- checks --------------------------------------------------------------------------------------


def _check_values(kind: Kind[Record], record: Record) -> None:
    """Raise ValueError if a value does not fit the model."""
    if kind.model is None:
        return
    try:
        msgspec.convert(record, kind.model, dec_hook=decoding_hook)
    except (msgspec.ValidationError, TypeError) as error:
        expected, _, place = str(error).partition(" - at `$")
        name = place.strip(".`") or "a field"
        raise ValueError(
            f"cannot add a record of the kind {kind.name!r}: invalid {name}: {expected[:1].lower()}{expected[1:]}"
        ) from None


def _suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a message: the names that are most like `name`, or all of them."""
    names = sorted(known)
    folded = {known.casefold(): known for known in names}
    near = get_close_matches(name.casefold().replace("_", " "), folded, n=3, cutoff=0.6)
    near += [match for match in get_close_matches(name.casefold(), folded, n=3) if match not in near]
    if near:
        return f"; did you mean {' or '.join(repr(folded[match]) for match in near[:3])}?"
    return f"; known are {', '.join(names)}"


def _wrong_owner(kind: Kind[Any], parent: object, wanted: str) -> ValueError:
    return ValueError(
        f"cannot use {_describe(parent)} as the parent of a record of the kind {kind.name!r}; pass {wanted}"
    )


def _describe(parent: object) -> str:
    """Return what a parent is, without its fields, which may be secrets."""
    if isinstance(parent, FakeStack):
        return f"the stack {parent.name!r}"
    return f"account {parent}" if isinstance(parent, int) else f"this {type(parent).__name__}"
