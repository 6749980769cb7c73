"""Whether a request may be answered from a recording, and whether its answer may be recorded. Pure.

    x-dragoman-cache: on | exact | off      asked for; asked for, but never a merely similar question's; not
    Cache-Control: no-cache, max-age=0      ask afresh, and refresh the recording
    Cache-Control: no-store                 neither read nor record

Unless the operator says ``mode = "all"``, nothing is recorded that nobody asked to have recorded: a recorded
answer is a prompt's answer at rest, and whoever asks twice may want two answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

HEADER = "x-dragoman-cache"
YES, NO, EXACT = ("on", "true", "1"), ("off", "false", "0"), "exact"
AFRESH = frozenset({"no-cache", "max-age=0"})

SIMILARITY = 0.97
"""The cosine measured by bench/semantic.py; see docs/cache.md."""

Bytes = Annotated[int, msgspec.Meta(ge=0)]


class CacheSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is recorded, how long, and how much of it.

    Attributes:
        mode: Whose answers are recorded: "asked" those of the prompt surface and of requests that carry
            `x-dragoman-cache: on`, "all" every generation's, "off" nobody's.
        ttl_s: Seconds a recording is used.
        memory_bytes: Bytes of recordings each process keeps in memory.
        disk_bytes: Bytes of recordings in the database; beyond that the oldest go.
        largest_bytes: Bytes one recording may have; larger answers are not recorded.
        semantic: Answer a question also from one that means the same; needs `dragoman[semantic]`.
        similarity: How much alike two questions must be for that: a cosine, 1 is the same.
        semantic_per_scope: Recorded questions, the youngest, that a question is compared with.
    """

    mode: Literal["asked", "all", "off"] = "asked"
    ttl_s: Annotated[float, msgspec.Meta(gt=0)] = 86400.0
    memory_bytes: Bytes = 64 * 1024 * 1024
    disk_bytes: Bytes = 1024 * 1024 * 1024
    largest_bytes: Bytes = 1024 * 1024
    semantic: bool = False
    similarity: Annotated[float, msgspec.Meta(gt=0, le=1)] = SIMILARITY
    semantic_per_scope: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class Terms(msgspec.Struct, frozen=True):
    """What may be done for one request.

    Attributes:
        read: Answer it from a recording.
        record: Record its answer.
        similar: Answer it from a similar question's recording, where the operator allows that.
    """

    read: bool
    record: bool
    similar: bool = False


NEITHER = Terms(read=False, record=False)


def asked(spec: CacheSpec, headers: Mapping[str, str], *, by_default: bool, refresh: bool = False) -> Terms:
    """Return what may be done for a request.

    Args:
        spec: What the operator allows.
        headers: The request's, their names in lower case.
        by_default: The client came by a door whose answers are recorded unless it says otherwise.
        refresh: The client said in its body that a recorded answer will not do.
    """
    words, said = _words(headers.get(HEADER, "")), _words(headers.get("cache-control", ""))
    asked_for = by_default or spec.mode == "all" or not words.isdisjoint((*YES, EXACT))
    wanted = asked_for and words.isdisjoint(NO)
    if spec.mode == "off" or not wanted or "no-store" in said:
        return NEITHER
    return Terms(
        read=not refresh and AFRESH.isdisjoint(said),
        record=True,
        similar=spec.semantic and EXACT not in words,
    )


def _words(value: str) -> set[str]:
    """Return the words of a header; one that was sent twice is a list."""
    return {part.strip().lower() for part in value.split(",")}
