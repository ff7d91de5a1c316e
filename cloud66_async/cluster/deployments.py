"""One deployment of a rollout over an engine, as a worker carries it out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import msgspec

from .._core.arguments import check_iterable, check_text
from ..client import Cloud66
from ..config import check_account
from ..errors import Cloud66Error
from ..resources._rollouts.api import RolloutAPI
from ..rollout import RolloutResult, RolloutState
from .work import Recovery, Work

__all__ = ["WORK", "Deployment", "deployments"]

_FINAL = (RolloutState.SUCCEEDED, RolloutState.FAILED)
_LOOK_BACK = timedelta(days=7)  # how old an action of the same run may be


class Deployment(msgspec.Struct, frozen=True):
    """One stack to deploy.

    Args:
        id: Random part of its reference. It is the same whenever the run is continued.
        uid: uid of the stack.
        account: ID of the account to act for, or None.
        timeout: Seconds for the deployment.
        options: Parameters of the request.
    """

    id: str
    uid: str
    account: int | None
    timeout: float | None
    options: dict[str, Any]

    def result(self, state: RolloutState, error: Cloud66Error | None = None) -> RolloutResult:
        """Return the result of a deployment that no worker has carried out."""
        return RolloutResult(uid=self.uid, state=state, error=error, reference=f"c66:{self.id}:0:0")


async def _deploy(c66: Cloud66, deployment: Deployment) -> RolloutResult:
    """Deploy one stack and wait for the end."""
    return await _carry_out(c66, deployment, is_new=True)


async def _continue(c66: Cloud66, deployment: Deployment) -> RolloutResult:
    """Find out whether the stack was deployed, deploy it otherwise, and wait for the end."""
    return await _carry_out(c66, deployment, is_new=False)


async def _carry_out(c66: Cloud66, deployment: Deployment, *, is_new: bool) -> RolloutResult:
    if deployment.account is not None:
        c66 = c66.using(account=deployment.account)
    stacks = c66.stacks
    saved = stacks.rollout(
        [deployment.uid], stop_after=None, timeout=deployment.timeout, **deployment.options
    ).to_dict()
    api = RolloutAPI(stacks._sender)  # noqa: SLF001  of this package
    saved["id"], saved["token"], saved["exact"] = deployment.id, api.token_digest(deployment.id), is_new
    if not is_new:
        saved["created_at"] = (api.clock.now() - _LOOK_BACK).isoformat()
    return (await stacks.resume_rollout(saved))[0]


def _is_final(result: RolloutResult) -> bool:
    return result.state in _FINAL


WORK = Work(_deploy, writes=True, recovery=Recovery(_continue, _is_final))


def deployments(
    stacks: Iterable[str | tuple[int, str]], *, run: str | None, timeout: float | None, options: dict[str, Any]
) -> list[Deployment]:
    """Return what is to be done. Raises TypeError and ValueError for invalid uids and options."""
    check_iterable("stacks", stacks)
    if isinstance(stacks, str):
        raise TypeError("invalid stacks: expected an iterable of uids, not a string")
    name = run or os.urandom(8).hex()
    found: dict[str, Deployment] = {}
    for stack in stacks:
        account, uid = stack if isinstance(stack, tuple) else (None, stack)
        check_text("stacks", uid)
        check_account(account)
        RolloutAPI.bind(uid, "reference", options)
        if uid in found:
            raise ValueError(f"invalid stacks: {uid!r} is in it twice")
        found[uid] = Deployment(_reference_id(name, uid), uid, account, timeout, options)
    if not found:
        raise ValueError("invalid stacks: must not be empty")
    return list(found.values())


def _reference_id(run: str, uid: str) -> str:
    """Return the random part of the reference of a stack in this run."""
    return hashlib.sha256(f"{run}\0{uid}".encode()).hexdigest()[:16]
