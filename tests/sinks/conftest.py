"""The databases that points are written to, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.sinks.databases import InfluxDb, Victoria


@pytest.fixture
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDb]:
    """An InfluxDB 1.x with a database ``d``."""
    database = InfluxDb(tmp_path_factory.mktemp("influx") / "db")
    database.start()
    try:
        database.create("d")
        yield database
    finally:
        database.stop()


@pytest.fixture
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    """A VictoriaMetrics."""
    database = Victoria(tmp_path_factory.mktemp("victoria") / "db")
    database.start()
    try:
        yield database
    finally:
        database.stop()
