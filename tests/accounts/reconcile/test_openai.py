"""OpenAI's exports, of usage and costs, in CSV and JSON."""

from __future__ import annotations

from decimal import Decimal
from io import BytesIO
from pathlib import Path

import pytest

from dragoman.accounts.reconcile import read_exports
from dragoman.accounts.reconcile.exports import ALL, Export, Line
from dragoman.core.failure import Failure

SAMPLES = Path(__file__).parent / "samples"
FIRST, SECOND = 1_772_323_200, 1_772_409_600
HEAD = b"start_time,end_time,start_time_iso,end_time_iso"


def read(*files: tuple[str, bytes] | str) -> Export:
    """Return what samples, and files of one's own, say together."""
    opened = []
    for file in files:
        name, content = (file, (SAMPLES / file).read_bytes()) if isinstance(file, str) else file
        opened.append((BytesIO(content), name))
    return read_exports(opened)


@pytest.mark.parametrize("name", ["openai-usage.csv", "openai-usage.json"])
def test_usage_is_read(name: str) -> None:
    """Rows of one day and model are added up; cached tokens are a part of those read."""
    export = read(name)
    usage = {line.model: line.known for line in export.lines}
    assert {line.day for line in export.lines} == {FIRST}
    assert usage["gpt-4o-2024-08-06"] | {"cache_write": 0} == {
        "requests": 3,
        "input": 4000,
        "cache_read": 500,
        "cache_write": 0,
        "output": 200,
    }
    assert usage["gpt-4o-mini-2024-07-18"]["requests"] == 4
    assert (export.kinds, export.tasks, export.costs) == (
        ("OpenAI's usage",),
        frozenset({"generate"}),
        False,
    )
    assert (export.since, export.until, export.more) == (FIRST, SECOND + 86_400, False)


@pytest.mark.parametrize("name", ["openai-costs.csv", "openai-costs.json"])
def test_costs_are_read(name: str) -> None:
    """The lines of one model are added up exactly, whatever each is of."""
    export = read(name)
    assert export.lines == (
        Line(FIRST, "gpt-4o-2024-08-06", {"cost": Decimal("0.011375")}),
        Line(FIRST, "gpt-4o-mini-2024-07-18", {"cost": Decimal("0.000084")}),
    )
    assert (export.kinds, export.tasks, export.costs) == (("OpenAI's costs",), None, True)
    assert export.until == SECOND + 86_400


def test_both_files_of_a_month_are_one() -> None:
    """What one says of a day and model stands beside what the other says."""
    export = read("openai-usage.csv", "openai-costs.json")
    assert export.lines[0].known["input"] == 4000
    assert export.lines[0].known["cost"] == Decimal("0.011375")


def test_an_export_of_nothing_says_so() -> None:
    """Its header has times alone; it still tells which days it is of."""
    export = read(("empty.csv", HEAD + b"\n1772323200,1772409600,,\n"))
    assert (export.lines, export.since, export.until) == ((), FIRST, SECOND)


def test_embeddings_are_no_completions() -> None:
    """They write nothing, in CSV, and say what they are in JSON."""
    rows = b",num_model_requests,input_tokens,model\n1772323200,1772409600,,,2,30,text-embedding-3-small\n"
    assert read(("e.csv", HEAD + rows)).tasks == frozenset({"embed"})
    page = (
        b'{"data":[{"start_time":1772323200,"end_time":1772409600,"results":[{"object":'
        b'"organization.usage.embeddings.result","input_tokens":3,"num_model_requests":1}]}]}'
    )
    found = read(("e.json", page))
    assert (found.tasks, found.lines[0].model) == (frozenset({"embed"}), ALL)


def test_other_money_is_refused() -> None:
    """Euros are not dollars."""
    with pytest.raises(Failure, match=r"c.csv:2, column amount_currency: 'eur' is no US dollars"):
        read(("c.csv", HEAD + b",amount_value,amount_currency\n1772323200,1772409600,,,1,eur\n"))
