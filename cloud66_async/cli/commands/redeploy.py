"""The command `redeploy`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import attrs
from cyclopts import Parameter, Token, validators

from ...client import Cloud66
from ...resources.deployments import DeployStrategy, RolloutStrategy
from ...resources.stacks import Stack
from ...rollout import Rollout, RolloutState
from ..exits import DONE, USAGE, CommandError
from ..lookup.names import find_stacks, full_name
from ..options import DEFAULT_ACCESS, Access, AsJSON, Environment, Yes
from ..running import run
from ..terminal.console import print_line, report, warn
from ..terminal.durations import Duration
from ..terminal.output import count
from ..terminal.prompts import confirm, is_interactive
from ..work.endings import Ending, print_task
from ..work.progress import DEFAULT_PROGRESS, Progress
from ..work.rollouts import carry_out, new_path, stacks_of
from ..work.tasks import FINAL, Task, tasks_of

__all__ = ["redeploy"]

_AT_ONCE = 10
_STOP_AFTER = 1
_TIMEOUT = 900.0
_MAX_AT_ONCE = 1000
_MAX_NAMES = 10
_PRODUCTION = "production"


def _sizes(kind: Any, tokens: Sequence[Token]) -> tuple[int, ...]:  # noqa: ARG001  the signature of every converter
    """Return the numbers of `10` or of `1,5,20`. Raises ValueError."""
    parts = [part.strip() for part in tokens[0].value.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= _MAX_AT_ONCE for part in parts):
        raise ValueError(
            f"invalid number {tokens[0].value!r}: expected one such as 10, or sizes of waves such as 1,5,20"
        )
    return tuple(int(part) for part in parts)


@Parameter(name="*", group="Deployment")
@attrs.frozen(kw_only=True)
class Deployment:
    """Options of each deployment."""

    git_ref: Annotated[str | None, Parameter(help="Branch, tag or commit hash; the default is the latest code.")] = None
    service: Annotated[
        list[str] | None,
        Parameter(
            name=["--service", "--services"],
            negative="",
            help="Service to deploy, optionally with a tag (web:v2); may be repeated or separated by commas.",
        ),
    ] = None
    deployment_profile: Annotated[str | None, Parameter(help="Name of a deployment profile.")] = None
    deploy_strategy: Annotated[
        Literal["serial", "parallel", "rolling", "fast"] | None,
        Parameter(help="Order in which the servers of a stack are deployed."),
    ] = None
    rollout_strategy: Annotated[
        Literal["none", "blue_green_immediate", "blue_green_delayed", "canary"] | None,
        Parameter(help="How traffic moves to the new version."),
    ] = None
    canary_percentage: Annotated[
        int | None,
        Parameter(validator=validators.Number(gte=0, lte=100), help="Share of the traffic that a canary receives."),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `Stacks.rollout`."""
        services = [name for given in self.service or () for name in given.split(",") if name.strip()]
        return {
            "git_ref": self.git_ref,
            "services": services or None,
            "deployment_profile": self.deployment_profile,
            "deploy_strategy": None if self.deploy_strategy is None else DeployStrategy(self.deploy_strategy),
            "rollout_strategy": None if self.rollout_strategy is None else RolloutStrategy(self.rollout_strategy),
            "canary_percentage": self.canary_percentage,
        }


@Parameter(name="*", group="Several stacks")
@attrs.frozen(kw_only=True)
class Several:
    """Options for several stacks."""

    at_once: Annotated[
        tuple[int, ...] | None,
        Parameter(
            converter=_sizes,
            n_tokens=1,
            metavar="NUMBER",
            negative="",
            help="Deployments at a time, or sizes of waves (1,5,20). [default: 10]",
        ),
    ] = None
    stop_after: Annotated[
        int | None,
        Parameter(
            validator=validators.Number(gte=0),
            help="Failures after which nothing more is started; 0 means never. [default: 1]",
        ),
    ] = None
    resume: Annotated[Path | None, Parameter(help="File of an interrupted redeployment to resume.")] = None
    retry_failed: Annotated[
        bool, Parameter(negative="", show_default=False, help="With --resume, also deploy failed stacks again.")
    ] = False


