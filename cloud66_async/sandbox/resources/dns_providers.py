"""DNS providers in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

from ...resources import dns_providers as api
from ..crud import serve_list
from ..handling import also_at
from ..samples import account_name, sample_uid
from ..table import Kind, Record, register

__all__ = ["DNS_PROVIDERS"]


def sample(account: int) -> Iterator[Record]:
    """Yield the DNS providers of an account."""
    for vendor in ("Cloudflare", "DigitalOcean"):
        yield {
            "uuid": f"dp-{sample_uid('dns provider', account, vendor)}",
            "type": vendor,
            "key": f"{account_name(account)} {vendor}",
            "display_name": f"{vendor} ({account_name(account)})",
            "created_at": "2024-02-19T10:04:51Z",
            "updated_at": "2024-02-19T10:04:51Z",
        }


DNS_PROVIDERS = register(Kind("DNS provider", model=api.DnsProvider, owners=("account",), key="uuid", sample=sample))

serve_list(api.LIST, DNS_PROVIDERS)
also_at("GET", "/stacks/dns_providers.json", api.LIST)  # the path in one place of the documentation
