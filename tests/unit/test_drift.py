"""Drift: differences between responses and models."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given, strategies as st

from cloud66_async import Cloud66, ResponseError
from cloud66_async._core.model import IsoTimestamp, Model, OpenIntEnum, OpenStrEnum, Timestamp, free_form
from cloud66_async.drift import Drift, OperationDrift
from cloud66_async.operation import Call, Operation, get, many
from cloud66_async.resources import stacks
from cloud66_async.secret import Secret

from ..support import SECRET, Script, client, make_error, make_response, pages, wire


class Color(OpenIntEnum):
    RED = 1


class Size(OpenStrEnum):
    SMALL = "small"


@attrs.frozen(kw_only=True)
class Part(Model):
    name: str
    color: Color | None = None


@attrs.frozen(kw_only=True)
class Thing(Model):
    uid: str
    number: int | None = None
    share: float | None = None
    on: bool | None = None
    size: Size | None = None
    made_at: Timestamp | None = None
    made_at_iso: IsoTimestamp | None = None
    seen_at: Timestamp | None = None
    key: Secret | None = None
    part: Part | None = None
    parts: tuple[Part, ...] | None = None
    tags: tuple[Part | str, ...] | None = None
    anything: Mapping[str, Any] | None = free_form()


LIST = get("/things.json", many(Thing))
GET = get("/things/{thing}.json", Thing)
NOTHING: Operation[None] = get("/nothing.json")
TEXT = get("/text.json", Secret)

FULL: dict[str, Any] = {
    "uid": "a",
    "number": 1,
    "share": 2,
    "on": True,
    "size": "small",
    "made_at": "2014-08-14 00:38:14 UTC",
    "seen_at": 1407976694,
    "key": SECRET,
    "part": {"name": "n", "color": 1},
    "parts": [{"name": "n", "color": None}],
    "tags": ["t", {"name": "n", "color": 1}],
    "anything": {"x": {"y": SECRET}},
}


def compared(*bodies: object, call: Call[Any] | None = None) -> OperationDrift:
    """Return the differences in responses with these bodies."""
    drift = Drift()
    for body in bodies:
        drift.observe(call or GET.bind(thing="a"), make_response(body))
    (found,) = drift.report()
    return found


def differences(*bodies: object, call: Call[Any] | None = None) -> list[str]:
    """Return the lines of the report about responses with these bodies."""
    return str(compared(*bodies, call=call)).split("\n  ")[1:]


@pytest.mark.parametrize(
    "body",
    [
        {"response": FULL},
        FULL,
        [FULL],
        {"response": [FULL], "count": 1, "pagination": {"next": None}},
        {"response": {**FULL, "made_at_iso": "2014-08-14T00:38:14Z"}},
        {"response": {name: None if name != "uid" else value for name, value in FULL.items()}},
        {"response": {**FULL, "made_at": ""}},
    ],
)
def test_expected_response_has_no_differences(body: object) -> None:
    assert differences(body) == []
    assert differences(body, call=LIST.bind()) == []


def test_either_twin_of_a_timestamp_suffices() -> None:
    without = {name: value for name, value in FULL.items() if name != "made_at"}
    assert differences({**without, "made_at_iso": "2014-08-14T00:38:14+00:00"}) == []
    assert differences(without) == ["never sent: Thing.made_at"]


@pytest.mark.parametrize("body", [{"response": []}, [], {"response": None}, None])
def test_empty_list_has_no_differences(body: object) -> None:
    assert differences(body, call=LIST.bind()) == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("x", "string"),
        (1, "integer"),
        (1.5, "number"),
        (True, "boolean"),
        (None, "null"),
        ([1], "array"),
        ({"a": SECRET}, "object"),
    ],
)
def test_unknown_field_is_reported_with_its_type(value: object, kind: str) -> None:
    assert differences({**FULL, "new_field": value}) == [f"unknown field: Thing.new_field: {kind}"]


def test_types_of_an_unknown_field_are_combined() -> None:
    found = differences({**FULL, "new": 1}, {**FULL, "new": None}, {**FULL, "new": 2})
    assert found == ["unknown field: Thing.new: integer or null"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("uid", None, "null instead of string"),
        ("uid", 5, "integer instead of string"),
        ("number", "5", "string instead of integer"),
        ("number", 5.5, "number instead of integer"),
        ("number", True, "boolean instead of integer"),
        ("share", "5", "string instead of number"),
        ("on", 1, "integer instead of boolean"),
        ("size", 1, "integer instead of string"),
        ("key", {"a": SECRET}, "object instead of string"),
        ("made_at", SECRET, "string in an unknown format instead of timestamp"),
        ("made_at_iso", [], "array instead of timestamp"),
        ("part", [], "array instead of object"),
        ("part", "x", "string instead of object"),
        ("parts", {}, "object instead of array"),
        ("anything", [SECRET], "array instead of object"),
    ],
)
def test_other_type_is_reported_with_the_expected_one(field: str, value: object, expected: str) -> None:
    assert differences({**FULL, field: value}) == [f"other type: Thing.{field}: {expected}"]


def test_types_inside_lists_and_nested_models_are_compared() -> None:
    found = differences({
        **FULL,
        "part": {"name": 1, "color": "red", "new": 1},
        "parts": [{"name": "n", "color": 1}, 7],
        "tags": [7],
    })  # fmt: skip
    assert found == [
        "unknown field: Part.new: integer",
        "other type: Part.color: string instead of integer",
        "other type: Part.name: integer instead of string",
        "other type: Thing.parts[]: integer instead of object",
        "other type: Thing.tags[]: integer instead of object or string",
    ]


def test_unknown_members_of_enumerations_are_reported() -> None:
    things = [
        {**FULL, "size": size, "part": {"name": "n", "color": color}}
        for size, color in (("large", 9), ("large", -1), ("not a word", 10**30), ("x" * 33, 1))
    ]
    assert compared(things, call=LIST.bind()).unknown_values == {
        "Color": (-1, 9, "unknown value"),
        "Size": ("large", "unknown value"),
    }


def test_missing_fields_are_counted() -> None:
    found = compared([FULL, {"uid": "b"}], {"uid": "c", "number": 1}, call=LIST.bind())
    assert found.responses == 2
    assert found.missing["Thing.number"] == (1, 3)
    assert found.missing["Thing.key"] == (2, 3)
    assert "Thing.made_at_iso" not in found.missing
    assert found.never_sent == ()
    assert compared({"uid": "b"}).never_sent[:2] == ("Thing.anything", "Thing.key")
    assert differences([FULL, {**FULL, "part": {"name": "n"}}], call=LIST.bind()) == [
        "sometimes missing: Part.color (1 of 6)"
    ]


def test_fields_that_the_sdk_sets_are_not_missing() -> None:
    found = compared({"ok": True}, call=stacks.REDEPLOY.bind(stack="a"))
    assert set(found.missing) == {"Redeployment.message", "Redeployment.queued", "Redeployment.async_action_id"}


@pytest.mark.parametrize("body", [b"<html>", b"{", b"\xff", b"[" * 100_000, b'"\\ud800'])
def test_unreadable_response_is_counted(body: bytes) -> None:
    assert differences(body) == ["unreadable: 1 response"]


def test_response_of_another_type() -> None:
    assert differences("text") == ["other type: response: string instead of object"]
    assert differences([FULL, FULL]) == ["other type: response: array instead of object"]
    assert differences(b"") == ["other type: response: null instead of object"]
    assert differences([1], call=LIST.bind()) == ["other type: response[]: integer instead of object"]
    assert differences({"response": 5}, call=TEXT.bind()) == ["other type: response: integer instead of string"]


def test_response_where_nothing_is_expected() -> None:
    bodies: list[object] = [b"", b" \n", None, {}, {"response": None}, {"response": {}}]
    for body in bodies:
        assert differences(body, call=NOTHING.bind()) == []
    assert differences({"response": {"ok": True}}, call=NOTHING.bind()) == [
        "other type: response: object instead of nothing"
    ]


def test_unknown_parts_of_the_envelope() -> None:
    assert differences({"response": FULL, "warnings": [SECRET]}) == ["unknown field: envelope.warnings: array"]


@attrs.frozen(kw_only=True)
class Odd(Model):
    number: complex = 0
    items: list = attrs.field(factory=list)  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument, reportUnknownVariableType]
    choice: Literal["a", "b"] | None = None
    anything: Any | None = None
    parts: tuple[Any, ...] = ()


def test_type_that_cannot_be_compared_fits_everything() -> None:
    body = {"number": "1", "items": [1, SECRET], "choice": "c", "anything": [SECRET], "parts": [SECRET]}
    assert differences(body, call=get("/odd.json", Odd).bind()) == []


# --- what the report shows ----------------------------------------------------------------------------

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(f"https://{SECRET}/"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*attrs.fields_dict(Thing), "name", "color", "response", SECRET]), inner)
    ),
    max_leaves=20,
)


@given(body=json_values)
def test_any_json_is_compared_and_no_value_is_shown(body: object) -> None:
    drift = Drift()
    for call in (GET.bind(thing=SECRET), LIST.bind(), NOTHING.bind(), TEXT.bind()):
        drift.observe(call, make_response(json.dumps(body).encode()))
    assert SECRET not in f"{drift}{drift!r}{json.dumps(drift.to_dict())}{drift.report()}"


def test_unusual_names_are_not_shown() -> None:
    found = compared({**FULL, "db1.example.com": 1, "": 1, "a" * 65: 1, "größe": 1}).unknown_fields
    assert found == {"Thing.(unusual name)": "integer"}


def test_memory_is_bounded() -> None:
    drift = Drift()
    for number in range(3000):
        body = {**FULL, f"field_{number}": 1, "size": f"size-{number}"}
        drift.observe(GET.bind(thing="a"), make_response(body))
        drift.observe(get(f"/{number}.json", Thing).bind(), make_response({}))
    found = drift.to_dict()
    assert len(found) == 1000
    assert len(found["GET /things/{thing}.json"]["unknown_fields"]) == 200
    assert len(found["GET /things/{thing}.json"]["unknown_values"]["Size"]) == 50


def test_report_for_people_and_for_programs() -> None:
    drift = Drift()
    assert str(drift) == "no responses"
    drift.observe(LIST.bind(), make_response([FULL, {**FULL, "number": "1", "new": 1, "size": "large"}]))
    drift.observe(LIST.bind(), make_response([{"uid": "a"}]))
    drift.observe(GET.bind(thing="a"), make_response(b"x"))
    assert str(drift) == (
        "GET /things.json: 2 responses\n"
        "  unknown field: Thing.new: integer\n"
        "  other type: Thing.number: string instead of integer\n"
        "  unknown value: Size: large\n"
        "  sometimes missing: Thing.anything (1 of 3), Thing.key (1 of 3), Thing.made_at (1 of 3), "
        "Thing.number (1 of 3), Thing.on (1 of 3), Thing.part (1 of 3), Thing.parts (1 of 3), Thing.seen_at (1 of 3), "
        "Thing.share (1 of 3), Thing.size (1 of 3), Thing.tags (1 of 3)\n"
        "GET /things/{thing}.json: 1 response\n"
        "  unreadable: 1 response"
    )
    assert repr(drift) == "<Drift: 3 responses to 2 operations>"
    found = json.loads(json.dumps(drift.to_dict()))
    assert found["GET /things.json"]["other_types"] == {"Thing.number": "string instead of integer"}
    assert found["GET /things.json"]["unknown_values"] == {"Size": ["large"]}
    assert found["GET /things.json"]["missing"]["Thing.key"] == [1, 3]
    assert found["GET /things/{thing}.json"]["unreadable"] == 1


# --- in a client ---------------------------------------------------------------------------------------


async def test_client_compares_every_successful_response() -> None:
    drift = Drift()
    transport = Script(
        make_error(503),
        make_response({"response": {"uid": "a", "new": SECRET}}),
        make_response({"response": {"name": "a"}}),
        pages([{"uid": "a"}], [{"uid": "b", "account_id": "7"}]),
    )
    async with client(transport, drift=drift) as c66:
        await c66.stacks.get("a")
        with pytest.raises(ResponseError):
            await c66.using(timeout=3).stacks.get("a")  # a view has the client's drift
        await c66.stacks.list()
    one, listed = sorted(drift.report(), key=lambda found: "{" not in found.operation)
    assert (one.responses, listed.responses) == (2, 2)
    assert one.unknown_fields == {"Stack.new": "string"}
    assert one.missing["Stack.uid"] == (1, 2)
    assert listed.other_types == {"Stack.account_id": "string instead of integer"}


async def test_requests_without_an_operation_are_not_compared() -> None:
    drift = Drift()
    async with client(Script(make_response({"anything": 1})), drift=drift) as c66:
        await c66.request("GET", "/anything.json")
    assert drift.report() == ()


async def test_responses_over_a_socket_are_compared(transport: Any) -> None:
    drift = Drift()
    async with wire() as server, Cloud66("token", url=server.url, pool=transport, drift=drift) as c66:
        await c66.stacks.get("a")
    assert drift.report()[0].never_sent


def test_drift_of_another_type_is_rejected() -> None:
    with pytest.raises(TypeError, match=r"invalid drift: expected a Drift, not str"):
        Cloud66("token", drift="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_nothing_is_recorded_without_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Drift, "observe", fail)
    async with client(Script()) as c66:
        await c66.stacks.get("a")


async def test_responses_are_not_kept() -> None:
    drift = Drift()
    response = make_response(FULL)
    before = len(gc.get_referrers(response))
    drift.observe(GET.bind(thing="a"), response)
    assert len(gc.get_referrers(response)) == before
