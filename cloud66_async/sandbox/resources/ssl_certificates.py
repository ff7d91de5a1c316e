"""SSL certificates in the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from ...resources import ssl_certificates as api
from ...resources.ssl_certificates import SslCertificateStatus
from ..actions import FakeAction
from ..crud import find, tables_of
from ..handling import Context, Listing, also_at, handles
from ..parameters import bad_request
from ..samples import sample_hash, sample_uid, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, register
from .dns_providers import DNS_PROVIDERS

__all__ = ["SSL_CERTIFICATES"]

_LIFETIMES = {"lets_encrypt": timedelta(days=90), "manual": timedelta(days=365)}


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield a certificate for the stack's host name that was installed a month ago."""
    time = stack.added_at - timedelta(days=30)
    uid = sample_uid("ssl certificate", stack.uid)
    fields = {"type": "lets_encrypt", "server_names": stack.data["fqdn"], "ssl_termination": True}
    yield {**_new(uid), **fields, **_installed(uid, "lets_encrypt", time), "created_at": timestamp(time),
           "updated_at": timestamp(time), "installation": None}  # fmt: skip


SSL_CERTIFICATES = register(
    Kind(
        "SSL certificate",
        model=api.SslCertificate,
        key="uuid",
        sample=sample,
        defaults={"created_at": None, "updated_at": None},
    )
)


@handles(api.LIST)
def list_certificates(context: Context, stack: str) -> Listing[Record]:
    """List the certificates of the stack."""
    (table,) = tables_of(context, SSL_CERTIFICATES, stack)
    return Listing(table.list(), lambda record: _to_json(record, context.now))


@handles(api.GET)
def get_certificate(context: Context, stack: str, uuid: str) -> Record:
    """Return one certificate."""
    return _to_json(find(context, SSL_CERTIFICATES, stack, uuid), context.now)


@handles(api.CREATE)
def create_certificate(context: Context, stack: str) -> Record:
    """Add a certificate and start to install it."""
    (table,) = tables_of(context, SSL_CERTIFICATES, stack)
    fields, uid = _fields(context), sample_uid("ssl certificate", table.new_id())
    record = table.create({**_new(uid), **fields, "installation": _install(context, stack)})
    return _to_json(record, context.now)


@handles(api.UPDATE)
def update_certificate(context: Context, stack: str, uuid: str) -> Record:
    """Replace a certificate and start to install it."""
    find(context, SSL_CERTIFICATES, stack, uuid)
    (table,) = tables_of(context, SSL_CERTIFICATES, stack)
    fields = {**_new(uuid.removeprefix("ssl-")), **_fields(context)}
    return _to_json(table.update(uuid, {**fields, "installation": _install(context, stack)}), context.now)


also_at("PATCH", api.UPDATE.path, api.UPDATE)  # the documentation shows both methods


@handles(api.DELETE)
def delete_certificate(context: Context, stack: str, uuid: str) -> Record:
    """Remove a certificate and return it."""
    find(context, SSL_CERTIFICATES, stack, uuid)
    (table,) = tables_of(context, SSL_CERTIFICATES, stack)
    return {**_to_json(table.delete(uuid), context.now), "status": SslCertificateStatus.REMOVING.value}


def _new(uid: str) -> Record:
    """Return the fields of a certificate that is being installed."""
    return {
        "uuid": f"ssl-{uid}",
        "name": f"certificate-{uid[:8]}",
        "server_group_id": None,
        "sha256_fingerprint": None,
        "ca_name": None,
        "wildcard": False,
        "dns_provider_uuid": None,
        "has_intermediate_cert": False,
        "status": SslCertificateStatus.INSTALLING.value,
        "certificate": None,
        "key": None,
        "intermediate_certificate": None,
        "expires_at": None,
    }


def _installed(uid: str, kind: str, time: datetime) -> Record:
    """Return the fields that are known when a certificate was installed."""
    return {
        "status": SslCertificateStatus.INSTALLED.value,
        "sha256_fingerprint": sample_hash(uid, kind, time) + sample_hash(kind, uid)[:24],
        "ca_name": "Let's Encrypt" if kind == "lets_encrypt" else "Example CA",
        "expires_at": timestamp(time + _LIFETIMES[kind]),
    }


def _install(context: Context, stack: str) -> FakeAction:
    """Start the action that installs a certificate."""
    return context.world.act(context.stack(stack), "ssl_certificate_install", user=context.user)


def _fields(context: Context) -> Record:
    """Return what the request sets."""
    given = context.parameters
    names = [name.strip() for name in given["server_names"]]
    if not all(names):
        raise bad_request("server_names must not be empty")
    if given["type"] == "manual" and not (given.get("certificate") and given.get("key")):
        raise bad_request("A manual certificate needs certificate and key")
    if given.get("wildcard"):
        if given["type"] == "manual" or "dns_provider_uuid" not in given:
            raise bad_request("A wildcard certificate needs the type lets_encrypt and dns_provider_uuid")
        find(context, DNS_PROVIDERS, given["dns_provider_uuid"])
    intermediate = given.get("intermediate_certificate")
    return {**given, "server_names": ",".join(names), "has_intermediate_cert": bool(intermediate)}


def _to_json(record: Record, now: datetime) -> Record:
    """Return the fields of the API at this time."""
    shown = {name: value for name, value in record.items() if name != "installation"}
    action: FakeAction | None = record["installation"]
    if action is not None and action.finished(now):
        result = _installed(record["uuid"], record["type"], action.ends_at)
        shown |= result if action.success else {"status": SslCertificateStatus.FAILED.value}
    return shown
