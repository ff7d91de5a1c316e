"""Origin: the scheme, host and port that a request goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ipaddress

__all__ = ["DEFAULT_PORTS", "Origin", "ip_address", "is_loopback"]

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Destination of a connection. If `sni` is set, it replaces the host name in the TLS handshake and its check."""

    host: str
    port: int
    tls: bool = False
    sni: str | None = None

    @property
    def scheme(self) -> str:
        """`https` or `http`."""
        return "https" if self.tls else "http"

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them: without the port if it is the scheme's default."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == DEFAULT_PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def url(self) -> str:
        """The origin as a URL without a trailing slash, for example `https://app.cloud66.com`."""
        return f"{self.scheme}://{self.authority}"


def is_loopback(host: str) -> bool:
    """Return whether this host name or IP address belongs to the loopback interface."""
    address = ip_address(host)
    return host == "localhost" if address is None else address.is_loopback


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that `host` is, or None for a host name."""
    import ipaddress  # imported lazily: takes 2 ms

    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
