"""Templates become pages: Jinja2 over the files of ``web/dashboard``, every value escaped.

Templates are ours and fixed; nothing a client or an operator wrote is ever one. A name a template uses and is
not given is an error, so that no page shows an empty place for a figure.
"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dragoman.server.dashboard import drawings, words
from dragoman.server.dashboard.changes import changes
from dragoman.store.aside import aside


class Renderer:
    """Renders templates, in a thread of its own: the event loop has requests to serve.

    Args:
        version: Of the assets, for their addresses.
    """

    def __init__(self, version: str) -> None:
        self._thread = aside(1, "dashboard")
        self._environment = Environment(
            loader=PackageLoader("dragoman.server", "web/dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals |= {
            "asset": lambda name: f"/assets/{version}/{name}",
            "spark": drawings.spark,
            "health_svg": drawings.health_svg,
            "waterfall": drawings.waterfall,
            "ago": words.ago,
            "change": words.change,
            "changes": changes,
        }
        self._environment.filters |= {
            "money": words.money,
            "exact_money": words.exact_money,
            "count": words.count,
            "short": words.short,
            "duration": words.duration,
            "percent": words.percent,
            "instant": words.instant,
            "iso": words.iso,
            "span": words.span,
        }

    async def render(self, template: str, facts: Mapping[str, Any]) -> str:
        """Return a template filled in."""
        found = self._environment.get_template(template)
        return await get_running_loop().run_in_executor(self._thread, found.render, facts)