_DEFAULT_DEPLOYMENT: Final = Deployment()
_DEFAULT_SEVERAL: Final = Several()


def redeploy(
    stacks: Annotated[
        list[str] | None,
        Parameter(
            name=["--stack", "-s"],
            negative="",
            consume_multiple=True,
            help="Names, name/environment or uids (whole names only).",
        ),
    ] = None,
    *,
    environment: Environment = None,
    wait: Annotated[
        bool,
        Parameter(
            name=["--wait", "--listen"],
            negative="--no-wait",
            help="Wait until the deployments end; the exit code reports the result. --listen is what cx calls it.",
        ),
    ] = True,
    timeout: Annotated[
        Duration | None,
        Parameter(help="Maximum time to wait for each deployment, for example 90s, 15m or 1h. [default: 15m]"),
    ] = None,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Only show what would be deployed.")
    ] = False,
    yes: Yes = False,
    json: AsJSON = False,
    deployment: Deployment = _DEFAULT_DEPLOYMENT,
    several: Several = _DEFAULT_SEVERAL,
    progress: Progress = DEFAULT_PROGRESS,
    access: Access = DEFAULT_ACCESS,
) -> int:
    """Redeploy stacks and wait until they are deployed.

    For example:
      cloud66-async redeploy web -e production --git-ref v2.1
      cloud66-async redeploy web/production api/production --at-once 1,5 --yes
      cloud66-async redeploy --resume redeploy-20261126-1203.json

    You confirm several stacks by typing how many there are, and one production stack with y. --yes skips both. Without
    a terminal, one stack needs no --yes, and several do. The progress of several stacks is written to a file in the
    current directory, for --resume; it is deleted when every stack is deployed.

    The exit code is 0 if all succeeded, 1 if one failed, and 5 if one has not ended in time.
    """
    display = progress.display(beside=json or access.debug)
    ending = Ending(access=access, display=display, as_json=json, path=several.resume)
    if several.resume is not None:
        if (
            stacks
            or environment
            or timeout
            or deployment != _DEFAULT_DEPLOYMENT
            or several.at_once
            or several.stop_after
        ):
            text = "--resume takes the stacks and the options of their deployments from the file"
            raise CommandError(text, "Leave out the other options.", code=USAGE)
        rest = _Rest(path=several.resume, retry_failed=several.retry_failed, dry_run=dry_run)
        return run(_resume(access.open(), rest, ending=ending, wait=wait, heartbeat=progress.heartbeat))
    if several.retry_failed:
        raise CommandError("--retry-failed needs --resume with the file of a redeployment", code=USAGE)
    if not stacks:
        raise CommandError("redeploy needs the name of a stack", "See: cloud66-async stacks", code=USAGE)
    found = run(_find(access.open(), stacks, environment))
    if dry_run:
        return _show_plan(found, several, as_json=json)
    _ask(found, yes=yes)
    if len(found) > 1:
        ending = attrs.evolve(ending, path=new_path())
    arguments = {
        **deployment.arguments(),
        "at_once": _at_once(several, len(found), wait=wait),
        "stop_after": _STOP_AFTER if several.stop_after is None else several.stop_after or None,
        "timeout": _TIMEOUT if timeout is None else timeout,
        "path": ending.path,
    }
    return run(_start(access.open(), found, arguments, ending=ending, wait=wait, heartbeat=progress.heartbeat))


async def _find(c66: Cloud66, names: Sequence[str], environment: str | None) -> list[Stack]:
    async with c66:
        return await find_stacks(c66, names, environment, changing=True)


