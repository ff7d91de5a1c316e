"""Application groups: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import NotFound
from cloud66_async.models import Notification, NotificationChannel, NotificationNames, NotificationSubscription
from cloud66_async.sandbox import FakeCloud66, FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from .documented import Documented
from .wire import sent

DOCUMENTED: Documented = {}
PATH = "/application_groups/notifications"
SILENT = Notification(alert_name="noticent_server_back", subscriptions=())

# --- wire form -----------------------------------------------------------------------------------


async def test_request() -> None:
    found = await sent(lambda c66: c66.application_groups.update_notifications("shop", alerts=[SILENT]))
    body: dict[str, object] = {
        "application_group_name": "shop",
        "alerts": [{"alert_name": "noticent_server_back", "subscriptions": []}],
    }
    assert found == ("PATCH", PATH, body)


# --- sandbox -------------------------------------------------------------------------------------


def test_groups_of_other_accounts_are_not_found(fake: FakeCloud66, call: Caller, web: FakeStack) -> None:
    fake.add_stack("shop", account=2)
    alerts = [{"alert_name": "noticent_server_back"}]
    reply = call("PATCH", PATH, {"application_group_name": "shop", "alerts": alerts})
    assert error_code(reply) == "not_found"
    assert error_code(call("PATCH", PATH, {"application_group_name": "web"})) == "bad_request"
    assert call.send("PATCH", PATH, {"application_group_name": "web", "alerts": alerts})["successes"]["count"] == 1


# --- story ---------------------------------------------------------------------------------------


async def test_alerts_of_all_stacks_of_a_group_are_changed(connected: Connected) -> None:
    fake, c66 = connected
    live, staging = fake.add_stack("shop"), fake.add_stack("shop", environment="staging")
    other = fake.add_stack("web")
    by_email = (NotificationSubscription(channel=NotificationChannel.EMAIL),)
    result = await c66.application_groups.update_notifications("shop", alerts=[SILENT])
    assert result.successes == NotificationNames(alerts=(SILENT.alert_name,), count=1)
    for stack, subscriptions in ((live, ()), (staging, ()), (other, by_email)):
        found = await c66.notifications.get(stack.uid, SILENT.alert_name)
        assert found.subscriptions == subscriptions
    with pytest.raises(NotFound):
        await c66.application_groups.update_notifications("none", alerts=[SILENT])
