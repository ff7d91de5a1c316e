from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import msgspec
import pytest

from cloud66_async._core import codec
from cloud66_async._core.model import IsoTimestamp, Model, OpenIntEnum, OpenStrEnum, Timestamp, free_form
from cloud66_async.errors import ResponseError
from cloud66_async.operation import Page, many
from cloud66_async.secret import Secret


class State(OpenIntEnum):
    OFF = 0
    ON = 1


class Kind(OpenStrEnum):
    BIG = "big"


@attrs.frozen(kw_only=True)
class Part(Model):
    id: int
    name: str | None = None
    size: float | None = None


@attrs.frozen(kw_only=True)
class Thing(Model):
    uid: str
    name: str | None = None
    count: int | None = None
    ratio: float | None = None
    flag: bool | None = None
    state: State | None = None
    kind: Kind | None = None
    at: Timestamp | None = None
    at_iso: IsoTimestamp | None = None
    secret: Secret | None = None
    part: Part | None = None
    parts: tuple[Part, ...] | None = None
    tags: tuple[str, ...] | None = None
    by_name: Mapping[str, Part] | None = free_form()
    free: Mapping[str, Any] | None = free_form()
    either: int | str | None = None


OTHER_FIELDS = {"name": "kept", "tags": ("kept",)}
TIME = datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("reports")


def decode(value: object, returns: Any = Thing) -> Any:
    """Return the value, encoded as JSON and decoded again."""
    return codec.decode(msgspec.json.encode(value), returns)


def decode_thing(**fields: object) -> Any:
    """Return a `Thing` decoded from an enveloped response with these fields."""
    return decode({"response": {"uid": "a", **fields}})


# --- well-formed responses ----------------------------------------------------------------------------


def test_enveloped_object_is_unwrapped() -> None:
    assert decode({"response": {"uid": "a", "name": "web"}}) == Thing(uid="a", name="web")


def test_object_without_envelope_is_accepted() -> None:
    assert decode({"uid": "a", "name": "web"}) == Thing(uid="a", name="web")


def test_list_decodes_to_page_with_totals() -> None:
    pagination = {"previous": 1, "next": 3, "current": 2, "per_page": 30, "count": 61, "pages": 3}
    page = decode({"response": [{"uid": "a"}], "count": 30, "pagination": pagination}, many(Thing))
    assert page == Page((Thing(uid="a"),), 2, 3, 3, 61)


def test_list_without_envelope_decodes_to_page() -> None:
    assert decode([{"uid": "a"}], many(Thing)) == Page((Thing(uid="a"),))


@pytest.mark.parametrize("body", [{"response": None}, {"response": []}, {"response": [], "pagination": None}, None, []])
def test_empty_list_decodes_to_empty_page(body: object) -> None:
    assert decode(body, many(Thing)) == Page(())


@pytest.mark.parametrize("enveloped", [True, False])
def test_list_with_invalid_value_decodes_to_page(enveloped: bool) -> None:
    items = [{"uid": "a"}, {"uid": "b", "count": "x", "name": "web"}, {"uid": "c"}]
    page = decode({"response": items} if enveloped else items, many(Thing))
    assert page == Page((Thing(uid="a"), Thing(uid="b", name="web"), Thing(uid="c")))


def test_empty_list_keeps_its_totals() -> None:
    page = decode({"response": None, "pagination": {"current": 3, "pages": 2, "count": 60}}, many(Thing))
    assert page == Page((), 3, None, 2, 60)


def test_unknown_keys_are_ignored() -> None:
    assert decode_thing(color="red", more={"deep": [1]}) == Thing(uid="a")


def test_body_is_ignored_if_no_result_is_expected() -> None:
    for body in (b"", b"not json", b'{"response":{"ok":true}}'):
        assert codec.decode(body, None) is None


def test_valid_response_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    decode_thing(name="web", state=99, kind="unknown", at="2014-08-14 00:38:14 UTC", parts=[{"id": 1}])
    assert not caplog.records


