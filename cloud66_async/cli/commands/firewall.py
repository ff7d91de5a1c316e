"""The commands `firewall` and `firewall open`."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Literal

import attrs
from cyclopts import App, Parameter, validators

from ...client import Cloud66
from ...errors import Cloud66Error
from ...resources.actions import Action
from ...resources.firewall_rules import FirewallRule
from ...resources.stacks import Stack
from ..exits import DONE, USAGE, CommandError
from ..lookup.names import find_stack, full_name
from ..options import (
    DEFAULT_ACCESS,
    DEFAULT_OUTPUT,
    Access,
    ChangedStackName,
    Environment,
    Output,
    StackName,
    Yes,
)
from ..running import run
from ..terminal.console import plain, report
from ..terminal.durations import parse_duration
from ..terminal.output import Field, Listing
from ..terminal.prompts import confirm
from ..work.changes import Change, carry_out
from ..work.following import DEFAULT_FOLLOWING, Following

__all__ = ["RULES", "app", "firewall", "open_"]

app: App = App(
    name="firewall",
    help="List the firewall rules of a stack, or open a port for some time.",
    help_format="plaintext",
    result_action="return_value",
)

_OWN_ADDRESS = "AUTO"  # the API takes the address that the request comes from
_LONGEST = 240  # minutes


def _end(rule: FirewallRule) -> datetime | None:
    """Return when a temporary rule ends."""
    if not rule.ttl or rule.created_at is None:
        return None
    return rule.created_at + timedelta(minutes=rule.ttl)


def _left(rule: FirewallRule) -> str:
    end = _end(rule)
    if end is None:
        return ""
    seconds = (end - datetime.now(UTC)).total_seconds()
    return f"in {_duration(max(1, -int(-seconds // 60)))}" if seconds > 0 else "now"


def _side(address: str | None, group: int | None, server: int | None) -> str:
    if address:
        return address
    return f"group {group}" if group else f"server {server}" if server else "any"


RULES: Listing[FirewallRule] = Listing.of_models(
    "rule",
    Field("from", lambda rule: _side(rule.from_ip, rule.from_group_id, rule.from_server_id)),
    Field("to", lambda rule: _side(rule.to_ip, rule.to_group_id, rule.to_server_id)),
    Field("protocol", lambda rule: rule.protocol),
    Field("port", lambda rule: rule.port),
    Field("ends", _end, shown=_left),
    Field("comments", lambda rule: rule.comments, dropped=1),
    Field("type", lambda rule: rule.rule_type, extra=True),
    Field("id", lambda rule: rule.id, dropped=2),
)


@app.default
def firewall(
    stack: StackName,
    *,
    environment: Environment = None,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """List the firewall rules of a stack: which connections to its servers are allowed.

    To open a port for some time: cloud66-async firewall open web/production --port 22
    """
    run(_list(access.open(), output, stack, environment))


async def _list(c66: Cloud66, output: Output, stack: str, environment: str | None) -> None:
    async with c66:
        found = await c66.firewall_rules.list((await find_stack(c66, stack, environment)).uid)
    output.show(RULES, found)


@app.command(name="open")
def open_(
    stack: ChangedStackName,
    *,
    environment: Environment = None,
    port: Annotated[
        int, Parameter(name=["--port", "-p"], validator=validators.Number(gte=1, lte=65_535), help="Port to open.")
    ] = 22,
    from_: Annotated[
        str | None,
        Parameter(
            name=["--from", "-f"],
            help="IP address or network that may connect; the default is the address from which Cloud 66 sees you.",
        ),
    ] = None,
    ttl: Annotated[
        str, Parameter(name=["--ttl", "-t"], help="How long the port is open, for example 45m or 2h; at most 4h.")
    ] = "20m",
    protocol: Annotated[Literal["tcp", "udp"] | None, Parameter(help="Protocol; the default is TCP.")] = None,
    yes: Yes = False,
    how: Following = DEFAULT_FOLLOWING,
) -> int:
    """Open a port of a stack's servers for some time.

    For example:
      cloud66-async firewall open web/production --port 5432 --ttl 1h

    Cloud 66 closes it again by itself. The API has no request that closes it earlier.
    """
    lease = _Lease(port, _source(from_), _minutes(ttl), protocol)
    if lease.source.endswith("/0"):
        confirm(f"open port {port} of {plain(stack)} to every address", yes=yes)
    opened: list[Stack] = []

    async def prepare(c66: Cloud66) -> Change:
        found = await find_stack(c66, stack, environment, changing=True)
        opened.append(found)
        text = f"open port {port} for {lease.who}, for {_duration(lease.minutes)}"
        return Change(found, text, partial(lease.start, stack=found.uid))

    code = carry_out(how, prepare, yes=True)
    if code == DONE and not how.json and not how.progress.quiet:
        if how.waiting.wait:
            run(_report_open(how.access.open(), opened[0], lease))
        else:
            report(f"  Cloud 66 closes it by itself, {_duration(lease.minutes)} after it was opened.")
    return code


@attrs.frozen
class _Lease:
    """A port that is to be opened for some time.

    Args:
        port: The port.
        source: Address or network that may connect.
        minutes: How long it is open.
        protocol: Protocol, or None to name none, as the official client does.
    """

    port: int
    source: str
    minutes: int
    protocol: Literal["tcp", "udp"] | None

    @property
    def who(self) -> str:
        """Who may connect."""
        return "your address" if self.source == _OWN_ADDRESS else self.source

    async def start(self, c66: Cloud66, *, stack: str) -> Action:
        """Open the port. Return the action."""
        rules = c66.firewall_rules
        if self.protocol is None:
            return await rules.lease(stack, from_ip=self.source, port=self.port, ttl=self.minutes)
        return await rules.create(stack, protocol=self.protocol, port=self.port, from_ip=self.source, ttl=self.minutes)


async def _report_open(c66: Cloud66, stack: Stack, lease: _Lease) -> None:
    """Print for whom and until when the port is open, as far as the rules tell."""
    try:
        async with c66:
            rules = await c66.firewall_rules.list(stack.uid)
    except Cloud66Error:  # the port is open all the same
        rules = []
    newest = max((rule for rule in rules if _is_of(rule, lease)), key=lambda rule: rule.id, default=None)
    end = None if newest is None else _end(newest)
    who = lease.who if newest is None or not newest.from_ip else plain(newest.from_ip)
    lasting = _duration(lease.minutes)
    until = f"for {lasting}" if end is None else f"until {end.astimezone():%H:%M} ({lasting})"
    report(f"{full_name(stack)}: port {lease.port} is open for {who} {until}")
    report("  Cloud 66 closes it then by itself. To keep it open longer, run the command again.")


def _is_of(rule: FirewallRule, lease: _Lease) -> bool:
    return (rule.port, rule.ttl) == (lease.port, lease.minutes) and _end(rule) is not None


# --- arguments -----------------------------------------------------------------------------------


def _minutes(text: str) -> int:
    """Return a duration in minutes, which a number without a unit is, too. Raises CommandError."""
    given = text.strip()
    try:
        minutes = float(given) if given.isdecimal() else parse_duration(given) / 60
    except ValueError:
        minutes = 0
    if not 1 <= minutes <= _LONGEST or minutes != int(minutes):
        raise CommandError(f"invalid --ttl {plain(text)!r}", "Use whole minutes, from 1m to 4h: 45m, 1h30m", code=USAGE)
    return int(minutes)


def _source(text: str | None) -> str:
    """Return an address or a network as it is sent. Raises CommandError."""
    if text is None or text.strip().upper() == _OWN_ADDRESS:
        return _OWN_ADDRESS
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise CommandError(
            f"invalid --from {plain(text)!r}", "Use an IP address or a network: 203.0.113.7, 203.0.113.0/24", code=USAGE
        ) from None
    return str(network) if "/" in text else str(network.network_address)


def _duration(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours}h{rest:02}m" if hours and rest else f"{hours}h" if hours else f"{rest}m"
