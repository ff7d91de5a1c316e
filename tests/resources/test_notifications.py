"""Notifications: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest

from cloud66_async import BadRequest, NotFound, Secret, models
from cloud66_async.models import (
    Notification,
    NotificationChannel,
    NotificationFailure,
    NotificationNames,
    NotificationSubscription,
)
from cloud66_async.sandbox import FakeStack

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/stacks/a/notifications"
BY_EMAIL = NotificationSubscription(channel=NotificationChannel.EMAIL)
BY_WEBHOOK = NotificationSubscription(
    channel=NotificationChannel.WEBHOOK, webhook_url=Secret("https://hooks.example/hush")
)

DOCUMENTED: Documented = {
    models.Notification: """
        alert_name subscriptions
    """,
    models.NotificationSubscription: """
        channel slack_url webhook_url
    """,
    models.NotificationUpdateResult: """
        successes not_applicable failures
    """,
    models.NotificationNames: """
        alerts count
    """,
    models.NotificationFailures: """
        alerts count
    """,
    models.NotificationFailure: """
        alert_name reason
    """,
    models.NotificationChannel: {"email": "email", "slack": "slack", "webhook": "webhook"},
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.notifications.list("a"), ("GET", f"{PATH}.json?page=1", None)),
    (lambda c66: c66.notifications.get("a", "noticent_x"), ("GET", f"{PATH}/noticent_x.json", None)),
    (
        lambda c66: c66.notifications.update("a", alerts=[Notification(alert_name="x")]),
        ("PATCH", f"{PATH}.json", {"alerts": [{"alert_name": "x"}]}),
    ),
    (
        lambda c66: c66.notifications.update(
            "a", alerts=iter([Notification(alert_name="x", subscriptions=(BY_EMAIL, BY_WEBHOOK))])
        ),
        (
            "PATCH",
            f"{PATH}.json",
            {
                "alerts": [
                    {
                        "alert_name": "x",
                        "subscriptions": [
                            {"channel": "email"},
                            {"channel": "webhook", "webhook_url": "https://hooks.example/hush"},
                        ],
                    }
                ]
            },
        ),
    ),
    (
        lambda c66: c66.notifications.update(
            "a",
            alerts=[
                Notification(
                    alert_name="x",
                    subscriptions=(NotificationSubscription(channel=NotificationChannel("pager")),),
                )
            ],
        ),
        ("PATCH", f"{PATH}.json", {"alerts": [{"alert_name": "x", "subscriptions": [{"channel": "pager"}]}]}),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use, {"alert_name": "x"}) == expected


WRONG_ALERTS: list[tuple[Any, str]] = [
    (Notification(alert_name="x"), "invalid alerts: expected Notification, not tuple"),
    ("x", "invalid alerts: expected Notification, not str"),
    (5, "invalid alerts: expected an iterable, not int"),
    ([Notification(alert_name="x", subscriptions=("email",))],  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
     "invalid subscriptions: expected NotificationSubscription, not str"),
    ([Notification(alert_name="\ud800")], "invalid alert_name: it contains a surrogate"),
]  # fmt: skip


@pytest.mark.parametrize(("alerts", "message"), WRONG_ALERTS)
async def test_alerts_that_are_rejected_before_anything_is_sent(alerts: Any, message: str) -> None:
    async with client(Script()) as c66:
        with pytest.raises((TypeError, ValueError), match=message):
            await c66.notifications.update("a", alerts=alerts)


async def test_urls_are_secrets() -> None:
    alert = Notification(alert_name="x", subscriptions=(BY_WEBHOOK,))
    assert "hush" not in f"{alert!r} {alert.to_dict()}"
    repeated = {"error": "bad_request", "details": "cannot reach https://hooks.example/hush"}
    async with client(Script(make_response(repeated, 400))) as c66:
        with pytest.raises(BadRequest, match=r"cannot reach \*{8}") as caught:
            await c66.notifications.update("a", alerts=[alert])
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown = [frame for frame in frames if "cloud66_async" in frame.filename]
    assert shown
    assert "hush" not in str([frame.locals for frame in shown])


async def test_unknown_channels_are_read() -> None:
    alert = {"alert_name": "x", "subscriptions": [{"channel": "pager"}]}
    async with client(Script(make_response({"response": alert}))) as c66:
        found = await c66.notifications.get("a", "x")
    assert found.subscriptions is not None
    assert (found.subscriptions[0].channel, found.subscriptions[0].channel.known) == ("pager", False)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field_and_no_pages(call: Caller, web: FakeStack) -> None:
    reply = call("GET", f"/stacks/{web.uid}/notifications.json")
    assert json.loads(reply.body).keys() == {"response", "count"}
    for alert in json.loads(reply.body)["response"]:
        assert alert.keys() == field_names(Notification)
        assert alert["subscriptions"] == [{"channel": "email"}]


SLACK = {"channel": "slack", "slack_url": "https://slack.example/x"}


@pytest.mark.parametrize(
    ("subscriptions", "reason"),
    [
        ([SLACK], None),
        ([], None),
        ([{"channel": "pager"}], "The channel must be email, slack or webhook"),
        ([{"channel": "slack"}], "The channel slack needs slack_url"),
        ([SLACK, {"channel": "webhook", "webhook_url": "x"}], "The channel webhook needs webhook_url"),
    ],
)
def test_results_of_updates(call: Caller, web: FakeStack, subscriptions: object, reason: str | None) -> None:
    path, name = f"/stacks/{web.uid}/notifications", "noticent_server_back"
    alert = {"alert_name": name, "subscriptions": subscriptions}
    result = call.send("PATCH", f"{path}.json", {"alerts": [alert]})
    failures = [] if reason is None else [{"alert_name": name, "reason": reason}]
    assert result["failures"] == {"alerts": failures, "count": len(failures)}
    assert result["successes"]["alerts"] == ([name] if reason is None else [])
    assert call.get(f"{path}/{name}.json")["subscriptions"] == ([{"channel": "email"}] if reason else subscriptions)


UNREADABLE: list[object] = [
    [{}], [{"alert_name": ["x"]}], ["x"], {"alert_name": "x"}, [{"alert_name": "x", "subscriptions": "email"}],
    [{"alert_name": "x", "subscriptions": ["email"]}], [{"alert_name": "x", "subscriptions": [{}]}],
]  # fmt: skip


@pytest.mark.parametrize("alerts", UNREADABLE)
def test_unreadable_alerts_are_rejected(call: Caller, web: FakeStack, alerts: object) -> None:
    reply = call("PATCH", f"/stacks/{web.uid}/notifications.json", {"alerts": alerts})
    assert error_code(reply) == "bad_request"


# --- story ---------------------------------------------------------------------------------------


async def test_alerts_are_changed(connected: Connected) -> None:
    fake, c66 = connected
    stack, other = fake.add_stack("web").uid, fake.add_stack("other").uid
    first, second, *_ = await c66.notifications.list(stack)
    changed = Notification(alert_name=first.alert_name, subscriptions=(BY_EMAIL, BY_WEBHOOK))
    unknown = Notification(alert_name="noticent_none", subscriptions=())
    result = await c66.notifications.update(stack, alerts=[changed, unknown])
    assert result.successes == NotificationNames(alerts=(first.alert_name,), count=1)
    assert result.not_applicable is not None
    assert result.not_applicable.alerts == (
        NotificationFailure(alert_name="noticent_none", reason="The stack does not have this alert"),
    )
    assert result.failures is not None
    assert result.failures.count == 0
    assert (await c66.notifications.list(stack))[:2] == [changed, second]
    assert await c66.notifications.get(stack, first.alert_name) == changed
    assert await c66.notifications.get(other, first.alert_name) == first
    with pytest.raises(NotFound):
        await c66.notifications.get(stack, "noticent_none")
