"""Tables whose entries the operator names: keys, providers, models, routes, aliases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.keys import KeySpec
from dragoman.config.sources import Sources
from dragoman.config.tables import check_fallback, read_catalog, read_keys, read_routes
from dragoman.dialects.catalog import DIALECTS
from dragoman.routing import FallbackSpec, RouteSpec


def sources(folder: Path, toml: str = "", **environ: str) -> Sources:
    """Return what is configured by a file's text and variables."""
    (folder / "dragoman.toml").write_text(toml)
    return Sources(environ, folder)


def told(found: Sources) -> list[str]:
    """Return the problems in words."""
    return [str(problem) for problem in found.problems]


def keys(found: Sources) -> dict[str, str]:
    """Return the keys by name."""
    return {key.name: key.value for key in read_keys(found)}


def routed(found: Sources) -> dict[str, RouteSpec]:
    """Return the routes over the catalogue as configured."""
    return read_routes(found, read_catalog(found, ""))


def test_keys_come_from_everywhere(tmp_path: Path) -> None:
    """The file names its keys, a comma list is numbered, a token has a name of its own."""
    found = sources(
        tmp_path,
        "[keys]\nalice = 'sk-alice'\nbob = 'sk-bob'\n",
        API_KEYS=" a, b ,,c",
        API_TOKEN=" t ",
        DRAGOMAN_KEYS='{"bob": "sk-bob-2"}',
    )
    assert keys(found) == {
        "bob": "sk-bob-2",
        "alice": "sk-alice",
        "key-1": "a",
        "key-2": "b",
        "key-3": "c",
        "api-token": "t",
    }
    assert not found.problems


def test_one_secret_is_one_key(tmp_path: Path) -> None:
    """The same secret under several names belongs to the first."""
    assert keys(sources(tmp_path, API_KEYS="a,b,a", API_TOKEN="b")) == {"key-1": "a", "key-2": "b"}


