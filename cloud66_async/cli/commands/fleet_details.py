"""Servers and latest deployments of many stacks, within the hourly quota."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import attrs

from ...bulk import Failed
from ...client import Cloud66
from ...errors import Cloud66Error, QuotaError, Throttled, Unauthenticated
from ...quota import Quota
from ...resources.common import Health
from ...resources.deployments import Deployment
from ...resources.servers import Server
from ...resources.stacks import Stack
from ..terminal.fields import deployment_result, seconds_between

__all__ = ["Budget", "Details", "Row", "Unread", "read_details"]

Kind = Literal["servers", "deployment"]

# No request can succeed after one of these.
_FINAL = (Throttled, Unauthenticated, QuotaError)


class Details(NamedTuple):
    """What is read of each stack, in addition to the list."""

    servers: bool = True
    deployments: bool = True

    @property
    def kinds(self) -> Sequence[Kind]:
        """The kinds of requests."""
        chosen: list[Kind] = []
        if self.servers:
            chosen.append("servers")
        if self.deployments:
            chosen.append("deployment")
        return chosen


@attrs.define
class Row:
    """A stack with what was read of it. `servers` and `latest` are None if they were not read, or there is none."""

    stack: Stack
    servers: Sequence[Server] | None = None
    latest: Deployment | None = None

    @property
    def healthy(self) -> int:
        """The number of healthy servers."""
        return sum(server.health_state is Health.HEALTHY for server in self.servers or ())

    @property
    def servers_text(self) -> str | None:
        """How many servers are healthy, for example `1 of 2`."""
        return None if self.servers is None else f"{self.healthy} of {len(self.servers)}"

    @property
    def result(self) -> str | None:
        """How the latest deployment ended."""
        return None if self.latest is None else deployment_result(self.latest)

    @property
    def deployed_at(self) -> datetime | None:
        """When the latest deployment ended, or else when it started."""
        return None if self.latest is None else self.latest.finished_at or self.latest.started_at

    @property
    def took(self) -> float | None:
        """Seconds that the latest deployment took."""
        return None if self.latest is None else seconds_between(self.latest.started_at, self.latest.finished_at)

    def to_dict(self) -> Mapping[str, Any]:
        """Return everything as JSON-ready values."""
        return {
            **self.stack.to_dict(words=True),
            "servers": None if self.servers is None else [server.to_dict(words=True) for server in self.servers],
            "latest_deployment": None if self.latest is None else self.latest.to_dict(words=True),
        }


class Unread(NamedTuple):
    """Something that could not be read, and why."""

    stack: Stack
    kind: Kind
    error: Cloud66Error


class Budget:
    """The requests that may be sent. None means that the quota is unknown."""

    def __init__(self, c66: Cloud66, reserve: int, quota: Quota | None = None) -> None:
        self._c66 = c66
        self._reserve = reserve
        remaining = (quota or c66.quota).remaining
        self.left: int | None = None if remaining is None else max(0, remaining - reserve)

    def spend(self) -> None:
        """Take one request. Raises QuotaError if there is none."""
        remaining = self._c66.quota.remaining  # others use the quota, too
        if self.left == 0 or (remaining is not None and remaining <= self._reserve):
            raise QuotaError(f"{self._reserve:,} requests of this hour are kept for others")
        if self.left is not None:
            self.left -= 1


async def read_details(
    c66: Cloud66, rows: Sequence[Row], kinds: Sequence[Kind], budget: Budget, progress: Callable[[], object]
) -> list[Unread]:
    """Read what belongs to each stack, in this order, and return what could not be read.

    `progress` is called after each request. Nothing more is sent once the quota is used up. Raises Unauthenticated.
    """
    unread: list[Unread] = []
    final: list[Cloud66Error] = []

    async def read(item: tuple[Row, Kind]) -> None:
        if final:
            raise QuotaError(str(final[0]))
        try:
            budget.spend()
            await _read_one(c66, *item)
        except _FINAL as error:
            final.append(error)
            raise

    async with c66.each(read, _items(rows, kinds)) as results:
        async for result in results:
            if isinstance(result, Failed):
                row, kind = result.item
                unread.append(Unread(row.stack, kind, result.error))
            progress()
    for error in final:
        if isinstance(error, Unauthenticated):
            raise error
    return unread


def _items(rows: Iterable[Row], kinds: Sequence[Kind]) -> Iterable[tuple[Row, Kind]]:
    return ((row, kind) for row in rows for kind in kinds)


async def _read_one(c66: Cloud66, row: Row, kind: Kind) -> None:
    if kind == "servers":
        row.servers = await c66.servers.list(row.stack.uid)
    else:
        row.latest = await c66.deployments.list(row.stack.uid).first()
