from __future__ import annotations

from cloud66_async import Cloud66, Secret
from cloud66_async.models import Notification, NotificationChannel, NotificationSubscription


async def main(c66: Cloud66, stack: str) -> None:
    """Post to Slack when a redeployment fails."""
    slack = NotificationSubscription(
        channel=NotificationChannel.SLACK,
        slack_url=Secret("https://hooks.slack.example.com/T1/B2"),
    )
    failed = Notification(
        alert_name="noticent_stack_redeploy_failed", subscriptions=(slack,)
    )
    result = await c66.notifications.update(stack, alerts=[failed])
    print(result.failures)


async def show(c66: Cloud66, stack: str) -> None:
    """Show where alerts are sent."""
    for alert in await c66.notifications.list(stack):
        print(alert.alert_name, [str(item.channel) for item in alert.subscriptions or ()])
    stopped = await c66.notifications.get(stack, "noticent_server_stopped")
    print("one server stops:", stopped.subscriptions)
