"""Recorded answers in Redis: what one machine recorded, every machine tells again.

    answer:KEY     a hash of the recording; Redis lets it go by itself when its time is over
    expiring       sorted set of all keys, by when they expire
    sizes, total   bytes of each, and of all
    of:TENANT      sorted set of a tenant's keys, by when they expire
    alike:SCOPE    sorted set of the keys of a scope, by when they were recorded

The rules are those of the store's file: a younger recording replaces an older one, never the reverse; what
would go beyond the bound pushes out those that expire first, some at a time; in a scope the youngest keep
their vector. Every change is one script, so that the sums are those of what is there. What Redis itself
lets go of is counted until a sweep finds it, so the bound is never too wide; and sums that have lost a part
of what they count, because somebody emptied Redis or wrote where we do, begin anew. Redis keeps it all in
memory, and whether it survives a restart is Redis' own setting: nothing is lost by its loss but time.

Redis wants a script to be told every name it touches (https://redis.io/docs/latest/commands/eval/, read
2026-11-21). Nobody can know beforehand what is pushed out, so these touch more, all under one hash tag: they
run on the one node of a cluster that has it, and on no service that spreads one tag over several.
"""

from __future__ import annotations

from typing import Any

from dragoman.store import RecordingRow
from dragoman.store.redis.link import Link, Script
from dragoman.store.redis.wire import unavailable

STEP = 100
"""Recordings one script deletes at most, so that other calls go in between."""

OVERHEAD = 256
"""Bytes a recording takes beside its body and its vector, about."""

WRITING_S = 1.0
"""Seconds a write may take: it is made behind the answer, and may be large."""

_COMMON = """
local base = KEYS[1]
local function mend(name, kind)
  local found = redis.call('TYPE', base .. name).ok
  if found ~= 'none' and found ~= kind then redis.call('DEL', base .. name) end
  return found
end
mend('sizes', 'hash')
mend('total', 'string')
if mend('expiring', 'zset') ~= 'zset' or not tonumber(redis.call('GET', base .. 'total')) then
  -- it was emptied, or lost a part: sums begin anew
  redis.call('DEL', base .. 'expiring', base .. 'sizes', base .. 'total')
end
local function let_go(key)
  local named = redis.call('HMGET', base .. 'answer:' .. key, 'tenant', 'scope')
  if named[1] then redis.call('ZREM', base .. 'of:' .. named[1], key) end
  if named[2] then redis.call('ZREM', base .. 'alike:' .. named[2], key) end
  local size = redis.call('HGET', base .. 'sizes', key)
  if size then
    redis.call('HDEL', base .. 'sizes', key)
    redis.call('DECRBY', base .. 'total', size)
  end
  redis.call('ZREM', base .. 'expiring', key)
  return redis.call('DEL', base .. 'answer:' .. key)
end
local function evict(most, step)
  local total, gone = tonumber(redis.call('GET', base .. 'total') or '0'), 0
  if total > most then
    for _, key in ipairs(redis.call('ZRANGE', base .. 'expiring', 0, step - 1)) do
      if total <= most then break end
      total = total - tonumber(redis.call('HGET', base .. 'sizes', key) or '0')
      let_go(key)
      gone = gone + 1
    end
  end
  return gone
end
"""

KEEP = Script(
    _COMMON
    + """
local key, tenant, recorded, expires, body, scope, vector, most, alike, step, overhead = unpack(ARGV)
most, alike, step = tonumber(most), tonumber(alike), tonumber(step)
local at = base .. 'answer:' .. key
mend('answer:' .. key, 'hash')
mend('of:' .. tenant, 'zset')
mend('alike:' .. scope, 'zset')
local old = redis.call('HGET', at, 'recorded_at')
if old and tonumber(old) > tonumber(recorded) then return 0 end
let_go(key)
redis.call('HSET', at, 'tenant', tenant, 'recorded_at', recorded, 'expires_at', expires, 'body', body)
if scope ~= '' then redis.call('HSET', at, 'scope', scope, 'vector', vector) end
redis.call('PEXPIREAT', at, string.format('%.0f', math.ceil(tonumber(expires) * 1000)))
local size = #body + #vector + tonumber(overhead)
redis.call('HSET', base .. 'sizes', key, size)
redis.call('INCRBY', base .. 'total', size)
redis.call('ZADD', base .. 'expiring', expires, key)
local t = redis.call('TIME')
local function index(name, score)
  redis.call('ZADD', name, score, key)
  -- an index lives as long as the longest of what it names
  local ends = math.ceil(tonumber(expires) * 1000)
  local left = redis.call('PTTL', name)
  if left < 0 or tonumber(t[1]) * 1000 + left < ends then
    redis.call('PEXPIREAT', name, string.format('%.0f', ends + 1000))
  end
end
redis.call('ZREMRANGEBYSCORE', base .. 'of:' .. tenant, '-inf', t[1])
index(base .. 'of:' .. tenant, expires)
if scope ~= '' then
  local others = base .. 'alike:' .. scope
  index(others, recorded)
  local beyond = redis.call('ZCARD', others) - alike
  if beyond > 0 then
    for _, one in ipairs(redis.call('ZRANGE', others, 0, math.min(beyond, step) - 1)) do
      redis.call('ZREM', others, one)
      local bytes = redis.call('HSTRLEN', base .. 'answer:' .. one, 'vector')
      if redis.call('HDEL', base .. 'answer:' .. one, 'scope', 'vector') > 0 then
        redis.call('HINCRBY', base .. 'sizes', one, -bytes)
        redis.call('DECRBY', base .. 'total', bytes)
      end
    end
  end
end
evict(most, step)
return 1
"""
)

