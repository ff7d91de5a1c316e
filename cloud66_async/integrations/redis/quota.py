"""The hourly quota in Redis, shared by all processes that use it."""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from ..._core.arguments import check_limit
from ..._core.book import Grant, Health, Report
from ..._core.lease import FRESH, LeasedAllowance
from ...errors import ConfigError
from .connection import RedisConnection, key_prefix

if TYPE_CHECKING:
    from ...quota import Allowance
    from ..server_url import ServerURL

__all__ = ["RedisQuota"]

_MAX_LEASE = 1024
_TTL_MS = 2 * 3600 * 1000  # relative, because the hour is that of the client's clock, which may be a fake one

# One hash for each quota and hour. Its fields:
#   limit, remaining, highest   as reported; `highest` is the highest of what remained
#   generation                  how often `remaining` has risen
#   held                        permits in hand and requests in flight of all processes
#   p:NAME                      of one process: what it holds, the number of its latest call, and the time of that call
#   lost                        when a call showed that Redis has forgotten what was held: until all living processes
#                               have called again, as much as `margin` may be held
#   check                       the process whose next response shows how many requests a dead process has sent, and
#                               when it was chosen
# All times are of Redis, because the clocks of the processes may differ. Arguments and results are one string each,
# which takes redis-py 114 µs of CPU time instead of 139.
_SCRIPT: Final = """
local book, words = KEYS[1], {}
for word in string.gmatch(ARGV[1], '%S+') do words[#words + 1] = word end
local owner = 'p:' .. words[1]
local sequence, holds, want = tonumber(words[2]), tonumber(words[3]), tonumber(words[4])
local reserve, generation = tonumber(words[5]), tonumber(words[6])
local limit, remaining = tonumber(words[7]), tonumber(words[8])  -- nil if it is '-'
local share, margin, fresh, ttl = tonumber(words[9]), tonumber(words[10]), tonumber(words[11]), words[12]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function parse(entry)
  local held, sequence, called = string.match(entry or '', '^(%d+) (%d+) (%d+)$')
  return tonumber(held) or 0, tonumber(sequence) or -1, tonumber(called) or 0
end

local fields = {'limit', 'remaining', 'generation', 'highest', 'held', 'lost', 'check', owner}
local stored = redis.call('HMGET', book, unpack(fields))
local held_before, latest = parse(stored[8])
if sequence <= latest then
  return '0 0 -1 -1 -1 0'  -- arrived late: a newer call of this process has been carried out
end

limit = limit or tonumber(stored[1])
local low, known = tonumber(stored[2]), tonumber(stored[3]) or 0
if remaining and (not low or generation > known) then
  low, known = remaining, generation
elseif remaining and generation == known then
  low = math.min(low, remaining)
end
local highest = math.max(tonumber(stored[4]) or -1, low or -1)
local held = math.max(0, (tonumber(stored[5]) or 0) - held_before) + holds
local lost = tonumber(stored[6]) or 0
if remaining and not stored[8] and (holds > 0 or not stored[5]) then
  lost = now
  redis.call('HSET', book, 'lost', lost)
end
local checker, chosen = string.match(stored[7] or '', '^(%S+) (%d+)$')
if checker and (checker == owner and want > 0 or now - chosen > fresh) then
  checker = nil
  redis.call('HDEL', book, 'check')
end

local died = false
if want > 0 and low and low > reserve and low - reserve - held <= 0 then  -- only now: it reads the whole hash
  local all = redis.call('HGETALL', book)
  for i = 1, #all, 2 do
    local other, _, called = parse(all[i + 1])
    if string.sub(all[i], 1, 2) == 'p:' and all[i] ~= owner and now - called > fresh then
      held = math.max(holds, held - other)
      died = died or other > 0
      redis.call('HDEL', book, all[i])
    end
  end
end

local give = 0
if want > 0 and not low then
  give = 1
elseif want > 0 and not checker then
  local unknown = now - lost < fresh / 2 and math.max(0, margin - held) or 0
  local left = low - reserve - held - unknown
  if left > 0 then
    give = died and 1 or math.min(want, math.max(1, math.floor(left / share)), left)
  end
end
if died and give > 0 then redis.call('HSET', book, 'check', owner .. ' ' .. now) end

local entry = (holds + give) .. ' ' .. sequence .. ' ' .. now
redis.call('HSET', book, 'generation', known, 'held', held + give, owner, entry)
if limit then redis.call('HSET', book, 'limit', limit) end
if low then redis.call('HSET', book, 'remaining', low, 'highest', highest) end
redis.call('PEXPIRE', book, ttl)
return table.concat({give, known, limit or -1, low or -1, highest, died and give or 0}, ' ')
"""
_SCRIPT_SHA: Final = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RedisQuota:
    """The hourly quota of each user in Redis, so that several processes share it. Pass it as `shared_quota`.

    Each process takes several permits at a time, so that few requests need a call of Redis. Redis stores numbers and a
    digest of the token, or of the name that is passed as `user`. A pickle contains the arguments, including a password
    in the URL.

    Args:
        url: URL of Redis, for example `redis://localhost:6379/0`.
        processes: How many processes share the quota, about. It decides how the last requests of an hour are divided.
        lease: Maximum number of permits that a process takes at a time.
        when_unavailable: What happens if Redis cannot be reached. With `"open"`, each process goes on alone, and
            reserves `processes` times its `limit` of the requests that remain. With `"closed"`, QuotaError is raised.
        prefix: Beginning of the names of all keys.

    Raises ConfigError or ValueError for invalid arguments.
    """

    def __init__(
        self,
        url: str | ServerURL,
        *,
        processes: int = 4,
        lease: int = 16,
        when_unavailable: Literal["open", "closed"] = "open",
        prefix: str = "cloud66",
    ) -> None:
        self._connection = RedisConnection(url)
        del url  # it may hold a password, and a traceback may show local variables
        check_limit("processes", processes)
        check_limit("lease", lease, maximum=_MAX_LEASE)
        if when_unavailable not in ("open", "closed"):
            raise ConfigError("invalid when_unavailable: must be 'open' or 'closed'")
        self._processes = processes
        self._lease = lease
        self._when_unavailable: Literal["open", "closed"] = when_unavailable
        self._prefix = key_prefix(prefix)
        self._health = Health(when_unavailable)

    def allowance(self, key: str, local: Allowance, *, in_flight: int) -> LeasedAllowance:
        """Return the quota with this key. `Cloud66` calls it."""
        name, margin = f"{self._prefix}:quota:{key}", self._processes * (in_flight + self._lease)
        book = RedisBook(self._connection, name, share=2 * self._processes, margin=margin, fresh=FRESH)
        return LeasedAllowance(
            book, local, health=self._health, lease=self._lease, margin=self._processes * in_flight, fresh=FRESH
        )

    async def aclose(self) -> None:
        """Close the connections of this event loop. A later call opens new ones."""
        await self._connection.aclose()

    def __reduce__(self) -> tuple[Any, ...]:
        return _create, (self._connection, self._processes, self._lease, self._when_unavailable, self._prefix)

    def __repr__(self) -> str:
        return f"RedisQuota({self._connection!r}, when_unavailable={self._when_unavailable!r})"


