"""Notifications in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...resources import notifications as api
from ..crud import serve_get, serve_list
from ..handling import Context, handles
from ..stack import FakeStack
from ..table import Kind, Record, register

__all__ = ["NOTIFICATIONS", "set_alerts"]

_ALERTS = (
    "noticent_stack_provisioned_success",
    "noticent_stack_provisioned_failed",
    "noticent_stack_redeploy_success",
    "noticent_stack_redeploy_failed",
    "noticent_stack_update_failed",
    "noticent_stack_health_check_failed",
    "noticent_server_stopped",
    "noticent_server_back",
)
_CHANNELS = {"email": None, "slack": "slack_url", "webhook": "webhook_url"}


def sample(_stack: FakeStack) -> Iterator[Record]:
    """Yield every alert, sent by e-mail."""
    for name in _ALERTS:
        yield {"alert_name": name, "subscriptions": [{"channel": "email"}]}


NOTIFICATIONS = register(Kind("notification", model=api.Notification, key="alert_name", sample=sample))

serve_list(api.LIST, NOTIFICATIONS, paged=False)
serve_get(api.GET, NOTIFICATIONS)


@handles(api.UPDATE)
def update_notifications(context: Context, stack: str) -> Record:
    """Change the settings of several alerts."""
    return set_alerts(context, context.stack(stack), context.parameters["alerts"])


def set_alerts(context: Context, stack: FakeStack, alerts: Sequence[Record]) -> Record:
    """Change the settings of several alerts of a stack. Return which of them were set."""
    table = context.world.table(NOTIFICATIONS, stack)
    known = {str(record["alert_name"]) for record in table.list()}
    successes: list[str] = []
    unknown: list[Record] = []
    failures: list[Record] = []
    for alert in alerts:
        name = alert["alert_name"]
        subscriptions = alert.get("subscriptions", [])
        problem = next(filter(None, map(_problem, subscriptions)), None)
        if name not in known:
            unknown.append({"alert_name": name, "reason": "The stack does not have this alert"})
        elif problem is not None:
            failures.append({"alert_name": name, "reason": problem})
        else:
            successes.append(name)
            if "subscriptions" in alert:
                table.update(name, {"subscriptions": subscriptions})
    found: dict[str, list[Any]] = {"successes": successes, "not_applicable": unknown, "failures": failures}
    return {name: {"alerts": items, "count": len(items)} for name, items in found.items()}


def _problem(subscription: Record) -> str | None:
    """Return why an alert cannot have this subscription, or None."""
    channel = subscription["channel"]
    if channel not in _CHANNELS:
        return "The channel must be email, slack or webhook"
    url = _CHANNELS[channel]
    if url is not None and not subscription.get(url, "").startswith(("http://", "https://")):
        return f"The channel {channel} needs {url}"
    return None
