"""One attempt: ask one target, hand back its answer as batches of events.

    prepared = prepare(...)          fit, write, amend, sign: pure, may refuse, declares losses
    answer = await ask(...)          send, check, decode; the upstream socket is the answer's
    async for batch in answer.batches(): ...
    await answer.close()             always; closes the socket at once if anything is unread

A unary answer is unfolded into one batch and a stream gives one batch per network read, so that
everybody above sees one shape and a burst of provider chunks leaves as one write.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec

from dragoman.core.events import Event, unfold
from dragoman.core.extras import Json, Loss
from dragoman.core.failure import Failure, Kind, Retry, Source, malformed, unsupported
from dragoman.core.request import Request
from dragoman.core.tasks import Asked
from dragoman.dialects import Call, Dialect, Reply, Task
from dragoman.dialects.fields import decode, encode
from dragoman.providers import Model, Provider
from dragoman.providers.auth import sign
from dragoman.providers.fit import fit
from dragoman.providers.mend import Mend, Mender
from dragoman.providers.quirks import amend_answer, amend_request, losses
from dragoman.providers.transport import Deadlines, Transport, Upstream

EXCERPT = 512
"""Characters of a body that is not JSON a failure may look at; never shown to a client."""


class Prepared(msgspec.Struct, frozen=True):
    """A request, ready to leave: signed, with what it lost on the way and leaves to be done to its answer."""

    dialect: Dialect
    provider: Provider
    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    losses: tuple[Loss, ...]
    mend: Mend = Mend()


def prepare(
    asked: Asked, *, model: Model | None, provider: Provider, dialect: Dialect, task: Task = "generate"
) -> Prepared | None:
    """Write what is asked for one target.

    Returns:
        The call to send; None when a count is asked and the target's protocol cannot count.

    Raises:
        Failure: The target cannot be asked this honestly (UNSUPPORTED), or no key is configured.
    """
    if not isinstance(asked, Request):
        codec = dialect.tasks.codec(task)
        if codec is None:
            raise unsupported(f"{dialect.name}, which {provider.name} speaks, cannot {task}", "$.model")
        call: Call = codec.write_request(asked)
        return _signed(provider, dialect, call, call.losses)
    fitted = fit(asked, model, provider, dialect.name)
    written = (dialect.write_count if task == "count" else dialect.write_request)(fitted.request)
    if written is None:
        return None
    prepared = _signed(provider, dialect, written, fitted.losses + written.losses)
    return msgspec.structs.replace(prepared, mend=fitted.mend) if fitted.mend else prepared


def _signed(provider: Provider, dialect: Dialect, call: Call, lost: tuple[Loss, ...]) -> Prepared:
    """Amend and sign a written call."""
    return Prepared(
        dialect,
        provider,
        call.method,
        _url(provider, call),
        sign(provider, {"content-type": "application/json", **call.headers}),
        encode(amend_request(provider, call.body)),
        lost + losses(provider, call.body),
    )


class Answer:
    """A provider's 2xx answer, read as it comes."""

    __slots__ = (
        "_amend",
        "_decoder",
        "_dialect",
        "_mend",
        "_provider",
        "_reader",
        "_stream",
        "_upstream",
        "status",
        "upstream_id",
    )

    def __init__(
        self, provider: Provider, dialect: Dialect, upstream: Upstream, mend: Mend | None = None
    ) -> None:
        self._provider = provider
        self._dialect = dialect
        self._upstream = upstream
        self._amend = amend_answer(provider)
        self._mend = mend
        self.status = upstream.status
        content_type = upstream.headers.get("content-type", "")
        self._stream = (
            content_type.partition(";")[0].strip() == dialect.framing.content_type.partition(";")[0]
        )
        self._decoder = dialect.framing.decoder()
        self._reader = dialect.reader(self._amend)
        self.upstream_id = upstream.headers.get("x-request-id") or upstream.headers.get("request-id")

    def batches(self) -> AsyncIterator[list[Event]]:
        """Yield the events each network read completes, mended if the request was fitted that way.

        Raises:
            Failure: The provider failed, in words or by stopping short.
        """
        return self._mended(Mender(self._mend)) if self._mend else self._batches()

    async def _mended(self, mender: Mender) -> AsyncIterator[list[Event]]:
        async for batch in self._batches():
            if mended := mender.feed(batch):
                yield mended

    async def _batches(self) -> AsyncIterator[list[Event]]:
        if not self._stream:
            reply = await self.reply()
            try:
                response = self._dialect.read_answer(reply)
            except Failure as refused:
                raise _discreet(self._provider, refused) from None
            yield unfold(response)
            return
        decoder, reader = self._decoder, self._reader
        async for chunk in self._upstream.chunks():
            batch: list[Event] = []
            failure: Failure | None = None
            try:
                for frame in decoder.feed(chunk):
                    batch += reader.feed(frame)
            except Failure as caught:
                # What came before the error in the same read was really said.
                failure = caught
            if batch:
                yield batch
            if failure is not None:
                raise _discreet(self._provider, failure)
        try:
            batch = [event for frame in decoder.close() for event in reader.feed(frame)]
            batch += reader.close()
        except Failure as caught:
            raise _discreet(self._provider, caught) from None
        if batch:
            yield batch

    def rest(self) -> list[Event]:
        """Return the events of a stream that have come and were not told, for nobody waits for them any more.

        The provider has sent them and will charge for them. Never waits, never raises.
        """
        events: list[Event] = []
        if not self._stream or self._mend:
            return events
        with suppress(Failure):
            for frame in [*self._decoder.feed(self._upstream.waiting()), *self._decoder.close()]:
                events += self._reader.feed(frame)
            events += self._reader.close()
        return events

    async def reply(self) -> Reply:
        """Return the whole body as a Reply, its quirks amended."""
        reply = await _reply(self._upstream)
        if isinstance(reply.body, str):
            raise malformed("the provider answered something that is not JSON")
        if self._amend is not None:
            return msgspec.structs.replace(reply, body=self._amend(reply.body))
        return reply

    async def close(self) -> None:
        """Let go of the socket: back to the pool if all was read, closed at once if not."""
        await self._upstream.close()


