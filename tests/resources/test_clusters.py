"""Clusters: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import NotFound, models
from cloud66_async.models import Cluster, ClusterNode, Health, StackStatus
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Cluster: """
        id uid name environment cloud region status health kubernetes_version node_count nodes created_at updated_at
        created_at_iso updated_at_iso
    """,
    models.ClusterNode: """
        name status instance_type capacity
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.clusters.list(), ("GET", "/clusters?page=1", None)),
    (lambda c66: c66.clusters.get("c"), ("GET", "/clusters/c", None)),
    (lambda c66: c66.clusters.get("c", show_log=True), ("GET", "/clusters/c?show_log=true", None)),
    (lambda c66: c66.clusters.create(), ("POST", "/clusters", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


@pytest.mark.parametrize("body", [{"response": {"uid": "c"}}, {"response": [1]}, {"ok": True}, "", None])
async def test_response_to_a_creation_is_ignored(body: object) -> None:
    async with client(Script(make_response(body))) as c66:
        await c66.clusters.create()


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller) -> None:
    for listed in call.get("/clusters"):
        assert listed.keys() == field_names(Cluster) - {"nodes"}
        cluster = call.get(f"/clusters/{listed['uid']}")
        assert cluster.keys() == field_names(Cluster)
        assert {key: value for key, value in cluster.items() if key != "nodes"} == listed
        assert len(cluster["nodes"]) == cluster["node_count"] == 3
        assert all(node.keys() == field_names(ClusterNode) for node in cluster["nodes"])
    assert error_code(call("GET", "/clusters/none")) == "not_found"


def test_log_is_sent_only_if_requested(call: Caller) -> None:
    path = f"/clusters/{call.get('/clusters')[0]['uid']}"
    assert "last_log" not in call.get(path, show_log="false")
    assert "3 nodes" in call.get(path, show_log="true")["last_log"]


def test_sample_stacks_are_in_these_clusters(fake: FakeCloud66, call: Caller) -> None:
    names = {cluster["name"] for cluster in call.get("/clusters")}
    assert {stack.data["cluster_name"] for stack in fake.seed(60)} - {None} <= names


# --- story ---------------------------------------------------------------------------------------


async def test_clusters_are_read_and_created(connected: Connected) -> None:
    c66 = connected.c66
    before = await c66.clusters.list()
    cluster = await c66.clusters.get(before[0].uid, show_log=True)
    assert (cluster.status, cluster.health) == (StackStatus.DEPLOYED, Health.HEALTHY)
    assert cluster.nodes is not None
    assert [node.status for node in cluster.nodes] == ["Ready"] * 3
    assert cluster.nodes[0].capacity == {"cpu": "4", "memory": "8152840Ki", "pods": "110"}
    await c66.clusters.create()
    *same, new = await c66.clusters.list()
    assert same == list(before)
    assert (new.node_count, new.status) == (0, StackStatus.PENDING_ANALYSIS)
    with pytest.raises(NotFound, match="no such cluster"):
        await c66.clusters.get("none")
