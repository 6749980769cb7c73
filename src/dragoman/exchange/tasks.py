"""What an exchange is asked beside generation: vectors, or an order of documents.

Generation comes in events. These tasks are answered whole, and told to the attempt's folder as a Start
and an End with the usage, so that booking sees one shape.
"""

from __future__ import annotations

import msgspec

from dragoman.core.events import End, Start
from dragoman.core.tasks import Asked, Embed, Embedded, Ranked, Rerank
from dragoman.dialects import Call, Dialect, Door, Reply, Task
from dragoman.exchange.life import Attempt, Exchange


def read(door: Door, task: Task, call: Call) -> Asked:
    """Read what a client asks, in the door's words for the task; raise ``invalid()`` for a fault."""
    codec = door.tasks.codec(task)
    asked: Asked = door.read_request(call) if codec is None else codec.read_request(call)
    return asked


async def tell(ex: Exchange, attempt: Attempt, dialect: Dialect, asked: Embed | Rerank) -> None:
    """Read a provider's whole answer to a task; raise Failure where it is none."""
    codec = dialect.tasks.codec(ex.task)
    assert codec is not None
    assert attempt.answer is not None
    told: Embedded | Ranked = codec.read_answer(await attempt.answer.reply(), asked)
    named = {"id": told.id or ex.id, "model": told.model or attempt.target.model}
    attempt.told = told = msgspec.structs.replace(told, **named)
    attempt.folder.feed(Start(told.id, told.model))
    attempt.folder.feed(End(told.usage))


def retell(ex: Exchange, attempt: Attempt, asked: Embed | Rerank) -> Reply:
    """Write the answer to a task for the client that asked."""
    codec = ex.door.tasks.codec(ex.task)
    assert codec is not None
    reply: Reply = codec.write_answer(attempt.told, asked)
    return reply
