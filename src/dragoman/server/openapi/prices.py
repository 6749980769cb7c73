"""What everything costs: prices in force, the operator's own, and history priced anew."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dragoman.core.extras import Json
from dragoman.server.admin.prices import PriceBody, Repricing
from dragoman.server.openapi.operation import PAGE, Operation, Operations, Param, Tag

PRICES = Tag(
    "Prices",
    "What models cost, and by whose word: the operator's, the configuration's, or what ships. Rates are US "
    "dollars for a million tokens, as decimal text; a price nobody knows is null, never 0. Every change is "
    "in the audit log.",
)


class PriceNow(Struct):
    """What a model costs now.

    Attributes:
        price: US dollars for a million tokens, by kind; null: nobody knows.
        by: By whose word: `operator 7`, `catalog`, `genai-prices 0.2.3`, `free`, `default`; "": nobody's.
    """

    provider: str
    model: str
    price: dict[str, Any] | None
    by: str


class OwnPrice(Struct):
    """A price the operator has set. Times are Unix seconds.

    Attributes:
        number: Which one it is: `operator 7` in what was booked by it.
        model: `*`: every model of the provider without a price of its own.
        price: US dollars for a million tokens, by kind; null: from then on what ships holds again.
    """

    number: int
    provider: str
    model: str
    since: float
    price: dict[str, Any] | None
    created_at: float


class PriceTable(Struct):
    """What can be asked now and costs, and every price of the operator's own, the oldest first."""

    prices: list[PriceNow]
    own: list[OwnPrice]


class RepricedLine(Struct):
    """What changes for one model under one new price; money is micro-dollars.

    Attributes:
        was: By whose price it was booked.
        now: By whose it is.
        rows: How many attempts.
        unknown: Of these, attempts whose cost was not known before.
    """

    provider: str
    model: str
    was: str
    now: str
    rows: int
    unknown: int
    before_micros: int
    after_micros: int


class RepricedSummary(Struct):
    """What was, or would be, changed; money is micro-dollars.

    Attributes:
        seen: Attempts that were looked at.
        rows: Of these, those whose cost changes.
        kept: Those whose cost the provider said, or may have.
        bare: Those without tokens, and searches that cost a fee.
        unpriced: Those whose price nobody knows.
        unknown: Of those that change, those whose cost was not known before.
    """

    seen: int
    rows: int
    kept: int
    bare: int
    unpriced: int
    unknown: int
    before_micros: int
    after_micros: int
    lines: list[RepricedLine]


CONTRACT: dict[str, Json] = {
    "A price of one's own": {
        "provider": "openai",
        "model": "gpt-5.5",
        "price": {"input": "4", "output": "24", "cache_read": "0.4"},
        "since": "2026-11-01",
    }
}
TRIAL: dict[str, Json] = {"What would change": {"since": "2026-11-01", "provider": "openai", "dry_run": True}}


TAGS = (PRICES,)
OPERATIONS: Operations = {
    "GET /admin/prices": Operation(
        tag=PRICES.name,
        title="List prices",
        text="Return what models cost now and by whose word, and every price the operator has set.",
        tells=(PriceTable,),
        params=(
            Param("provider", "Only of this provider, whether it is set up or not.", example="openai"),
            Param("model", "Only of the model the provider calls so.", example="gpt-5.5"),
            Param("all", "`true`: of every provider, and of every model whose price ships.", example="false"),
        ),
        statuses=(*PAGE, 503),
        words="chat",
        access="view",
        line=False,
    ),
    "POST /admin/prices": Operation(
        tag=PRICES.name,
        title="Set a price",
        text="Set what a model costs from a time on. What was booked stays, until it is priced anew.",
        asks=(PriceBody,),
        asked=CONTRACT,
        tells=(OwnPrice,),
        statuses=(*PAGE, 413, 503, 504),
        words="chat",
        access="edit",
        line=False,
    ),
    "POST /admin/prices/reprice": Operation(
        tag=PRICES.name,
        title="Price history anew",
        text="Book what was asked under the prices that are known now, each attempt as of when it was asked. "
        "What a provider said itself stays, and so does what has no tokens.",
        asks=(Repricing,),
        asked=TRIAL,
        tells=(RepricedSummary,),
        statuses=(*PAGE, 413, 503, 504),
        words="chat",
        access="edit",
        line=False,
        optional=True,
    ),
}
