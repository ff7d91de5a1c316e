"""What the sandbox received: the log, assertions about it, and the strict sandbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from cloud66_async import Cloud66, Retry, Secret
from cloud66_async._http.library import httpx
from cloud66_async.clock import SystemClock
from cloud66_async.errors import NotFound, ServerError, Unsupported
from cloud66_async.operation import get, post
from cloud66_async.sandbox import FakeCloud66, FakeStack, SandboxServer

from ..conftest import PoolName
from .conftest import Connected

ONCE = Retry(attempts=1)
Strict = tuple[FakeCloud66, Callable[[], Cloud66], type[Exception]]
NO_SUCH_OPERATION = get("/stack/{stack}.json")
NO_SUCH_WRITE = post("/stacks/{stack}/explode.json")


# --- log -----------------------------------------------------------------------------------------


async def test_entry_has_parameters_account_scope_outcome_and_time(connected: Connected) -> None:
    fake, c66 = connected
    stack = next(iter(fake.world.stacks))
    before = fake.world.clock.now()
    await c66.using(account=1).stacks.redeploy(stack, git_ref="v2", services=["web", "api"])
    [entry] = fake.requests_to("stacks.redeploy")
    assert (entry.operation, entry.method, entry.account, entry.scope) == ("stacks.redeploy", "POST", "1", "redeploy")
    assert entry.parameters["stack"] == stack
    assert entry.parameters["git_ref"] == "v2"
    assert (entry.attempt, entry.outcome, entry.status, entry.complete) == (1, "200", 200, True)
    assert before <= entry.time <= fake.world.clock.now()
    assert str(entry).startswith(f"stacks.redeploy(stack={stack!r}, git_ref='v2'")
    assert str(entry).endswith(" -> 200, account 1")


async def test_values_of_paths_and_queries_have_their_types(fake: FakeCloud66) -> None:
    stack = fake.add_stack("web")
    async with fake.client() as c66:
        action = (await c66.stacks.redeploy(stack.uid)).async_action_id
        assert action is not None
        await c66.actions.get(stack.uid, action)
        await c66.stacks.list(environment="production").page(2)
    assert fake.requests_to("actions.get")[0].parameters == {"stack": stack.uid, "action": action}
    [listed] = fake.requests_to("stacks.list")
    assert listed.parameters == {"filter_environment": "production", "page": 2}
    assert listed.target == "/api/3/stacks.json?filter_environment=production&page=2"


async def test_attempts_of_one_call_are_counted(connected: Connected) -> None:
    fake, c66 = connected
    stack = next(iter(fake.world.stacks))
    fake.faults.fail(500, operation="stacks.get")
    fake.faults.cut("inside", operation="stacks.get")
    fake.faults.cut("after", operation="stacks.get")
    await c66.stacks.get(stack)
    await c66.stacks.get(stack)
    found = [(entry.attempt, entry.outcome) for entry in fake.requests_to("stacks.get")]
    assert found == [(1, "500"), (2, "dropped"), (3, "200 (incomplete)"), (4, "200"), (1, "200")]


async def test_log_never_shows_secrets(connected: Connected) -> None:
    fake, c66 = connected
    stack = next(iter(fake.world.stacks))
    token = "h1dden-device"
    await c66.environment_variables.create(stack, "API_KEY", value="h1dden-value")
    with pytest.raises(NotFound):
        await c66.devices.delete(1, token)
    with pytest.raises(NotFound):
        await c66.stacks.get("gone")
    application = fake.add_application(client_secret="h1dden-client", redirect_urls=["https://app.example/callback"])
    async with fake.client(application=application) as other:
        login = other.login()
        await other.finish_login(login, await fake.consent(login.url))
    async with httpx.AsyncClient(transport=fake.httpx_transport(), base_url="https://x") as browser:
        headers = {"Authorization": f"Bearer {fake.add_token().reveal()}"}
        await browser.get("/api/3/stacks.json?unknown=h1dden-query", headers=headers)
        await browser.post("/api/3/stacks.json", headers=headers, json={"unknown": "h1dden-body", "name": "a"})
        await browser.get("/storage/file?signature=h1dden-signature")
        await browser.post(f"/stacks/redeploy/{stack}/h1dden-hook")
        await browser.get("/oauth/authorize/native?code=h1dden-code")
        await browser.get("/nothing/here?key=h1dden-key")
    text = f"{fake.requests!r} {[*map(str, fake.requests)]} {fake.describe_calls(last=100)}"
    assert "h1dden" not in text
    for grant in fake.tokens:
        assert grant.token.reveal() not in text
    [created] = fake.requests_to("environment_variables.create")
    assert created.parameters["value"] == Secret("h1dden-value")
    assert created.parameters["key"] == "API_KEY"
    [redeployed] = fake.requests_to("stacks.redeploy_by_hook")
    assert redeployed.target == f"/stacks/redeploy/{stack}/********"
    [exchange] = fake.requests_to("oauth.token")
    assert exchange.parameters["grant_type"] == "authorization_code"
    assert exchange.parameters["code"] == Secret(exchange.parameters["code"].reveal())


async def test_invalid_request_is_logged_without_its_values(fake: FakeCloud66) -> None:
    headers = {"Authorization": f"Bearer {fake.add_token().reveal()}", "Content-Type": "application/json"}
    uid = fake.add_stack("web").uid
    async with httpx.AsyncClient(transport=fake.httpx_transport(), base_url="https://x", headers=headers) as browser:
        for body in (b"{", b"[1]", b'{"value": 1}', b'{"key": [1], "value": {"a": "h1dden"}}'):
            response = await browser.post(f"/api/3/stacks/{uid}/environments.json", content=body)
            assert response.status_code == 400
    assert {str(entry) for entry in fake.requests} == {f"environment_variables.create(stack={uid!r}) -> 400"}


# --- assertions ----------------------------------------------------------------------------------


async def redeploy(fake: FakeCloud66, stack: FakeStack) -> None:
    async with fake.client() as c66:
        await c66.stacks.list()
        await c66.stacks.redeploy(stack.uid, git_ref="v1")
        await c66.environment_variables.create(stack.uid, "A", value="h1dden")


async def test_assert_called(fake: FakeCloud66, web: FakeStack) -> None:
    await redeploy(fake, web)
    fake.assert_called("stacks.redeploy")
    fake.assert_called("stacks.redeploy", times=1, git_ref="v1", stack=web.uid)
    fake.assert_called("stacks.redeploy", times=1, stack=web)
    fake.assert_not_called("stacks.redeploy", stack=fake.add_stack("other"))
    fake.assert_called("stacks.redeploy", times=0, git_ref="v2")
    fake.assert_called("environment_variables.create", key="A", value="h1dden")
    fake.assert_called("environment_variables.create", value=Secret("h1dden"), apply_strategy=None)
    fake.assert_not_called("stacks.create")
    fake.assert_not_called("stacks.redeploy", git_ref="v2")
    fake.assert_not_called("environment_variables.create", value="other")


async def test_failed_assertions_list_what_was_called_instead(fake: FakeCloud66, web: FakeStack) -> None:
    await redeploy(fake, web)
    reference = fake.requests_to("stacks.redeploy")[0].parameters["user_reference"]
    with pytest.raises(AssertionError) as caught:
        fake.assert_called("stacks.redeploy", times=1, git_ref="v2")
    assert str(caught.value) == (
        "expected 1 request to stacks.redeploy with git_ref='v2', found 0\n"
        "requests to stacks.redeploy with other parameters:\n"
        f"  stacks.redeploy(stack={web.uid!r}, git_ref='v1', user_reference={reference!r}) -> 200\n"
        "other requests:\n"
        "  stacks.list(page=1) -> 200\n"
        f"  environment_variables.create(stack={web.uid!r}, key='A', value=Secret('********')) -> 200"
    )
    with pytest.raises(
        AssertionError, match=r"expected no request to stacks\.list, found 1:\n  stacks\.list\(page=1\) -> 200"
    ):
        fake.assert_not_called("stacks.list")
    with pytest.raises(AssertionError, match=r"expected a request to stacks\.create, found 0\nother requests:"):
        fake.assert_called("stacks.create")
    with pytest.raises(AssertionError) as caught:
        fake.assert_called("environment_variables.create", value="0ther")
    assert "value=********, found 0" in str(caught.value)
    assert "0ther" not in str(caught.value)


async def test_failed_assertion_about_a_stack_names_its_uid(fake: FakeCloud66, web: FakeStack) -> None:
    with pytest.raises(AssertionError, match=f"expected a request to stacks.get with stack='{web.uid}', found 0"):
        fake.assert_called("stacks.get", stack=web)


def test_failed_assertion_without_requests(fake: FakeCloud66) -> None:
    with pytest.raises(AssertionError, match=r"expected 2 requests to stacks\.get, found 0; there were no requests"):
        fake.assert_called("stacks.get", times=2)
    assert fake.describe_calls() == "no requests"


async def test_assert_no_writes(connected: Connected) -> None:
    fake, c66 = connected
    stack = next(iter(fake.world.stacks))
    await c66.stacks.get(stack)
    fake.assert_no_writes()
    await c66.stacks.redeploy(stack)
    with pytest.raises(AssertionError, match=r"expected no writes, found 1:\n  stacks\.redeploy\(stack="):
        fake.assert_no_writes()


async def test_login_is_not_a_write_but_a_hook_is(fake: FakeCloud66) -> None:
    async with httpx.AsyncClient(transport=fake.httpx_transport(), base_url="https://x") as browser:
        await browser.post("/oauth/token", data={"grant_type": "password"})
        fake.assert_no_writes()
        await browser.post("/stacks/redeploy/abc/def")
    with pytest.raises(AssertionError, match=r"stacks\.redeploy_by_hook\(stack='abc'\) -> 404"):
        fake.assert_no_writes()


def test_unknown_parameter_is_rejected(fake: FakeCloud66) -> None:
    with pytest.raises(ValueError, match=r"unknown parameter 'gitref' of stacks\.redeploy: did you mean 'git_ref'\?"):
        fake.assert_called("stacks.redeploy", gitref="v2")
    fake.assert_not_called("oauth.token", anything="x")


async def test_latest_requests_are_described(fake: FakeCloud66) -> None:
    stacks = fake.seed(12)
    async with fake.client() as c66:
        for stack in stacks:
            await c66.stacks.get(stack.uid)
    fake.faults.drop(operation="stacks.list")
    lines = fake.describe_calls(last=3).splitlines()
    assert lines[0] == "12 requests to the sandbox, the last 3:"
    assert lines[1].endswith(f"  stacks.get(stack={stacks[9].uid!r}) -> 200")
    assert lines[4] == "fault rules that never applied: drop(operation='stacks.list')"
    assert len(fake.describe_calls().splitlines()) == 12


# --- strict sandbox ------------------------------------------------------------------------------


@pytest.fixture(params=["in process", "own", "httpx"])
def strict(request: pytest.FixtureRequest) -> Iterator[Strict]:
    """A strict sandbox, a function that creates a client, and the error of an unexpected request."""
    if request.param == "in process":
        fake = FakeCloud66(strict=True)
        yield fake, lambda: fake.client(retry=ONCE), AssertionError
        return
    fake = FakeCloud66(clock=SystemClock(), strict=True)
    pool: PoolName = request.param
    with SandboxServer(fake) as server:
        yield fake, lambda: Cloud66(fake.add_token(), url=server.url, pool=pool, retry=ONCE), ServerError


async def test_strict_sandbox_rejects_unexpected_writes(strict: Strict) -> None:
    fake, client, error = strict
    stack = fake.add_stack("web")
    before = len(stack.deployments)
    async with client() as c66:
        await c66.stacks.list()
        with pytest.raises(error, match=r"a write that was not expected; call expect_writes\('stacks\.redeploy'\)"):
            await c66.stacks.redeploy(stack.uid)
        assert len(stack.deployments) == before
        fake.expect_writes("stacks.redeploy", "jobs.run_now")
        await c66.stacks.redeploy(stack.uid)
    with pytest.raises(AssertionError, match=r"unexpected requests:\n  stacks\.redeploy \(POST /api/3/stacks/"):
        fake.verify()


async def test_expected_write_that_never_happened_fails_the_test(fake: FakeCloud66, web: FakeStack) -> None:
    fake.expect_writes("stacks.redeploy", "jobs.run_now")
    fake.expect_writes("stacks.create", allow_unused=True)
    with pytest.raises(AssertionError, match=r"never happened: stacks\.redeploy, jobs\.run_now; .*; no requests"):
        fake.verify()
    await redeploy(fake, web)
    with pytest.raises(AssertionError) as caught:
        fake.verify()
    message, _, listed = str(caught.value).partition("\nrequests:\n")
    assert message == (
        "expected writes that never happened: jobs.run_now; correct the test or the code, or pass allow_unused=True to "
        "expect_writes"
    )
    assert [line.partition("(")[0].strip() for line in listed.splitlines()] == [
        "stacks.list",
        "stacks.redeploy",
        "environment_variables.create",
    ]


async def test_strict_sandbox_rejects_requests_without_an_operation(strict: Strict) -> None:
    fake, client, error = strict
    async with client() as c66:
        for call in (NO_SUCH_OPERATION.bind(stack="a"), NO_SUCH_WRITE.bind(stack="a")):
            with pytest.raises(error, match=f"{call}: no operation has this method and path".replace("/", ".*/", 1)):
                await c66.send(call)
    with pytest.raises(AssertionError, match="no operation has this method and path; correct the request"):
        fake.verify()


async def test_strict_sandbox_accepts_logins_and_reads() -> None:
    fake = FakeCloud66(strict=True)
    application = fake.add_application(redirect_urls=["https://app.example/callback"])
    async with fake.client(application=application) as c66:
        login = c66.login()
        token = await c66.finish_login(login, await fake.consent(login.url))
        await c66.using(token=token).stacks.list()
    fake.verify()


async def test_sandbox_is_not_strict_by_default(fake: FakeCloud66) -> None:
    async with fake.client(retry=ONCE) as c66:
        with pytest.raises(Unsupported):
            await c66.send(NO_SUCH_OPERATION.bind(stack="a"))
    fake.verify()
    assert fake.clock.now() - fake.requests[0].time < timedelta(hours=1)
    assert fake.requests[0].operation is None


def test_name_of_a_variant_tells_the_operation(fake: FakeCloud66) -> None:
    with pytest.raises(ValueError, match=r"'stacks.restart': the method sends the operation 'actions.run'"):
        fake.calls("stacks.restart")