# --- values of an unexpected type ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", 5, "5"),
        ("name", 2.0, "2.0"),
        ("name", 14.04, "14.04"),
        ("count", "5", 5),
        ("count", 5.0, 5),
        ("count", "-5", -5),
        ("count", 10**30, 10**30),
        ("ratio", "1.5", 1.5),
        ("ratio", 2, 2.0),
        ("flag", "true", True),
        ("flag", "false", False),
        ("flag", 1, True),
        ("flag", 0, False),
        ("state", "1", State.ON),
        ("state", 1.0, State.ON),
        ("state", 99, State(99)),
        ("state", "99", State(99)),
        ("state", -1, State(-1)),
        ("state", 10**30, State(10**30)),
        ("kind", "unknown", Kind("unknown")),
        ("kind", 7, Kind("7")),
        ("at", "2014-08-14 00:38:14 UTC", TIME),
        ("at", "2014-08-14T00:38:14+0000", TIME),
        ("at", 1407976694, TIME),
        ("at", "", None),
        ("at", "0001-01-01T00:00:00Z", None),
        ("at_iso", "2014-08-14 00:38:14 UTC", TIME),
        ("at_iso", "2014-08-14T00:38:14+0000", TIME),
        ("at_iso", "2014-08-14T00:38:14", TIME),
        ("at_iso", "", None),
        ("secret", 123456, Secret("123456")),
        ("secret", True, Secret("true")),
        ("secret", {"a": [1]}, Secret('{"a":[1]}')),
        ("tags", [1, "b"], ("1", "b")),
        ("part", {"id": "7", "size": "3"}, Part(id=7, size=3.0)),
        ("parts", [{"id": "7"}, {"id": 8.0}], (Part(id=7), Part(id=8))),
        ("by_name", {"x": {"id": "7"}}, {"x": Part(id=7)}),
        ("free", {"at": "2014-08-14 00:38:14 UTC", "n": 1.0}, {"at": "2014-08-14 00:38:14 UTC", "n": 1.0}),
        ("either", "x", "x"),
        ("either", 5, 5),
        ("either", "5", "5"),
        ("either", 2.0, 2),
        ("either", 7.5, "7.5"),
    ],
)
@pytest.mark.parametrize("extra", [{}, {"flag": [], "ratio": []}], ids=["alone", "with other invalid fields"])
def test_compatible_value_is_converted(field: str, value: object, expected: object, extra: dict[str, object]) -> None:
    found = getattr(decode_thing(**{**extra, field: value}), field)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", True),
        ("name", []),
        ("name", {"a": 1}),
        ("count", "many"),
        ("count", 5.5),
        ("count", True),
        ("count", {}),
        ("ratio", "half"),
        ("flag", "yes"),
        ("flag", 2),
        ("flag", []),
        ("state", "on"),
        ("state", 1.5),
        ("state", True),
        ("state", [1]),
        ("kind", {}),
        ("kind", True),
        ("at", "yesterday"),
        ("at", []),
        ("at", True),
        ("at", 1e300),
        ("at_iso", "yesterday"),
        ("at_iso", {}),
        ("part", 5),
        ("part", []),
        ("part", {"name": "no id"}),
        ("part", "x"),
        ("parts", {"id": 1}),
        ("parts", "x"),
        ("tags", "a,b"),
        ("tags", 5),
        ("by_name", []),
        ("free", "x"),
        ("free", [1]),
        ("either", []),
    ],
)
def test_incompatible_value_is_ignored_and_logged(
    field: str, value: object, reports: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    other = "name" if field == "tags" else "tags"
    found = decode_thing(**{field: value, other: OTHER_FIELDS[other]})
    assert getattr(found, field) is None
    assert getattr(found, other) == OTHER_FIELDS[other]
    assert reports == {f"Thing.{field}"}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"ignored a value of an unexpected type in Thing.{field}"


def test_each_field_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        decode({"response": [{"uid": "a", "count": "x"}, {"uid": "b", "count": "y"}]}, many(Thing))
    decode_thing(name=[])
    assert [record.getMessage().rpartition(" ")[2] for record in caplog.records] == ["Thing.count", "Thing.name"]


def test_log_message_hides_the_value(caplog: pytest.LogCaptureFixture) -> None:
    decode_thing(count="hush", part={"id": "hush", "name": "hush"})
    assert caplog.records
    assert "hush" not in caplog.text


def test_invalid_field_of_nested_model_keeps_the_rest_of_the_model(reports: set[str]) -> None:
    found = decode_thing(part={"id": 1, "name": [], "size": 2}, name="web")
    assert found == Thing(uid="a", name="web", part=Part(id=1, size=2.0))
    assert reports == {"Part.name"}


def test_invalid_list_item_is_dropped_alone(reports: set[str]) -> None:
    tags: list[object] = ["a", None, {}, "b"]
    found = decode_thing(tags=tags, parts=[{"id": 1}, {"name": "no id"}, 7, {"id": 2, "size": "big"}])
    assert found.tags == ("a", "b")
    assert found.parts == (Part(id=1), Part(id=2))
    assert reports == {"Thing.tags", "Thing.parts", "Part.size"}


def test_invalid_mapping_value_is_dropped_alone(reports: set[str]) -> None:
    found = decode_thing(by_name={"x": {"id": 1}, "y": [], "z": {"id": 2}})
    assert found.by_name == {"x": Part(id=1), "z": Part(id=2)}
    assert reports == {"Thing.by_name"}


def test_timestamp_is_filled_from_iso_field_by_both_decoders() -> None:
    assert decode_thing(at_iso="2014-08-14T00:38:14Z").at == TIME
    assert decode_thing(at_iso="2014-08-14T00:38:14Z", count="x").at == TIME


def test_out_of_range_number_affects_only_its_own_field(reports: set[str]) -> None:
    found = codec.decode(b'{"response":{"uid":"a","count":1e999,"name":"web"}}', Thing)
    assert found == Thing(uid="a", name="web")
    assert reports == {"Thing.count"}


# --- identifiers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [{"name": "x"}, {"uid": None}, {"uid": []}, {"uid": True}, None, 5, "x", [], [{}]])
def test_missing_identifier_raises_error_with_path(bad: object) -> None:
    with pytest.raises(ResponseError) as caught:
        decode({"response": bad})
    assert caught.value.path in ("$.response", "$.response.uid")
    assert caught.value.path in str(caught.value)
    assert caught.value.partial == ()


def test_missing_identifier_in_list_keeps_other_items_as_partial() -> None:
    body = [{"uid": "a"}, {"name": "no uid"}, {"uid": "b", "count": "x"}, None, {"uid": 7}]
    with pytest.raises(ResponseError, match=r"expected Thing.uid at \$.response\[1\].uid") as caught:
        decode({"response": body}, many(Thing))
    assert caught.value.path == "$.response[1].uid"
    assert caught.value.partial == (Thing(uid="a"), Thing(uid="b"), Thing(uid="7"))


def test_error_path_omits_a_missing_envelope() -> None:
    with pytest.raises(ResponseError) as caught:
        decode([{"uid": "a"}, {}], many(Thing))
    assert caught.value.path == "$[1].uid"
    with pytest.raises(ResponseError) as caught:
        decode({"name": "x"})
    assert caught.value.path == "$.uid"


@pytest.mark.parametrize("body", [{"response": {"uid": "a"}}, {"uid": "a"}])
def test_object_is_a_list_of_one_item(body: object) -> None:
    page = decode(body, many(Thing))
    assert [thing.uid for thing in page.items] == ["a"]


@pytest.mark.parametrize("body", [{"response": [{"uid": "a"}]}, [{"uid": "a"}]])
def test_list_of_one_item_is_an_object(body: object) -> None:
    assert decode(body).uid == "a"


@pytest.mark.parametrize("body", [{"response": [{"uid": "a"}, {"uid": "b"}]}, []])
def test_other_lists_raise_an_error_if_an_object_is_expected(body: object) -> None:
    with pytest.raises(ResponseError, match="expected Thing"):
        decode(body)


@pytest.mark.parametrize("body", [{"response": "x"}, "x", 5, True])
def test_non_list_raises_error_if_list_is_expected(body: object) -> None:
    with pytest.raises(ResponseError, match="expected a list"):
        decode(body, many(Thing))


# --- malformed JSON ------------------------------------------------------------------------------------

MALFORMED = {
    "empty": (b"", "the body is empty"),
    "whitespace": (b" \r\n", "the body is empty"),
    "web page": (b"\n <!DOCTYPE html>", "the body is a web page"),
    "plain text": (b"Bad Gateway", "the body is not valid JSON"),
    "truncated": (b'{"response":{"uid":"a","name":"we', "the body is not valid JSON"),
    "truncated after an invalid value": (
        b'{"response":{"uid":"a","count":"x","name":"we',
        "the body is not valid JSON",
    ),
    "trailing text": (b'{"response":{"uid":"a"}} x', "the body is not valid JSON"),
    "deeply nested": (b'{"response":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "nested too deeply"),
    "deeply nested field": (
        b'{"response":{"uid":"a","free":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_002,
        "nested too deeply",
    ),
    "invalid UTF-8": (b'{"response":{"uid":"\xff"}}', "expected JSON at"),
    "byte order mark": (b'\xef\xbb\xbf{"response":{"uid":"a"}}', "the body is not valid JSON"),
    "UTF-16": ('{"response":{"uid":"a"}}'.encode("utf-16"), "the body is not valid JSON"),
    "NaN": (b'{"response":{"uid":"a","count":NaN}}', "the body is not valid JSON"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_response_raises_response_error(name: str) -> None:
    body, text = MALFORMED[name]
    with pytest.raises(ResponseError, match=text):
        codec.decode(body, Thing)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_list_response_raises_response_error(name: str) -> None:
    with pytest.raises(ResponseError):
        codec.decode(MALFORMED[name][0], many(Thing))


@pytest.mark.parametrize("malformed", [b'{"uid":"\xff"}', b'{"uid":"c","name":"\xe2\x28"}'])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_malformed_list_item_keeps_other_items_as_partial(malformed: bytes, position: int) -> None:
    items = [b'{"uid":"a"}', b'{"uid":"b","count":"x"}']
    items.insert(position, malformed)
    with pytest.raises(ResponseError) as caught:
        codec.decode(b'{"response":[' + b",".join(items) + b"]}", many(Thing))
    assert caught.value.path == f"$.response[{position}]"
    assert caught.value.partial == (Thing(uid="a"), Thing(uid="b"))
