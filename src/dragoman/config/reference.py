"""Every setting there is, and the reference made of them: what the code accepts, the docs say."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any, get_type_hints

import msgspec

from dragoman.accounts.budgets import BudgetSpec
from dragoman.accounts.keys import KeySpec
from dragoman.accounts.terms import LimitTerms
from dragoman.config.sections import SECTIONS, SHORT, path, variable, wanted
from dragoman.config.sources import CONFIG
from dragoman.config.tables import KEY_LIST, KEY_TOKEN
from dragoman.providers import Model, Provider
from dragoman.providers.catalog import catalog
from dragoman.routing import RouteSpec

INTRODUCTION = f"""\
Settings come from four places; the first that says something wins:

1. the environment,
2. the file `.env` in the working directory,
3. `dragoman.toml` in the working directory, or the file that `{CONFIG}` names,
4. the default.

A variable that is empty says nothing. What is unknown is refused, with the name that was perhaps meant;
`dragoman config check` tells everything that is wrong, with file and line. A change of a file is taken up
while running, and a configuration that does not load never replaces one that did.
"""

NAMED = """\
Entries of these tables are named by you. Each table may also be given whole in its variable, as a JSON
object; its entries replace those of the file that have the same name.

```toml
[keys]
alice = "a-secret-of-at-least-some-length"

[providers.mine]
dialect = "openai_chat"
base_url = "https://llm.example.com/v1"
key = "..."

[routes.fast]
targets = ["groq/llama-3.1-8b-instant", "local/smollm2-135m"]

[aliases]
gpt = "openai/gpt-5-mini"

[budgets.everything]
dollars = 100

[model_limits.fast]
tokens_per_minute = 200000
```
"""


class Setting(msgspec.Struct, frozen=True):
    """One setting.

    Attributes:
        path: Its name in the file (``server.port``; NAME stands for a name of the operator's).
        env: Its variables, the first found wins.
        type: What it takes, in words.
        default: Its default as TOML; empty where there is none.
        doc: What it means.
    """

    path: str
    env: tuple[str, ...]
    type: str
    default: str
    doc: str


def settings() -> list[Setting]:
    """Return every setting, by section, then those of the tables whose entries the operator names."""
    return [*_sections(), *_tables()]


def render() -> str:
    """Return the reference as Markdown: settings, tables, and the names other programs use."""
    parts = [INTRODUCTION]
    for section, spec in SECTIONS.items():
        title = f"`[{section}]`" if section else "Top of the file"
        rows = [one for one in _sections() if one.path.rpartition(".")[0] == section]
        parts.append(f"## {title}\n\n{(spec.__doc__ or '').partition(chr(10))[0]}\n\n{_settings_table(rows)}")
    parts.append(f"## Tables\n\n{NAMED}\n{_settings_table(_tables())}")
    parts.append(f"## Other names\n\n{_table(('Variable', 'Meaning'), _others())}")
    return "\n".join(parts)


def _sections() -> Iterator[Setting]:
    for section, spec in SECTIONS.items():
        for name, kind, default, doc in _fields(spec):
            long = variable(section, name)
            yield Setting(path(section, name), (long, *SHORT.get(long, ())), wanted(kind), default, doc)


def _tables() -> Iterator[Setting]:
    secret = "A key clients may use, by the name it has in the ledger."  # noqa: S105  words about one
    yield Setting("keys.NAME", (variable("keys"),), "text", "", secret)
    for name, kind, default, doc in _fields(KeySpec):
        if name != "name":
            yield Setting(f"keys.NAME.{name}", (variable("keys"),), wanted(kind), default, doc)
    bounds: tuple[tuple[str, type[msgspec.Struct]], ...] = (
        ("budgets", BudgetSpec),
        ("model_limits", LimitTerms),
        ("provider_limits", LimitTerms),
    )
    for table, spec in bounds:
        for name, kind, default, doc in _fields(spec):
            yield Setting(f"{table}.NAME.{name}", (variable(table),), wanted(kind), default, doc)
    code = "A dialect of your own, `package.module:ATTRIBUTE`; see adding-a-dialect.md."
    yield Setting("dialects.NAME", (variable("dialects"),), "text", "", code)
    for table, spec in (("providers", Provider), ("models", Model), ("routes", RouteSpec)):
        for name, kind, default, doc in _fields(spec):
            if name not in ("name", "id"):
                yield Setting(f"{table}.NAME.{name}", (variable(table),), wanted(kind), default, doc)
    short = "Another name for one target, `provider/model`."
    yield Setting("aliases.NAME", (variable("aliases"),), "text", "", short)


def _others() -> Iterator[tuple[str, str]]:
    """Yield the variables that are no setting's own, and what they mean."""
    yield f"`{CONFIG}`", "The configuration file."
    yield f"`{KEY_LIST}`", "Keys clients may use, a comma list; they are called key-1, key-2, ..."
    yield f"`{KEY_TOKEN}`", "One more key, called api-token."
    meanings: dict[str, list[str]] = {}
    for provider in catalog().providers.values():
        for name in provider.auth.env:
            meanings.setdefault(name, []).append(f"the key of {provider.title or provider.name}")
        for name in provider.base_url_env:
            meanings.setdefault(name, []).append(f"the address of {provider.title or provider.name}")
    for name, meaning in meanings.items():
        text = "; ".join(meaning)
        yield f"`{name}`", f"{text[0].upper()}{text[1:]}."


def _fields(spec: type[msgspec.Struct]) -> Iterator[tuple[str, Any, str, str]]:
    """Yield name, type, default and meaning of a struct's fields."""
    docs = _docs(spec)
    kinds = get_type_hints(spec, include_extras=True)
    for field in msgspec.structs.fields(spec):
        default = field.default if field.default is not msgspec.NODEFAULT else None
        shown = msgspec.json.encode(default).decode() if default not in (None, "", (), {}) else ""
        yield field.name, kinds[field.name], "" if shown.startswith("{") else shown, docs.get(field.name, "")


def _docs(spec: type[msgspec.Struct]) -> dict[str, str]:
    """Return the meanings under ``Attributes:`` in a struct's docstring."""
    listed = inspect.cleandoc(spec.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", listed, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text).replace("``", "`") for name, text in found}


def _settings_table(rows: Iterable[Setting]) -> str:
    heading = ("Setting", "Variable", "Takes", "Default", "Meaning")
    return _table(
        heading,
        (
            (
                f"`{one.path}`",
                ", ".join(f"`{name}`" for name in one.env),
                one.type,
                _code(one.default),
                one.doc,
            )
            for one in rows
        ),
    )


def _table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heading, ("---",) * len(heading), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
