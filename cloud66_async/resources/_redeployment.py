"""Request that starts a deployment."""

from __future__ import annotations

from ..operation import post
from .deployments import DeployStrategy, Redeployment, RolloutStrategy

__all__ = ["REDEPLOY"]

REDEPLOY = post(
    "/stacks/{stack}/deployments.json",
    Redeployment,
    scope="redeploy",
    body={
        "git_ref": str | None,
        "services": list[str] | None,
        "deployment_profile": str | None,
        "user_reference": str | None,
        "deploy_strategy": DeployStrategy | None,
        "rollout_strategy": RolloutStrategy | None,
        "canary_percentage": int | None,
    },
)
