from __future__ import annotations

import httpx
import pytest

from cloud66_async.models import Health
from cloud66_async.testing import FakeCloud66


async def test_healthy_stacks_are_no_problem(cloud66: FakeCloud66, http: httpx.AsyncClient) -> None:
    cloud66.add_stack("web")
    assert (await http.get("/problems")).json() == []


async def test_stacks_with_problems_are_listed(cloud66: FakeCloud66, http: httpx.AsyncClient) -> None:
    cloud66.add_stack("web", health=Health.FAILED)
    cloud66.add_stack("api")
    cloud66.add_stack("jobs", health=Health.IMPAIRED)
    assert sorted((await http.get("/problems")).json()) == ["jobs", "web"]


async def test_problems_of_one_environment(cloud66: FakeCloud66, http: httpx.AsyncClient) -> None:
    for environment in ("production", "staging"):
        cloud66.add_stack(f"web-{environment}", environment=environment, health=Health.FAILED)
    assert (await http.get("/problems", params={"environment": "staging"})).json() == ["web-staging"]


async def test_every_page_of_a_long_list_is_read(cloud66: FakeCloud66, http: httpx.AsyncClient) -> None:
    for number in range(65):
        cloud66.add_stack(f"web-{number}", health=Health.FAILED)
    assert len((await http.get("/problems")).json()) == 65
    assert cloud66.calls("stacks.list") == 3


async def test_deployment_runs_for_a_minute(cloud66: FakeCloud66, http: httpx.AsyncClient) -> None:
    cloud66.add_stack("web", environment="staging")
    stack = cloud66.add_stack("web", environment="production")
    response = await http.post("/deployments/web")
    assert response.status_code == 202
    assert response.json()["stack"] == stack.uid
    url = "/deployments/{stack}/{action}".format(**response.json())
    assert not (await http.get(url)).json()["finished"]
    cloud66.clock.advance(60)
    assert (await http.get(url)).json()["succeeded"]


async def test_deployment_that_fails(cloud66: FakeCloud66, http: httpx.AsyncClient) -> None:
    cloud66.add_stack("web")
    cloud66.faults.action_fails(message="the build broke")
    started = (await http.post("/deployments/web")).json()
    cloud66.clock.advance(60)
    response = await http.get("/deployments/{stack}/{action}".format(**started))
    assert response.json() == {"finished": True, "succeeded": False, "message": "the build broke"}


async def test_unknown_stack(http: httpx.AsyncClient) -> None:
    assert (await http.post("/deployments/unknown")).status_code == 404


async def test_throttled(cloud66: FakeCloud66, http: httpx.AsyncClient) -> None:
    cloud66.faults.throttle()
    response = await http.get("/problems")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "60")


@pytest.mark.parametrize("operation", ["stacks.list", "stacks.redeploy"])
async def test_lost_response(cloud66: FakeCloud66, http: httpx.AsyncClient, operation: str) -> None:
    cloud66.add_stack("web")
    cloud66.faults.drop(operation=operation)
    response = await http.post("/deployments/web")
    assert (response.status_code, response.json()["may_have_started"]) == (502, True)
    assert cloud66.calls("stacks.redeploy") == (operation == "stacks.redeploy")
