"""Config store records: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest

from cloud66_async import BadRequest, Cloud66, Conflict, NotFound, Secret, models
from cloud66_async.models import ConfigStoreRecord
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/configstore/namespaces/n/records"

DOCUMENTED: Documented = {
    models.ConfigStoreRecord: """
        key raw_value metadata ttl
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.config_store_records.list("n"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.config_store_records.get("n", "key"), ("GET", f"{PATH}/key.json", None)),
    (
        lambda c66: c66.config_store_records.create("n", "a.b", raw_value="v"),
        ("POST", f"{PATH}.json", {"record": {"key": "a.b", "raw_value": "v"}}),
    ),
    (
        lambda c66: c66.config_store_records.update("n", "a.b", raw_value=Secret("v"), metadata={"owner": "me"}, ttl=0),
        (
            "PUT",
            f"{PATH}/a%2Eb.json",
            {"record": {"key": "a.b", "raw_value": "v", "metadata": {"owner": "me"}, "ttl": 0}},
        ),
    ),
    (lambda c66: c66.config_store_records.delete("n", "k"), ("DELETE", f"{PATH}/k.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize(
    ("key", "segment"),
    [("a.b", "a%2Eb"), ("x.json", "x%2Ejson"), (".json", "%2Ejson"), ("..", "%2E%2E"), ("a/b c", "a%2Fb%20c"),
     ("a%2Eb", "a%252Eb"), ("ä.ö", "%C3%A4%2E%C3%B6")],
)  # fmt: skip
async def test_keys_in_paths(key: str, segment: str) -> None:
    """Dots are encoded, unlike those of the namespace and of other paths."""
    _, target, _ = await sent(lambda c66: c66.config_store_records.get("n.s", key))
    assert target == f"/configstore/namespaces/n.s/records/{segment}.json"


@pytest.mark.parametrize("method", ["create", "update"])
async def test_value_is_in_no_traceback_and_masked_if_the_server_repeats_it(method: str) -> None:
    async with client(Script(make_response({"error": "bad_request", "details": "not hush/42"}, 400))) as c66:
        with pytest.raises(BadRequest, match=r"not \*{8}") as caught:
            await getattr(c66.config_store_records, method)("n", "k", raw_value="hush/42")
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = [frame for frame in frames if "cloud66_async" in frame.filename]
    assert shown
    assert "hush" not in str([frame.locals for frame in shown])


@pytest.mark.parametrize(("value", "text"), [("x", "x"), (5, "5"), ({"a": 1}, '{"a":1}')])
async def test_values_of_any_type_are_secrets(value: object, text: str) -> None:
    async with client(Script(make_response({"response": {"key": "k", "raw_value": value}}))) as c66:
        found = await c66.config_store_records.get("n", "k")
    assert found.raw_value == Secret(text)
    assert found.to_dict()["raw_value"] == "********"


# --- sandbox -------------------------------------------------------------------------------------


def records_path(web: FakeStack) -> str:
    return f"/configstore/namespaces/{web.data['configstore_namespace']}/records"


def test_sandbox_has_every_field(call: Caller, web: FakeStack) -> None:
    path = records_path(web)
    created = call.send("POST", f"{path}.json", {"record": {"key": "k", "raw_value": "v"}})
    (sample, listed) = call.get(f"{path}.json")
    assert created == listed == call.get(f"{path}/k")
    assert created.keys() == sample.keys() == field_names(ConfigStoreRecord)
    assert call.send("DELETE", f"{path}/k.json") == created


def test_key_that_ends_in_json(call: Caller, web: FakeStack) -> None:
    path = records_path(web)
    for key in ("x", "x.json"):
        call.send("POST", f"{path}.json", {"record": {"key": key, "raw_value": key}})
    assert call.get(f"{path}/x.json")["key"] == "x"
    assert call.get(f"{path}/x%2Ejson.json")["key"] == "x.json"


@pytest.mark.parametrize(
    ("method", "path", "record", "code"),
    [("POST", "", {"key": "license.key", "raw_value": "v"}, "conflict"), ("POST", "", {"key": "k"}, "bad_request"),
     ("POST", "", {"key": "", "raw_value": "v"}, "bad_request"),
     ("POST", "", {"key": "k", "raw_value": "v", "ttl": -1}, "bad_request"),
     ("POST", "", {"key": "k", "raw_value": "v", "metadata": {"a": 1}}, "bad_request"),
     ("PUT", "/license%2Ekey", {"key": "other", "raw_value": "v"}, "bad_request"),
     ("PUT", "/none", {"key": "none", "raw_value": "v"}, "not_found"),
     ("GET", "/none", None, "not_found"), ("DELETE", "/none", None, "not_found")],
)  # fmt: skip
def test_requests_that_are_rejected(
    call: Caller, web: FakeStack, method: str, path: str, record: dict[str, Any] | None, code: str
) -> None:
    body = None if record is None else {"record": record}
    assert error_code(call(method, f"{records_path(web)}{path}.json", body)) == code


def test_namespaces_of_other_accounts_are_not_found(fake: FakeCloud66, call: Caller) -> None:
    other = fake.add_stack("web", account=2)
    assert error_code(call("GET", f"{records_path(other)}.json")) == "not_found"
    stranger = Caller(fake, fake.add_token(fake.add_user("eve@example.com", accounts=(2,))))
    namespace = stranger.get("/accounts/2.json")["configstore_namespace"]
    assert len(stranger.get(f"/configstore/namespaces/{namespace}/records.json")) == 1
    assert json.loads(call("GET", f"/configstore/namespaces/{namespace}/records.json").body)["error"] == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def use_records(c66: Cloud66, namespace: str) -> None:
    records, key = c66.config_store_records, "payments/api.v2 key"
    created = await records.create(namespace, key, raw_value="red", metadata={"owner": "me"}, ttl=60)
    assert (created.raw_value, created.metadata, created.ttl) == (Secret("red"), {"owner": "me"}, 60)
    with pytest.raises(Conflict):
        await records.create(namespace, key, raw_value="green")
    changed = await records.update(namespace, key, raw_value=Secret("blue"))
    assert changed.raw_value == Secret("blue")
    assert await records.get(namespace, key) == changed
    assert changed in await records.list(namespace)
    assert await records.delete(namespace, key) == changed
    with pytest.raises(NotFound):
        await records.get(namespace, key)


async def test_records_of_a_stack_and_of_an_account(connected: Connected) -> None:
    fake, c66 = connected
    stack, account = await c66.stacks.get(fake.add_stack("web").uid), await c66.accounts.get(1)
    for namespace in (stack.configstore_namespace, account.configstore_namespace):
        assert namespace is not None
        await use_records(c66, namespace)
