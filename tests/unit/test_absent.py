"""Fields that responses lack: which of them are set in advance must not change what is decoded."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from cloud66_async import ResponseError
from cloud66_async._core.codec import decode
from cloud66_async._core.model import Model, Timestamp
from cloud66_async.operation import many


def _body(found: object) -> bytes:
    return json.dumps({"response": found}).encode()


@pytest.fixture
def kind() -> Any:
    """Return a class of which no response has been decoded yet."""

    @attrs.frozen(kw_only=True)
    class Host(Model):
        uid: str
        name: str | None = None
        role: str | None = None
        size: int = 3
        created_at: Timestamp | None = None

    return Host


def test_a_field_that_the_first_response_lacks_is_read_from_the_next(kind: Any) -> None:
    """What is set in advance is replaced, and what is not has its default."""
    assert decode(_body({"uid": "a", "name": "Lion"}), kind) == kind(uid="a", name="Lion")
    assert decode(_body({"uid": "b", "role": "web", "size": 4}), kind) == kind(uid="b", role="web", size=4)
    assert decode(_body({"uid": "c"}), kind) == kind(uid="c", size=3)


def test_the_first_object_of_a_list_decides_for_all(kind: Any) -> None:
    """An empty list tells nothing, and is no error."""
    assert decode(_body([]), many(kind)).items == ()
    found = decode(_body([{"uid": "a", "role": None}, {"uid": "b", "name": "Lion", "role": "web"}]), many(kind))
    assert found.items == (kind(uid="a"), kind(uid="b", name="Lion", role="web"))
    assert decode(_body([{"uid": "c", "role": "db"}]), many(kind)).items == (kind(uid="c", role="db"),)


def test_an_object_without_its_identifier_remains_an_error(kind: Any) -> None:
    """The identifier has no default, so it is never set in advance."""
    decode(_body({"uid": "a"}), kind)
    with pytest.raises(ResponseError, match="uid"):
        decode(_body({"name": "Lion"}), kind)


def test_objects_of_the_program_are_unaffected(kind: Any) -> None:
    """Fields keep their values if a program creates or changes an object."""
    decode(_body({"uid": "a"}), kind)
    assert attrs.evolve(kind(uid="a", name="Lion", size=5), role="web") == kind(
        uid="a", name="Lion", role="web", size=5
    )
