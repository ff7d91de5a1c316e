"""Accounts: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

import pytest

from cloud66_async import Secret, models
from cloud66_async.models import Account, OneTimePassword, UnmanagedServer
from cloud66_async.sandbox import FakeCloud66

from ..sandbox.caller import Caller, error_code
from ..sandbox.conftest import Connected
from ..support import Script, client, make_response
from .documented import Documented
from .fields import field_names
from .wire import Sent, Use, sent

DOCUMENTED: Documented = {
    models.Account: """
        id owner friendly_name stack_count used_clouds current_account unmanaged_servers server_registration_script
        configstore_namespace created_at_iso updated_at_iso
    """,
    models.UnmanagedServer: """
        id name vendor ip
    """,
    models.OneTimePassword: """
        ok otp
    """,
}

# --- wire form -----------------------------------------------------------------------------------


REQUESTS: list[tuple[Use, Sent]] = [
    (lambda c66: c66.accounts.list(), ("GET", "/accounts.json?page=1", None)),
    (lambda c66: c66.accounts.get(7), ("GET", "/accounts/7.json", None)),
    (
        lambda c66: c66.accounts.get(7, include_servers=True),
        ("GET", "/accounts/7.json?include_servers=true", None),
    ),
]


@pytest.mark.parametrize(("use", "expected"), REQUESTS)
async def test_requests(use: Use, expected: Sent) -> None:
    assert await sent(use) == expected


async def test_request_of_a_one_time_password() -> None:
    use: Use = lambda c66: c66.accounts.get_otp()  # noqa: E731
    assert await sent(use, {"ok": True, "otp": "012345"}) == ("GET", "/accounts/otp.json", None)


@pytest.mark.parametrize("suffix", ["", "_iso"])
async def test_either_form_of_values_is_read(suffix: str) -> None:
    """The official client reads other names of timestamps; IDs of unmanaged servers are numbers in one example."""
    account = {"id": 1, f"created_at{suffix}": "2024-01-02T03:04:05Z", "unmanaged_servers": [{"id": 5}, {"id": "6"}]}
    async with client(Script(make_response({"response": account}))) as c66:
        found = await c66.accounts.get(1)
    assert (found.created_at or found.created_at_iso) is not None
    assert found.unmanaged_servers == (UnmanagedServer(id="5"), UnmanagedServer(id="6"))


async def test_secrets_are_masked() -> None:
    async with client(
        Script(
            make_response({"response": {"id": 1, "server_registration_script": "curl hush"}}),
            make_response({"response": {"ok": True, "otp": "012345"}}),
        )
    ) as c66:
        account, password = await c66.accounts.get(1), await c66.accounts.get_otp()
    assert account.server_registration_script == Secret("curl hush")
    assert password.otp.reveal() == "012345"
    assert "hush" not in f"{account!r} {account.to_dict()}"
    assert "12345" not in f"{password!r} {password.to_dict()}"


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field(call: Caller) -> None:
    (account,) = call.get("/accounts.json")
    assert account.keys() == field_names(Account)
    assert account["unmanaged_servers"] is None
    (server,) = call.get("/accounts/1.json", include_servers="true")["unmanaged_servers"]
    assert server.keys() == field_names(UnmanagedServer)
    assert call.get("/accounts/otp.json").keys() == field_names(OneTimePassword)


def test_accounts_are_those_of_the_user(fake: FakeCloud66) -> None:
    fake.add_stack("web", account=2, fields={"cloud": "hetzner"})
    fake.add_stack("api", account=2, fields={"cloud": "no_cloud"})
    call = Caller(fake, fake.add_token(fake.add_user("eve@example.com", accounts=(3, 2))))
    third, second = call.get("/accounts.json")
    assert (third["id"], third["current_account"], third["stack_count"]) == (3, True, 0)
    assert (second["friendly_name"], second["current_account"], second["stack_count"]) == ("Acme 2", False, 2)
    assert second["used_clouds"] == ["hetzner"]
    assert call.get("/accounts/2.json", include_servers="true")["unmanaged_servers"] is None
    assert error_code(call("GET", "/accounts/1.json")) == "not_found"


# --- story ---------------------------------------------------------------------------------------


async def test_each_account_has_a_view_of_its_own(connected: Connected) -> None:
    fake, c66 = connected
    user = fake.add_user("both@example.com", accounts=[1, 2])
    stack = fake.add_stack("other", account=2)
    view = c66.using(token=fake.add_token(user), account=1)
    found = {account.id: await own.stacks.list() async for account, own in view.accounts.each_account()}
    assert found.keys() == {1}
    view = c66.using(token=fake.add_token(user), account=None)
    found = {account.id: await own.stacks.list() async for account, own in view.accounts.each_account()}
    assert found.keys() == {1, 2}
    assert [item.uid for item in found[2]] == [stack.uid]
    assert stack.uid not in {item.uid for item in found[1]}


async def test_accounts_are_read(connected: Connected) -> None:
    fake, c66 = connected
    (account,) = await c66.accounts.list()
    assert (account.id, account.friendly_name, account.stack_count) == (1, "Acme", 75)
    assert account.current_account
    fake.add_stack("web")
    found = await c66.accounts.get(1, include_servers=True)
    assert found.stack_count == 76
    assert found.unmanaged_servers is not None
    assert len((await c66.accounts.get_otp()).otp.reveal()) == 6
