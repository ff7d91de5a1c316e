"""DNS providers: what is sent, what the sandbox does, and how they are used."""

from __future__ import annotations

from cloud66_async import models
from cloud66_async.models import DnsProvider

from ..sandbox.caller import Caller
from ..sandbox.conftest import Connected
from .documented import Documented
from .fields import field_names
from .wire import sent

DOCUMENTED: Documented = {
    models.DnsProvider: """
        uuid type key display_name created_at updated_at
    """,
}

# --- wire form -----------------------------------------------------------------------------------


async def test_request() -> None:
    found = await sent(lambda c66: c66.dns_providers.list(), [])
    assert found == ("GET", "/dns_providers.json?page=1", None)


# --- sandbox -------------------------------------------------------------------------------------


def test_sandbox_has_every_field_at_both_paths(call: Caller) -> None:
    providers = call.get("/dns_providers.json")
    assert {frozenset(provider) for provider in providers} == {frozenset(field_names(DnsProvider))}
    assert call.get("/stacks/dns_providers") == providers


# --- story ---------------------------------------------------------------------------------------


async def test_dns_providers_are_listed(connected: Connected) -> None:
    _, c66 = connected
    first, *_ = await c66.dns_providers.list()
    assert first.uuid.startswith("dp-")
    assert first.type == "Cloudflare"
