"""A request that is refused before it can be read: it counts, it is booked, and it is told like any other."""

from __future__ import annotations

from dragoman.core.failure import Failure
from dragoman.dialects import Call, Dialect, Surface, Task
from dragoman.exchange.desk import ExchangeDesk, door_of
from dragoman.exchange.ending import ending, request_id
from dragoman.exchange.holding import enter
from dragoman.exchange.life import Exchange, Out, Services


async def refuse(
    services: Services, entrance: Dialect | Surface, task: Task, call: Call, *, failure: Failure, out: Out
) -> None:
    """Refuse a request for what is wrong with its body; its head is `call`.

    Somebody without a known key hears of that instead, and one who asked too often of that.
    """
    ex = Exchange(services, task, request_id(call))
    ex.door = door_of(entrance, call, ExchangeDesk(ex))
    async with ending(ex, out):
        ex.account = await services.admit(call)
        await enter(ex)
        raise failure