def _ask(stacks: Sequence[Stack], *, yes: bool) -> None:
    """Ask about several stacks, and on a terminal about one in production. Raises CommandError.

    Without a terminal, one stack that was named is deployed: that is what a CI system does.
    """
    if len(stacks) > 1:
        if not yes and is_interactive():
            for stack in stacks[:_MAX_NAMES]:
                report(f"  {full_name(stack)}")
            if len(stacks) > _MAX_NAMES:
                report(f"  and {len(stacks) - _MAX_NAMES} more")
        confirm(f"redeploy {len(stacks)} stacks", yes=yes, word=str(len(stacks)))
    elif (stacks[0].environment or "").casefold() == _PRODUCTION and is_interactive():
        confirm(f"redeploy {full_name(stacks[0])}", yes=yes)


def _at_once(several: Several, number: int, *, wait: bool) -> int | list[int]:
    """Return how many deployments run at a time. Without waiting, all are started."""
    if not wait:
        if several.at_once is not None:
            raise CommandError("--at-once needs to wait for the deployments: leave out --no-wait", code=USAGE)
        return min(number, _MAX_AT_ONCE)
    sizes = several.at_once or (_AT_ONCE,)
    return sizes[0] if len(sizes) == 1 else list(sizes)


def _show_plan(stacks: Sequence[Stack], several: Several, *, as_json: bool) -> int:
    """Print what would be deployed."""
    for stack in stacks:
        _show(Task.of(stack), as_json=as_json)
    sizes = ",".join(map(str, several.at_once or (_AT_ONCE,)))
    at_once = f", {sizes} at a time" if len(stacks) > 1 else ""
    warn(f"Would redeploy {count(len(stacks), 'stack')}{at_once}; nothing was started")
    return DONE


def _show(task: Task, *, as_json: bool) -> None:
    if as_json:
        print_task(task)
    else:
        print_line(task.name if task.state is RolloutState.QUEUED else f"{task.name} {task.state}")


async def _start(
    c66: Cloud66,
    stacks: Sequence[Stack],
    arguments: dict[str, Any],
    *,
    ending: Ending,
    wait: bool,
    heartbeat: float,
) -> int:
    """Carry out a new rollout and return the exit code.

    Args:
        c66: Client.
        stacks: The stacks.
        arguments: Arguments of `Stacks.rollout`.
        ending: How the end is told.
        wait: Whether to wait for the deployments.
        heartbeat: Longest time without a line, in seconds.
    """
    async with c66:
        rollout = c66.stacks.rollout([stack.uid for stack in stacks], **arguments)
        return await carry_out(c66, rollout, stacks, ending=ending, wait=wait, heartbeat=heartbeat)


# --- taking up an earlier one ----------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class _Rest:
    """What to take up of an earlier redeployment: its file, and how."""

    path: Path
    retry_failed: bool
    dry_run: bool


async def _resume(c66: Cloud66, rest: _Rest, *, ending: Ending, wait: bool, heartbeat: float) -> int:
    """Carry out the rest of a rollout and return the exit code."""
    async with c66:
        rollout = c66.stacks.resume_rollout(rest.path)
        if rest.retry_failed:
            failed = [result.uid for result in rollout.results if result.state is RolloutState.FAILED]
            rollout = c66.stacks.resume_rollout(rest.path, retry=failed)
        stacks = await stacks_of(c66, [result.uid for result in rollout.results])
        if rest.dry_run:
            return _show_rest(rollout, stacks, as_json=ending.as_json)
        return await carry_out(c66, rollout, stacks, ending=ending, wait=wait, heartbeat=heartbeat)


def _show_rest(rollout: Rollout, stacks: Sequence[Stack], *, as_json: bool) -> int:
    """Print which stacks of a rollout would still be deployed or waited for."""
    tasks = tasks_of(stacks)
    for result in rollout.results:
        tasks[result.uid].update(result)
    left = [task for task in tasks.values() if task.state not in FINAL]
    for task in left:
        _show(task, as_json=as_json)
    warn(f"Would resume {count(len(left), 'stack')}; nothing was started")
    return DONE
