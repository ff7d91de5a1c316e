"""Rollouts: many redeployments, a few at a time. `Stacks.rollout` starts one, `Stacks.resume_rollout` takes it up."""

from .resources._rollouts.rollout import Rollout
from .resources._rollouts.state import RolloutResult, RolloutState

__all__ = ["Rollout", "RolloutResult", "RolloutState"]
