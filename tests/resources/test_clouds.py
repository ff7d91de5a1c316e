"""Clouds: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import Cloud, CloudRegion, CloudServerSize
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Cloud: """
        name display_name key_name regions server_sizes
    """,
    models.CloudRegion: """
        id name old_id
    """,
    models.CloudServerSize: """
        id name
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.clouds.list(), ("GET", "/clouds.json?page=1", None)),
    (lambda c66: c66.clouds.get("digitalocean"), ("GET", "/clouds/digitalocean.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_ids_keep_their_spaces() -> None:
    data = {"name": "azure", "regions": [{"id": "East US"}], "server_sizes": [{"id": "Basic_A0 ", "name": "A0"}]}
    async with client(Script(make_response({"response": data}))) as c66:
        cloud = await c66.clouds.get("azure")
    assert cloud.regions == (CloudRegion(id="East US"),)
    assert cloud.server_sizes == (CloudServerSize(id="Basic_A0 ", name="A0"),)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller) -> None:
    for cloud in call.get("/clouds"):
        assert cloud.keys() == field_names(Cloud)
        earlier = {"old_id"} if cloud["name"] == "digitalocean" else set[str]()
        assert cloud["regions"]
        assert all(region.keys() == {"id", "name"} | earlier for region in cloud["regions"])
        assert all(size.keys() == field_names(CloudServerSize) for size in cloud["server_sizes"])
        assert call.get(f"/clouds/{cloud['name']}.json") == cloud
    assert error_code(call("GET", "/clouds/none.json")) == "not_found"


def test_sample_stacks_run_in_these_clouds(fake: FakeCloud66, call: Caller) -> None:
    for stack in fake.seed(30):
        if stack.data["cloud"] != "no_cloud":
            cloud = call.get(f"/clouds/{stack.data['cloud']}.json")
            assert stack.servers[0]["region"] in {region["id"] for region in cloud["regions"]}
            assert stack.servers[0]["params"]["size"] in {size["id"] for size in cloud["server_sizes"]}


def test_scope_is_required(fake: FakeCloud66) -> None:
    assert error_code(Caller(fake, fake.add_token(scopes=("public",)))("GET", "/clouds.json")) == "forbidden"


# --- story ---------------------------------------------------------------------------------------


async def test_clouds_are_read(connected: Connected) -> None:
    c66 = connected.c66
    clouds = await c66.clouds.list()
    assert {"aws", "digitalocean"} <= {cloud.name for cloud in clouds}
    assert await c66.clouds.get(clouds[0].name) == clouds[0]
    with pytest.raises(NotFound, match="no such cloud"):
        await c66.clouds.get("none")
