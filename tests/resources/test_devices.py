"""Devices: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import traceback

import pytest

from cloud66_async import Conflict, NotFound, Secret, models
from cloud66_async.models import Device, DeviceSubType, DeviceType
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_error, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

PATH = "/users/101/devices"
PHONE = {"token": "hush/1", "device_type": 1, "sub_type": 1}

DOCUMENTED: Documented = {
    models.Device: """
        token device_type sub_type enabled created_at updated_at created_at_iso updated_at_iso
    """,
    models.DeviceType: {1: "ios", 2: "android"},
    models.DeviceSubType: {1: "iphone", 2: "ipad", 3: "ipod"},
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (
        lambda c66: c66.devices.create(101, token="hush/1", device_type=DeviceType.IOS, sub_type=DeviceSubType.IPHONE),
        ("POST", f"{PATH}.json", PHONE),
    ),
    (
        lambda c66: c66.devices.update(101, Secret("hush/1"), device_type=DeviceType.ANDROID),
        ("PUT", f"{PATH}/hush%2F1.json", {"device_type": 2}),
    ),
    (
        lambda c66: c66.devices.update(101, "t", sub_type=DeviceSubType.IPOD),
        ("PUT", f"{PATH}/t.json", {"sub_type": 3}),
    ),
    (lambda c66: c66.devices.delete(101, "t"), ("DELETE", f"{PATH}/t.json", None)),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use, {"token": "t"}) == expected


async def test_empty_responses_are_accepted() -> None:
    async with client(Script(make_response(b""))) as c66:
        await c66.devices.update(101, "t", device_type=DeviceType.IOS)
        await c66.devices.delete(101, "t")


async def test_token_is_in_no_message_and_no_traceback() -> None:
    async with client(Script(make_error(409, "conflict"))) as c66:
        for call in (
            c66.devices.create(101, token="hush", device_type=DeviceType.IOS, sub_type=DeviceSubType.IPAD),
            c66.devices.update(101, "hush"),
            c66.devices.delete(101, "hush"),
        ):
            with pytest.raises(Conflict) as caught:
                await call
            assert "hush" not in str(caught.value)
            frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
            shown = [frame.locals for frame in frames if "/resources/devices" in frame.filename]
            assert shown
            assert "hush" not in str(shown)


# --- sandbox -------------------------------------------------------------------------------------


def devices(call: Caller) -> list[dict[str, object]]:
    """Return the devices of the first user."""
    found: list[dict[str, object]] = call.get("/users/101")["devices"]
    return found


def test_sandbox_has_every_field(call: Caller) -> None:
    created = call.send("POST", f"{PATH}.json", PHONE)
    sample, listed = devices(call)
    assert sample.keys() == created.keys() == field_names(Device)
    assert listed == created
    assert str(created["created_at"]).endswith(" UTC")


def test_device_is_changed_by_either_path(call: Caller) -> None:
    call.send("POST", f"{PATH}.json", PHONE)
    reply = call("PUT", f"{PATH}/hush%2F1.json", {"sub_type": 2})
    assert (reply.status, reply.body, devices(call)[1]["sub_type"]) == (200, b"", 2)
    reply = call("PUT", f"{PATH}.json", {**PHONE, "sub_type": 3})
    assert (reply.status, reply.body, devices(call)[1]["sub_type"]) == (200, b"", 3)
    reply = call("DELETE", f"{PATH}/hush%2F1.json")
    assert (reply.status, reply.body, len(devices(call))) == (200, b"", 1)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", PATH, {"token": "t", "device_type": 1}, "bad_request"),
        ("POST", PATH, {**PHONE, "device_type": 3}, "bad_request"),
        ("POST", PATH, {**PHONE, "token": ""}, "bad_request"),
        ("POST", "/users/1/devices", PHONE, "not_found"),
        ("PUT", f"{PATH}/none", {}, "not_found"),
        ("PUT", PATH, PHONE, "not_found"),
        ("PUT", PATH, {}, "not_found"),
        ("DELETE", f"{PATH}/none", None, "not_found"),
    ],
)
def test_what_is_rejected(call: Caller, method: str, path: str, body: object, code: str) -> None:
    assert error_code(call(method, f"{path}.json", body)) == code


def test_scope_is_required(fake: FakeCloud66) -> None:
    caller = Caller(fake, fake.add_token(scopes=("public",)))
    assert error_code(caller("DELETE", f"{PATH}/t.json")) == "forbidden"


# --- story ---------------------------------------------------------------------------------------


async def test_device_is_registered_changed_and_deleted(connected: Connected) -> None:
    c66, user = connected.c66, (await connected.c66.users.list())[0].id

    async def found() -> dict[str, Device]:
        return {device.token.reveal(): device for device in (await c66.users.get(user)).devices or ()}

    created = await c66.devices.create(
        user, token="push/token", device_type=DeviceType.IOS, sub_type=DeviceSubType.IPHONE
    )
    assert (await found())["push/token"] == created
    assert (created.enabled, "push/token" in repr(created)) == (True, False)
    with pytest.raises(Conflict):
        await c66.devices.create(user, token="push/token", device_type=DeviceType.IOS, sub_type=DeviceSubType.IPHONE)
    await c66.devices.update(user, created.token, sub_type=DeviceSubType.IPOD)
    changed = (await found())["push/token"]
    assert (changed.device_type, changed.sub_type) == (DeviceType.IOS, DeviceSubType.IPOD)
    await c66.devices.delete(user, created.token)
    assert "push/token" not in await found()
    with pytest.raises(NotFound, match="no such device"):
        await c66.devices.delete(user, created.token)
