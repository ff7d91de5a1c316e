"""Notifications: which alerts of a stack are sent, and where to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from .._core.arguments import check_iterable
from .._core.model import Model, OpenStrEnum
from .._core.parameters import Nested
from ..operation import get, many, patch
from ..pager import Pager
from ..secret import Secret
from ._resource import Resource

__all__ = [
    "Notification",
    "NotificationChannel",
    "NotificationFailure",
    "NotificationFailures",
    "NotificationNames",
    "NotificationSubscription",
    "NotificationUpdateResult",
    "Notifications",
]


class NotificationChannel(OpenStrEnum):
    """Channel that an alert is sent to."""

    EMAIL = "email"
    SLACK = "slack"
    WEBHOOK = "webhook"


@attrs.frozen(kw_only=True)
class NotificationSubscription(Model):
    """One channel that an alert is sent to (the URLs are known from the official client)."""

    channel: NotificationChannel
    slack_url: Secret | None = None  # URL to post to; only for the channel `slack`
    webhook_url: Secret | None = None  # URL to post to; only for the channel `webhook`


@attrs.frozen(kw_only=True)
class Notification(Model):
    """The settings of one alert. Without subscriptions, it is sent nowhere."""

    alert_name: str  # for example `noticent_stack_redeploy_failed`
    subscriptions: tuple[NotificationSubscription, ...] | None = None


@attrs.frozen(kw_only=True)
class NotificationNames(Model):
    """Names of alerts."""

    alerts: tuple[str, ...] | None = None
    count: int | None = None


@attrs.frozen(kw_only=True)
class NotificationFailure(Model):
    """One alert that was not set (known from the official client)."""

    alert_name: str
    reason: str | None = None


@attrs.frozen(kw_only=True)
class NotificationFailures(Model):
    """Alerts that were not set."""

    alerts: tuple[NotificationFailure, ...] | None = None
    count: int | None = None


@attrs.frozen(kw_only=True)
class NotificationUpdateResult(Model):
    """Which of several alerts were set."""

    successes: NotificationNames | None = None
    not_applicable: NotificationFailures | None = None  # alerts that the stack does not have
    failures: NotificationFailures | None = None


SETTINGS = Nested(
    {
        "alert_name": str,
        "subscriptions": Nested(
            {"channel": str, "slack_url": Secret | None, "webhook_url": Secret | None}, many=True, required=False
        ),
    },
    many=True,
)

LIST = get("/stacks/{stack}/notifications.json", many(Notification), scope="public")
GET = get("/stacks/{stack}/notifications/{alert}.json", Notification, scope="public")
UPDATE = patch(
    "/stacks/{stack}/notifications.json", NotificationUpdateResult, scope="public", body={"alerts": SETTINGS}
)


class Notifications(Resource):
    """Notification settings of a stack."""

    def list(self, stack: str) -> Pager[Notification]:
        """List the settings of all alerts of the stack. The API does not divide this list into pages."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, alert: str) -> Notification:
        """Return the settings of the alert with this name."""
        return await self._call(GET.bind(stack=stack, alert=alert))

    async def update(self, stack: str, *, alerts: Iterable[Notification]) -> NotificationUpdateResult:
        """Change the settings of several alerts. The result tells which of them were set."""
        return await self._call(UPDATE.bind(stack=stack, alerts=to_settings(alerts)))


def to_settings(alerts: Iterable[Notification]) -> list[dict[str, Any]]:
    """Return the settings of alerts in the form that the API expects."""
    check_iterable("alerts", alerts)
    settings = [_fields("alerts", alert, Notification) for alert in alerts]
    for alert in settings:
        if alert["subscriptions"] is not None:
            check_iterable("subscriptions", alert["subscriptions"])
            alert["subscriptions"] = [
                _fields("subscriptions", item, NotificationSubscription) for item in alert["subscriptions"]
            ]
    return settings


def _fields(name: str, item: Model, kind: type[Model]) -> dict[str, Any]:
    if not isinstance(item, kind):
        raise TypeError(f"invalid {name}: expected {kind.__name__}, not {type(item).__name__}")
    return attrs.asdict(item, recurse=False)
