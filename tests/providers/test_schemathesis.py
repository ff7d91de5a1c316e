"""Schemathesis: requests that it generates from the OpenAPI document, to the sandbox's server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cloud66_async.openapi import openapi
from cloud66_async.sandbox import SandboxServer

from ..openapi_requests import Requests

pytestmark = pytest.mark.slow

schemathesis: Any = pytest.importorskip("schemathesis")

OPERATIONS: dict[str, Any] = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in schemathesis.openapi.from_dict(openapi()).get_all_operations()
}
CHECKS = [
    schemathesis.checks.CHECKS.get_one(name)
    for name in ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
]
# The examples are the same in each run, so that a failure comes from a change.
EXAMPLES = settings(
    max_examples=6,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large),
)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Requests, str]]:
    """Return requests to a sandbox, and the URL of its server."""
    requests = Requests()
    with SandboxServer(requests.fake) as running:
        yield requests, f"{running.url}/api/3"


@pytest.fixture(autouse=True)
def restored(server: tuple[Requests, str]) -> Iterator[None]:
    """Undo the changes of each test in the sandbox."""
    fake = server[0].fake
    before = fake.snapshot()
    yield
    fake.restore(before)


# With paths of things that exist, requests come as far as their other parameters. With generated ones, few do.
@pytest.mark.parametrize("paths", ["existing", "generated"])
@pytest.mark.parametrize("parameters", ["positive", "negative"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_responses_match_the_document(name: str, parameters: str, paths: str, server: tuple[Requests, str]) -> None:
    operation, (requests, url) = OPERATIONS[name], server
    existing = requests.values(operation.path, operation.definition.raw)
    headers = {"Authorization": f"Bearer {requests.token.reveal()}"}

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(parameters)))
    def send(case: Any) -> None:
        if paths == "existing":
            case.path_parameters = existing
            case.headers.pop("X-Account", None)
        response = case.call(base_url=url, headers=headers)
        assert response.status_code < 500 or response.json()["error"] == "not_implemented"
        case.validate_response(response, checks=CHECKS)

    send()
