"""The line's front: a request is served at once, or in the background if it asks for that.

In the background means: the same line, in a task of its own that outlives the client's connection. The
client is answered as soon as its request was read and its model found, and fetches the answer later.
"""

from __future__ import annotations

from dragoman.dialects import Call, Dialect, Surface, Task
from dragoman.exchange import Out, Services, run
from dragoman.exchange.turn import Behind, in_background


async def serve(services: Services, door: Dialect | Surface, task: Task, call: Call, out: Out) -> None:
    """Serve one request; as :func:`~dragoman.exchange.run`, of which this is the front."""
    if not in_background(services.stored, door, task, call.body):
        await run(services, door, task, call, out)
        return
    behind = Behind(out)
    await services.stored.aside(_run(services, door, task, call, behind), behind.answered)


async def _run(services: Services, door: Dialect | Surface, task: Task, call: Call, behind: Behind) -> None:
    try:
        await run(services, door, task, call, behind)
    finally:
        await behind.left()