@pytest.mark.parametrize(
    ("toml", "environ", "says"),
    [
        ("[keys]\na = 1\n", {}, "dragoman.toml:2: the key 'a' must be text, or a table"),
        ("[keys]\na = ''\n", {}, "dragoman.toml:2: the key 'a' must be printable ASCII"),
        ("", {"API_TOKEN": "a b"}, "environment variable API_TOKEN: the key 'api-token' must be printable"),
        ("", {"API_KEYS": "a,ä"}, "environment variable API_KEYS: the key 'key-2' must be printable"),
        ("[keys]\n'a b' = 'x'\n", {}, "dragoman.toml:2: 'a b' cannot be a key's name"),
        ("[keys]\nadmin = 'x'\n", {}, "dragoman.toml:2: no key may have the name admin"),
        ("[keys]\nlocal = 'x'\n", {}, "dragoman.toml:2: no key may have the name local"),
        ("[keys]\nkey-1 = 'x'\n", {"API_KEYS": "y"}, "environment variable API_KEYS: two keys have the name"),
        (
            "[keys.a]\ntext = true\n",
            {},
            "dragoman.toml:1: the key 'a': Object missing required",
        ),
        ("[keys.a]\nvalue = 'x'\ntext = 3\n", {}, "dragoman.toml:3: the key 'a': Expected `bool"),
        ("[keys.a]\nvalue = 'x'\nrpm = 3\n", {}, "dragoman.toml:3: unknown setting of a key"),
        ("", {"DRAGOMAN_KEYS": "a,b"}, "environment variable DRAGOMAN_KEYS: keys must be a JSON object here"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused(
    tmp_path: Path, toml: str, environ: dict[str, str], says: str
) -> None:
    """A key that no header can carry, or whose name is taken, is told with its place and not shown."""
    found = sources(tmp_path, toml, **environ)
    read_keys(found)
    (problem,) = told(found)
    assert problem.startswith(says)


def test_a_key_may_be_a_table_with_its_own_switches(tmp_path: Path) -> None:
    """What is said of one key beside its secret is kept with it; what is not said is everybody's."""
    toml = "[keys.crm]\nvalue = 'x'\ntext = true\nrequests_per_minute = 60\n[keys.app]\nvalue = 'y'\n"
    found = sources(tmp_path, toml)
    assert read_keys(found) == (KeySpec("crm", "x", text=True, requests_per_minute=60), KeySpec("app", "y"))
    assert not found.problems


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ('[fallback]\nproviders = ["grok"]\n', "dragoman.toml:2: unknown provider"),
        ('[fallback]\nproviders = ["ollama"]\n', "dragoman.toml:2: the provider ollama has no default model"),
    ],
)
def test_a_fallback_nobody_could_take_is_refused(tmp_path: Path, toml: str, says: str) -> None:
    """A fallback is a provider that is there, and has a model to stand in with."""
    found = sources(tmp_path, toml)
    check_fallback(found, FallbackSpec(tuple(found.tree["fallback"]["providers"])), read_catalog(found, ""))
    (problem,) = told(found)
    assert problem.startswith(says)


def test_a_provider_is_ready_with_its_key(tmp_path: Path) -> None:
    """Keys and addresses under each provider's own names are found, in .env too."""
    (tmp_path / ".env").write_text("OPENROUTER_API_KEY=sk-or\nOLLAMA_BASE_URL=http://box:11434\n")
    rows = read_catalog(sources(tmp_path, GROQ_API_KEY="gsk"), "").providers
    assert (rows["groq"].key, rows["groq"].ready) == ("gsk", True)
    assert (rows["openrouter"].key, rows["openai"].ready) == ("sk-or", False)
    assert (rows["ollama"].base_url, rows["ollama"].ready) == ("http://box:11434/api", True)


def test_an_operators_provider_is_one_table(tmp_path: Path) -> None:
    """A new provider needs no code, and a shipped one can be changed field by field."""
    dialect = next(iter(DIALECTS))
    toml = f"""
[providers.mine]
dialect = "{dialect}"
base_url = "https://llm.example.com/v1"
key = "secret"
[providers.groq]
enabled = false
[models.big]
offers = [{{ provider = "mine", name = "big-1" }}]
"""
    found = sources(tmp_path, toml, GROQ_API_KEY="gsk")
    rows = read_catalog(found, "")
    assert not found.problems
    assert rows.providers["mine"].ready
    assert not rows.providers["groq"].ready
    assert rows.models["big"].offers[0].provider == "mine"
    table = {"mine": {"dialect": dialect, "base_url": "http://127.0.0.1:1/v1", "keyless": True}}
    found = sources(tmp_path, toml, DRAGOMAN_PROVIDERS=msgspec.json.encode(table).decode())
    assert read_catalog(found, "").providers["mine"].base_url == "http://127.0.0.1:1/v1"


def test_all_faulty_tables_are_told(tmp_path: Path) -> None:
    """The catalogue stops at its first fault; the configuration goes on to the last."""
    toml = """
[providers.one]
dialect = "openai_chat"
basurl = "https://x"

[providers.two]
dialect = "openai_chat"
quirks = ["none such"]

[providers."thr.ee"]
dialect = "klingon"
base_url = "https://x"

[providers.groq.auth]
scheme = "magic"

[models.big]
offers = [
  { provider = "nobody", name = "x" },
]

[models.small]
contxt = 1

[providers.five]
dialect = "openai_chat"
base_url = "https://user:pass@x"
"""
    found = sources(tmp_path, toml)
    rows = read_catalog(found, "")
    places = {problem.where: str(problem) for problem in found.problems}
    assert sorted(places) == sorted(f"dragoman.toml:{line}" for line in (4, 8, 11, 15, 18, 23, 27))
    assert "did you mean base_url?" in places["dragoman.toml:4"]
    assert "did you mean context?" in places["dragoman.toml:23"]
    assert "klingon" in places["dragoman.toml:11"]
    assert not any("pass" in problem for problem in told(found))
    assert {"one", "two", "thr.ee", "groq"} <= rows.providers.keys()


def test_a_simulator_is_a_provider_of_each_dialect(tmp_path: Path) -> None:
    """With its address set, every built dialect has a provider that takes any model name."""
    rows = read_catalog(sources(tmp_path), "http://127.0.0.1:9/")
    for name, dialect in DIALECTS.items():
        row = rows.providers[f"sim-{name}"]
        assert (row.dialect, row.base_url, row.ready, row.open_models) == (
            name,
            f"http://127.0.0.1:9{dialect.root}",
            True,
            True,
        )
    assert not any(name.startswith("sim-") for name in read_catalog(sources(tmp_path), "").providers)


def test_a_worker_is_told_of_its_parents_model(tmp_path: Path) -> None:
    """The provider `local` takes the address and key a parent hands down."""
    found = sources(tmp_path, DRAGOMAN_LOCAL_URL="http://127.0.0.1:7/v1", DRAGOMAN_LOCAL_KEY="k")
    row = read_catalog(found, "").providers["local"]
    assert (row.base_url, row.key, row.ready) == ("http://127.0.0.1:7/v1", "k", True)


def test_routes_and_aliases(tmp_path: Path) -> None:
    """A route lists targets in order, an alias is a route of one; a variable's entry wins."""
    found = sources(
        tmp_path,
        """
[routes.fast]
targets = ["groq/llama-3.1-8b-instant", "openai/gpt-9"]
strict = true
[routes.other]
targets = ["groq/x"]
[aliases]
gpt = "openai/some/model"
""",
        DRAGOMAN_ROUTES='{"other": {"targets": ["openai/y"]}}',
    )
    assert routed(found) == {
        "fast": RouteSpec(("groq/llama-3.1-8b-instant", "openai/gpt-9"), strict=True),
        "other": RouteSpec(("openai/y",)),
        "gpt": RouteSpec(("openai/some/model",)),
    }
    assert not found.problems


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[routes.a]\ntargets = []\n", "dragoman.toml:2: the route a has no targets"),
        ("[routes.a]\nstrict = true\n", "dragoman.toml:1: routes.a: Object missing required field `targets`"),
        ("[routes.a]\ntargets = 'groq/x'\n", "dragoman.toml:2: routes.a: Expected `array`, got `str`"),
        (
            "[routes.a]\ntargets = ['groq/x']\nstrikt = true\n",
            "dragoman.toml:3: routes.a: unknown setting strikt; did",
        ),
        (
            "[routes.a]\ntargets = ['groq/x',\n 'x']\n",
            "dragoman.toml:2: 'x' is no target; write provider/model",
        ),
        ("[routes.a]\ntargets = ['groq/']\n", "dragoman.toml:2: 'groq/' is no target"),
        ("[routes]\na = 1\n", "dragoman.toml:2: routes.a: Expected `object`, got `int`"),
        ("[aliases]\na = 'grok/x'\n", "dragoman.toml:2: unknown provider grok; did you mean groq?"),
        (
            "[aliases]\na = 'local/smolm2-135m'\n",
            "dragoman.toml:2: unknown target local/smolm2-135m; did you mean",
        ),
        ("[aliases]\na = ['groq/x']\n", "dragoman.toml:2: the alias a must be text"),
        (
            "[routes.a]\ntargets = ['groq/x']\n[aliases]\na = 'groq/x'\n",
            "dragoman.toml:4: a is a route already",
        ),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(tmp_path: Path, toml: str, says: str) -> None:
    """A target must be of a provider we know, and of a model it has where its models are a closed list."""
    found = sources(tmp_path, toml)
    routed(found)
    (problem,) = told(found)
    assert problem.startswith(says)


def test_a_faulty_provider_does_not_spoil_its_routes(tmp_path: Path) -> None:
    """What refers to a table with a fault is not told as unknown on top."""
    found = sources(
        tmp_path,
        "[providers.mine]\ndialect = 1\n[aliases]\nx = 'mine/m'\n"
        "[models.m]\noffers = [{ provider = 'mine', name = 'm' }]\n",
    )
    routed(found)
    assert [problem.where for problem in found.problems] == ["dragoman.toml:2"]


def test_any_json_in_a_variable_is_survived(tmp_path: Path) -> None:
    """Entries of the wrong shape are problems, never tracebacks."""
    values: list[Any] = [None, 1, "x", [], {}, [1], {"targets": [1]}, {"dialect": None}]
    for value in values:
        text = msgspec.json.encode({"a": value}).decode()
        for table in ("KEYS", "PROVIDERS", "MODELS", "ROUTES", "ALIASES"):
            found = sources(tmp_path, **{f"DRAGOMAN_{table}": text})
            read_keys(found)
            routed(found)
            assert all(
                problem.where == f"environment variable DRAGOMAN_{table}" for problem in found.problems
            )
