"""Limits that every machine counts together: one script, all or nothing.

A name's level is a string: the Unix microsecond, by Redis' own clock, at which it will be whole again. A slot
is a sorted set of who is inside, by when their lease ends. Everything expires by itself, and what is no level
(another type, no number) counts as none.

**Exactness.** Lua counts in doubles. Microseconds since 1970 are below 2**53 until 2255, so each is exact
and so are their sums; a unit's share is a whole number of microseconds, rounded up when it is taken and
towards zero when it is given back. So an operation charges less than one microsecond too much, never too
little: a name that is asked *r* times a second loses less than *r* millionths of its limit, and as Redis is
busy with each call for longer than a microsecond, a whole burst can always be had.

**All or nothing** holds since a script runs alone. Its names share one hash tag and so one node of a cluster.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from dragoman.store.counters import LEASE_S, Slot, Stand, Want
from dragoman.store.redis.link import Link, Script
from dragoman.store.redis.wire import unavailable

HOLDERS = 500
"""Holders that one call renews."""

FARTHEST_S = 90_000.0
"""Seconds a level may lie ahead beyond its burst, a day and a bit: what is owed beyond that is forgiven."""

_LEVEL = """
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000000 + tonumber(t[2])
local function level(key, farthest)
  local held = redis.pcall('GET', key)
  local whole = type(held) == 'string' and tonumber(held)
  if whole and whole > now and whole < 2 ^ 53 then return math.min(whole, now + farthest) end
  return now
end
local function keep(key, whole)
  if whole > now then
    redis.call('SET', key, string.format('%.0f', whole), 'PX', math.ceil((whole - now) / 1000) + 1000)
  else
    redis.call('DEL', key)
  end
end
"""

TAKE = Script(
    _LEVEL
    + """
local wants, lease, holder, farthest = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local levels, first, told, refused, place = {}, {}, {}, false, 5
for i = 1, wants do
  local key, cost, most = KEYS[i], tonumber(ARGV[place]), tonumber(ARGV[place + 1])
  place = place + 2
  local whole = levels[key] or level(key, most + farthest)
  local used = whole - now
  local wait = math.max(used + cost - most, 0)
  if cost == 0 then wait = 0 end
  first[key] = first[key] or used
  if wait > 0 then refused = true else levels[key] = whole + cost end
  told[i] = {used + cost, wait, first[key]}
end
local inside = {}
for i = wants + 1, #KEYS do
  local key, most = KEYS[i], tonumber(ARGV[place])
  place = place + 1
  local swept = redis.pcall('ZREMRANGEBYSCORE', key, '-inf', now)
  if type(swept) == 'table' and swept.err then redis.call('DEL', key) end
  local count, added, wait = redis.call('ZCARD', key), 0, 0
  if not redis.call('ZSCORE', key, holder) then
    if count < most then added = 1 else wait, refused = 1, true end
  end
  told[i] = {count + added, wait, count}
end
if not refused then
  for key, whole in pairs(levels) do keep(key, whole) end
  for i = wants + 1, #KEYS do
    redis.call('ZADD', KEYS[i], now + lease, holder)
    redis.call('PEXPIRE', KEYS[i], math.ceil(lease / 1000) + 1000)
  end
end
local answer = {}
for i = 1, #KEYS do
  answer[2 * i - 1] = told[i][refused and 3 or 1]
  answer[2 * i] = told[i][2]
end
return answer
"""
)

ADJUST = Script(
    _LEVEL
    + """
local farthest = tonumber(ARGV[1])
for i = 1, #KEYS do
  local whole = level(KEYS[i], tonumber(ARGV[2 * i + 1]) + farthest)
  keep(KEYS[i], math.min(whole + tonumber(ARGV[2 * i]), now + tonumber(ARGV[2 * i + 1]) + farthest))
end
"""
)

LEAVE = Script("for i = 1, #KEYS do redis.pcall('ZREM', KEYS[i], ARGV[1]) end")

RENEW = Script(
    """
local t = redis.call('TIME')
local now, lease, place = tonumber(t[1]) * 1000000 + tonumber(t[2]), tonumber(ARGV[1]), 2
for i = 1, #KEYS do
  local count = tonumber(ARGV[place])
  if redis.call('TYPE', KEYS[i]).ok ~= 'zset' then redis.call('DEL', KEYS[i]) end
  for j = 1, count do redis.call('ZADD', KEYS[i], now + lease, ARGV[place + j]) end
  redis.call('PEXPIRE', KEYS[i], math.ceil(lease / 1000) + 1000)
  place = place + 1 + count