class RedisBook:
    """What all processes know of one quota, in Redis.

    `share` is the part of the rest that one lease may take: 8 means an eighth. `margin` is how much all processes hold
    at most, about. `fresh` is the number of seconds after which a process that has not called counts as dead.
    """

    def __init__(self, connection: RedisConnection, name: str, *, share: int, margin: int, fresh: float) -> None:
        self._connection = connection
        self._name = name
        self._options = f"{share} {margin} {int(fresh * 1000)} {_TTL_MS}"

    async def exchange(self, hour: int, report: Report) -> Grant:
        """Store the report and return what is granted. Raises StoreError."""
        words = ["-" if value is None else str(value) for value in report]
        with self._connection.errors("use the shared quota"):
            reply = await self._run(f"{self._name}:{hour}", " ".join((*words, self._options)))
        given, generation, limit, remaining, highest, checks = map(int, reply.split())
        return Grant(given, generation, _or_none(limit), _or_none(remaining), _or_none(highest), checks=checks > 0)

    async def _run(self, key: str, argument: str) -> bytes:
        from redis.exceptions import NoScriptError

        client: Any = self._connection.client()  # partly untyped
        try:
            reply = await client.evalsha(_SCRIPT_SHA, 1, key, argument)
        except NoScriptError:  # a new server, or one that was restarted
            reply = await client.eval(_SCRIPT, 1, key, argument)
        return cast("bytes", reply)


def _or_none(number: int) -> int | None:
    return None if number < 0 else number


def _create(
    connection: RedisConnection,
    processes: int,
    lease: int,
    when_unavailable: Literal["open", "closed"],
    prefix: str,
) -> RedisQuota:
    return RedisQuota(
        connection.url, processes=processes, lease=lease, when_unavailable=when_unavailable, prefix=prefix
    )
