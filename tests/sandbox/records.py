"""Records of every kind."""

from __future__ import annotations

from typing import cast, get_args

from cloud66_async.sandbox import FakeCloud66, FakeStack, User
from cloud66_async.sandbox.kinds import RecordKind
from cloud66_async.sandbox.table import Record, kinds

__all__ = ["KINDS", "REQUIRED", "add_every_kind", "parent_of"]

KINDS: tuple[RecordKind, ...] = get_args(RecordKind)
REQUIRED: dict[str, Record] = {
    "access key": {"public_key": "ssh-ed25519 AAAA"},
    "agent": {"host_name": "builder"},
    "entity with tags": {"entity_id": "7", "entity_type": "server", "tags": ["blue"]},
}


def parent_of(fake: FakeCloud66, stack: FakeStack, kind: str) -> FakeStack | User | Record | int:
    """Return something that can have records of this kind."""
    known = kinds()[kind]
    if known.parent is None:
        return stack if "stack" in known.owners else 1
    if known.parent.name == "user":
        return fake.user
    parent = cast("RecordKind", known.parent.name)
    return fake.records(parent, parent_of(fake, stack, parent))[0]


def add_every_kind(fake: FakeCloud66, stack: FakeStack) -> list[Record]:
    return [fake.add(kind, parent_of(fake, stack, kind), REQUIRED.get(kind)) for kind in KINDS]
