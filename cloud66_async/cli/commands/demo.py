"""The command `demo`: log in, fetch many stacks and redeploy one, with a sandbox in the same process."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

from cyclopts import Parameter, validators
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ...bulk import BulkError, Ok
from ...client import Cloud66
from ...clock import SystemClock
from ...errors import Cloud66Error
from ...polling import Polling
from ...resources.common import Health
from ...resources.stacks import Stack, StackStatus
from ...sandbox import FakeCloud66, ProviderSettings, SandboxServer, consent
from ..lookup.names import full_name
from ..running import run
from ..terminal.console import is_terminal, plain, print_result, report, rich_console, spinner
from ..terminal.fields import health_style

__all__ = ["demo"]

_REDIRECT_URL = "http://127.0.0.1/callback"
_ACTION_SECONDS = 4.0
_POLLING = Polling(min_pause=0.5, growth=0)  # nobody else needs the sandbox's quota
_REDEPLOY_TIMEOUT = 120.0
_SAMPLE_SIZE = 20
_PAGE_SIZE = 30


def demo(
    *,
    json: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Token response as JSON instead of form-encoded."),
    ] = False,
    stacks: Annotated[
        int, Parameter(validator=validators.Number(gte=1), help="Number of simulated stacks, at least 1.")
    ] = 600,
    latency: Annotated[float, Parameter(help="Delay before each response of the sandbox, in seconds.")] = 0.025,
) -> None:
    """Log in to a local sandbox, fetch all its stacks concurrently, and redeploy one (no account needed)."""
    run(_demo(json=json, stacks=stacks, latency=latency))


async def _demo(*, json: bool, stacks: int, latency: float) -> None:
    """Start a sandbox, log in, fetch every stack concurrently, and redeploy one. Raises Cloud66Error on failure."""
    settings = ProviderSettings(response_format="json" if json else "form")
    fake = FakeCloud66(clock=SystemClock(), provider=settings, action_seconds=_ACTION_SECONDS)
    fake.seed(stacks)
    application = fake.add_application("Demo", redirect_urls=[_REDIRECT_URL])
    with SandboxServer(fake, latency=latency) as server:
        _print_line("Sandbox", f"{stacks} stacks at {server.url}, {latency * 1000:.0f} ms delay per response")
        async with Cloud66(
            client_id=application.client_id,
            client_secret=application.client_secret,
            redirect_url=_REDIRECT_URL,
            url=server.url,
            polling=_POLLING,
        ) as c66:
            user = await _log_in(c66, "JSON" if json else "form-encoded")
            found = await _read(user, stacks)
            _print_line("Pool", f"{server.connections_opened} connections opened for {server.request_count} requests")
            _print_line("Quota", f"{user.quota.remaining} of {user.quota.limit} requests remaining this hour")
            await _redeploy(user, found)


async def _log_in(c66: Cloud66, encoding: str) -> Cloud66:
    login = c66.login(scope=["public", "redeploy"])
    callback = await consent(login.url, transport=c66.transport)  # stands in for the user and their browser
    token = await c66.finish_login(login, callback)
    _print_line("Login", f"code exchanged for a {encoding} token response")
    _print_line("Scopes", plain(" ".join(token.scopes or login.scopes)))
    return c66.using(token=token)


async def _read(c66: Cloud66, expected: int) -> list[Stack]:
    started = time.perf_counter()
    uids = [stack.uid for stack in await c66.stacks.list()]
    elapsed = time.perf_counter() - started
    _print_line("List", f"{len(uids)} stacks on {-(-len(uids) // _PAGE_SIZE)} pages in {elapsed:.2f} s")
    sample = uids[:_SAMPLE_SIZE]
    started = time.perf_counter()
    for uid in sample:
        await c66.stacks.get(uid)
    per_call = (time.perf_counter() - started) / max(1, len(sample))
    started = time.perf_counter()
    found = await _fetch(c66, uids)
    elapsed = time.perf_counter() - started
    if len(found) != expected:
        raise Cloud66Error(f"fetched {len(found)} stacks, expected {expected}")
    print_result("")
    print_result(_table(found))
    print_result("")
    _print_line("Fetch", f"{len(found)} of {len(uids)} stacks by uid in {elapsed:.2f} s, at most {c66.limit} at a time")
    _print_line(
        "Estimate",
        f"{per_call * len(uids):.1f} s one by one ({per_call * 1000:.1f} ms per call, measured on "
        f"{len(sample)}), {per_call * len(uids) / elapsed:.0f} times as long",
    )
    return found


async def _fetch(c66: Cloud66, uids: list[str]) -> list[Stack]:
    found: list[Stack] = []
    problems: list[Cloud66Error] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=rich_console(), transient=True, disable=not is_terminal()) as progress:
        bar = progress.add_task("Fetching stacks", total=len(uids))
        async with c66.each(c66.stacks.get, uids) as results:
            async for result in results:
                if isinstance(result, Ok):
                    found.append(result.value)
                else:
                    problems.append(result.error)
                progress.advance(bar)
    if problems:
        raise BulkError(f"{len(problems)} of {len(uids)} calls failed; first error: {problems[0]}", problems)
    return found


async def _redeploy(c66: Cloud66, stacks: list[Stack]) -> None:
    ready = [stack for stack in stacks if stack.status is StackStatus.DEPLOYED and stack.health is Health.HEALTHY]
    chosen = min(ready or stacks, key=lambda stack: (stack.name or "", stack.environment or ""))
    started = await c66.stacks.redeploy(chosen.uid)
    _print_line("Redeploy", full_name(chosen))
    report(f"  Action {started.async_action_id}: running")
    with _waiting():
        action = await c66.actions.wait(started, timeout=_REDEPLOY_TIMEOUT)
    seconds = ""
    if action.started_at is not None and action.finished_at is not None:
        seconds = f" (took {(action.finished_at - action.started_at).total_seconds():.1f} s)"
    report(f"  Action {action.id}: succeeded{seconds}")


def _waiting() -> AbstractContextManager[object]:
    """Return a context manager that shows a spinner on a terminal."""
    if not is_terminal():
        return nullcontext()
    return rich_console().status(Text("Waiting for the action"), spinner=spinner())


def _table(stacks: list[Stack]) -> Table:
    """Return a table that counts stacks by environment and health, with totals."""
    counts = Counter((stack.environment or "", stack.health or Health.UNKNOWN) for stack in stacks)
    healths = sorted({health for _, health in counts}, reverse=True)
    table = Table(title="Stacks by environment and health", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for health in healths:
        table.add_column(Text(plain(health), style=health_style(health)), justify="right")
    table.add_column("total", justify="right", style="bold")
    rows = {environment: [counts[environment, health] for health in healths] for environment, _ in counts}
    for environment, row in sorted(rows.items()):
        table.add_row(plain(environment), *(str(number or "-") for number in row), str(sum(row)))
    table.add_row("total", *(str(sum(column)) for column in zip(*rows.values(), strict=True)), str(len(stacks)))
    return table


def _print_line(label: str, text: str) -> None:
    print_result(Text.assemble((f"{label:<9}", "bold"), " ", text), soft_wrap=True)
