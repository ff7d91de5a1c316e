"""Application groups: settings that several stacks share."""

from __future__ import annotations

from collections.abc import Iterable

from ..operation import patch
from ._resource import Resource
from .notifications import SETTINGS, Notification, NotificationUpdateResult, to_settings

__all__ = ["ApplicationGroups"]

UPDATE_NOTIFICATIONS = patch(
    "/application_groups/notifications",
    NotificationUpdateResult,
    body={"application_group_name": str, "alerts": SETTINGS},
)


class ApplicationGroups(Resource):
    """Groups of stacks that share settings."""

    async def update_notifications(self, group: str, *, alerts: Iterable[Notification]) -> NotificationUpdateResult:
        """Change the settings of alerts for every stack of the group with this name."""
        return await self._call(UPDATE_NOTIFICATIONS.bind(application_group_name=group, alerts=to_settings(alerts)))
