"""Whatever a server sends: models, or an ResponseError that has the good part. Never anything else."""

from __future__ import annotations

import copy
import json
import string
from datetime import UTC, datetime
from typing import Any

import attrs
import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given, settings

from cloud66_async._core import codec
from cloud66_async._core.timestamps import parse_timestamp
from cloud66_async.errors import ResponseError
from cloud66_async.operation import Page, many
from cloud66_async.resources.actions import Action
from cloud66_async.resources.deployments import Deployment
from cloud66_async.resources.servers import Server
from cloud66_async.resources.stacks import Stack

MODELS: list[Any] = [Stack, Server, Action, Deployment]
KEYS = sorted({field.name for kind in MODELS for field in attrs.fields(kind)})

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-10, 10)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["", "true", "null", "3", "-1", "1e9", "2014-08-14 00:38:14 UTC", "0001-01-01T00:00:00Z", "NaN"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["", "x", *KEYS]), inner, max_size=3),
    max_leaves=4,
)
items = st.dictionaries(st.sampled_from(KEYS), values, max_size=4)
STACK: dict[str, Any] = {
    "uid": "a",
    "name": "web",
    "status": 1,
    "health": 3,
    "created_at": "2014-08-14 00:38:14 UTC",
    "created_at_iso": "2014-08-14T00:38:14Z",
    "namespaces": ["one", "two"],
    "considerations": {"free": [1, {"form": None}]},
}


@pytest.fixture(autouse=True)
def _quiet(reports: set[str]) -> None:
    """Each field is reported once a process: not in these tests."""


def read(body: bytes, shape: Any) -> Any:
    try:
        return codec.decode(body, shape)
    except ResponseError as error:
        return error


@given(values, st.sampled_from(MODELS), st.booleans())
def test_any_json_is_a_model_or_an_answer_error(value: Any, kind: Any, enveloped: bool) -> None:
    body = msgspec.json.encode({"response": value} if enveloped else value)
    assert isinstance(read(body, kind), (kind, ResponseError))
    assert isinstance(read(body, many(kind)), (Page, ResponseError))


@given(st.binary(max_size=200), st.sampled_from(MODELS))
def test_any_bytes_are_a_model_or_an_answer_error(body: bytes, kind: Any) -> None:
    for shape in (kind, many(kind)):
        for given_body in (body, b'{"response":' + body + b"}", b'{"response":[' + body + b"]}"):
            assert isinstance(read(given_body, shape), (kind, Page, ResponseError))


@settings(max_examples=50)
@given(st.lists(items, max_size=4), st.sampled_from(MODELS), st.none() | values)
def test_a_page_loses_no_item_that_has_its_identifier(found: list[dict[str, Any]], kind: Any, paging: Any) -> None:
    key = "uid" if kind in (Stack, Server) else "id"
    for number, item in enumerate(found):
        if item.get(key) is not None or number % 2:
            item[key] = f"item-{number}" if key == "uid" else number
    result = read(msgspec.json.encode({"response": found, "pagination": paging}), many(kind))
    good = [item[key] for item in found if key in item and item[key] is not None]
    kept = result.partial if isinstance(result, ResponseError) else result.items
    assert [getattr(item, key) for item in kept] == good
    assert isinstance(result, ResponseError) == (len(good) < len(found))


@settings(max_examples=60)
@given(st.sampled_from(MODELS), st.data())
def test_one_odd_field_leaves_all_others(kind: Any, data: st.DataObject) -> None:
    names = [field.name for field in attrs.fields(kind) if field.default is not attrs.NOTHING]
    odd = data.draw(st.sampled_from(names))
    key = "uid" if kind in (Stack, Server) else "id"
    whole: dict[str, Any] = {key: "7" if key == "uid" else 7}
    alone = read(msgspec.json.encode(whole), kind)
    damaged = read(msgspec.json.encode({**whole, odd: data.draw(values)}), kind)
    twins = {odd, odd.removesuffix("_iso"), "ssh_private_key" if odd == "private_key" else odd}
    for field in attrs.fields(kind):
        if field.name not in twins:
            assert getattr(damaged, field.name) == getattr(alone, field.name)


@given(st.data())
def test_damaged_bytes_never_raise_anything_else(data: st.DataObject) -> None:
    body = bytearray(json.dumps({"response": [STACK, STACK], "pagination": {"next": 2, "pages": 3}}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        how = data.draw(st.sampled_from(["change", "drop", "add", "cut"]))
        if how == "change":
            body[place] = data.draw(st.integers(0, 255))
        elif how == "drop":
            del body[place]
        elif how == "add":
            body[place:place] = data.draw(st.sampled_from([b"1e999", b"\\ud800", b"null", b"[[", b"\xff", b'"', b"-"]))
        else:
            del body[place:]
        if not body:
            break
    result = read(bytes(body), many(Stack))
    assert isinstance(result, (Page, ResponseError))


@settings(max_examples=50)
@given(st.data())
def test_damaged_values_cost_no_good_item(data: st.DataObject) -> None:
    page = [{**copy.deepcopy(STACK), "uid": f"s{number}"} for number in range(5)]
    struck = data.draw(st.sets(st.integers(0, 4), max_size=5))
    for number in struck:
        page[number][data.draw(st.sampled_from(sorted(STACK)))] = data.draw(values)
    result = read(msgspec.json.encode({"response": page}), many(Stack))
    kept = result.partial if isinstance(result, ResponseError) else result.items
    by_uid = {stack.uid: stack for stack in kept}
    untouched = codec.decode(msgspec.json.encode(STACK), Stack)
    for number in set(range(5)) - struck:
        assert by_uid[f"s{number}"] == attrs.evolve(untouched, uid=f"s{number}")


@given(values)
def test_what_is_read_can_be_written_for_a_log(value: Any) -> None:
    result = read(msgspec.json.encode({"uid": "a", "considerations": value, "redeploy_hook": value}), Stack)
    text = json.dumps(result.to_dict())
    assert json.loads(text)["redeploy_hook"] in (None, "********")
    hash(result)


@given(scalars | st.floats() | st.text(alphabet=string.digits + "-:TZ .+UC"))
def test_a_moment_has_a_zone_or_is_none_or_a_value_error(value: Any) -> None:
    try:
        found = parse_timestamp(value)
    except ValueError:
        return
    assert found is None or found.tzinfo is not None


SPELLINGS = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%S+0000", "%Y-%m-%dT%H:%M:%S"]


@settings(max_examples=50)
@given(st.datetimes(min_value=datetime(1000, 1, 1)), st.sampled_from(SPELLINGS))  # noqa: DTZ001  it gets its zone
def test_the_spellings_of_the_api_agree(when: datetime, spelling: str) -> None:
    assert parse_timestamp(when.strftime(spelling)) == when.replace(microsecond=0, tzinfo=UTC)
