"""The benchmark of the dashboard: no page is left out."""

from __future__ import annotations

from dashboard import missing, pages


def test_every_page_of_the_dashboard_is_measured() -> None:
    """A page that is new has to be listed with its heavy variants; one that is left out is named."""
    asked = [path for _, path in pages(1_795_000_000.0)]
    assert missing(asked) == []
    assert missing([path for path in asked if "/admin/prices" not in path]) == ["/admin/prices"]
