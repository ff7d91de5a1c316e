from __future__ import annotations

from cloud66_async import Cloud66


async def main(c66: Cloud66, stack: str) -> None:
    """Order a wildcard certificate with the first DNS provider of the account."""
    provider = await c66.dns_providers.list().first()
    if provider is not None:
        await c66.ssl_certificates.create(
            stack,
            type="lets_encrypt",
            server_names=["*.example.com"],
            ssl_termination=True,
            wildcard=True,
            dns_provider_uuid=provider.uuid,
        )
