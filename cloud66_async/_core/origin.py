"""Origin: the scheme, host and port that a request goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ipaddress

__all__ = ["DEFAULT_PORTS", "Origin", "ip_address", "is_loopback"]

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Destination of a connection. If `sni` is set, it replaces the host name in the TLS handshake and its check.

    A host name may end with a dot, which makes it absolute in a DNS lookup, and an IPv6 address may have a zone. The
    Host header and the certificate have neither.
    """

    host: str
    port: int
    tls: bool = False
    sni: str | None = None

    @property
    def scheme(self) -> str:
        """`https` or `http`."""
        return "https" if self.tls else "http"

    @property
    def name(self) -> str:
        """The host as the Host header and the certificate have it: without a zone or a trailing dot."""
        return self.host.partition("%")[0] if ":" in self.host else self.host.removesuffix(".")

    @property
    def lookup_name(self) -> str:
        """The host as `getaddrinfo` takes it. URLs write the `%` before a zone as `%25` (RFC 6874)."""
        return self.host.replace("%25", "%", 1) if ":" in self.host else self.host

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them: without the port if it is the scheme's default."""
        return self._with_port(self.name)

    @property
    def url(self) -> str:
        """The origin as a URL without a trailing slash, for example `https://app.cloud66.com`."""
        return f"{self.scheme}://{self._with_port(self.host)}"

    @property
    def lookup_url(self) -> str:
        """The origin as a URL with the host as `getaddrinfo` takes it."""
        return f"{self.scheme}://{self._with_port(self.lookup_name)}"

    def _with_port(self, host: str) -> str:
        name = f"[{host}]" if ":" in host else host
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"


def is_loopback(host: str) -> bool:
    """Return whether this host name or IP address belongs to the loopback interface."""
    address = ip_address(host)
    return host.removesuffix(".") == "localhost" if address is None else address.is_loopback


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that `host` is, or None for a host name."""
    import ipaddress  # imported lazily: takes 2 ms

    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