end
"""
)


class RedisCounters:
    """:class:`~dragoman.store.counters.Counters` in Redis, for every process that uses the same prefix.

    Args:
        link: What asks.
        lease_s: Seconds after which a holder that was not renewed is no longer inside.
    """

    def __init__(self, link: Link, *, lease_s: float = LEASE_S) -> None:
        self._link = link
        self._lease_us = round(lease_s * 1e6)
        self._inside: dict[str, tuple[Slot, ...]] = {}
        """What this process's requests asked for, so that it can be put where Redis does not know it."""
        self._doubtful: set[str] = set()
        """Of these, whom :meth:`renew` did not name last time."""

    async def take(
        self, wants: Sequence[Want], slots: Sequence[Slot] = (), *, holder: str = ""
    ) -> list[Stand]:
        """Take all of it or nothing; return how each stands now, the slots last.

        Where Redis cannot say, somebody else may let the holder in: then :meth:`renew` puts it into its
        slots.
        """
        if not wants and not slots:
            return []
        arguments: list[str | int] = [len(wants), self._lease_us, holder, _FARTHEST_US]
        for want in wants:
            arguments += (_cost(want), _burst(want))
        arguments += (slot.most for slot in slots)
        before = self._inside.get(holder, ())
        if slots:
            self._inside[holder] = tuple({slot.name: slot for slot in (*before, *slots)}.values())
        reply = await self._link.run(TAKE, self._names(wants, slots), arguments)
        stands = _stands(reply, len(wants), len(slots))
        if any(stand.wait_ns for stand in stands):
            self._forget(slots, holder)
            if before:
                self._inside[holder] = before
        return stands

    async def adjust(self, wants: Sequence[Want]) -> None:
        """Give back units (negative), or take more than was asked for (positive), whatever the limit says."""
        arguments: list[int] = [_FARTHEST_US]
        for want in wants:
            arguments += (_cost(want), _burst(want))
        if wants:
            await self._link.run(ADJUST, self._names(wants), arguments)

    async def leave(self, slots: Sequence[Slot], *, holder: str) -> None:
        """Give slots back. Where nobody hears of it the lease ends by itself."""
        self._forget(slots, holder)
        if slots:
            await self._link.run(LEAVE, self._names((), slots), (holder,))

    async def renew(self, holders: Sequence[str]) -> None:
        """Keep the slots of requests that still run, and put them into those that Redis does not know of."""
        absent = self._inside.keys() - set(holders)
        for holder in absent & self._doubtful:
            del self._inside[holder]
        self._doubtful = absent - self._doubtful
        for start in range(0, len(holders), HOLDERS):
            by_name: dict[str, list[str]] = {}
            for holder in holders[start : start + HOLDERS]:
                for name in self._names((), self._inside.get(holder, ())):
                    by_name.setdefault(name, []).append(holder)
            arguments: list[str | int] = [self._lease_us]
            for inside in by_name.values():
                arguments += (len(inside), *inside)
            if by_name:
                await self._link.run(RENEW, list(by_name), arguments)

    def _forget(self, slots: Sequence[Slot], holder: str) -> None:
        gone = {slot.name for slot in slots}
        left = tuple(slot for slot in self._inside.pop(holder, ()) if slot.name not in gone)
        if left:
            self._inside[holder] = left

    def _names(self, wants: Iterable[Want], slots: Iterable[Slot] = ()) -> list[str]:
        return [
            *(self._link.name("level", want.name) for want in wants),
            *(self._link.name("inside", slot.name) for slot in slots),
        ]


_FARTHEST_US = round(FARTHEST_S * 1e6)


def _cost(want: Want) -> int:
    """Return what units cost in microseconds, rounded up; what is given back, towards zero."""
    return math.ceil(want.units * want.share_ns / 1000)


def _burst(want: Want) -> int:
    return -(-want.most_ns // 1000)


def _stands(reply: object, wants: int, slots: int) -> list[Stand]:
    """Read what the script answered."""
    if not isinstance(reply, list) or len(reply) != 2 * (wants + slots):
        raise unavailable("Redis answered what the script does not say")
    if not all(isinstance(number, int) for number in reply):
        raise unavailable("Redis answered what the script does not say")
    pairs = list(zip(reply[::2], reply[1::2], strict=True))
    return [
        *(Stand(used_ns=used * 1000, wait_ns=wait * 1000) for used, wait in pairs[:wants]),
        *(Stand(used_ns=count, wait_ns=wait) for count, wait in pairs[wants:]),
    ]
