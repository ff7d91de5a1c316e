"""The checks of `doctor`: from the address to the quota. Each is bounded in time and needs no other command."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from ..._core.origin import ip_address
from ..._core.proxies import environment_proxy
from ..._core.tls import create_context
from ...client import Cloud66
from ...config import Address
from ...errors import Cloud66Error, ConfigError, TransportError, Unauthenticated
from ...operation import Response
from ...quota import next_hour
from ...resources import ping
from ...resources.ping import Identity
from ...retry import Retry
from ..exits import DONE, FAILED, NOT_LOGGED_IN, THROTTLED
from ..failures import failure_of, plain_reason
from ..logins import Login, described, environment_variable

__all__ = ["Checks", "Result", "check_address"]

SECONDS = 10.0
_MAX_SKEW = 60.0
_WANTED = ("public", "redeploy", "jobs", "users", "admin")
_ANYBODY = "doctor"  # the API does not look at the token of a ping


class Result(NamedTuple):
    """Outcome of one check.

    Args:
        check: Name of the check.
        state: How it ended.
        text: What was found.
        remedy: What to do, if it failed.
        code: Exit code that it stands for.
    """

    check: str
    state: Literal["ok", "failed", "skipped"]
    text: str
    remedy: str = ""
    code: int = DONE


def failed(check: str, text: str, remedy: str, code: int = FAILED) -> Result:
    """Return the result of a failed check."""
    return Result(check, "failed", text, remedy, code)


def check_address(given: str | None) -> tuple[Result, Address | None]:
    """Return whether the URL of the server can be used, and the address in it."""
    origin = "from CLOUD66_URL" if given else "the default"
    try:
        address = Address.parse(None)
    except ConfigError as error:
        remedy = "Correct CLOUD66_URL, or unset it to use https://app.cloud66.com"
        return failed("address", f"{error} ({origin})", remedy), None
    return Result("address", "ok", f"{address.site} ({origin})"), address


class Checks:
    """Checks of one address with one login. Those that send something run at the same time.

    Args:
        address: Where to send requests.
        login: Token, or None.
        account: ID of the account to act for, or None.
    """

    def __init__(self, address: Address, login: Login | None, account: int | None) -> None:
        self._address = address
        self._login = login
        self._account = account
        self._proxy = ""
        token = _ANYBODY if login is None else login.token
        self._c66 = Cloud66(token, account=account, timeout=SECONDS, retry=Retry(attempts=1))

    def start(self) -> list[asyncio.Task[Result]]:
        """Start every check. Return them in the order in which they are shown."""
        proxy = self.find_proxy()
        self._pong = asyncio.create_task(_caught(self._c66.send(ping.CHECK.bind())))
        self._identity = asyncio.create_task(_caught(self._c66.send(ping.CHECK_TOKEN.bind())))
        network = (self.name(), self.proxy(proxy), self.connect(), self.tls(), self.clock())
        access = (self.token(), self.account(), self.scopes(), self.quota())
        return [asyncio.create_task(check) for check in (*network, *access)]

    async def aclose(self) -> None:
        """Close the connections."""
        await self._c66.aclose()

    async def name(self) -> Result:
        """Look up the name of the server."""
        origin = self._address.origin
        if ip_address(origin.host) is not None:
            return Result("name", "skipped", "not needed: the address is an IP address")
        if self._proxy:
            return Result("name", "skipped", "the proxy looks it up")
        try:
            async with asyncio.timeout(SECONDS):
                found = await asyncio.get_running_loop().getaddrinfo(origin.host, origin.port)
        except TimeoutError:
            return failed("name", f"no answer for {origin.host} within {SECONDS:g} s", _DNS)
        except OSError as error:
            return failed("name", f"{origin.host}: {plain_reason(str(error))}", _DNS)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        more = f" and {len(addresses) - 2} more" if len(addresses) > 2 else ""
        return Result("name", "ok", f"{origin.host} is {', '.join(addresses[:2])}{more}")

    def find_proxy(self) -> Result:
        """Look for a proxy in the environment."""
        try:
            found = environment_proxy(self._address.origin)
        except ConfigError as error:
            return failed("proxy", str(error), "Correct the variable, or unset it")
        if found is None:
            return Result("proxy", "ok", "none for this address")
        parts = urlsplit(found)  # may contain a password
        self._proxy = f"{parts.hostname}:{parts.port or 80}"
        return Result("proxy", "ok", f"{self._proxy} (from the environment)")

    async def proxy(self, found: Result) -> Result:
        """Connect to the proxy, if there is one."""
        if not self._proxy:
            return found
        host, _, port = self._proxy.rpartition(":")
        try:
            async with asyncio.timeout(SECONDS):
                _, writer = await asyncio.open_connection(host, int(port))
        except TimeoutError:
            return failed("proxy", f"no connection to {self._proxy} within {SECONDS:g} s", _PROXY)
        except OSError as error:
            return failed("proxy", f"{self._proxy}: {plain_reason(str(error))}", _PROXY)
        writer.transport.abort()
        return found

    async def connect(self) -> Result:
        """Connect to the port of the server."""
        origin = self._address.origin
        if self._proxy:
            return Result("connect", "skipped", "the proxy connects")
        try:
            async with asyncio.timeout(SECONDS):
                _, writer = await asyncio.open_connection(origin.host, origin.port)
        except TimeoutError:
            return failed("connect", f"no connection to port {origin.port} within {SECONDS:g} s", _FIREWALL)
        except socket.gaierror:
            return Result("connect", "skipped", "the name is not known")
        except OSError as error:
            return failed("connect", f"port {origin.port}: {plain_reason(str(error))}", _FIREWALL)
        writer.transport.abort()
        return Result("connect", "ok", f"port {origin.port} accepts connections")

    async def tls(self) -> Result:
        """Check the protocol and the certificate of the server, with a connection of its own."""
        origin = self._address.origin
        if self._proxy:
            outcome = await self._pong
            if isinstance(outcome, TransportError):
                return failed("tls", f"through the proxy: {outcome}", _ROOTS)
            return Result("tls", "ok", f"through the proxy; {_roots()}")
        if not origin.tls:
            return Result("tls", "skipped", "plain HTTP to this machine")
        context = create_context()
        try:
            async with asyncio.timeout(SECONDS):
                _, writer = await asyncio.open_connection(origin.host, origin.port, ssl=context)
        except OSError as error:  # TimeoutError and ssl.SSLError, too
            return _no_tls(error)
        version = writer.get_extra_info("ssl_object")
        certificate: dict[str, Any] = writer.get_extra_info("peercert") or {}
        writer.transport.abort()
        until = f", certificate valid until {certificate['notAfter']}" if "notAfter" in certificate else ""
        return Result("tls", "ok", f"{version.version()}{until}; {_roots()}")

    async def clock(self) -> Result:
        """Compare the clock of this machine with the header Date."""
        outcome = await self._pong
        if isinstance(outcome, Exception):
            return Result("clock", "skipped", f"no answer: {failure_of(outcome).text}")
        response, now = outcome
        date = response.headers.get("date")
        try:
            skew = (now - parsedate_to_datetime(date or "")).total_seconds()
        except (TypeError, ValueError):
            return Result("clock", "skipped", "the server does not tell its time")
        if abs(skew) > _MAX_SKEW:
            text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the server"
            return failed("clock", text, "Set the clock of this machine, for example with NTP")
        return Result("clock", "ok", "agrees with the server")

    async def token(self) -> Result:
        """Check that there is a token, and that the API accepts it."""
        if self._login is None:
            return failed("token", "you are not logged in", "Log in: cloud66-async login", NOT_LOGGED_IN)
        shown = described(self._login)
        outcome = await self._identity
        if isinstance(outcome, Unauthenticated):
            variable = environment_variable() if self._login.profile is None else None
            remedy = f"Correct or unset {variable}" if variable else "Log in: cloud66-async login"
            return failed("token", f"not accepted: {shown}", remedy, NOT_LOGGED_IN)
        if isinstance(outcome, TransportError):
            return Result("token", "skipped", f"{shown}: no connection")
        if isinstance(outcome, Exception):
            failure = failure_of(outcome)
            return failed("token", failure.text, "; ".join(failure.advice) or _REPORT, failure.code)
        return Result("token", "ok", f"accepted: {shown}")

    async def account(self) -> Result:
        """Return which account the token acts for."""
        identity = await self._known()
        if identity is None:
            return Result("account", "skipped", "unknown without an accepted token")
        name = identity.account_name or "unnamed"
        user = f", as {identity.user_name}" if identity.user_name else ""
        if self._account is not None and identity.account_id not in (None, self._account):
            text = f"the token acts for {identity.account_id}, not for {self._account}"
            return failed("account", text, "See: cloud66-async accounts")
        return Result("account", "ok", f"{name} (id {self._account or identity.account_id}){user}")

    async def scopes(self) -> Result:
        """Return what the token may do."""
        identity = await self._known()
        if identity is None:
            return Result("scopes", "skipped", "unknown without an accepted token")
        known = (self._login.token.scopes if self._login is not None else None) or tuple((identity.scope or "").split())
        if not known:
            return Result("scopes", "skipped", "Cloud 66 does not say")
        missing = [scope for scope in _WANTED if scope not in known]
        text = f"{' '.join(known)}{f' (not {chr(32).join(missing)})' if missing else ''}"
        if "public" in missing:
            return failed("scopes", text, "Log in: cloud66-async login --scope public,redeploy")
        return Result("scopes", "ok", text)

    async def quota(self) -> Result:
        """Return how many requests are left."""
        await self._identity
        left, resets = self._c66.quota, next_hour(datetime.now(UTC)).astimezone()
        if left.remaining is None or left.limit is None:
            return Result("quota", "skipped", "unknown: no response")
        text = f"{left.remaining:,} of {left.limit:,} requests left until {resets:%H:%M}"
        if left.remaining == 0:
            return failed("quota", text, f"Wait until {resets:%H:%M}", THROTTLED)
        return Result("quota", "ok", text)

    async def _known(self) -> Identity | None:
        outcome = await self._identity
        return None if isinstance(outcome, Exception) or self._login is None else outcome[0].data


_DNS = "Check the network, the DNS server and the spelling of the name"
_FIREWALL = "Check the network, the firewall and the port; behind a proxy, set HTTPS_PROXY"
_PROXY = "Correct HTTPS_PROXY, or name the server in NO_PROXY to connect without a proxy"
_NO_TLS = "Check the port: this server does not speak TLS there, or only an old version"
_ROOTS = "If your network has its own certificate authority, set SSL_CERT_FILE to a file with it"
_REPORT = "See the status page of Cloud 66"


def _roots() -> str:
    """Return how many certificate authorities this machine trusts, and where they are."""
    paths = ssl.get_default_verify_paths()
    count = create_context().cert_store_stats()["x509_ca"]
    return f"{count} roots in {paths.cafile or paths.capath or 'the system'}"


def _no_tls(error: OSError) -> Result:
    """Return why there is no TLS. Why there is no connection is told by its own check."""
    match error:
        case TimeoutError() | ssl.SSLEOFError() | ConnectionResetError():
            return failed("tls", "the server did not complete the handshake", _NO_TLS)
        case ssl.SSLCertVerificationError():
            return failed("tls", plain_reason(str(error)), _ROOTS)
        case ssl.SSLError():
            return failed("tls", plain_reason(str(error)), _NO_TLS)
        case _:
            return Result("tls", "skipped", "no connection")


async def _caught(work: Coroutine[Any, Any, Response[Any]]) -> tuple[Response[Any], datetime] | Exception:
    """Return a response and the time at which it arrived, or the error."""
    try:
        return await work, datetime.now(UTC)
    except Cloud66Error as error:
        return error
