"""Chaos: mixed reads and writes against the sandbox over real sockets, a fifth of them with faults of every kind.

    python -m tests.faults.chaos --operations 10000 --seed 1
    python -m tests.faults.chaos --minutes 10 --seed 1 --pool httpx --tls

Fails unless every read was answered correctly or failed with an error of the package, no write was applied twice, no
write was reported as done that was not, and nothing was left behind. The sandbox's own log decides.
"""

# ruff: noqa: T201  a program

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer
from cloud66_async.sandbox.faults import Faults
from cloud66_async.sandbox.message import Reply, Request

from .chaos_client import Settings

__all__ = ["KINDS", "Applied", "ChaosSandbox", "Outcome", "add_faults", "run", "violations"]

ROOT = Path(__file__).resolve().parents[2]
SHARE = 0.2
UNLIMITED = 10**9
STACKS = 40
TOKENS = 20

# Every kind of fault about requests. `throttle_until_next_hour` would end the test, so it is not among them.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "throttle": ("throttle", {}),
    "throttle with a time": ("throttle", {"retry_after": 1}),
    **{str(status): ("fail", {"status": status}) for status in (400, 401, 403, 404, 408, 422, 429, 500, 503)},
    "busy": ("busy", {}),
    "revoked": ("revoke_token", {"times": TOKENS // 4}),
    "missing scope": ("missing_scope", {}),
    "HTML": ("html", {}),
    "HTML 200": ("html", {"status": 200}),
    "empty": ("empty", {}),
    "truncated": ("truncate", {}),
    "truncated gzip": ("truncate", {"compressed": True}),
    "invalid JSON": ("invalid_json", {}),
    "not an object": ("not_an_object", {}),
    "wrong shape": ("wrong_shape", {}),
    "wrong type": ("wrong_content_type", {}),
    "unknown fields": ("unknown_fields", {}),
    "unknown codes": ("unknown_codes", {}),
    "clock skew": ("clock_skew", {"seconds": -7200.0}),
    "moving page": ("page_moves", {"times": 20}),
    "slow": ("slow", {"seconds": 0.05}),
    "too slow": ("slow", {"seconds": 0.8}),
    "slow body": ("slow", {"seconds": 0.8, "body": True}),
    "dropped": ("drop", {}),
    "reset": ("reset", {}),
    **{f"cut {where}": ("cut", {"where": where}) for where in ("before", "inside", "after")},
    "duplicated": ("duplicate", {}),
}


class Applied(NamedTuple):
    """A write that the sandbox has carried out: the ID of its request, and the status of the response."""

    request_id: str
    status: int


class ChaosSandbox(FakeCloud66):
    """A sandbox that logs each write where it is carried out, by the marker in its body."""

    def __init__(self, **options: Any) -> None:
        super().__init__(clock=SystemClock(), hourly_limit=UNLIMITED, action_seconds=0.02, **options)
        self.applied: defaultdict[str, list[Applied]] = defaultdict(list)

    def handle(self, request: Request) -> Reply:
        reply = super().handle(request)
        if request.method == "POST":
            body = json.loads(request.body or b"{}")
            marker = body.get("user_reference") or body.get("key")
            self.applied[marker].append(Applied(request.headers.get("request-id", ""), reply.status))
        return reply


class Outcome(NamedTuple):
    """What the client reports: the outcome of each write, samples of its state, and its last words."""

    writes: dict[str, tuple[str, str]]
    states: list[dict[str, int]]
    report: dict[str, Any]


def add_faults(faults: Faults, seed: int) -> None:
    """Let a fifth of the requests fail in one of all ways."""
    faults.seed(seed)
    probability = 1 - (1 - SHARE) ** (1 / len(KINDS))
    for method, options in KINDS.values():
        getattr(faults, method)(**{"times": UNLIMITED, "probability": probability, "allow_unused": True} | options)


def run(
    seed: int,
    operations: int,
    *,
    pool: Literal["own", "httpx"] = "own",
    tls: bool = False,
    seconds: float | None = None,
    verbose: bool = False,
) -> list[str]:
    """Run the client against a new sandbox. Return what went wrong, one line each."""
    fake = ChaosSandbox()
    uids = tuple(fake.add_stack(f"s{number}").uid for number in range(STACKS))
    tokens = tuple(fake.add_token().reveal() for _ in range(TOKENS))
    add_faults(fake.faults, seed)
    with SandboxServer(fake, tls=tls) as server:
        ca_file = None if server.ca_file is None else str(server.ca_file)
        settings = Settings(server.url, ca_file, pool, seed, operations, seconds, tokens, uids)
        outcome = _client(settings)
    if isinstance(outcome, str):
        return [outcome]
    if verbose:
        print(
            json.dumps(
                {"counts": outcome.report["counts"], "states": outcome.states[:: max(len(outcome.states) // 10, 1)]}
            )
        )
    return violations(fake, outcome)


def _client(settings: Settings) -> Outcome | str:
    """Run the client in a process of its own. Return what it reports, or how it failed."""
    command = [sys.executable, "-W", "error", "-m", "tests.faults.chaos_client"]
    longest = 120 + (settings.seconds or settings.operations / 20)
    done = subprocess.run(
        command, input=msgspec.json.encode(settings), cwd=ROOT, capture_output=True, timeout=longest, check=False
    )
    if done.returncode:
        return f"the client failed: {done.stderr.decode()[-3000:]}"
    lines: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    writes = {line["marker"]: (line["name"], line["outcome"]) for line in lines if "marker" in line}
    return Outcome(writes, [line["state"] for line in lines if "state" in line], lines[-1])


# --- what must hold ------------------------------------------------------------------------------

# Errors after which a write was certainly not carried out.
REFUSED = ("unsent", "BadRequest", "Forbidden", "NotFound", "Conflict", "Throttled", "Unauthenticated", "QuotaError")


def violations(fake: ChaosSandbox, outcome: Outcome) -> list[str]:
    """Return what went wrong, one line each."""
    return [*_wrong_writes(fake, outcome), *_leaks(outcome), *_wrong_reads(outcome)]


def _wrong_writes(fake: ChaosSandbox, outcome: Outcome) -> list[str]:
    found: list[str] = []
    for marker, (name, result) in outcome.writes.items():
        # A fault may deliver one request twice. The SDK cannot prevent it, and the two have the same ID.
        carried_out = {applied.request_id for applied in fake.applied[marker] if applied.status < 300}
        # It then sends the second response, which refuses what the first has done.
        last = fake.applied[marker][-1] if fake.applied[marker] else None
        refused_again = last is not None and last.status >= 300 and carried_out == {last.request_id}
        if len(carried_out) > 1:
            found.append(f"{name} {marker} ({result}) was applied {len(carried_out)} times")
        if result == "done" and not carried_out:
            found.append(f"{name} {marker} was reported as done and was not: {fake.applied[marker]}")
        # A redeployment looks for its action after a lost response.
        if result in REFUSED and carried_out and not refused_again and name != "redeploy":
            found.append(f"{name} {marker} was reported as refused ({result}) and was done")
    unknown = fake.applied.keys() - outcome.writes.keys() - {None}
    return found + [f"{marker} was applied and never reported" for marker in sorted(unknown)]


def _leaks(outcome: Outcome) -> list[str]:
    report, found = outcome.report, [f"problem: {text}" for text in outcome.report["problems"]]
    found += [f"{report[name]} {name} left" for name in ("tasks", "descriptors") if report[name] > 0]
    early, late = outcome.states[1], outcome.states[-1]
    for name, most in (("objects", 1500), ("own", 300), ("kilobytes", 6000)):
        if late[name] - early[name] > most:
            found.append(f"{name} grew: {[state[name] for state in outcome.states]}")
    return found


def _wrong_reads(outcome: Outcome) -> list[str]:
    counts: dict[str, int] = outcome.report["counts"]
    reads = sum(count for name, count in counts.items() if name.startswith("read"))
    answered = counts.get("read done", 0)
    return [] if answered > 0.5 * reads else [f"only {answered} of {reads} reads were answered: {counts}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.chaos", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--minutes", type=float, help="go on for this long instead")
    parser.add_argument("--pool", choices=("own", "httpx"), default="own")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    seconds = None if options.minutes is None else 60 * options.minutes
    found = run(options.seed, options.operations, pool=options.pool, tls=options.tls, seconds=seconds, verbose=True)
    for line in found:
        print(line)
    sys.exit(f"seed {options.seed}: {len(found)} violations" if found else 0)


if __name__ == "__main__":
    main()
