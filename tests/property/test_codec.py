"""Every body is decoded to models, or raises a ResponseError that holds the valid part."""

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
    """Do not log invalid fields."""


def decode(body: bytes, returns: Any) -> Any:
    try:
        return codec.decode(body, returns)
    except ResponseError as error:
        return error


@given(values, st.sampled_from(MODELS), st.booleans())
def test_any_json_is_a_model_or_a_response_error(value: Any, kind: Any, enveloped: bool) -> None:
    body = msgspec.json.encode({"response": value} if enveloped else value)
    assert isinstance(decode(body, kind), (kind, ResponseError))
    assert isinstance(decode(body, many(kind)), (Page, ResponseError))


@given(st.binary(max_size=200), st.sampled_from(MODELS))
def test_any_bytes_are_a_model_or_a_response_error(body: bytes, kind: Any) -> None:
    for returns in (kind, many(kind)):
        for given_body in (body, b'{"response":' + body + b"}", b'{"response":[' + body + b"]}"):
            assert isinstance(decode(given_body, returns), (kind, Page, ResponseError))


@settings(max_examples=50)
@given(st.lists(items, max_size=4), st.sampled_from(MODELS), st.none() | values)
def test_page_keeps_every_item_with_an_identifier(found: list[dict[str, Any]], kind: Any, paging: Any) -> None:
    key = "uid" if kind in (Stack, Server) else "id"
    for number, item in enumerate(found):
        if item.get(key) is not None or number % 2:
            item[key] = f"item-{number}" if key == "uid" else number
    result = decode(msgspec.json.encode({"response": found, "pagination": paging}), many(kind))
    good = [item[key] for item in found if key in item and item[key] is not None]
    kept = result.partial if isinstance(result, ResponseError) else result.items
    assert [getattr(item, key) for item in kept] == good
    assert isinstance(result, ResponseError) == (len(good) < len(found))


@settings(max_examples=60)
@given(st.sampled_from(MODELS), st.data())
def test_invalid_field_does_not_affect_the_others(kind: Any, data: st.DataObject) -> None:
    names = [field.name for field in attrs.fields(kind) if field.default is not attrs.NOTHING]
    invalid = data.draw(st.sampled_from(names))
    key = "uid" if kind in (Stack, Server) else "id"
    whole: dict[str, Any] = {key: "7" if key == "uid" else 7}
    alone = decode(msgspec.json.encode(whole), kind)
    damaged = decode(msgspec.json.encode({**whole, invalid: data.draw(values)}), kind)
    related = {invalid, invalid.removesuffix("_iso"), "ssh_private_key" if invalid == "private_key" else invalid}
    for field in attrs.fields(kind):
        if field.name not in related:
            assert getattr(damaged, field.name) == getattr(alone, field.name)


@given(st.data())
def test_damaged_body_raises_no_other_error(data: st.DataObject) -> None:
    body = bytearray(json.dumps({"response": [STACK, STACK], "pagination": {"next": 2, "pages": 3}}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(body) - 1))
        how = data.draw(st.sampled_from(["change", "drop", "add", "cut"]))
        if how == "change":
            body[index] = data.draw(st.integers(0, 255))
        elif how == "drop":
            del body[index]
        elif how == "add":
            body[index:index] = data.draw(st.sampled_from([b"1e999", b"\\ud800", b"null", b"[[", b"\xff", b'"', b"-"]))
        else:
            del body[index:]
        if not body:
            break
    result = decode(bytes(body), many(Stack))
    assert isinstance(result, (Page, ResponseError))


@settings(max_examples=50)
@given(st.data())
def test_damaged_items_do_not_affect_the_others(data: st.DataObject) -> None:
    page = [{**copy.deepcopy(STACK), "uid": f"s{number}"} for number in range(5)]
    damaged = data.draw(st.sets(st.integers(0, 4), max_size=5))
    for number in damaged:
        page[number][data.draw(st.sampled_from(sorted(STACK)))] = data.draw(values)
    result = decode(msgspec.json.encode({"response": page}), many(Stack))
    kept = result.partial if isinstance(result, ResponseError) else result.items
    by_uid = {stack.uid: stack for stack in kept}
    untouched = codec.decode(msgspec.json.encode(STACK), Stack)
    for number in set(range(5)) - damaged:
        assert by_uid[f"s{number}"] == attrs.evolve(untouched, uid=f"s{number}")


@given(values)
def test_decoded_model_can_be_logged(value: Any) -> None:
    result = decode(msgspec.json.encode({"uid": "a", "considerations": value, "redeploy_hook": value}), Stack)
    text = json.dumps(result.to_dict())
    assert json.loads(text)["redeploy_hook"] in (None, "********")
    hash(result)


@given(scalars | st.floats() | st.text(alphabet=string.digits + "-:TZ .+UC"))
def test_timestamp_is_timezone_aware_or_none_or_a_value_error(value: Any) -> None:
    try:
        found = parse_timestamp(value)
    except ValueError:
        return
    assert found is None or found.tzinfo is not None


FORMATS = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%dT%H:%M:%S+0000", "%Y-%m-%dT%H:%M:%S"]


@settings(max_examples=50)
@given(st.datetimes(min_value=datetime(1000, 1, 1)), st.sampled_from(FORMATS))  # noqa: DTZ001  the test adds the time zone
def test_timestamp_formats_of_the_api_agree(when: datetime, timestamp_format: str) -> None:
    assert parse_timestamp(when.strftime(timestamp_format)) == when.replace(microsecond=0, tzinfo=UTC)
