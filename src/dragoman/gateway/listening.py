"""Who is told afterwards, as the configuration has it: the sinks of one gateway, and what they need of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from dragoman.accounts.ledger import Owner
from dragoman.config import Config
from dragoman.exchange import Snapshot
from dragoman.sinks import Sink
from dragoman.sinks.files import Files
from dragoman.sinks.hub import Hub
from dragoman.sinks.influx import Influx
from dragoman.sinks.otlp import Otlp
from dragoman.sinks.pool import Pool
from dragoman.sinks.prometheus import Prometheus
from dragoman.sinks.webhook import Webhook


class Listening:
    """The sinks of one gateway.

    Attributes:
        metrics: Who counts; None: nobody does.
        hub: Who tells them all.
    """

    def __init__(
        self,
        config: Config,
        owner: Owner,
        *,
        live: Callable[[], Snapshot],
        in_flight: Callable[[], int],
        now: Callable[[], float],
        tick: Callable[[], float],
        chance: Callable[[], float],
        complain: Callable[[str, BaseException], None],
    ) -> None:
        """Make every sink that is switched on; none begins before the hub does.

        Args:
            config: Which they are.
            owner: This process, and how a dead one is known.
            live: The configuration of the moment: what is a name of ours, and where a provider is.
            in_flight: How many requests are under way.
            now: Wall clock, Unix seconds.
            tick: Monotonic clock, seconds.
            chance: Random numbers in [0, 1).
            complain: Told what a sink ran into.
        """
        self._live = live
        dead = partial(Owner.dead, owner.folder)
        self.metrics: Prometheus | None = None
        if config.metrics.enabled:
            # Workers share what they have counted in a folder.
            pool = Pool(config.data / "metrics", owner.id, dead=dead) if config.server.workers > 1 else None
            self.metrics = Prometheus(
                config.metrics,
                pool=pool,
                in_flight=in_flight,
                sinks=self._counts,
                known=self._known,
            )
        listeners: list[Sink] = [] if self.metrics is None else [self.metrics]
        if config.files.enabled:
            listeners.append(Files(config.files, tick=tick, complain=complain))
        if config.influx.url:
            folder = config.data / "spool" / "influx"
            listeners.append(
                Influx(
                    config.influx,
                    folder,
                    owner=owner.id,
                    dead=dead,
                    now=now,
                    tick=tick,
                    chance=chance,
                    complain=complain,
                    known=self._known,
                )
            )
        if config.webhook.url:
            listeners.append(Webhook(config.webhook, now=now, tick=tick, chance=chance, complain=complain))
        if config.otlp.endpoint:
            listeners.append(Otlp(config.otlp, address=self._address))
        self.hub = Hub(listeners, complain)

    def _counts(self) -> Mapping[str, Mapping[str, int]]:
        return self.hub.counts()

    def _known(self, name: str) -> bool:
        """Say whether a model's name is one of ours, and not one that a client made up."""
        table = self._live().table
        return name in table.offers or name in table.routes

    def _address(self, provider: str) -> str:
        row = self._live().providers.get(provider)
        return row.base_url if row is not None else ""
