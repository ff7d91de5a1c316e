"""Mixed reads and writes of which a fifth has a fault: nothing is lost, doubled or left behind.

`python -m tests.faults.chaos` runs more operations, or goes on for some minutes.
"""

from __future__ import annotations

from typing import Any

import pytest

from cloud66_async.sandbox.faults import Faults

from ..conftest import PoolName
from .chaos import KINDS, Applied, ChaosSandbox, Outcome, run, violations

pytest.importorskip("uvicorn", reason="the sandbox's server needs the extra `sandbox`")

# Faults that no rule of the sandbox expresses: they are about actions, or would end the test.
OTHERS = {"action_fails", "action_never_ends", "throttle_until_next_hour"}


@pytest.mark.parametrize(("pool", "operations"), [("own", 200), ("httpx", 100)])
def test_chaos(pool: PoolName, operations: int) -> None:
    assert run(66, operations, pool=pool) == [], "seed 66"


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "pool", "tls"), [(1, "own", False), (2, "own", True), (3, "httpx", False)])
def test_more_chaos(seed: int, pool: PoolName, tls: bool) -> None:
    assert run(seed, 1000, pool=pool, tls=tls) == [], f"seed {seed}"


def test_every_kind_of_fault_is_used() -> None:
    methods = {name for name, value in vars(Faults).items() if callable(value) and not name.startswith("_")}
    assert methods - OTHERS == {method for method, _ in KINDS.values()}


# --- each violation is found ---------------------------------------------------------------------

STATE = {"objects": 1000, "own": 10, "kilobytes": 1000, "tasks": 0}
FINE: dict[str, Any] = {**STATE, "descriptors": 0, "problems": [], "counts": {"read done": 9, "read Throttled": 1}}


@pytest.mark.parametrize(
    ("outcome", "applied", "expected"),
    [
        ("done", [], "was reported as done and was not"),
        ("done", [Applied("a", 500)], "was reported as done and was not"),
        ("done", [Applied("a", 200), Applied("b", 200)], "was applied 2 times"),
        ("unsent", [Applied("a", 200)], "was reported as refused (unsent) and was done"),
        (None, [Applied("a", 200)], "was applied and never reported"),
        ("done", [Applied("a", 200), Applied("a", 200)], None),
        ("cancelled", [], None),
        ("Throttled", [Applied("a", 503)], None),
        ("Conflict", [Applied("a", 200), Applied("a", 409)], None),
        ("Conflict", [Applied("a", 200), Applied("b", 409)], "was reported as refused (Conflict) and was done"),
    ],
)
def test_wrong_write_is_found(outcome: str | None, applied: list[Applied], expected: str | None) -> None:
    fake = ChaosSandbox()
    fake.applied["M1"] += applied
    writes = {} if outcome is None else {"M1": ("create", outcome)}
    found = violations(fake, Outcome(writes, [STATE] * 5, FINE))
    assert len(found) == (expected is not None)
    assert expected is None or expected in found[0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tasks": 1}, "1 tasks left"),
        ({"descriptors": 1}, "1 descriptors left"),
        ({"problems": ["x"]}, "problem: x"),
        ({"counts": {"read done": 1, "read Throttled": 9}}, "only 1 of 10 reads were answered"),
    ],
)
def test_what_is_left_is_found(change: dict[str, Any], expected: str) -> None:
    (found,) = violations(ChaosSandbox(), Outcome({}, [STATE] * 5, FINE | change))
    assert found.startswith(expected)


@pytest.mark.parametrize("name", ["objects", "own", "kilobytes"])
def test_growth_is_found(name: str) -> None:
    states = [STATE | {name: 10_000 * number} for number in range(5)]
    (found,) = violations(ChaosSandbox(), Outcome({}, states, FINE))
    assert found.startswith(f"{name} grew")
