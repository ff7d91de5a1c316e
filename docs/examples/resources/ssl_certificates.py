from __future__ import annotations

from cloud66_async import Cloud66, Secret


async def main(c66: Cloud66, stack: str) -> None:
    """Order a certificate from Let's Encrypt."""
    certificate = await c66.ssl_certificates.create(
        stack, type="lets_encrypt", server_names=["www.example.com"], ssl_termination=True
    )
    print(certificate.uuid, certificate.status)


async def expiring(c66: Cloud66, stack: str) -> None:
    """Replace each certificate by one of your own, and show when it expires."""
    for found in await c66.ssl_certificates.list(stack):
        await c66.ssl_certificates.update(
            stack,
            found.uuid or "",
            type="manual",
            server_names=["www.example.com"],
            ssl_termination=True,
            certificate="-----BEGIN CERTIFICATE-----\n...",
            key=Secret("-----BEGIN PRIVATE KEY-----\n..."),
        )
        certificate = await c66.ssl_certificates.get(stack, found.uuid or "")
        print(certificate.server_names, certificate.expires_at)


async def delete(c66: Cloud66, stack: str) -> None:
    """Remove the certificates that Let's Encrypt did not issue."""
    for certificate in await c66.ssl_certificates.list(stack):
        if certificate.type == "manual" and certificate.uuid is not None:
            await c66.ssl_certificates.delete(stack, certificate.uuid)
