"""Proxies that the environment names."""

from __future__ import annotations

import os

from ..errors import ConfigError
from ..secret import Secret
from .origin import Origin, is_loopback

__all__ = ["check_proxy", "environment_names_proxy", "environment_proxy"]

_MAX_LENGTH = 16 * 1024
_SCHEMES = ("http", "https", "socks5", "socks5h")


def environment_names_proxy() -> bool:
    """Return whether the environment names a proxy for any URL. Faster than looking for one."""
    return any(name.lower().endswith("_proxy") for name in os.environ)


def environment_proxy(origin: Origin) -> str | None:
    """Return the URL of the proxy that the environment names for this origin, or None.

    Reads HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, in upper or lower case, as urllib does. NO_PROXY may
    contain ports. Loopback hosts never use a proxy: plain http is allowed for them because it does not leave the
    machine. Raises ConfigError, which names the variable, if the proxy's URL is malformed or its scheme unsupported.
    """
    if not environment_names_proxy() or is_loopback(origin.host):
        return None
    from urllib.request import getproxies, proxy_bypass  # imported lazily: takes 15 ms, and rarely needed

    proxies = getproxies()
    scheme = origin.scheme if proxies.get(origin.scheme) else "all"
    proxy = proxies.get(scheme)
    if not proxy or proxy_bypass(f"{origin.name}:{origin.port}"):
        return None
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY")
    variable = next((name for name in names if os.environ.get(name) == proxy), names[1])
    url = Secret(proxy if "://" in proxy else f"http://{proxy}")
    del proxies, proxy  # the URL may contain a password, and a traceback may show local variables
    check_proxy(url, variable)
    return url.reveal()


def check_proxy(url: Secret, name: str) -> None:
    """Raise ConfigError, which says `name`, if this is not the URL of a proxy. The URL may contain a password."""
    scheme = _scheme(url.reveal())
    if scheme is None:
        raise ConfigError(f"invalid proxy URL in {name}: expected a URL like http://proxy.example.com:3128")
    if scheme not in _SCHEMES:
        raise ConfigError(f"unsupported proxy scheme {scheme!r} in {name}; use http://, https:// or socks5://")


def _scheme(url: str) -> str | None:
    """Return the scheme of the URL, or None if the URL is invalid."""
    from urllib.parse import urlsplit

    if len(url) > _MAX_LENGTH or not url.isprintable() or " " in url or "://" not in url:
        return None
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    return parts.scheme if valid else None
