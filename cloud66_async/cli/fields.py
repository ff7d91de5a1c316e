"""How values look on a terminal that several commands show."""

from __future__ import annotations

from ..quota import Quota
from ..resources.common import Health

__all__ = ["health_style", "quota_note"]

_COLORS = {
    Health.HEALTHY: "green",
    Health.IMPAIRED: "yellow",
    Health.FAILED: "red",
    Health.BUILDING: "cyan",
}


def health_style(health: Health | None) -> str:
    """Return the color of a health."""
    return "" if health is None else _COLORS.get(health, "")


def quota_note(quota: Quota) -> str:
    """Return how many requests are left this hour, or an empty string if no response has said."""
    if quota.remaining is None or quota.limit is None:
        return ""
    return f"{quota.remaining:,} of {quota.limit:,} requests left"
