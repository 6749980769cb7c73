"""POSTs to somebody's server: bounded in time and size, and never led anywhere else.

No redirect is followed, no cookie kept, no proxy taken from the environment. What comes back is an
:class:`Answer`, also where nobody answered; nothing is raised.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import aiohttp
import msgspec

from dragoman.core.failure import Failure, Kind

LONGEST_WAIT_S = 300.0
"""Seconds that are waited between two tries, at most, whatever a server asks for."""

WORDS = 2000
"""Bytes of an answer that are read."""


UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What must not reach a terminal: a server may say anything."""


class Answer(msgspec.Struct, frozen=True):
    """What a server said; ``status`` 0: nothing, and ``words`` say why."""

    status: int
    words: str = ""
    retry_after_s: float = 0.0


class Post:
    """Sends POSTs to one address, over connections it keeps.

    Args:
        url: Where to.
        query: What is put behind it.
        headers: What is sent with each.
        timeout_s: Seconds that one may take.
    """

    def __init__(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float,
    ) -> None:
        self._url = url
        self._query = query or None
        self._headers = headers or {}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one, and return what was answered."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        try:
            async with self._session.post(
                self._url, params=self._query, data=body, headers=headers, allow_redirects=False
            ) as answer:
                words = await answer.content.read(WORDS)
                return Answer(
                    answer.status,
                    " ".join(UNPRINTED.sub(" ", words.decode("utf-8", "replace")).split()),
                    _seconds(answer.headers.get("retry-after", "")),
                )
        except TimeoutError:
            return Answer(0, f"no answer within {self._timeout.total:g} s")
        except aiohttp.InvalidURL:
            return Answer(0, "the address is none that can be called")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(0, _trouble(error))

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def checked(url: str, setting: str) -> str:
    """Return `url` if it can be posted to.

    Raises:
        Failure: INVALID, naming the setting and nothing of what it says, which may be a secret.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise Failure(Kind.INVALID, f"{setting} must be an address such as https://host:8086")
    if parts.username or parts.password:
        raise Failure(Kind.INVALID, f"{setting} must not have a user or a password in it")
    return url


def delay(tries: int, asked_s: float, *, first_s: float, most_s: float, chance: Callable[[], float]) -> float:
    """Return how many seconds to wait before the next try.

    Each wait is twice the one before, up to `most_s`, and of it a random half to all, so that many who
    failed together do not come back together. A server that asks for more is given it.

    Args:
        tries: How many have failed, from 1.
        asked_s: What the server asked for; 0: nothing.
        first_s: The first wait.
        most_s: The longest.
        chance: Random numbers in [0, 1).
    """
    own = min(most_s, first_s * 2.0 ** min(tries - 1, 30)) * (0.5 + chance() / 2)
    return min(LONGEST_WAIT_S, max(own, asked_s))


def _trouble(error: Exception) -> str:
    """Return why nothing was answered, without the address: its path or its query may be a secret."""
    match error:
        case aiohttp.ClientConnectorError():
            return str(error)  # it names the host, and no more
        case aiohttp.ClientResponseError():
            return "what was answered is no HTTP"
        case OSError(errno=int(number)):
            return os.strerror(number)
    return type(error).__name__


def _seconds(retry_after: str) -> float:
    """Return a ``Retry-After`` in seconds; a date counts as nothing said."""
    return float(retry_after) if re.fullmatch(r"[0-9]{1,9}", retry_after) else 0.0
