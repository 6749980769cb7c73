"""Live traffic: a small client that sends real requests to the demo's gateway, at a pace people can watch.

Each goes in its key's own dialect, most to a route; simulated providers answer, and now and then fail. Some
clients leave in the middle of a stream, some ask what cannot be asked, some ask again what was answered.
"""

from __future__ import annotations

import random
from asyncio import Semaphore, TaskGroup, sleep
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import aiohttp
from examples.demo.cast import DESKS, LIVE, WORDS

MOST = 24
"""Requests that are under way at once."""

ELSEWHERE = tuple(
    f"sim-{dialect}/simulated-small" for dialect in ("openai_chat", "cohere", "ollama", "gemini")
)
"""Who is asked by name now and then, so that every provider is."""

BY_NAME, LEAVES, WRONG, AGAIN = 0.3, 0.06, 0.02, 0.12
"""Shares of clients that name a provider, leave a stream, ask wrongly, and ask what was asked before."""

Asked = tuple[str, dict[str, Any]]


class Client:
    """Sends requests until it is cancelled.

    Args:
        url: The gateway's.
        secrets: Of each key that may ask.
        rate: Requests a second, on average.
        chance: What is asked, and when.
    """

    def __init__(self, url: str, secrets: Mapping[str, str], *, rate: float, chance: random.Random) -> None:
        self._url = url
        self._secrets = secrets
        self._rate = rate
        self._chance = chance
        self._room = Semaphore(MOST)
        desks = [desk for desk in DESKS if desk.name in LIVE and desk.name in secrets]
        self._desks, self._shares = desks, [desk.share for desk in desks]
        self.asks = bool(desks) and rate > 0

    async def run(self) -> None:
        """Ask again and again, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(self._url, timeout=timeout) as session, TaskGroup() as group:
            while self.asks:
                await sleep(self._chance.expovariate(self._rate))
                await self._room.acquire()
                group.create_task(self._one(session))

    async def _one(self, session: aiohttp.ClientSession) -> None:
        try:
            await self.ask(session)
        except (aiohttp.ClientError, TimeoutError):
            return  # what went wrong is in the ledger; a client has nobody to tell
        finally:
            self._room.release()

    async def ask(self, session: aiohttp.ClientSession) -> int:
        """Send one request and read its answer, or leave; return its status."""
        chance = self._chance
        [desk] = chance.choices(self._desks, self._shares)
        [model] = chance.choices([name for name, _ in desk.asks], [weight for _, weight in desk.asks])
        if model not in ("assistant", "careful", "quick"):
            model = "quick"  # whom it asks in the month has no key here
        if chance.random() < BY_NAME and not desk.terms.routes:
            model = chance.choice(ELSEWHERE)
        stream = chance.random() < desk.stream
        again = chance.random() < AGAIN
        words = WORDS[0][0] if again else self._words()
        path, body = written(desk.dialect, model, words, stream=stream)
        if chance.random() < WRONG:
            body = {**body, "messages": 7, "contents": 7, "input": 7}
        headers = {"authorization": f"Bearer {self._secrets[desk.name]}"}
        if again:
            headers["x-dragoman-cache"] = "on"
        leaves = stream and chance.random() < LEAVES
        async with session.post(path, json=body, headers=headers) as answer:
            read = 0
            async for piece in answer.content.iter_any():
                read += len(piece)
                if leaves and read > 1500:
                    answer.close()
                    break
            return answer.status

    def _words(self) -> str:
        question = self._chance.choice(WORDS)[0]
        number = self._chance.randrange(10_000)
        at_length = " Explain at length." if self._chance.random() < 0.08 else ""
        return f"{question} (ticket {number}){at_length}"


def written(dialect: str, model: str, words: str, *, stream: bool) -> Asked:
    """Return the path and the body of a request in a client's dialect."""
    messages = [{"role": "user", "content": words}]
    if dialect == "gemini":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": words}]}]}
    path = PATHS[dialect]
    if dialect == "openai_responses":
        return path, {"model": model, "input": words, "stream": stream}
    more = {"max_tokens": 1024} if dialect == "anthropic" else {}
    return path, {"model": model, "messages": messages, "stream": stream, **more}


PATHS = MappingProxyType(
    {
        "openai_chat": "/v1/chat/completions",
        "openai_responses": "/v1/responses",
        "anthropic": "/v1/messages",
        "cohere": "/v2/chat",
        "ollama": "/api/chat",
    }
)
"""Where a dialect's requests go; Gemini's have the model in their address."""
