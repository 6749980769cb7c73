"""A provider's bill beside the ledger."""

from __future__ import annotations

from msgspec import Struct

from dragoman.accounts.reconcile import Verdict
from dragoman.server.openapi.operation import PAGE, Operation, Operations, Param, Tag

BILLS = Tag(
    "Bills",
    "A provider's usage export beside the ledger, by day and model: what they charge for, what we have of "
    "it, and where the two drift apart. For the admin key and readers; nothing of an export is kept. Amounts "
    "are US dollars, days UTC's.",
)


class Compared(Struct):
    """One figure of both sides.

    Attributes:
        theirs: The provider's.
        ours: The ledger's; null: it is not known.
        drift: Ours less theirs; null: it is not known.
        percent: The same in percent of theirs; null: theirs is 0, or it is not known.
        beyond: Whether that is more than the tolerance.
    """

    theirs: float
    ours: float | None
    drift: float | None
    percent: float | None
    beyond: bool


class BillRow(Struct):
    """One day and model; a figure is null where the export does not say it.

    Attributes:
        day: The day; null: the whole time.
        model: The model; null: all together, where the export does not tell them apart.
        input: Tokens read, cached or not.
        cache_read: Of these, those out of the provider's cache.
        cache_write: Of these, those put into it.
        estimated: How many of our calls were counted by ourselves.
        unanswered: How many of our calls used nothing.
        said: Which names were taken for the same model.
    """

    day: str | None
    model: str | None
    verdict: Verdict
    requests: Compared | None
    input: Compared | None
    cache_read: Compared | None
    cache_write: Compared | None
    output: Compared | None
    cost_usd: Compared | None
    estimated: int
    unanswered: int
    said: str


class BillCompared(Struct):
    """A bill beside the ledger.

    Attributes:
        exports: What was read.
        since: When the export begins.
        until: When it ends.
        beyond: How many rows somebody has to look into.
        rows: By day and model.
        models: By model, over the whole time.
        notes: What is to be known of it.
    """

    provider: str
    exports: list[str]
    since: str
    until: str
    tolerance_percent: float
    beyond: int
    rows: list[BillRow]
    models: list[BillRow]
    notes: list[str]


TAGS = (BILLS,)
OPERATIONS: Operations = {
    "POST /admin/reconcile": Operation(
        tag=BILLS.name,
        title="Compare a bill",
        text="Compare a provider's usage export with the ledger. The body is the export as it is, at most "
        "16 MB: usage or costs of OpenAI or Anthropic, CSV or pages of JSON.",
        takes=("text/csv", "application/json"),
        tells=(BillCompared,),
        also=("text/csv",),
        params=(
            Param("provider", "Whose, as the ledger has it.", example="openai", required=True),
            Param("tolerance", "Percent of theirs by which ours may differ; 1% unless said.", example="0.5%"),
            Param("format", "`json`, or `csv`.", example="json"),
        ),
        statuses=(*PAGE, 413, 503, 504),
        access="view",
        words="chat",
        line=False,
    ),
}
