"""Deployments in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random

from ...resources import deployments as api
from ...resources.stacks import StackStatus
from ..actions import FakeAction, FakeDeployment
from ..crud import find
from ..handling import Context, Listing, handles
from ..message import Rejected, error_reply
from ..samples import sample_hash, sample_uid
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = ["DEPLOYMENTS"]

_ID_STEP = 8  # IDs that each stack has for past deployments
_WITH_HISTORY = {
    status.value
    for status in (
        StackStatus.DEPLOYED,
        StackStatus.DEPLOYMENT_FAILED,
        StackStatus.QUEUED_FOR_DEPLOYMENT,
        StackStatus.DEPLOYING,
    )
}
_ENDED = {StackStatus.DEPLOYED.value, StackStatus.DEPLOYMENT_FAILED.value}


def sample(stack: FakeStack) -> Iterator[FakeDeployment]:
    """Yield up to four past deployments of a stack that was deployed, the newest first.

    There is at least one if the status is how it ended.
    """
    status = stack.data["status"]
    if status in _WITH_HISTORY:
        least = 1 if status in _ENDED else 0
        for age in range(max(least, int(sample_uid("history", stack.uid)[0], 16) % 5)):
            yield _past(stack, age)


DEPLOYMENTS = register(Kind("deployment", sample=sample, newest_first=True))


@handles(api.LIST)
def list_deployments(context: Context, stack: str) -> Listing[FakeDeployment]:
    """List the deployments of the stack, the newest first."""
    found = context.stack(stack)
    return Listing(found.deployments, lambda deployment: found.deployment_to_json(deployment, context.now))


@handles(api.GET)
def get_deployment(context: Context, stack: str, deployment: str) -> Record:
    """Return one deployment."""
    found = find(context, DEPLOYMENTS, stack, deployment)
    return context.stack(stack).deployment_to_json(found, context.now)


@handles(api.CANCEL)
def cancel_deployment(context: Context, stack: str, deployment: str) -> Record:
    """Cancel a running or queued deployment."""
    found = find(context, DEPLOYMENTS, stack, deployment)
    if found.action.finished(context.now):
        raise Rejected(error_reply(409, "conflict", "The deployment has finished"))
    context.stack(stack).cancel(found, context.now)
    return {"ok": True, "message": "Cancelling deployment"}


def _past(stack: FakeStack, age: int) -> FakeDeployment:
    chance = Random(f"deployment:{stack.uid}:{age}")  # noqa: S311  sample data, not a secret
    start = stack.added_at - timedelta(days=21 * (age + 1), seconds=chance.randrange(80_000))
    number = (stack.number + 1) * _ID_STEP - age
    action = FakeAction(
        id=number,
        user=chance.choice(("ada@example.com", "grace@example.com", "system")),
        action="application_deployment",
        resource_id=str(stack.number + 1),
        via=chance.choice(("web", "api", "hook")),
        accepted_at=start,
        starts_at=start,
        ends_at=start + timedelta(seconds=chance.randrange(45, 900)),
        success=chance.random() < 0.9 if age else stack.data["status"] != StackStatus.DEPLOYMENT_FAILED.value,
    )
    commit, branch, git = sample_hash(stack.uid, age), stack.data["git_branch"], stack.data["git"] or ""
    return FakeDeployment(id=number, action=action, git_hash=commit, git_ref=branch, git=git)
