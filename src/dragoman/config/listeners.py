"""Who is told afterwards, checked: what a sink refuses is a fault of the configuration, with file and line.

Each sink knows what it needs; it is made here once, told nothing, and thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dragoman.config.sections import find
from dragoman.config.sources import Sources
from dragoman.core.failure import Failure
from dragoman.sinks.influx import Influx, InfluxSpec
from dragoman.sinks.otlp import Otlp, OtlpSpec
from dragoman.sinks.webhook import Webhook, WebhookSpec


def check_listeners(sources: Sources, influx: InfluxSpec, webhook: WebhookSpec, otlp: OtlpSpec) -> None:
    """Note what a sink that is switched on refuses about its settings."""
    if influx.url:
        _check(sources, "influx", lambda: _influx(influx))
    if webhook.url:
        _check(
            sources,
            "webhook",
            lambda: Webhook(webhook, now=_nothing, tick=_nothing, chance=_nothing, complain=_nobody),
        )
    if otlp.endpoint:
        _check(sources, "otlp", lambda: Otlp(otlp))


def _influx(spec: InfluxSpec) -> Influx:
    return Influx(
        spec,
        Path(),
        owner="",
        dead=lambda _: [],
        now=_nothing,
        tick=_nothing,
        chance=_nothing,
        complain=_nobody,
    )


def _check(sources: Sources, section: str, make: Callable[[], object]) -> None:
    try:
        make()
    except Failure as failure:
        setting = failure.message.partition(" ")[0].rpartition(".")
        found = find(sources, section, setting[2]) if setting[0] == section else None
        place = found or find(sources, section, "endpoint" if section == "otlp" else "url")
        sources.refuse(place.where if place else section, failure.message)


def _nothing() -> float:
    return 0.0


def _nobody(message: str, error: BaseException) -> None:
    del message, error
