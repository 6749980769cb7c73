"""Settings of what is durable, whichever database keeps it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class StoreSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the ledger is kept.

    Attributes:
        url: `postgresql://user:password@host/database` for a ledger that several machines share; without one
            it is a file in the data folder.
        sync: What an acknowledged row survives: "normal" a crash of the process, "full" a power cut too.
        busy_timeout_s: Seconds a write waits for another process that writes to the same file.
        pool: Connections to PostgreSQL that this process has for everything but the ledger's own writes,
            which have one, what takes long, which has one, and reports, which have two.
        timeout_s: Seconds a connection or a statement may take in PostgreSQL; nothing waits longer than
            twice that.
        grace_s: Seconds after which, while PostgreSQL is away, requests are refused; until then those
            without a budget are served, those under one from what was put by for it, and booked in a file
            until it is back.
        lease_percent: Percent of a hard budget that each process puts by for when PostgreSQL is away, as
            long as half of the budget is free; 0: nothing is, and requests under budgets are refused then.
    """

    url: str = ""
    sync: Literal["normal", "full"] = "normal"
    busy_timeout_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 5.0
    pool: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    grace_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 60.0
    lease_percent: Annotated[float, msgspec.Meta(ge=0, le=10)] = 1.0

    def __repr__(self) -> str:
        # Its url may hold a password.
        return f"StoreSpec({'PostgreSQL' if self.url else 'SQLite'}, sync={self.sync})"


class ResponsesSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is remembered of a client of the Responses API.

    Attributes:
        retention_s: Seconds an answer and its input are kept unless `store` is false; 0 keeps nothing.
        max_bytes: Bytes an answer may have together with its input, and a history; larger is not kept.
        max_key_bytes: Bytes all that is kept of one key may have; what would go beyond is not kept.
        max_background: Answers that one process makes in the background at a time.
        max_background_per_key: Answers that one process makes in the background for one key at a time.
    """

    retention_s: Annotated[float, msgspec.Meta(ge=0)] = 86400.0
    max_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 32 * 1024 * 1024
    max_key_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 1024 * 1024 * 1024
    max_background: Annotated[int, msgspec.Meta(ge=1)] = 128
    max_background_per_key: Annotated[int, msgspec.Meta(ge=1)] = 32


class RedisSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What several machines share in a moment: limits, recorded answers, word of a revoked key.

    Attributes:
        url: `redis://:password@host:6379/0`, or `rediss://` over TLS; without one every machine counts for
            itself.
        deadline_s: Seconds a request waits for Redis before it goes on without.
        prefix: What every name there begins with, between braces. Gateways that have it in common share all.
        recordings: Whether recorded answers are kept there, for all machines, and not in the store.
    """

    url: str = ""
    deadline_s: Annotated[float, msgspec.Meta(gt=0, le=10)] = 0.05
    prefix: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z:._-]{1,64}$")] = "dragoman:"
    recordings: bool = True

    def __repr__(self) -> str:
        """Leave out the address: it may hold a password."""
        return f"RedisSpec(prefix={self.prefix!r}, deadline_s={self.deadline_s!r})"
