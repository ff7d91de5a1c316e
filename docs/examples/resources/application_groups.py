from __future__ import annotations

from cloud66_async import Cloud66
from cloud66_async.models import Notification, NotificationChannel, NotificationSubscription


async def main(c66: Cloud66) -> None:
    """Send an alert by e-mail for every stack of the group `web`."""
    email = NotificationSubscription(channel=NotificationChannel.EMAIL)
    failed = Notification(
        alert_name="noticent_stack_redeploy_failed", subscriptions=(email,)
    )
    result = await c66.application_groups.update_notifications("web", alerts=[failed])
    print("set:", result.successes.alerts if result.successes else None)
