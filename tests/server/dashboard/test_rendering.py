"""Templates: every one can be read, every value is escaped, and no name may be missing."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files

import jinja2
import pytest

from dragoman.server.assets import Assets
from dragoman.server.dashboard.rendering import Renderer

FOLDER = files("dragoman.server") / "web" / "dashboard"
TEMPLATES = sorted(file.name for file in FOLDER.iterdir() if file.name.endswith(".html"))


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_can_be_read(name: str) -> None:
    """No template has a fault of its own, an inline script, style or handler, or an address elsewhere."""
    Renderer("v")._environment.get_template(name)
    text = (FOLDER / name).read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|<script(?![^>]* src=)", text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)


@pytest.mark.parametrize("name", TEMPLATES)
def test_everything_is_escaped(name: str) -> None:
    """No template says of anything that it is safe: drawings say so themselves."""
    text = (FOLDER / name).read_text("utf-8")
    assert not re.search(r"\|\s*safe\b|Markup", text)
    assert "autoescape" not in text


def test_values_are_escaped_and_none_may_be_missing() -> None:
    """A hostile name is text; a name nobody gave is an error, no empty place."""

    async def play() -> None:
        renderer = Renderer(Assets().version)
        facts = {"fault": "<script>alert(1)</script>", "after": '"><img>', "environment": "x"}
        page = await renderer.render("login.html", facts)
        assert "<script>alert" not in page
        assert "<img>" not in page
        assert "&lt;script&gt;" in page
        with pytest.raises(jinja2.UndefinedError):
            await renderer.render("login.html", {"fault": ""})

    asyncio.run(play())