ALIKE = Script(
    """
local base, scope, now, most = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local others, found, place = base .. 'alike:' .. scope, {}, 0
while #found < 2 * most do
  local keys = redis.call('ZREVRANGE', others, place, place + most - 1)
  if #keys == 0 then break end
  for _, key in ipairs(keys) do
    local row = redis.call('HMGET', base .. 'answer:' .. key, 'vector', 'expires_at', 'scope')
    if #found < 2 * most and row[1] and row[3] == scope and tonumber(row[2]) > now then
      found[#found + 1] = key
      found[#found + 1] = row[1]
    end
  end
  place = place + most
end
return found
"""
)

DELETE = Script(
    _COMMON
    + """
local held = redis.call('HGET', base .. 'answer:' .. ARGV[1], 'recorded_at')
if not held or tonumber(held) ~= tonumber(ARGV[2]) then return 0 end
return let_go(ARGV[1])
"""
)

FORGET = Script(
    _COMMON
    + """
local of, step, gone = base .. 'of:' .. ARGV[1], tonumber(ARGV[2]), 0
while gone == 0 do
  local keys = redis.call('ZRANGE', of, 0, step - 1)
  if #keys == 0 then break end
  for _, key in ipairs(keys) do
    redis.call('ZREM', of, key)
    if redis.call('HGET', base .. 'answer:' .. key, 'tenant') == ARGV[1] then gone = gone + let_go(key) end
  end
end
return gone
"""
)

SWEEP = Script(
    _COMMON
    + """
local now, most, step = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local past = redis.call('ZRANGEBYSCORE', base .. 'expiring', '-inf', now, 'LIMIT', 0, step)
for _, key in ipairs(past) do let_go(key) end
if #past > 0 then return #past end
return evict(most, step)
"""
)


class RedisRecordings:
    """:class:`~dragoman.store.Recordings` in Redis, for every process that uses the same prefix.

    Args:
        link: What asks.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._base = link.name("recordings", "")

    async def keep(self, row: RecordingRow, *, most: int, alike: int) -> None:
        """Insert a recording, or replace an older one; return once Redis has it."""
        has_scope = row.scope is not None and row.vector is not None
        await self._run(
            KEEP,
            row.key,
            row.tenant,
            repr(row.recorded_at),
            repr(row.expires_at),
            row.body,
            (row.scope or b"") if has_scope else b"",
            (row.vector or b"") if has_scope else b"",
            most,
            alike,
            STEP,
            OVERHEAD,
            within_s=WRITING_S,
        )

    async def find(self, key: bytes, *, now: float) -> RecordingRow | None:
        """Return a recording, unless it is past its time, or is none."""
        name = self._base.encode() + b"answer:" + key
        fields = ("tenant", "recorded_at", "expires_at", "body", "scope", "vector")
        reply = await self._link.ask("HMGET", name, *fields, bulk=True)
        row = _row(key, reply)
        return row if row is not None and row.expires_at > now else None

    async def alike(self, scope: bytes, *, now: float, most: int) -> list[tuple[bytes, bytes]]:
        """Return key and vector of the youngest recordings of a scope, the youngest first."""
        reply = await self._run(ALIKE, scope, repr(now), most)
        if not isinstance(reply, list) or not all(isinstance(one, bytes) for one in reply):
            raise unavailable("Redis answered what the script does not say")
        return list(zip(reply[::2], reply[1::2], strict=False))

    async def delete(self, key: bytes, *, recorded_at: float) -> bool:
        """Delete one recording, if it is still the one of that time; return whether it was there."""
        return await self._number(DELETE, key, repr(recorded_at)) == 1

    async def forget(self, tenant: str) -> int:
        """Delete some of a tenant's recordings; return how many, 0 when none is left."""
        return await self._number(FORGET, tenant, STEP)

    async def sweep(self, now: float, *, most: int) -> int:
        """Delete some that are past their time or beyond `most` bytes; return how many, 0 if none is left."""
        return await self._number(SWEEP, repr(now), most, STEP)

    async def total(self) -> int:
        """Return how many bytes are kept."""
        reply = await self._link.ask("GET", f"{self._base}total", bulk=True)
        try:
            return max(int(reply or 0), 0)
        except (TypeError, ValueError):
            raise unavailable("Redis holds no number where the sum is") from None

    async def _number(self, script: Script, *arguments: bytes | str | float) -> int:
        reply = await self._run(script, *arguments, within_s=WRITING_S)
        if not isinstance(reply, int):
            raise unavailable("Redis answered what the script does not say")
        return reply

    async def _run(
        self, script: Script, *arguments: bytes | str | float, within_s: float | None = None
    ) -> Any:
        return await self._link.run(script, (self._base,), arguments, bulk=True, within_s=within_s)


def _row(key: bytes, reply: Any) -> RecordingRow | None:
    """Read a recording; None where there is none, or something that is none."""
    if not isinstance(reply, list) or len(reply) != 6:
        return None
    tenant, recorded_at, expires_at, body, scope, vector = reply
    if not all(isinstance(one, bytes) for one in (tenant, recorded_at, expires_at, body)):
        return None
    try:
        return RecordingRow(
            key=key,
            tenant=tenant.decode(),
            recorded_at=float(recorded_at),
            expires_at=float(expires_at),
            body=body,
            scope=scope,
            vector=vector,
        )
    except (UnicodeDecodeError, ValueError):
        return None
