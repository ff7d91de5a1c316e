"""Registry credentials: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

from cloud66_async import models
from cloud66_async.models import RegistryCredential
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import sent

PATH = "/users/registry-credentials.json"

DOCUMENTED: Documented = {models.RegistryCredential: "username secret"}


async def test_request() -> None:
    response = {"username": "u", "secret": "hush"}
    assert await sent(lambda c66: c66.registry_credentials.get(), response) == ("GET", PATH, None)


def test_sandbox_has_every_field_and_one_login_for_each_user(fake: FakeCloud66, call: Caller) -> None:
    found = call.get(PATH)
    assert found.keys() == field_names(RegistryCredential)
    assert call.get(PATH) == found
    other = Caller(fake, fake.add_token("grace@example.com")).get(PATH)
    assert (other["username"] != found["username"], other["secret"] != found["secret"]) == (True, True)


async def test_login_is_read(connected: Connected) -> None:
    found = await connected.c66.registry_credentials.get()
    assert found.username == "user-101"
    assert found.secret is not None
    assert found.secret.reveal() not in f"{found!r} {found.to_dict()}"
