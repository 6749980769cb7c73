"""Write the generated part of ``.env.example``: every variable any part of Dragoman reads, and what it means.

    python docs/environment.py             write it anew
    python docs/environment.py --check     fail if it is stale

What the settings and the catalogue say is generated; what other programs read (the command line, the front
end, the compose files) is listed here, and ``tests/test_ship.py`` looks for any that is not.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from dragoman.config.reference import Setting, settings
from dragoman.config.sections import SECTIONS, TABLES
from dragoman.config.sources import CONFIG
from dragoman.config.tables import KEY_LIST, KEY_TOKEN
from dragoman.providers.catalog import catalog

EXAMPLE = Path(__file__).parents[1] / ".env.example"
PART = re.compile(r"(# <generated>\n).*?(# </generated>)", re.DOTALL)
WIDTH = 110

OTHERS: Mapping[str, tuple[tuple[str, str, str], ...]] = MappingProxyType(
    {
        "The command line's client and the Streamlit front end": (
            ("DRAGOMAN_URL", "http://127.0.0.1:8080", "The gateway they ask."),
            ("DRAGOMAN_KEY", "", "The key they send."),
        ),
        "bin/dev-server and docker-compose.dev.yml": (
            ("DEV_PORT", "5500", "The port of the gateway that is being worked on."),
        ),
        "docker-compose.yml": (
            (
                "COMPOSE_PROFILES",
                "",
                "What to run beside the gateway: influxdb, shared, or both.",
            ),
            ("PARTS", "local weights", "What the image has besides the gateway; extras: drivers, tokens."),
            ("REDIS_PASSWORD", "", "What Redis asks for (profile shared)."),
            ("DOCKER_INFLUXDB_INIT_USERNAME", "dragoman", "Whom InfluxDB is set up for at its first start."),
            ("DOCKER_INFLUXDB_INIT_PASSWORD", "", "That user's password, of eight characters at least."),
            ("POSTGRES_USER", "dragoman", "Whom Postgres is set up for (profile shared)."),
            ("POSTGRES_PASSWORD", "", "That user's password."),
            ("POSTGRES_DB", "dragoman", "The database."),
        ),
    }
)
"""What is no setting of the gateway's: variable, default or example, meaning."""

TABLE_EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "keys": '{"alice": "a-secret-of-at-least-some-length"}',
        "budgets": '{"team-blue": {"dollars": 25, "scope": "team", "subject": "blue"}}',
        "model_limits": '{"gpt-5-mini": {"tokens_per_minute": 200000}}',
        "provider_limits": '{"groq": {"requests_per_minute": 30}}',
        "dialects": '{"mine": "package.module:DIALECT"}',
        "providers": '{"mine": {"dialect": "openai_chat", "base_url": "https://llm.example.com/v1"}}',
        "models": '{"mine": {"context": 8192}}',
        "routes": '{"fast": {"targets": ["groq/llama-3.1-8b-instant", "local/smollm2-135m"]}}',
        "aliases": '{"gpt": "openai/gpt-5-mini"}',
    }
)


def render() -> str:
    """Return the generated part: groups of variables, each with its meaning, all of them commented out."""
    return "\n".join(
        [
            *_group("Clients' keys", _keys()),
            *_group("Providers: a key makes one ready, an address makes it another server", _providers()),
            *_settings_groups(),
            *_group("Tables, each as one JSON object (docs/configuration.md has their fields)", _tables()),
            *(line for title, rows in OTHERS.items() for line in _group(title, rows)),
        ]
    )


def _keys() -> Iterator[tuple[str, str, str]]:
    yield KEY_LIST, "", "Keys clients may use: long secrets, a comma list."
    yield KEY_TOKEN, "", "One more."


def _providers() -> Iterator[tuple[str, str, str]]:
    """Yield each provider's key and address; those of one service in two protocols are the same."""
    seen: set[str] = set()
    for row in catalog().providers.values():
        title = row.title or row.name
        named = [*((name, "") for name in row.auth.env), *((name, row.base_url) for name in row.base_url_env)]
        for name, value in named:
            if name not in seen:
                seen.add(name)
                yield name, value, title
                title = ""


def _settings_groups() -> Iterator[str]:
    for section, spec in SECTIONS.items():
        about = (spec.__doc__ or "").partition("\n")[0]
        title = f"[{section}] {about}" if section else f"General: {about}"
        rows = [one for one in settings() if one.path.rpartition(".")[0] == section]
        yield from _group(title, [*map(_row, rows), *_config(section)])


def _config(section: str) -> Iterator[tuple[str, str, str]]:
    if not section:
        yield CONFIG, "dragoman.toml", "The configuration file."


def _row(one: Setting) -> tuple[str, str, str]:
    """Return a setting's variable; where it has several names, the shortest."""
    name, *others = sorted(one.env, key=len)
    also = f" Or {', '.join(others)}." if others else ""
    return name, _text(one.default), f"{one.doc}{also}"


def _text(default: str) -> str:
    """Return a default, which is JSON, as a variable says it."""
    value = msgspec.json.decode(default) if default else ""
    match value:
        case str():
            return value
        case list():
            return ",".join(map(str, value))
        case _:
            return default


def _tables() -> Iterator[tuple[str, str, str]]:
    variables = {one.path.partition(".")[0]: one.env[0] for one in settings() if ".NAME" in one.path}
    for table in TABLES:
        yield variables[table], TABLE_EXAMPLES[table], ""


def _group(title: str, rows: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    yield from ("", f"# --- {title.rstrip('.')} ---", "")
    for name, value, meaning in rows:
        yield from textwrap.wrap(meaning, WIDTH, initial_indent="#   ", subsequent_indent="#   ")
        yield f"# {name}={_quoted(value)}"


def _quoted(value: str) -> str:
    return f"'{value}'" if set(value) & set(' "#') else value


def fresh(text: str) -> str:
    """Return the file with its generated part written anew."""
    return PART.sub(lambda part: f"{part[1]}{render()}\n{part[2]}", text)


def run() -> int:
    """Write the part, or say that it is stale."""
    before = EXAMPLE.read_text(encoding="utf-8")
    after = fresh(before)
    if before == after:
        return 0
    checking = "--check" in sys.argv
    print(f"{EXAMPLE.name} {'is stale' if checking else 'written'}")
    if not checking:
        EXAMPLE.write_text(after, encoding="utf-8")
    return int(checking)


if __name__ == "__main__":
    sys.exit(run())
