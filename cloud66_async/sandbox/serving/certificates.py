"""A temporary certificate authority, so that a local server can use TLS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import CertificateBuilder, GeneralName, KeyUsage

__all__ = ["Certificates"]

_LIFETIME = timedelta(days=7)


class Certificates:
    """A new authority and the certificate of one server, in files that are deleted by `close`.

    The key of the authority is not stored, so nobody can issue another certificate with it.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._folder = TemporaryDirectory(prefix="cloud66-sandbox-")  # readable for its owner only
        folder = Path(self._folder.name)
        self.authority: Path = folder / "ca.pem"
        """Certificate of the authority, which clients have to trust."""
        self.certificate: Path = folder / "server.pem"
        self.key: Path = folder / "server.key"
        authority, certificate, key = _issue(hosts)
        self.authority.write_bytes(authority)
        self.certificate.write_bytes(certificate)
        self.key.write_bytes(key)

    def close(self) -> None:
        """Delete the files."""
        self._folder.cleanup()


def _issue(hosts: Iterable[str]) -> tuple[bytes, bytes, bytes]:
    """Return the authority's certificate, the server's, and the server's key, in PEM format."""
    # Imported lazily: takes 50 ms. It is installed: Authlib requires it.
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID

    signing, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, usage = "Cloud 66 sandbox", x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    identifier = x509.SubjectKeyIdentifier.from_public_key(signing.public_key())
    authority = (
        _builder(issuer, issuer, signing)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(signing, SHA256())
    )
    certificate = (
        _builder(issuer, "Cloud 66 sandbox server", key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(usage, critical=False)
        .add_extension(x509.SubjectAlternativeName([_name(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(signing, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return authority.public_bytes(Encoding.PEM), certificate.public_bytes(Encoding.PEM), private


def _builder(issuer: str, subject: str, key: EllipticCurvePrivateKey) -> CertificateBuilder:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (issuer, subject)]
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(names[0])
        .subject_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
    )


def _key_usage(*, signs_certificates: bool) -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(host: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
