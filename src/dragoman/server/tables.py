"""Tables: pages that tell the same as CSV, for spreadsheets.

``format=csv`` asks for it, or ``Accept: text/csv``; where both are there, the first counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from dragoman.accounts.reports import one_of

FORMATS = ("json", "csv")
TYPE = "text/csv"


def in_csv(text: str, name: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a table as a file called `name` (without its ending)."""
    saved = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, 200, {**(headers or {}), **saved}, media_type=f"{TYPE}; charset=utf-8")


def split(query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Return a query without ``format``, and whether CSV is asked for.

    Args:
        query: The parameters.
        headers: By lower-case names.

    Raises:
        Failure: INVALID, there is no such format.
    """
    rest = {name: value for name, value in query.items() if name != "format"}
    if "format" in query:
        return rest, one_of("format", query["format"], FORMATS) == "csv"
    kinds = [kind.partition(";")[0].strip().lower() for kind in headers.get("accept", "").split(",")]
    return rest, TYPE in kinds and not {"application/json", "text/html"} & set(kinds)
