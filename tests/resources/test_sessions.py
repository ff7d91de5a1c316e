"""Sessions: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import BadRequest, models
from cloud66_async.models import Session
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCKER = {"framework": "docker", "backend": "kubernetes", "namespaces": ["docker-production"]}

DOCUMENTED: Documented = {
    models.Session: """
        uid title service_name command namespace deployment_name pod_name container_name id status
    """,
}


@pytest.fixture
def docker(fake: FakeCloud66) -> FakeStack:
    """A stack of `fake` that runs in containers."""
    return fake.add_stack("docker", fields=DOCKER)


# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (
        lambda c66: c66.sessions.create("a", service_name="web"),
        ("POST", "/stacks/a/sessions.json", {"service_name": "web"}),
    ),
    (
        lambda c66: c66.sessions.fetch("a", session_id="x"),
        ("GET", "/stacks/a/sessions/fetch.json?session_id=x", None),
    ),
    (
        lambda c66: c66.sessions.fetch("a", service_name="web"),
        ("GET", "/stacks/a/sessions/fetch.json?service_name=web", None),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"response": {"uid": "x", "pod_name": "p"}}, Session(uid="x", pod_name="p")),
        ({"id": 5, "status": "active"}, Session(id=5, status="active")),
    ],
    ids=["enveloped", "bare"],
)
async def test_session_is_read_from_both_forms(body: object, expected: Session) -> None:
    async with client(Script(make_response(body))) as c66:
        assert await c66.sessions.fetch("a", service_name="web") == expected


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(fake: FakeCloud66, call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/sessions"
    found: list[dict[str, object]] = []
    for _ in range(2):
        call.send("POST", f"{path}.json", {"service_name": "web"})
        fake.clock.advance(60)
        found.append(call.get(f"{path}/fetch.json", service_name="web"))
    earlier, latest = found
    assert earlier.keys() == latest.keys() == field_names(Session)
    assert call.get(f"{path}/fetch.json", session_id=earlier["uid"]) == earlier != latest
    assert call.get(f"{path}/fetch.json", session_id=latest["id"]) == latest
    assert call.get(f"{path}/fetch.json", session_id=latest["uid"], service_name="worker") == latest
    assert error_code(call("GET", f"{path}/fetch.json", service_name="worker")) == "bad_request"
    assert error_code(call("GET", f"{path}/fetch.json")) == "bad_request"


def test_session_needs_a_running_container(fake: FakeCloud66, call: Caller, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}"
    assert error_code(call("POST", f"{path}/sessions.json", {"service_name": "none"})) == "not_found"
    assert error_code(call("POST", f"{path}/sessions.json", {})) == "bad_request"
    call.send("DELETE", f"{path}/services/web.json")
    fake.clock.advance(60)
    assert error_code(call("POST", f"{path}/sessions.json", {"service_name": "web"})) == "bad_request"
    rails = fake.add_stack("rails", fields={"framework": "rails", "backend": None})
    assert error_code(call("POST", f"/stacks/{rails.uid}/sessions.json", {"service_name": "web"})) == "bad_request"


# --- story ---------------------------------------------------------------------------------------


async def test_session_is_created_and_fetched(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("docker", fields=DOCKER).uid
    with pytest.raises(BadRequest, match="no such session"):
        await c66.sessions.fetch(stack, service_name="web")
    await c66.actions.wait(await c66.sessions.create(stack, service_name="web"))
    latest = await c66.sessions.fetch(stack, service_name="web")
    assert (latest.service_name, latest.namespace, latest.status) == ("web", "docker-production", "active")
    assert latest.container_name in {container.name for container in await c66.containers.list(stack)}
    assert await c66.sessions.fetch(stack, session_id=latest.uid) == latest
