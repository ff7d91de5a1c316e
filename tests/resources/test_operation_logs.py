"""Operation logs: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloud66_async import ActionFailed, models
from cloud66_async.models import LogSeverity, OperationLogEntry
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.OperationLogEntry: """
        v m t s e operation_uid
    """,
    models.LogSeverity: {0: "trace", 1: "debug", 2: "info", 3: "notice", 4: "warning", 5: "error"},
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.operation_logs.list("o"), ("GET", "/operations/o/logs.json?page=1", None)),
    (
        lambda c66: c66.operation_logs.list("o", min_severity=LogSeverity.WARNING, include_children=True),
        ("GET", "/operations/o/logs.json?min_severity=4&include_children=true&page=1", None),
    ),
    (
        lambda c66: c66.operation_logs.list("o", min_severity=LogSeverity.TRACE),
        ("GET", "/operations/o/logs.json?min_severity=0&page=1", None),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use, []) == expected


async def test_entries_have_readable_properties() -> None:
    entry = {"v": 4, "m": "disk is full", "t": "2026-03-02T09:12:30.123456789Z", "s": "o-2", "e": 1}
    async with client(Script(make_response({"response": [entry, {}]}))) as c66:
        found, empty = await c66.operation_logs.list("o")
    assert (found.severity, found.message, found.source, found.depth) == (LogSeverity.WARNING, "disk is full", "o-2", 1)
    assert found.time is not None
    assert found.time.replace(microsecond=0) == datetime(2026, 3, 2, 9, 12, 30, tzinfo=UTC)
    assert (empty.severity, empty.message, empty.time, empty.source, empty.depth) == (None,) * 5


async def test_unknown_severity_is_rejected_before_anything_is_sent() -> None:
    async with client(Script()) as c66:
        with pytest.raises(ValueError, match=r"invalid min_severity \(6\): expected one of 0, 1"):
            await c66.operation_logs.list("o", min_severity=LogSeverity(6))


# --- sandbox -------------------------------------------------------------------------------------


def test_log_grows_with_its_operation(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    operation = call.send("POST", f"/stacks/{web.uid}/jobs/pause_all.json")["id"]
    path = f"/operations/{operation}/logs.json"
    (first,) = call.get(path)
    assert first.keys() == field_names(OperationLogEntry) - {"operation_uid"}
    fake.clock.advance(60)
    assert [entry["v"] for entry in call.get(path)] == [2, 0, 3]
    assert [entry["v"] for entry in call.get(path, min_severity=2)] == [2, 3]
    both = call.get(path, include_children="true")
    assert [(entry["s"], entry["e"]) for entry in both] == [
        (None, 0), (f"{operation}-prepare", 1), (f"{operation}-prepare", 1), (None, 0), (None, 0),
    ]  # fmt: skip
    assert {frozenset(entry) for entry in both} == {frozenset(field_names(OperationLogEntry))}
    assert [entry["e"] for entry in call.get(f"/operations/{operation}-prepare/logs.json")] == [1, 1]


def test_unknown_operation_and_severity(call: Caller) -> None:
    assert error_code(call("GET", "/operations/none/logs.json")) == "not_found"
    assert error_code(call("GET", "/operations/none/logs.json?min_severity=6")) == "bad_request"


# --- story ---------------------------------------------------------------------------------------


async def test_log_is_read_after_a_failure(connected: Connected) -> None:
    fake, c66 = connected
    stack = fake.add_stack("web").uid
    fake.faults.action_fails(action="restart", message="out of memory")
    action = await c66.stacks.restart(stack)
    with pytest.raises(ActionFailed):
        await c66.actions.wait(action)
    (entry,) = await c66.operation_logs.list(str(action.id), min_severity=LogSeverity.ERROR)
    assert (entry.severity, entry.message) == (LogSeverity.ERROR, "out of memory")
