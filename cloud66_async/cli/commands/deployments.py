"""The command `deployments`, with `deployments cancel`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter, validators

from ...client import Cloud66
from ...quota import Quota
from ...resources.deployments import Deployment
from ...resources.stacks import Stack
from ..exits import CommandError
from ..lookup.names import find_stack, full_name
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, ChangedStackName, Environment, Output, StackName, Yes
from ..running import run
from ..terminal.console import plain, report
from ..terminal.fields import deployment_result, elapsed, quota_note, result_style, seconds_between
from ..terminal.output import Field, Listing, count
from ..terminal.prompts import confirm

__all__ = ["DEPLOYMENTS", "app"]

_SHORT_HASH = 7

app: App = App(
    name="deployments",
    help="List the deployments of a stack, or cancel the running one.",
    help_format="plaintext",
    result_action="return_value",
)

DEPLOYMENTS: Listing[Deployment] = Listing.of_models(
    "deployment",
    Field("id", lambda deployment: deployment.id),
    Field("started", lambda deployment: deployment.started_at, dropped=6),
    Field(
        "took",
        lambda deployment: seconds_between(deployment.started_at, deployment.finished_at),
        shown=lambda deployment: elapsed(seconds_between(deployment.started_at, deployment.finished_at)),
        dropped=5,
    ),
    Field("result", deployment_result, style=lambda deployment: result_style(deployment_result(deployment))),
    Field("live", lambda deployment: deployment.is_live, shown=lambda deployment: "yes" * bool(deployment.is_live)),
    Field("by", lambda deployment: deployment.triggered_by, dropped=3),
    Field("via", lambda deployment: deployment.triggered_via and deployment.triggered_via.meaning, dropped=1),
    Field("ref", lambda deployment: deployment.git_ref),
    Field(
        "commit",
        lambda deployment: deployment.git_hash,
        shown=lambda deployment: (deployment.git_hash or "")[:_SHORT_HASH],
        dropped=2,
    ),
    Field("finished", lambda deployment: deployment.finished_at, extra=True),
    Field("type", lambda deployment: deployment.deploy_type and deployment.deploy_type.meaning, extra=True),
    Field("reverted", lambda deployment: deployment.reverted, extra=True),
    Field("commit-url", lambda deployment: deployment.commit_url, extra=True),
)


@app.default
def deployments(
    stack: StackName,
    *,
    environment: Environment = None,
    limit: Annotated[int, Parameter(validator=validators.Number(gte=1), help="Maximum number of deployments.")] = 20,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the deployments of a stack, the latest first.

    For example: cloud66-async deployments billing-web/production --limit 3
    """
    output.check(DEPLOYMENTS)
    where, found, left, more = run(_read(access.open(), stack, environment, limit))
    summary = f"Latest {count(len(found), 'deployment')}" if more else None
    empty = (
        f"No deployments of {full_name(where)} are listed.",
        f"  Deploy it: cloud66-async redeploy {full_name(where)}",
    )
    output.show(DEPLOYMENTS, found, summary=summary, note=quota_note(left), empty=empty)


async def _read(
    c66: Cloud66, name: str, environment: str | None, limit: int
) -> tuple[Stack, list[Deployment], Quota, bool]:
    """Return the stack, its latest deployments, the quota, and whether there are more."""
    found: list[Deployment] = []
    async with c66:
        where = await find_stack(c66, name, environment)
        async for page in c66.deployments.list(where.uid).pages():
            found.extend(page.items)
            if len(found) > limit:
                break
        return where, found[:limit], c66.quota, len(found) > limit


@app.command
def cancel(
    stack: ChangedStackName,
    *,
    environment: Environment = None,
    deployment: Annotated[
        int | None, Parameter(name="--id", help="ID of the deployment; the default is the one that is running.")
    ] = None,
    yes: Yes = False,
    access: Access = DEFAULT_ACCESS,
) -> None:
    """Cancel the running or queued deployment of a stack.

    For example: cloud66-async deployments cancel billing-web/production
    """
    where, chosen = run(_find_unfinished(access.open(), stack, environment, deployment))
    confirm(f"cancel deployment {chosen} of {full_name(where)}", yes=yes)
    run(_cancel(access.open(), where, chosen))


async def _find_unfinished(c66: Cloud66, name: str, environment: str | None, wanted: int | None) -> tuple[Stack, int]:
    """Return the stack and the deployment to cancel. Raises CommandError if there is none."""
    async with c66:
        where = await find_stack(c66, name, environment, changing=True)
        if wanted is not None:
            return where, wanted
        page = await c66.deployments.list(where.uid).page(1)
    unfinished = [found for found in page.items if deployment_result(found) in ("running", "queued")]
    if not unfinished:
        advice = f"See: cloud66-async deployments {full_name(where)}"
        raise CommandError(f"no deployment of {full_name(where)} is running or queued", advice)
    running = [found for found in unfinished if deployment_result(found) == "running"]
    return where, (running or unfinished)[-1].id


async def _cancel(c66: Cloud66, where: Stack, deployment: int) -> None:
    async with c66:
        outcome = await c66.deployments.cancel(where.uid, deployment)
    said = plain(outcome.message) or "no reason given"
    if outcome.ok is False:
        raise CommandError(f"deployment {deployment} of {full_name(where)} was not cancelled: {said}")
    report(f"{full_name(where)}: deployment {deployment}: {said}")
