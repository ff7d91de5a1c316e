"""Gateways: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta

import pytest

from cloud66_async import Conflict, NotFound, Secret, models
from cloud66_async.models import Gateway, Outcome
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_error, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/accounts/1/gateways"

DOCUMENTED: Documented = {
    models.Gateway: """
        id name username address private_ip ttl content created_by updated_by created_at_iso updated_at_iso
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.gateways.list(1), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.gateways.create(1, name="g"), ("POST", f"{PATH}.json", {"name": "g"})),
    (
        lambda c66: c66.gateways.create(
            1, name="g", username="u", address="a", private_ip="p", ttl=60, content=Secret("k")
        ),
        (
            "POST",
            f"{PATH}.json",
            {"name": "g", "username": "u", "address": "a", "private_ip": "p", "ttl": 60, "content": "k"},
        ),
    ),
    (
        lambda c66: c66.gateways.update(1, 7, ttl=3600, content="k"),
        ("PUT", f"{PATH}/7.json", {"ttl": 3600, "content": "k"}),
    ),
    (lambda c66: c66.gateways.delete(1, 7), ("DELETE", f"{PATH}/7.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_outcome_has_no_message() -> None:
    async with client(Script(make_response({"response": {"ok": True}}))) as c66:
        assert await c66.gateways.create(1, name="g") == Outcome(ok=True)


@pytest.mark.parametrize("body", [b"", {"response": {"ok": True}}], ids=["empty", "outcome"])
async def test_either_response_to_a_deletion_is_accepted(body: object) -> None:
    async with client(Script(make_response(body))) as c66:
        await c66.gateways.delete(1, 7)


async def test_ttl_is_a_time_in_responses() -> None:
    data = [{"id": 7, "ttl": "2014-09-01T19:00:33Z", "content": "hush"}, {"id": 8, "ttl": None, "content": "N/A"}]
    async with client(Script(make_response({"response": data}))) as c66:
        opened, closed = await c66.gateways.list(1)
    assert (opened.ttl, closed.ttl) == (datetime(2014, 9, 1, 19, 0, 33, tzinfo=UTC), None)
    assert "hush" not in repr(opened)
    assert (opened.content, closed.content) == (Secret("hush"), Secret("N/A"))


async def test_key_is_in_no_traceback() -> None:
    async with client(Script(make_error(409, "conflict"))) as c66:
        for call in (c66.gateways.create(1, name="g", content="hush"), c66.gateways.update(1, 7, content="hush")):
            with pytest.raises(Conflict) as caught:
                await call
            frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
            shown = [frame.locals for frame in frames if "cloud66_async" in frame.filename]
            assert shown
            assert "hush" not in str(shown)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller) -> None:
    call.send("POST", f"{PATH}.json", {"name": "new"})
    sample, created = call.get(PATH)
    assert sample.keys() == created.keys() == field_names(Gateway) - {"created_at", "updated_at"}


def test_deletion_has_no_message(call: Caller) -> None:
    assert call.send("DELETE", f"{PATH}/{call.get(PATH)[0]['id']}.json") == {"ok": True}
    assert call.get(PATH) == []


def test_gateway_closes_when_its_time_is_over(fake: FakeCloud66, call: Caller) -> None:
    number = call.get(PATH)[0]["id"]
    assert call.send("PUT", f"{PATH}/{number}.json", {"ttl": 60, "content": "key"}) == {"ok": True}
    assert call.get(PATH)[0]["content"] == "key"
    fake.clock.advance(60)
    assert (call.get(PATH)[0]["content"], call.get(PATH)[0]["ttl"]) == ("N/A", None)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/accounts/2/gateways.json", None, "not_found"),
        ("POST", "/accounts/2/gateways.json", {"name": "g"}, "not_found"),
        ("POST", f"{PATH}.json", {}, "bad_request"),
        ("POST", f"{PATH}.json", {"name": ""}, "bad_request"),
        ("POST", f"{PATH}.json", {"name": "g", "ttl": 0}, "bad_request"),
        ("PUT", f"{PATH}/1.json", {"name": "g"}, "not_found"),
        ("DELETE", f"{PATH}/1.json", None, "not_found"),
    ],
)
def test_what_is_rejected(call: Caller, method: str, path: str, body: object, code: str) -> None:
    assert error_code(call(method, path, body)) == code


def test_scope_is_required(fake: FakeCloud66) -> None:
    caller = Caller(fake, fake.add_token(scopes=("public",)))
    assert caller.get(PATH)
    assert error_code(caller("POST", f"{PATH}.json", {"name": "g"})) == "forbidden"


# --- story ---------------------------------------------------------------------------------------


async def test_gateway_is_created_opened_and_deleted(connected: Connected) -> None:
    c66 = connected.c66
    assert (await c66.gateways.create(1, name="bastion", username="deploy", address="203.0.113.5")).ok
    created = next(item for item in await c66.gateways.list(1) if item.name == "bastion")
    assert (created.username, created.ttl, created.created_by) == ("deploy", None, "ada@example.com")
    await c66.gateways.update(1, created.id, ttl=3600, content="private key", name="door")
    opened = next(item for item in await c66.gateways.list(1) if item.id == created.id)
    assert (opened.name, opened.address, opened.content) == ("door", "203.0.113.5", Secret("private key"))
    assert opened.ttl is not None
    assert opened.updated_at is not None
    assert abs(opened.ttl - opened.updated_at - timedelta(hours=1)) <= timedelta(seconds=1)
    await c66.gateways.delete(1, created.id)
    assert created.id not in {item.id for item in await c66.gateways.list(1)}
    with pytest.raises(NotFound, match="no such gateway"):
        await c66.gateways.delete(1, created.id)
