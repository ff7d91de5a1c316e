"""Webhooks: every documented shape, unknown events, and bodies that are not webhooks."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import types
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydantic import TypeAdapter

from cloud66_async import Cloud66Error, Health, Secret, Stack, StackStatus
from cloud66_async._core.model import Model
from cloud66_async.models import Backup, Service, VerifyStatus
from cloud66_async.webhooks import (
    AppEvent,
    BackupEvent,
    DeployContext,
    EventType,
    OtherEvent,
    ServerEvent,
    ServiceEvent,
    StackEvent,
    WebhookError,
    WebhookEvent,
    parse_webhook,
)

from ..oauth.evidence import error_output, package_locals

HOOK = "https://hooks.example/HOOK-planted"
SENT = 1_716_200_000
TIME = datetime.fromtimestamp(SENT, UTC)

STACK: dict[str, Any] = {
    "uid": "5999b763474b0eafa5fafb64bff0ba80",
    "name": "Awesome App",
    "git": "https://git.example/awesome.git",
    "git_branch": "main",
    "environment": "production",
    "cloud": "DigitalOcean",
    "fqdn": "awesome-app.dev.c66.me",
    "language": "ruby",
    "framework": "rails",
    "status": 1,
    "health": 3,
    "last_activity": "2014-08-14 01:46:53 UTC",
    "last_activity_iso": "2014-08-14T01:46:53Z",
    "maintenance_mode": False,
    "has_loadbalancer": False,
    "created_at": "2014-08-14 00:38:14 UTC",
    "updated_at": "2014-08-14 01:46:52 UTC",
    "created_at_iso": "2014-08-14T00:38:14Z",
    "updated_at_iso": "2014-08-14T01:46:52Z",
    "redeploy_hook": HOOK,
    "considerations": {"warnings": [], "notices": ["read me"]},
}
DEPLOYED: dict[str, Any] = {
    "timestamp": SENT,
    "event_type": "stack.redeploy.ok",
    **STACK,
    "deploy_context": {
        "triggered_by": "jane@example.com",
        "outcome": "success",
        "started_at": "2014-08-14 01:40:00 UTC",
        "finished_at": "2014-08-14T01:46:52Z",
    },
}
VERIFIED: dict[str, Any] = {
    "timestamp": SENT,
    "event_type": "backup.verification.failed",
    "stack": STACK,
    "backup": {"id": 12, "db_type": "mysql", "verify_status": 3, "verify_result": "no tables"},
}
BUILT: dict[str, Any] = {
    "timestamp": SENT,
    "event_type": "service.build.fail",
    "stack": STACK,
    "service": {"name": "api", "git_ref": "main"},
}
STOPPED: dict[str, Any] = {
    "timestamp": SENT,
    "event_type": "server.ip.change.fail",
    "uid": "5999b763474b0eafa5fafb64bff0ba80",
    "status": 1,
    "server": "d290f1ee6c544b0190e6d701748f0851",
    "created_at": "2014-08-14 00:38:14 UTC",
    "updated_at": "2014-08-14 01:46:52 UTC",
    "created_at_iso": "2014-08-14T00:38:14Z",
    "updated_at_iso": "2014-08-14T01:46:52Z",
    "new_ext_ipv4": "203.0.113.9",
}
AUTHORIZED: dict[str, Any] = {
    "timestamp": SENT,
    "event_type": "app.auth",
    "user": "jane@example.com",
    "app": "c1ient-1d",
}
UNKNOWN: dict[str, Any] = {"timestamp": SENT, "event_type": "moon.landed", "hook": HOOK}
SHAPES = [DEPLOYED, VERIFIED, BUILT, STOPPED, AUTHORIZED, UNKNOWN]


@pytest.fixture(autouse=True)
def _quiet(reports: set[str]) -> None:
    """Do not log invalid fields more than once in each test."""


def test_event_of_a_stack() -> None:
    event = parse_webhook(json.dumps(DEPLOYED).encode())
    assert isinstance(event, StackEvent)
    assert event.timestamp == TIME
    assert event.event_type is EventType.STACK_REDEPLOY_OK
    assert event.stack.uid == STACK["uid"]
    assert (event.stack.status, event.stack.health) == (StackStatus.DEPLOYED, Health.HEALTHY)
    assert event.stack.last_activity == datetime(2014, 8, 14, 1, 46, 53, tzinfo=UTC)
    assert event.stack.redeploy_hook == Secret(HOOK)
    assert event.deploy_context == DeployContext(
        triggered_by="jane@example.com",
        outcome="success",
        started_at=datetime(2014, 8, 14, 1, 40, tzinfo=UTC),
        finished_at=datetime(2014, 8, 14, 1, 46, 52, tzinfo=UTC),
    )


def test_event_of_an_application_has_the_fields_of_a_stack() -> None:
    body = {"timestamp": SENT, "event_type": "application.health_check.failed", **STACK}
    event = parse_webhook(body)
    assert isinstance(event, StackEvent)
    assert event.stack.name == "Awesome App"
    assert event.deploy_context is None


def test_event_of_a_backup() -> None:
    event = parse_webhook(VERIFIED)
    assert isinstance(event, BackupEvent)
    assert event.stack.uid == STACK["uid"]
    assert event.backup == Backup(id=12, db_type="mysql", verify_status=VerifyStatus.FAILED, verify_result="no tables")


def test_event_of_a_service() -> None:
    event = parse_webhook(BUILT)
    assert isinstance(event, ServiceEvent)
    assert event.stack.uid == STACK["uid"]
    assert event.service == Service(name="api", git_ref="main")


def test_event_of_a_server() -> None:
    event = parse_webhook(STOPPED)
    assert isinstance(event, ServerEvent)
    assert (event.server, event.uid, event.status) == (STOPPED["server"], STOPPED["uid"], 1)
    assert event.new_ext_ipv4 == "203.0.113.9"
    assert event.created_at == event.created_at_iso == datetime(2014, 8, 14, 0, 38, 14, tzinfo=UTC)


def test_event_of_an_oauth_application() -> None:
    event = parse_webhook(AUTHORIZED)
    assert isinstance(event, AppEvent)
    assert (event.user, event.app) == ("jane@example.com", "c1ient-1d")


@pytest.mark.parametrize("name", ["moon.landed", "stacks", "app", "process.down", "account.redeploy.ok", "a\nb"])
def test_names_of_events_are_an_open_set(name: str) -> None:
    event = parse_webhook({"timestamp": SENT, "event_type": name, "more": [1]})
    assert event.event_type == name
    assert event.timestamp == TIME
    assert isinstance(event, AppEvent if name == "app" else OtherEvent)
    assert json.loads(event.payload.reveal())["more"] == [1]


def test_unknown_event_of_a_known_kind_is_read_as_that_kind() -> None:
    event = parse_webhook(DEPLOYED | {"event_type": "stack.redeploy.paused"})
    assert isinstance(event, StackEvent)
    assert not event.event_type.known
    assert event.stack.uid == STACK["uid"]


@pytest.mark.parametrize("body", SHAPES, ids=lambda body: str(body["event_type"]))
def test_body_may_be_bytes_or_text_or_a_mapping(body: dict[str, Any]) -> None:
    text = json.dumps(body, separators=(",", ":"))
    event = parse_webhook(text)
    assert event == parse_webhook(text.encode()) == parse_webhook(body) == parse_webhook(types.MappingProxyType(body))
    assert event.payload.reveal() == text
    assert isinstance(event, WebhookEvent)


@pytest.mark.parametrize("body", SHAPES, ids=lambda body: str(body["event_type"]))
def test_event_is_frozen_data_without_visible_secrets(body: dict[str, Any]) -> None:
    event = parse_webhook(body)
    for text in (repr(event), str(event), f"{event}", json.dumps(event.to_dict()), str(dict(event))):
        assert "HOOK-planted" not in text
    assert pickle.loads(pickle.dumps(event)) == copy.deepcopy(event) == event
    assert hash(event) == hash(parse_webhook(body))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.event_type = EventType.APP_AUTH  # type: ignore[misc]


def test_pydantic_accepts_events() -> None:
    adapter: TypeAdapter[WebhookEvent] = TypeAdapter(WebhookEvent)
    event = parse_webhook(DEPLOYED)
    assert adapter.validate_python(event) is event
    assert json.loads(adapter.dump_json(event))["stack"]["redeploy_hook"] == "********"
    assert adapter.json_schema()


def test_event_for_a_test_needs_no_payload() -> None:
    event = StackEvent(timestamp=TIME, event_type=EventType.STACK_CREATED, stack=Stack(uid="a"))
    assert json.loads(event.payload.reveal()) == {}


@pytest.mark.parametrize(
    "timestamp", [SENT, float(SENT), str(SENT), f" {SENT} ", "2024-05-20T10:13:20Z", "2024-05-20 10:13:20 UTC"]
)
@pytest.mark.parametrize("body", [DEPLOYED, STOPPED, UNKNOWN], ids=["stack", "server", "other"])
def test_timestamp_may_have_every_form_of_the_api(timestamp: object, body: dict[str, Any]) -> None:
    event = parse_webhook(body | {"timestamp": timestamp})
    assert event.timestamp == TIME
    assert type(event) is type(parse_webhook(body))


def test_invalid_field_does_not_affect_the_others() -> None:
    body = DEPLOYED | {"status": "?", "health": 3, "deploy_context": {"outcome": "success", "started_at": "soon"}}
    event = parse_webhook(body)
    assert isinstance(event, StackEvent)
    assert (event.stack.status, event.stack.health) == (None, Health.HEALTHY)
    assert event.deploy_context == DeployContext(outcome="success")
    event = parse_webhook(VERIFIED | {"backup": {"db_type": "mysql"}})
    assert isinstance(event, BackupEvent)
    assert (event.stack.uid, event.backup) == (STACK["uid"], None)


def test_number_that_is_out_of_range_does_not_affect_the_others() -> None:
    event = parse_webhook('{"timestamp":1,"event_type":"stack.created","uid":"a","health":1e999,"name":"web"}')
    assert isinstance(event, StackEvent)
    assert (event.stack.name, event.stack.health) == ("web", None)


def test_fields_with_the_names_of_the_models_own_fields_are_ignored() -> None:
    confusing: dict[str, Any] = {"response": {"uid": "b"}, "stack": {"uid": "c"}, "payload": "p"}
    event = parse_webhook(DEPLOYED | confusing)
    assert isinstance(event, StackEvent)
    assert event.stack.uid == STACK["uid"]
    assert json.loads(event.payload.reveal())["payload"] == "p"


@pytest.mark.parametrize(
    "body",
    [
        {"event_type": "stack.created"},
        {"event_type": "application.created", "uid": None},
        {"event_type": "backup.verification.failed", "backup": {"id": 1}},
        {"event_type": "service.build.fail", "stack": [], "service": {"name": "api"}},
        {"event_type": "server.stopped", "uid": "a"},
    ],
    ids=lambda body: str(body["event_type"]),
)
def test_event_without_its_identifier_keeps_its_payload(body: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "cloud66_async"):
        event = parse_webhook({"timestamp": SENT, **body})
    assert isinstance(event, OtherEvent)
    assert json.loads(event.payload.reveal()) == {"timestamp": SENT, **body}
    assert caplog.messages[-1] == f"webhook {body['event_type']} read as OtherEvent: a required field is missing"


def test_name_of_an_event_cannot_forge_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    parse_webhook({"timestamp": SENT, "event_type": "stack.\n\x1b[2Jforged"})
    assert "stack. [2Jforged" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not a JSON object"),
        (b"\xff\xfe", "not a JSON object"),
        ("\ud800", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"event_type":', "not a JSON object"),
        ("event_type=stack.created", "not a JSON object"),
        ('{"a":' + "[" * 100_000, "not a JSON object"),
        ({"a": object()}, "not a JSON object"),
        ({"a": "\ud800"}, "not a JSON object"),
        ({}, "no event_type"),
        ({"timestamp": SENT}, "no event_type"),
        ({"timestamp": SENT, "event_type": ""}, "no event_type"),
        ({"timestamp": SENT, "event_type": 5}, "no event_type"),
        ({"event_type": "stack.created"}, "no timestamp"),
        ({"event_type": "stack.created", "timestamp": True}, "no timestamp"),
        ({"event_type": "stack.created", "timestamp": "soon"}, "no timestamp"),
        ({"event_type": "stack.created", "timestamp": ""}, "no timestamp"),
        ({"event_type": "stack.created", "timestamp": 10**17}, "no timestamp"),
        ({"event_type": "stack.created", "timestamp": "9" * 5000}, "no timestamp"),
        ('{"event_type":"stack.created","timestamp":1e999}', "no timestamp"),
    ],
)
def test_body_that_is_not_a_webhook(body: Any, message: str) -> None:
    with pytest.raises(WebhookError, match=message) as caught:
        parse_webhook(body)
    assert isinstance(caught.value, Cloud66Error)
    assert caught.value.__cause__ is None
    assert "msgspec" not in error_output(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("body", [f"{{{HOOK}", f"{HOOK}".encode(), {"a": HOOK}, {"event_type": "x", "a": HOOK}])
def test_error_shows_nothing_of_the_body(body: Any) -> None:
    with pytest.raises(WebhookError) as caught:
        parse_webhook(body)
    assert "HOOK-planted" not in error_output(caught.value)
    assert "HOOK-planted" not in package_locals(caught.value)


# --- any input

FIELDS = sorted({field.name for kind in get_args(WebhookEvent) for field in attrs.fields(kind)} | STACK.keys())
NAMES = [*EventType, "stack", "stack.", ".", "application.x", "backup.x", "service.x", "server.x", "app.x"]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["", "1", "NaN", "2014-08-14 00:38:14 UTC", "0001-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", *FIELDS]), inner, max_size=4),
    max_leaves=6,
)
bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6)


def outcome(body: bytes | str | Mapping[str, Any]) -> WebhookEvent | WebhookError:
    try:
        return parse_webhook(body)
    except WebhookError as error:
        return error


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_text_is_an_event_or_an_error(body: bytes | str) -> None:
    assert isinstance(outcome(body), (Model, WebhookError))


@given(values)
def test_any_json_is_an_event_or_an_error(value: Any) -> None:
    assert isinstance(outcome(json.dumps(value)), (Model, WebhookError))


@given(bodies, st.sampled_from(NAMES) | st.text(min_size=1), st.integers(0, 2**31))
def test_any_object_with_name_and_timestamp_is_an_event(body: dict[str, Any], name: str, sent: int) -> None:
    complete = body | {"event_type": str(name), "timestamp": sent}
    found = outcome(complete)
    assert isinstance(found, get_args(WebhookEvent))
    assert not isinstance(found, WebhookError)
    assert found.event_type == name
    assert found.timestamp == datetime.fromtimestamp(sent, UTC)
    assert repr(found)
    assert json.dumps(found.to_dict())
