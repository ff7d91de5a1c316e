"""SSH keys: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import base64

import pytest

from cloud66_async import BadRequest, NotFound, models
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .wire import Sent, Use, sent

PATH = "/ssh_keys/access.json"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample ada@example.com\n"
ENCODED = base64.b64encode(KEY.encode()).decode()

DOCUMENTED: Documented = {models.AccessPublicKey: "public_key"}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.ssh_keys.get_access_key(), ("GET", PATH, None)),
    (lambda c66: c66.ssh_keys.set_access_key(KEY), ("POST", PATH, {"public_key": ENCODED})),
    (lambda c66: c66.ssh_keys.set_access_key("ssh-rsa \u00e9"), ("POST", PATH, {"public_key": "c3NoLXJzYSDDqQ=="})),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use, {"public_key": KEY}) == expected


@pytest.mark.parametrize("body", [b"", {"response": {"ok": True}}], ids=["empty", "outcome"])
async def test_any_response_to_a_new_key_is_accepted(body: object) -> None:
    async with client(Script(make_response(body))) as c66:
        await c66.ssh_keys.set_access_key(KEY)


async def test_key_that_is_not_text_is_rejected() -> None:
    async with client(Script()) as c66:
        with pytest.raises(TypeError, match="invalid public_key: expected a string, not bytes"):
            await c66.ssh_keys.set_access_key(KEY.encode())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_key_with_a_surrogate_is_rejected() -> None:
    async with client(Script()) as c66:
        with pytest.raises(ValueError, match="invalid public_key: it contains a surrogate, which cannot be encoded"):
            await c66.ssh_keys.set_access_key("ssh-rsa \ud800")


# --- sandbox -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY, "=", "", base64.b64encode(b"hello").decode(), base64.b64encode(b"\xff").decode()])
def test_nonsense_is_rejected(call: Caller, key: str) -> None:
    assert error_code(call("POST", PATH, {"public_key": key})) == "bad_request"
    assert error_code(call("GET", PATH)) == "not_found"


def test_every_user_has_a_key(fake: FakeCloud66, call: Caller) -> None:
    call("POST", PATH, {"public_key": ENCODED})
    assert call.get(PATH) == {"public_key": KEY}
    assert error_code(Caller(fake, fake.add_token("grace@example.com"))("GET", PATH)) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_key_is_replaced(connected: Connected) -> None:
    keys = connected.c66.ssh_keys
    with pytest.raises(NotFound, match="no such access key"):
        await keys.get_access_key()
    for key in (KEY, "ecdsa-sha2-nistp256 AAAA grace@example.com"):
        await keys.set_access_key(key)
        assert (await keys.get_access_key()).public_key == key
    with pytest.raises(BadRequest, match="must be the public key"):
        await keys.set_access_key("hello")
