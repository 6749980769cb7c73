"""Uses of the public types, as an embedder would write them: mypy checks this file, nobody runs it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import assert_type

from dragoman.cli import main
from dragoman.config import Config, load
from dragoman.core.events import Event, Response, fold, unfold
from dragoman.core.failure import Failure, invalid
from dragoman.core.usage import Micros, Price, Usage, cost, micros
from dragoman.dialects import Call, Dialect, Reply, StreamReader
from dragoman.gateway import Gateway
from dragoman.providers import Model, Provider
from dragoman.server.app import App
from dragoman.simulator import Behaviour, Script, Simulator


def money(price: Price) -> None:
    """Money is exact, and what nobody knows is None."""
    spent = cost(Usage(input=1) + Usage(output=2), price)
    assert_type(spent, Decimal | None)
    assert_type(micros(Decimal(1)), Micros)


def translation(home: Dialect, abroad: Dialect, call: Call, reply: Reply) -> None:
    """Two dialects are enough to translate between them."""
    request = home.read_request(call)
    assert_type(abroad.write_request(request), Call)
    response = abroad.read_answer(reply)
    assert_type(response, Response)
    assert_type(unfold(response), list[Event])
    assert_type(fold(unfold(response)), Response)
    assert_type(home.write_answer(response, request), Reply)
    assert_type(abroad.reader(), StreamReader)


def failing() -> None:
    """There is one exception."""
    try:
        raise invalid("no", "$.model")
    except Failure as failure:
        assert_type(failure.http_status, int)
        assert_type(failure.at, str | None)


def embedding(environ: Mapping[str, str]) -> App:
    """A gateway is made of a configuration; an ASGI server runs it."""
    config = load(environ, Path.cwd())
    assert_type(config, Config)
    assert_type(config.providers, Mapping[str, Provider])
    assert_type(config.models, Mapping[str, Model])
    return App(Gateway(config))


async def rehearsing() -> str:
    """A simulator is a context manager with an address."""
    async with Simulator(Script(default=Behaviour(tokens=5)), seed=1) as provider:
        return provider.url


def running() -> None:
    """The command line is a function that returns an exit code."""
    assert_type(main(["--version"]), int)
