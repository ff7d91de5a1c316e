"""Helm releases: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json

import pytest

from cloud66_async import Conflict, models
from cloud66_async.models import HelmRelease
from cloud66_async.sandbox import FakeStack, Reply

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.HelmRelease: """
        uid display_name chart_name version repository body created_at_iso updated_at_iso
    """,
}

# --- wire form -----------------------------------------------------------------------------------

PATH = "/stacks/a/formations/fm-1/helm_releases.json"


REQUESTS: list[tuple[Use, Sent]] = [
    (
        lambda c66: c66.helm_releases.create("a", "fm-1", message="m", display_name="n", chart_name="c"),
        ("POST", PATH, {"message": "m", "helm_release": {"display_name": "n", "chart_name": "c"}}),
    ),
    (
        lambda c66: c66.helm_releases.create(
            "a", "fm-1", message="m", display_name="n", chart_name="c", version="1.0", repository="r", body="a: b"
        ),
        (
            "POST",
            PATH,
            {
                "message": "m",
                "helm_release": {
                    "display_name": "n",
                    "chart_name": "c",
                    "version": "1.0",
                    "repository": "r",
                    "body": "a: b",
                },
            },
        ),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


# --- sandbox -------------------------------------------------------------------------------------


def create(call: Caller, stack: FakeStack, helm_release: object, message: str = "m") -> Reply:
    """Return the reply to the request that creates a Helm release."""
    (formation,) = call.get(f"/stacks/{stack.uid}/formations.json")
    path = f"/stacks/{stack.uid}/formations/{formation['uid']}/helm_releases.json"
    return call("POST", path, {"message": message, "helm_release": helm_release})


def test_sandbox_returns_every_field(call: Caller, web: FakeStack) -> None:
    reply = create(call, web, {"display_name": "n", "chart_name": "c"})
    assert json.loads(reply.body)["response"].keys() == field_names(HelmRelease) - {"created_at", "updated_at"}


@pytest.mark.parametrize("change", [{"display_name": ""}, {"display_name": 7}, {"version": 1}, {"body": {}}])
def test_invalid_release_is_rejected(call: Caller, web: FakeStack, change: dict[str, object]) -> None:
    assert error_code(create(call, web, {"display_name": "n", "chart_name": "c"} | change)) == "bad_request"


def test_empty_message_is_rejected(call: Caller, web: FakeStack) -> None:
    assert error_code(create(call, web, {"display_name": "n", "chart_name": "c"}, message="")) == "bad_request"


def test_unknown_formation_is_not_found(call: Caller, web: FakeStack) -> None:
    body = {"message": "m", "helm_release": {"display_name": "n", "chart_name": "c"}}
    assert error_code(call("POST", f"/stacks/{web.uid}/formations/fm-0/helm_releases.json", body)) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_release_is_created(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    formation = await c66.formations.list(stack).first()
    assert formation is not None
    created = await c66.helm_releases.create(
        stack,
        formation.uid,
        message="Add it",
        display_name="queue",
        chart_name="rabbitmq",
        version="14.6.6",
        body="replicas: 3\n",
    )
    with pytest.raises(Conflict, match="queue"):
        await c66.helm_releases.create(
            stack,
            formation.uid,
            message="Add it",
            display_name="queue",
            chart_name="rabbitmq",
            version="14.6.6",
            body="replicas: 3\n",
        )
    (found,) = await c66.formations.list(stack, full_content=True)
    assert found.helm_releases is not None
    assert found.helm_releases[-1] == created
    assert (created.chart_name, created.version, created.body) == ("rabbitmq", "14.6.6", "replicas: 3\n")
