"""The command `demo`: the main job from end to end, on a sandbox of its own."""

from __future__ import annotations

import time
from collections import Counter

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..bulk import BulkError, Ok
from ..client import Cloud66
from ..clock import SystemClock
from ..errors import Cloud66Error
from ..resources.common import Health
from ..resources.stacks import Stack, StackStatus
from ..sandbox import FakeCloud66, Profile, SandboxServer
from ..sandbox.oauth.browser import consent
from .console import out
from .redeploy import follow
from .stacks import health_text

__all__ = ["demo"]

_REDIRECT = "http://127.0.0.1/callback"
_SAMPLE = 20
_LONGEST = 120.0


async def demo(*, json: bool, stacks: int, latency: float) -> None:
    """Start a sandbox, log in, read every stack at once, redeploy one. Raises Cloud66Error if anything fails."""
    fake = FakeCloud66(clock=SystemClock(), profile=Profile(answer="json" if json else "form"), action_seconds=4.0)
    fake.seed(stacks)
    application = fake.add_application("Demo", redirect_urls=[_REDIRECT])
    with SandboxServer(fake, latency=latency) as server:
        _say("Sandbox", f"{server.url}, {stacks} stacks, {latency * 1000:.0f} ms for each answer")
        async with Cloud66(
            client_id=application.client_id,
            client_secret=application.client_secret,
            redirect_url=_REDIRECT,
            url=server.url,
        ) as c66:
            user = await _log_in(c66, "JSON" if json else "form-encoded")
            found = await _read(user, stacks)
            _say("Pool", f"{server.connections_opened} connections opened for {server.request_count} requests")
            _say("Quota", f"{user.quota.remaining} of {user.quota.limit} requests are left this hour")
            await _redeploy(user, found)


async def _log_in(c66: Cloud66, shape: str) -> Cloud66:
    login = c66.login(scope=["public", "redeploy"])
    callback = await consent(login.url, transport=c66.transport)  # a browser's part: read the page, press the button
    token = await c66.finish_login(login, callback)
    scopes = " ".join(token.scopes or ("public", "redeploy"))
    _say("Login", f"consent given, state compared, code exchanged for a {shape} token answer ({scopes})")
    return c66.using(token=token)


async def _read(c66: Cloud66, expected: int) -> list[Stack]:
    started = time.perf_counter()
    async with c66.stacks.list().prefetch() as listed:
        uids = [stack.uid async for stack in listed]
    _say("List", f"{len(uids)} stacks on {-(-len(uids) // 30)} pages in {time.perf_counter() - started:.2f} s")
    sample = uids[:_SAMPLE]
    started = time.perf_counter()
    for uid in sample:
        await c66.stacks.get(uid)
    each = (time.perf_counter() - started) / max(1, len(sample))
    started = time.perf_counter()
    found = await _fetch(c66, uids)
    together = time.perf_counter() - started
    if len(found) != expected:
        raise Cloud66Error(f"{len(found)} of {expected} stacks were read")
    out.print()
    out.print(_table(found))
    out.print()
    _say("Read", f"{len(found)} of {len(uids)} stacks by uid, {c66.limit} at once over one pool, in {together:.2f} s")
    _say(
        "Compare",
        f"one at a time they would take {each * len(uids):.1f} s ({each * 1000:.1f} ms each, measured on "
        f"{len(sample)}): {each * len(uids) / together:.0f} times as long",
    )
    return found


async def _fetch(c66: Cloud66, uids: list[str]) -> list[Stack]:
    found: list[Stack] = []
    problems: list[Cloud66Error] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        bar = progress.add_task("reading stacks", total=len(uids))
        async with c66.each(c66.stacks.get, uids) as results:
            async for result in results:
                if isinstance(result, Ok):
                    found.append(result.value)
                else:
                    problems.append(result.error)
                progress.advance(bar)
    if problems:
        raise BulkError(f"{len(problems)} of {len(uids)} stacks could not be read; the first: {problems[0]}", problems)
    return found


async def _redeploy(c66: Cloud66, stacks: list[Stack]) -> None:
    ready = [stack for stack in stacks if stack.status is StackStatus.DEPLOYED and stack.health is Health.HEALTHY]
    chosen = min(ready or stacks, key=lambda stack: (stack.name or "", stack.environment or ""))
    started = await c66.stacks.redeploy(chosen.uid)
    _say("Redeploy", f"{escape(chosen.name or chosen.uid)} ({escape(chosen.environment or '')})")
    await follow(c66, started, timeout=_LONGEST)


def _table(stacks: list[Stack]) -> Table:
    """Environments against health, with totals."""
    counts = Counter((stack.environment or "", stack.health or Health.UNKNOWN) for stack in stacks)
    healths = sorted({health for _, health in counts}, reverse=True)
    table = Table(title="environment against health", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for health in healths:
        table.add_column(health_text(health), justify="right")
    table.add_column("all", justify="right", style="bold")
    rows = {environment: [counts[environment, health] for health in healths] for environment, _ in counts}
    for environment, row in sorted(rows.items()):
        table.add_row(escape(environment), *(str(number or "·") for number in row), str(sum(row)))
    table.add_row("all", *(str(sum(column)) for column in zip(*rows.values(), strict=True)), str(len(stacks)))
    return table


def _say(what: str, text: str) -> None:
    out.print(f"[bold]{what:<9}[/] {text}", soft_wrap=True)
