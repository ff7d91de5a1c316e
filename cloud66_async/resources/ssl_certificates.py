"""SSL certificates of stacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from .._core.model import Model, OpenIntEnum, Timestamp
from .._core.parameters import CommaSeparated
from ..operation import delete, get, many, post, put
from ..pager import Pager
from ..secret import Secret, conceal
from ._resource import Resource

__all__ = ["SslCertificate", "SslCertificateStatus", "SslCertificateType", "SslCertificates"]

SslCertificateType = Literal["lets_encrypt", "manual"]
"""Whether a certificate is issued by Let's Encrypt or provided by the user."""


class SslCertificateStatus(OpenIntEnum):
    """State of a certificate."""

    NOT_APPLICABLE = -1
    NOT_INSTALLED = 0
    INSTALLING = 1
    FAILED = 2
    INSTALLED = 3
    REMOVING = 4


@attrs.frozen(kw_only=True)
class SslCertificate(Model):
    """One certificate of a stack. `uuid` and `name` may be None in the response to `create`."""

    uuid: str | None = None  # starts with `ssl-`
    name: str | None = None
    server_group_id: int | None = None  # ID of the server group
    server_names: str | None = None  # domains, separated by commas
    sha256_fingerprint: str | None = None
    ca_name: str | None = None  # name of the issuer
    type: str | None = None  # `lets_encrypt` or `manual`
    wildcard: bool | None = None
    dns_provider_uuid: str | None = None  # UUID of the DNS provider
    ssl_termination: bool | None = None  # whether encryption ends at the load balancer
    has_intermediate_cert: bool | None = None
    status: SslCertificateStatus | None = None
    certificate: str | None = None  # in PEM format
    key: Secret | None = None  # in PEM format
    intermediate_certificate: str | None = None  # in PEM format
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    expires_at: Timestamp | None = None


_CERTIFICATE = {
    "type": SslCertificateType,
    "server_names": CommaSeparated[list[str]],
    "ssl_termination": bool,
    "wildcard": bool | None,
    "dns_provider_uuid": str | None,
    "certificate": str | None,
    "key": Secret | None,
    "intermediate_certificate": str | None,
}

LIST = get("/stacks/{stack}/ssl_certificates.json", many(SslCertificate), scope="admin")
GET = get("/stacks/{stack}/ssl_certificates/{uuid}.json", SslCertificate, scope="admin")
CREATE = post(
    "/stacks/{stack}/ssl_certificates.json",
    SslCertificate,
    scope="admin",
    body=_CERTIFICATE,
    wrapper="ssl_certificate",
)
UPDATE = put(
    "/stacks/{stack}/ssl_certificates/{uuid}.json",
    SslCertificate,
    scope="admin",
    body=_CERTIFICATE,
    wrapper="ssl_certificate",
)
DELETE = delete("/stacks/{stack}/ssl_certificates/{uuid}.json", SslCertificate, scope="admin")


class SslCertificates(Resource):
    """SSL certificates of a stack."""

    def list(self, stack: str) -> Pager[SslCertificate]:
        """List the certificates of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def get(self, stack: str, uuid: str) -> SslCertificate:
        """Return the certificate with this UUID."""
        return await self._call(GET.bind(stack=stack, uuid=uuid))

    async def create(
        self,
        stack: str,
        *,
        type: SslCertificateType,  # noqa: A002  the API's name
        server_names: Iterable[str],
        ssl_termination: bool,
        wildcard: bool | None = None,
        dns_provider_uuid: str | None = None,
        certificate: str | None = None,
        key: str | Secret | None = None,
        intermediate_certificate: str | None = None,
    ) -> SslCertificate:
        """Add a certificate. Return it. There is no action to wait for: `status` changes when it is installed.

        Args:
            stack: uid of the stack.
            type: Whether Let's Encrypt issues the certificate or you provide it.
            server_names: Domains of the certificate.
            ssl_termination: Whether encryption ends at the load balancer.
            wildcard: Whether the domains have wildcards; only for `lets_encrypt`.
            dns_provider_uuid: UUID of the DNS provider; required for wildcards.
            certificate: Certificate in PEM format; required for `manual`.
            key: Private key in PEM format; required for `manual`.
            intermediate_certificate: Intermediate certificates in PEM format.
        """
        key = None if key is None else conceal(key)
        return await self._call(
            CREATE.bind(
                stack=stack,
                type=type,
                server_names=server_names,
                ssl_termination=ssl_termination,
                wildcard=wildcard,
                dns_provider_uuid=dns_provider_uuid,
                certificate=certificate,
                key=key,
                intermediate_certificate=intermediate_certificate,
            )
        )

    async def update(
        self,
        stack: str,
        uuid: str,
        *,
        type: SslCertificateType,  # noqa: A002  the API's name
        server_names: Iterable[str],
        ssl_termination: bool,
        wildcard: bool | None = None,
        dns_provider_uuid: str | None = None,
        certificate: str | None = None,
        key: str | Secret | None = None,
        intermediate_certificate: str | None = None,
    ) -> SslCertificate:
        """Replace a certificate. Return it.

        Args:
            stack: uid of the stack.
            uuid: UUID of the certificate.
            type: Whether Let's Encrypt issues the certificate or you provide it.
            server_names: Domains of the certificate.
            ssl_termination: Whether encryption ends at the load balancer.
            wildcard: Whether the domains have wildcards; only for `lets_encrypt`.
            dns_provider_uuid: UUID of the DNS provider; required for wildcards.
            certificate: Certificate in PEM format; required for `manual`.
            key: Private key in PEM format; required for `manual`.
            intermediate_certificate: Intermediate certificates in PEM format.
        """
        key = None if key is None else conceal(key)
        return await self._call(
            UPDATE.bind(
                stack=stack,
                uuid=uuid,
                type=type,
                server_names=server_names,
                ssl_termination=ssl_termination,
                wildcard=wildcard,
                dns_provider_uuid=dns_provider_uuid,
                certificate=certificate,
                key=key,
                intermediate_certificate=intermediate_certificate,
            )
        )

    async def delete(self, stack: str, uuid: str) -> SslCertificate:
        """Remove a certificate. Return it."""
        return await self._call(DELETE.bind(stack=stack, uuid=uuid))
