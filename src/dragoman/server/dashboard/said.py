"""What a page says of what was just done, carried over one redirect in a cookie that only we set."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal

import msgspec

COOKIE = "dragoman_said"
LASTS_S = 30
LONGEST = 300
"""Characters of a message."""

Tone = Literal["good", "warn", "bad"]


class Said(msgspec.Struct, frozen=True):
    """A message and how it is meant."""

    words: str
    tone: Tone = "good"


def written(said: Said) -> str:
    """Return a message as a cookie's value."""
    short = msgspec.structs.replace(said, words=said.words[:LONGEST])
    return urlsafe_b64encode(msgspec.json.encode(short)).decode()


def read(value: str) -> Said | None:
    """Return the message a cookie has; None: it is none of ours."""
    try:
        said = msgspec.json.decode(urlsafe_b64decode(value.encode("ascii", "replace")), type=Said)
    except ValueError:
        return None
    return said if len(said.words) <= LONGEST else None