async def ask(transport: Transport, prepared: Prepared, deadlines: Deadlines) -> Answer:
    """Send a prepared request and return the provider's answer once its head is in.

    Raises:
        Failure: The transport's, or the provider's own refusal (any status but 2xx).
    """
    upstream = await transport.send(
        prepared.method, prepared.url, prepared.headers, prepared.body, deadlines=deadlines
    )
    try:
        return await _checked(prepared, upstream)
    except BaseException:
        await upstream.close()
        raise


async def _checked(prepared: Prepared, upstream: Upstream) -> Answer:
    """Return the answer of a 2xx status; raise what any other status means."""
    if 200 <= upstream.status < 300:
        return Answer(prepared.provider, prepared.dialect, upstream, prepared.mend)
    if 300 <= upstream.status < 400:
        raise Failure(
            Kind.UPSTREAM,
            f"the provider answered with a redirect ({upstream.status}), which is never followed",
            source=Source.UPSTREAM,
            retry=Retry.NEXT,
            status=upstream.status,
        )
    raise _discreet(prepared.provider, prepared.dialect.read_failure(await _reply(upstream)))


def _discreet(provider: Provider, failure: Failure) -> Failure:
    """Keep to ourselves what a provider says about our credentials: it may quote them.

    It may say so with an error status, in a 200, or in the middle of a stream.
    """
    told = f"{failure.message} {failure.code} {failure.request_id}"
    native = b"" if failure.native is None else encode(failure.native)
    quoted = provider.key is not None and (provider.key in told or provider.key.encode() in native)
    if quoted or failure.status in (401, 402, 403):
        said = f" ({failure.code})" if failure.code and re.fullmatch(r"[a-z_]{1,40}", failure.code) else ""
        what = (
            "answered with words that quote the gateway's key" if quoted else "refused the gateway's account"
        )
        failure.message = f"{provider.name} {what}, with status {failure.status}{said}"
        failure.native = failure.at = failure.request_id = None
        failure.code = said.strip(" ()") or None
    return failure


async def _reply(upstream: Upstream) -> Reply:
    raw = await upstream.read()
    body: Json
    try:
        body = decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = raw[:EXCERPT].decode("utf-8", "replace")
    return Reply(upstream.status, upstream.headers, body)


def _url(provider: Provider, call: Call) -> str:
    query = "&".join(f"{name}={value}" for name, value in call.query.items())
    return f"{provider.base_url.rstrip('/')}{call.path}" + (f"?{query}" if query else "")
