"""Streams that begin before there is anything to say, for clients whose proxies take silence for death.

Most streams wait for the first content: until then a failure still has a status, and their SDKs know what to
do with one. A surface that promises not to time out says ``early``: after a while of silence its stream
begins, with signs of life only. Targets are still tried one after the other behind them; a failure is then
told in the stream.
"""

from __future__ import annotations

from dragoman.core.failure import Failure
from dragoman.core.request import Request
from dragoman.core.tasks import Asked
from dragoman.dialects import framing_of
from dragoman.exchange.life import Exchange, Out


def begin_early(ex: Exchange, asked: Asked, out: Out) -> None:
    """Have the stream begin by itself if nothing is sent for a while, where its door wants that."""
    if isinstance(asked, Request) and asked.stream and getattr(ex.door, "early", False):
        writer = ex.door.writer(asked)
        out.expect(framing_of(ex.door, writer).content_type, ex.headers(), writer.keepalive)


async def fail_begun(ex: Exchange, failure: Failure, out: Out) -> None:
    """End a stream that began early, and got no answer."""
    assert isinstance(ex.asked, Request)
    writer = ex.door.writer(ex.asked)
    encode = framing_of(ex.door, writer).encode
    await out.send(b"".join(map(encode, writer.fail(failure))), last=True)
