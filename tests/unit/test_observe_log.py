"""Log lines of requests."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
from typing import Any

import pytest

from cloud66_async import Cloud66, NotFound, Retry
from cloud66_async.clock import SystemClock
from cloud66_async.observe import Attempt
from cloud66_async.operation import get
from cloud66_async.sandbox import FakeCloud66, SandboxServer

from ..conftest import PoolName
from ..support import ONCE, SECRET, TOKEN, Script, client, make_error, make_response

LOGGER = "cloud66_async.requests"
_FIELD = re.compile(r'([a-z_-]+)=("(?:[^"\\]|\\.)*"|[^" ]+)')


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == LOGGER]


def fields(record: logging.LogRecord) -> dict[str, str]:
    """Return the fields of a log line as a program would read them."""
    line = record.getMessage()
    found = dict(_FIELD.findall(line))
    assert " ".join(f"{name}={value}" for name, value in found.items()) == line
    return {name: json.loads(value) if value.startswith('"') else value for name, value in found.items()}


async def test_each_attempt_has_one_line(transport: PoolName, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    fake = FakeCloud66(clock=SystemClock())
    stack = fake.add_stack("web")
    fake.faults.fail(503, times=1)
    with SandboxServer(fake) as server:
        retry = Retry(attempts=2, base=0)
        async with Cloud66(fake.add_token(), url=server.url, pool=transport, retry=retry) as c66:
            await c66.stacks.get(stack.uid)
    failed, succeeded = records(caplog)
    assert (failed.levelno, succeeded.levelno) == (logging.WARNING, logging.DEBUG)
    first, second = fields(failed), fields(succeeded)
    ids = [first.pop("request_id"), second.pop("request_id")]
    assert ids == [request.request_id for request in fake.requests]
    assert float(first.pop("ms")) > 0
    assert float(second.pop("ms")) > 0
    assert first.pop("message").startswith(f"503 for GET /stacks/{stack.uid}.json: ")
    shared = {"operation": "stacks.get", "stack": stack.uid, "content-type": "application/json; charset=utf-8"}
    assert first == {**shared, "status": "503", "attempt": "1", "error": "ServerError", "retry_in": "0.0"}
    quota = {"x-ratelimit-limit": "3600", "x-ratelimit-remaining": "3599"}
    assert second == {**shared, "status": "200", "attempt": "2", **quota}


async def test_names_and_order_of_the_fields_are_stable(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    replies = (make_response({"response": []}), make_error(404))
    async with client(Script(*replies), retry=ONCE) as c66:
        await c66.stacks.list().first()
        with pytest.raises(NotFound):
            await c66.stacks.get("a")
    succeeded, failed = (re.sub(r"(ms|request_id)=\S+", r"\1", record.getMessage()) for record in records(caplog))
    assert succeeded == "operation=stacks.list stack=- status=200 attempt=1 ms request_id"
    assert re.sub('message=".*"', "message", failed) == (
        "operation=stacks.get stack=a status=404 attempt=1 ms request_id error=NotFound retry_in=- message"
    )


async def test_cancelled_attempt_is_not_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    async with client(Script(lambda _: asyncio.Event().wait())) as c66:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await c66.stacks.get("a")
    [record] = records(caplog)
    assert record.levelno == logging.DEBUG
    line = re.sub(r"(ms|request_id)=\S+", r"\1", record.getMessage())
    assert line == "operation=stacks.get stack=a status=- attempt=1 ms request_id error=cancelled"


async def test_fields_are_attributes_of_the_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    found: list[Attempt] = []
    reply = make_error(404, x_ratelimit_remaining="7")
    async with client(Script(reply), retry=ONCE, observer=found.append) as c66:
        with pytest.raises(NotFound) as caught:
            await c66.stacks.get("a")
    [record], [attempt] = records(caplog), found
    extra = {
        name.removeprefix("cloud66_"): value for name, value in vars(record).items() if name.startswith("cloud66_")
    }
    assert extra == {
        "operation": "stacks.get",
        "stack": "a",
        "status": 404,
        "attempt": 1,
        "ms": round(attempt.seconds * 1000, 1),
        "request_id": attempt.request_id,
        "error": "NotFound",
        "retry_in": None,
        "message": str(caught.value),
        "headers": {"x-ratelimit-remaining": "7"},
    }


@pytest.mark.parametrize(("level", "count"), [(logging.DEBUG, 2), (logging.INFO, 1), (logging.ERROR, 0)])
async def test_level_decides(level: int, count: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(level, LOGGER)
    async with client(Script(make_response({"response": {"uid": "a"}}), make_error(404)), retry=ONCE) as c66:
        await c66.collect(c66.stacks.get, ["a", "b"], limit=1)
    assert len(records(caplog)) == count


async def test_values_of_the_caller_and_of_the_server_are_not_in_the_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    own = get("/devices/{token:secret}/{stack}.json", dict[str, Any], query={"name": str})
    reply = make_error(404, f"no {TOKEN}", set_cookie=SECRET, x_request_id=TOKEN)
    async with client(Script(make_response({"response": {"key": SECRET}}), reply), retry=ONCE) as c66:
        await c66.request("POST", "/things.json", json={"password": SECRET}, query={"key": SECRET})
        with pytest.raises(NotFound):
            await c66.send(own.bind(token=SECRET, stack="a", name=SECRET))
    lines = [f"{record.getMessage()} {vars(record)}" for record in records(caplog)]
    assert len(lines) == 2
    assert [line for line in lines if SECRET in line or TOKEN in line] == []


async def test_text_cannot_forge_a_line_or_a_field(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, LOGGER)
    text = 'no" status=200\r\n2026-01-01 WARNING forged \x1b[2J\u202e'
    async with client(Script(make_error(404, text)), retry=ONCE) as c66:
        with pytest.raises(NotFound):
            await c66.stacks.get('a" status=200 \n')
    [record] = records(caplog)
    found = fields(record)
    assert found["status"] == "404"
    assert found["stack"] == 'a" status=200'
    assert 'no" status=200 2026-01-01 WARNING forged  [2J' in found["message"]
    assert record.getMessage().isprintable()


PROGRAM = """
import asyncio
from cloud66_async import Cloud66, NotFound
from cloud66_async.sandbox import FakeCloud66
async def main():
    async with FakeCloud66().client() as c66:
        try:
            await c66.stacks.get("unknown")
        except NotFound:
            pass
asyncio.run(main())
"""


@pytest.mark.parametrize("configured", [False, True])
def test_failures_are_on_stderr_only_if_logging_is_configured(configured: bool) -> None:
    code = "import logging; logging.basicConfig()\n" * configured + PROGRAM
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.startswith(f"WARNING:{LOGGER}:operation=stacks.get stack=unknown status=404" * configured)
    assert len(done.stderr.splitlines()) == configured
