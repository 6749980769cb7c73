"""What a sink has taken and not delivered yet: a queue with an end, and the count of everything.

    put()           takes one, or drops it where the queue has no room
    some()          returns as soon as there is anything
    take()          hands some over, the oldest first; they count as waiting until told otherwise
    delivered()     they arrived              dropped()    they never will              back()    not yet

It belongs to one event loop: nothing here may be called from another thread.
"""

from __future__ import annotations

from asyncio import Event
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Waiting(Generic[Item]):
    """A queue with an end.

    Args:
        most: Items that may wait.
        heaviest: What they may weigh together.
        weigh: Returns what one weighs.
    """

    def __init__(
        self, most: int, heaviest: float = float("inf"), weigh: Callable[[Item], int] = lambda _: 0
    ) -> None:
        self._most = most
        self._heaviest = heaviest
        self._weigh = weigh
        self._items: deque[Item] = deque()
        self._weight = self._in_hand = 0
        self._taken = self._delivered = self._dropped = 0
        self._any = Event()

    def __len__(self) -> int:
        """Return how many could be taken."""
        return len(self._items)

    def put(self, item: Item) -> None:
        """Take one, or count it as dropped; never waits, never raises."""
        self._taken += 1
        weight = self._weigh(item)
        if len(self._items) + self._in_hand >= self._most or self._weight + weight > self._heaviest:
            self._dropped += 1
            return
        self._weight += weight
        self._items.append(item)
        self._any.set()

    async def some(self) -> None:
        """Return as soon as there is anything to take."""
        while not self._items:
            self._any.clear()
            await self._any.wait()

    def take(self, most: int, heaviest: float = float("inf")) -> list[Item]:
        """Hand over the oldest: at most so many, and no more weight unless it is one item's."""
        taken: list[Item] = []
        weight = 0
        while self._items and len(taken) < most:
            weight += self._weigh(self._items[0])
            if taken and weight > heaviest:
                break
            taken.append(self._items.popleft())
        self._in_hand += len(taken)
        return taken

    def delivered(self, items: Sequence[Item]) -> None:
        """Note that items that were taken arrived."""
        self._let_go(items)
        self._delivered += len(items)

    def dropped(self, items: Sequence[Item]) -> None:
        """Note that items that were taken never will arrive."""
        self._let_go(items)
        self._dropped += len(items)

    def back(self, items: Sequence[Item]) -> None:
        """Put items that were taken where they were."""
        self._in_hand -= len(items)
        self._items.extendleft(reversed(items))
        if items:
            self._any.set()

    def counts(self) -> Mapping[str, int]:
        """Return how many were taken, delivered, dropped, and are waiting."""
        return {
            "taken": self._taken,
            "delivered": self._delivered,
            "dropped": self._dropped,
            "waiting": len(self._items) + self._in_hand,
        }

    def _let_go(self, items: Sequence[Item]) -> None:
        self._in_hand -= len(items)
        self._weight -= sum(map(self._weigh, items))
