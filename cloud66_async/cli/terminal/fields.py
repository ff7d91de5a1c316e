"""How values look on a terminal that several commands show."""

from __future__ import annotations

from datetime import datetime

from ...quota import Quota
from ...resources.common import Health
from ...resources.deployments import Deployment
from ...resources.stacks import StackStatus
from .console import width
from .durations import duration

__all__ = [
    "deployment_result",
    "elapsed",
    "health_style",
    "quota_note",
    "result_style",
    "seconds_between",
    "short_status",
    "status_in_table",
    "status_style",
]

_HEALTHS = {
    Health.HEALTHY: "green",
    Health.IMPAIRED: "yellow",
    Health.FAILED: "red",
    Health.BUILDING: "cyan",
}
# Tables of 80 columns have no room for the words of the documentation.
_SHORT = {
    StackStatus.QUEUED_FOR_DEPLOYMENT: "queued",
    StackStatus.PENDING_ANALYSIS: "not analyzed",
    StackStatus.ANALYSING: "analyzing",
    StackStatus.ANALYSED: "analyzed",
    StackStatus.CANNOT_BE_ANALYSED: "not analyzable",
}
_WIDE = 100  # columns from which on a table has room for every status
_STATUSES = {
    StackStatus.DEPLOYMENT_FAILED: "red",
    StackStatus.CANNOT_BE_ANALYSED: "red",
    StackStatus.QUEUED_FOR_DEPLOYMENT: "cyan",
    StackStatus.DEPLOYING: "cyan",
}
# What the API calls the outcome of a deployment, with the words of this program.
_RESULTS = {"success": "succeeded", "pending": "running"}
_COLORS = {"succeeded": "green", "failed": "red", "running": "cyan", "queued": "cyan"}


def health_style(health: Health | None) -> str:
    """Return the color of a health."""
    return "" if health is None else _HEALTHS.get(health, "")


def short_status(status: StackStatus | None) -> str:
    """Return the status of a stack in few characters, if it is a known one."""
    return "" if status is None else _SHORT.get(status, str(status))


def status_in_table(status: StackStatus | None) -> str:
    """Return the status of a stack for a table, which is narrow on a narrow terminal."""
    is_narrow = status is StackStatus.DEPLOYMENT_FAILED and (width() or _WIDE) < _WIDE
    return "deploy failed" if is_narrow else short_status(status)


def status_style(status: StackStatus | None) -> str:
    """Return the color of a stack's status."""
    return "" if status is None else _STATUSES.get(status, "")


def deployment_result(deployment: Deployment) -> str:
    """Return how a deployment ended, or that it runs or is queued."""
    meaning = (deployment.outcome.meaning if deployment.outcome is not None else None) or ""
    if meaning == "pending" and deployment.started_at is None:
        return "queued"
    return _RESULTS.get(meaning, meaning)


def result_style(result: str) -> str:
    """Return the color of a result, for example `succeeded`."""
    return _COLORS.get(result, "")


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from one time to another, or None if one of them is unknown."""
    return None if start is None or end is None else max(0.0, (end - start).total_seconds())


def elapsed(seconds: float | None) -> str:
    """Return a duration, or an empty string if it is unknown."""
    return "" if seconds is None else duration(seconds)


def quota_note(quota: Quota) -> str:
    """Return how many requests are left this hour, or an empty string if no response has said."""
    if quota.remaining is None or quota.limit is None:
        return ""
    return f"{quota.remaining:,} of {quota.limit:,} requests left"
