"""The reference: every setting, its variable, what it takes and what it means."""

from __future__ import annotations

import msgspec

from dragoman.config.reference import render, settings
from dragoman.config.sections import SECTIONS, TABLES
from dragoman.providers.catalog import catalog


def test_every_setting_is_told() -> None:
    """No field of any section is left out, and each has a variable of its own."""
    told = {one.path: one for one in settings()}
    for section, spec in SECTIONS.items():
        for name in spec.__struct_fields__:
            one = told[f"{section}.{name}" if section else name]
            assert one.env[0] == "_".join(filter(None, ("DRAGOMAN", section, name))).upper()
    assert told["server.port"].env == ("DRAGOMAN_SERVER_PORT", "PORT")
    for table in TABLES:
        assert any(path.startswith(f"{table}.NAME") for path in told)


def test_every_setting_has_a_meaning() -> None:
    """A field without a line under its struct's Attributes fails here."""
    assert [
        one.path
        for one in settings()
        if one.path.split(".")[0] not in ("providers", "models") and not one.doc
    ] == []


def test_a_setting_is_told_as_it_is() -> None:
    """Type, default and meaning are the code's own."""
    told = {one.path: one for one in settings()}
    port = told["server.port"]
    assert (port.type, port.default) == ("a whole number from 0 to 65535", "8080")
    assert told["server.host"].default == '"127.0.0.1"'
    assert told["store.sync"].type == '"full" or "normal"'
    assert told["data"].doc.startswith("Folder of the ledger")
    assert told["routes.NAME.strict"].default == "false"


def test_the_page_holds_everything() -> None:
    """The Markdown names every setting, every variable of a provider and the other programs' names."""
    page = render()
    for one in settings():
        assert f"| `{one.path}` | `{one.env[0]}`" in page
    for provider in catalog().providers.values():
        for name in (*provider.auth.env, *provider.base_url_env):
            assert f"| `{name}` |" in page
    for name in ("API_KEYS", "API_TOKEN", "DRAGOMAN_CONFIG"):
        assert f"| `{name}` |" in page
    widths = {line.count(" | ") for line in page.splitlines() if line.startswith("| `server.")}
    assert widths == {4}


def test_no_default_shows_a_struct() -> None:
    """Defaults are TOML values; what is a table of its own shows none."""
    for one in settings():
        if one.default:
            assert not isinstance(msgspec.json.decode(one.default), dict)
