"""Requests in the forms that other clients of the API use, and responses as strictly as those clients read them.

The official client is written in Go. Its fields always have a value, so it sends an empty string, 0 or null for what is
not set. It reads an envelope after every call, even if it ignores what is in it, and only dates of RFC 3339.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from cloud66_async.sandbox import FakeStack, SandboxServer

_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_HEADERS = {
    "Accept": "application/json",
    "Request-Id": "0b6d7a3e-5c43-4f0e-9a25-0d9c7e1a2b3c",
    "User-Agent": "other/1.0 (linux; amd64)",
    "X-CxToken": "unknown",
}


class OtherClient:
    """Sends requests over a socket, with any body for any HTTP method."""

    def __init__(self, server: SandboxServer) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
        self._headers = {**_HEADERS, "Authorization": f"Bearer {server.fake.add_token().reveal()}"}
        self.headers: dict[str, str] = {}

    def __call__(
        self, method: str, path: str, body: object = None, form: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        """Return the status and the JSON of the response."""
        headers = dict(self._headers)
        data: str | None = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body), "application/json"
        elif form is not None:
            data, headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        self._connection.request(method, f"/api/3{path}", data, headers)
        response = self._connection.getresponse()
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, json.loads(response.read())

    def content(self, method: str, path: str, body: object = None, form: dict[str, str] | None = None) -> Any:
        """Return what is in the envelope of a successful response."""
        status, found = self(method, path, body, form)
        assert status == 200, found
        return found["response"]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def other(server: SandboxServer) -> Iterator[OtherClient]:
    client = OtherClient(server)
    yield client
    client.close()


@pytest.fixture
def docker(server: SandboxServer) -> FakeStack:
    return server.fake.add_stack("shop", fields={"framework": "docker", "backend": "docker"})


def wait(other: OtherClient, stack: FakeStack, action: int) -> Any:
    """Poll an action until it has finished, as the official client does."""
    for _ in range(100):
        found = other.content("GET", f"/stacks/{stack.uid}/actions/{action}.json")
        if found["finished_at"] is not None:
            return found
        assert (found["finished_success"], found["finished_message"]) == (None, None)
        time.sleep(0.05)
    raise AssertionError("the action did not finish")


# --- requests ------------------------------------------------------------------------------------


def test_headers_of_other_clients_are_accepted(other: OtherClient) -> None:
    assert other("GET", "/stacks.json?page=1")[0] == 200
    assert other.headers["request-id"] == _HEADERS["Request-Id"]
    assert other.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("form", ["{}.json", "{}", "{}/", "{}.json?page=1"])
def test_ending_of_a_path_does_not_matter(other: OtherClient, docker: FakeStack, form: str) -> None:
    for path in (f"/stacks/{docker.uid}/notifications", f"/stacks/{docker.uid}/services/web", "/failover_groups"):
        assert other("GET", form.format(path)) == other("GET", f"{path}.json")


def test_two_slashes_count_as_one(other: OtherClient, docker: FakeStack) -> None:
    backups = f"/stacks/{docker.uid}/backups"
    files = f"{backups}/{other.content('GET', f'{backups}.json?page=1')[0]['id']}/files"
    file = other.content("GET", f"{files}.json?page=1")[0]["id"]
    assert other.content("GET", f"{files}//{file}.json")["public_url"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/environments.json", {"key": "NEW", "value": "", "apply_strategy": ""}),
        ("PUT", "/environments/RAILS_ENV.json", {"value": "qa", "apply_strategy": ""}),
        ("POST", "/environments/bulk.json", {"environments_format": "json", "contents": "{}", "apply_strategy": ""}),
        ("POST", "/deployments.json", {"git_ref": "", "deploy_strategy": "", "deployment_profile": "", "services": []}),
        ("POST", "/deployments.json", {"git_ref": "main", "deploy_strategy": "serial", "services": None}),
        ("POST", "/reboot_servers.json", {"strategy": "serial", "group": ""}),
        ("POST", "/firewalls.json", {"ttl": 20, "from_ip": "AUTO", "port": 22, "server_id": ""}),
        ("POST", "/backups.json", {"db_type": "postgresql", "frequency": None, "keep_count": None, "gzip": None}),
    ],
)
def test_empty_string_or_null_is_a_parameter_that_is_not_set(
    other: OtherClient, docker: FakeStack, method: str, path: str, body: dict[str, Any]
) -> None:
    other.content(method, f"/stacks/{docker.uid}{path}", body)


def test_empty_string_is_a_value_where_a_string_is_meant(other: OtherClient, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/environments"
    started = other.content("POST", path, {"key": "EMPTY", "value": "", "apply_strategy": ""})
    assert wait(other, docker, started["id"])["finished_success"] is True
    assert [item["value"] for item in other.content("GET", path) if item["key"] == "EMPTY"] == [""]


@pytest.mark.parametrize("name", ["environments_format", "contents"])
def test_required_parameter_must_not_be_empty(other: OtherClient, docker: FakeStack, name: str) -> None:
    body = {"environments_format": "json", "contents": "{}", name: ""}
    status, error = other("POST", f"/stacks/{docker.uid}/environments/bulk.json", body)
    assert (status, error["error"]) == (400, "bad_request")


def test_new_stack_needs_a_target_or_a_manifest(server: SandboxServer, other: OtherClient) -> None:
    target = {"cloud": "", "key_name": "", "region": "", "size": "", "build_type": ""}
    body = {"name": "fresh", "environment": "qa", "service_yaml": "services: {}\n", "manifest_yaml": "", **target}
    assert other("POST", "/stacks", body)[0] == 400
    started = other.content("POST", "/stacks", {**body, "manifest_yaml": "qa: {}\n"})
    (stack,) = [stack for stack in server.fake.world.stacks.values() if stack.name == "fresh"]
    assert wait(other, stack, started["id"])["finished_success"] is True
    assert other.content("GET", f"/stacks/{stack.uid}.json")["cloud"] == "no_cloud"


def test_empty_git_ref_is_the_branch_of_the_stack(other: OtherClient, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/deployments.json"
    assert other.content("POST", path, {"git_ref": ""})["ok"] is True
    assert other.content("GET", path)[0]["git_ref"] == docker.data["git_branch"]


def test_get_request_can_have_its_parameters_in_a_json_body(other: OtherClient, docker: FakeStack) -> None:
    server = docker.servers[0]["uid"]
    path = f"/stacks/{docker.uid}/servers/{server}.json"
    assert "ssh_private_key" not in other.content("GET", path, {"include_private_key": 0})
    assert other.content("GET", path, {"include_private_key": 1})["ssh_private_key"]
    path = f"/stacks/{docker.uid}/containers.json?page=1"
    every = other.content("GET", path, {"server_uid": "", "service_name": ""})
    worker = other.content("GET", path, {"server_uid": "", "service_name": "worker"})
    assert (len(every), {item["service_name"] for item in worker}) == (3, {"worker"})


def test_delete_request_can_have_a_json_body(other: OtherClient, docker: FakeStack) -> None:
    path, server = f"/stacks/{docker.uid}/services/web.json", docker.servers[0]["uid"]
    started = other.content("DELETE", path, {"server_uid": server})
    assert wait(other, docker, started["id"])["finished_success"] is True
    assert server not in {item["server_uid"] for item in other.content("GET", path)["containers"]}
    assert other("DELETE", path, {"server_uid": "unknown"})[0] == 404


def test_bodies_can_be_forms(other: OtherClient, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/environments"
    started = other.content("POST", path, form={"key": "FROM_FORM", "value": "a b&c", "apply_strategy": ""})
    assert wait(other, docker, started["id"])["finished_success"] is True
    values = {item["key"]: item["value"] for item in other.content("GET", path)}
    assert values["FROM_FORM"] == "a b&c"
    names = "a.example.com,b.example.com"
    fields = {"type": "lets_encrypt", "server_names": names, "ssl_termination": "true"}
    form = {f"ssl_certificate[{name}]": value for name, value in fields.items()}
    created = other.content("POST", f"/stacks/{docker.uid}/ssl_certificates.json", form=form)
    assert (created["server_names"], created["ssl_termination"]) == (names, True)


def test_null_is_an_empty_list_of_tags(other: OtherClient, docker: FakeStack) -> None:
    path = f"/tags/stack/{docker.uid}"
    for add, delete, expected in ((["blue"], None, ["blue"]), (None, ["blue"], [])):
        operations = [{"op": "add", "tags": add}, {"op": "delete", "tags": delete}]
        found = other.content("PATCH", path, {"operations": operations})
        assert [tag["value"] for tag in found["tags"]] == expected


def test_zero_is_a_firewall_rule_without_a_lifetime(other: OtherClient, docker: FakeStack) -> None:
    path = f"/stacks/{docker.uid}/firewalls.json"
    targets = {"from_group_id": 0, "from_server_id": 0, "to_ip": "", "to_group_id": 0, "to_server_id": 0}
    rule = {"id": 0, "from_ip": "203.0.113.9", **targets, "protocol": "1", "port": 5432, "ttl": 0}
    started = other.content("POST", path, rule)
    assert wait(other, docker, started["id"])["finished_success"] is True
    created = other.content("GET", path)[-1]
    assert (created["from_ip"], created["protocol"], created["port"]) == ("203.0.113.9", "tcp", 5432)
    assert created["ttl"] is None


# --- responses -----------------------------------------------------------------------------------


def test_every_list_of_pages_ends(other: OtherClient) -> None:
    names: list[str] = []
    page = 1
    while True:
        _, found = other("GET", f"/stacks.json?page={page}")
        names += [stack["name"] for stack in found["response"]]
        pagination = found["pagination"]
        assert pagination["current"] == page
        if (pagination["next"] or 0) <= page:
            break
        page = pagination["next"]
    assert (page, len(names), pagination["next"]) == (3, 75, None)


def test_responses_that_clients_ignore_have_an_envelope(other: OtherClient) -> None:
    key = base64.b64encode(b"ssh-ed25519 AAAA other").decode()
    assert other.content("POST", "/ssh_keys/access.json", {"public_key": key})
    assert other.content("GET", "/ping.json")
    assert other.content("GET", "/ping/auth.json")["ok"] is True
    assert other.content("POST", "/accounts/1/gateways.json", {"name": "new", "address": "", "username": ""})
    gateway = f"/accounts/1/gateways/{other.content('GET', '/accounts/1/gateways.json')[-1]['id']}.json"
    assert other.content("PUT", gateway, {"content": "key", "ttl": 60})
    assert other.content("DELETE", gateway)


def test_dates_that_the_official_client_reads(other: OtherClient, docker: FakeStack) -> None:
    stack = f"/stacks/{docker.uid}"
    started = other.content("PUT", f"{stack}/environments/RAILS_ENV.json", {"value": "qa", "apply_strategy": ""})
    wait(other, docker, started["id"])
    variable = other.content("GET", f"{stack}/environments.json")[0]
    tags = other.content("PATCH", f"/tags/stack/{docker.uid}", {"operations": [{"op": "add", "tags": ["blue"]}]})
    plain, iso = ("created_at", "updated_at"), ("created_at_iso", "updated_at_iso")
    for record, names in (
        (other.content("GET", "/accounts.json")[0], plain),
        (other.content("GET", f"{stack}.json"), (*iso, "last_activity_iso")),
        (other.content("GET", f"{stack}/servers.json")[0], plain),
        (other.content("GET", f"{stack}/containers.json")[0], (*plain, "started_at")),
        (other.content("GET", f"{stack}/application_variants.json")[0], (*plain, *iso)),
        (variable, iso),
        (variable["history"][0], iso),
        (tags, iso),
    ):
        assert {name: record[name] for name in names if not _DATE.fullmatch(record[name])} == {}
