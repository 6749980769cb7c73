"""Loading: files and variables in, one frozen Config or every problem out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.config import Config, ConfigError, ServerSpec, load
from dragoman.dialects.catalog import DIALECTS
from dragoman.providers.transport import Deadlines
from dragoman.routing import RouteSpec


def refused(environ: dict[str, str], folder: Path) -> list[str]:
    """Load what must be refused; return the problems in words."""
    with pytest.raises(ConfigError) as caught:
        load(environ, folder)
    return str(caught.value).split("\n")


def test_nothing_configured_is_a_configuration(tmp_path: Path) -> None:
    """Without any file or variable there is a gateway for this machine alone."""
    config = load({}, tmp_path)
    assert config.server == ServerSpec(host="127.0.0.1", port=8080)
    assert config.data == tmp_path / "data"
    assert (config.keys, dict(config.routes), config.pepper) == ((), {}, None)
    assert config.deadlines == Deadlines()
    assert config.sources == (tmp_path / "dragoman.toml", tmp_path / ".env")
    assert "openai" in config.providers
    assert "gemini-2.5-flash" in config.models
    assert not list(tmp_path.iterdir())


def test_a_full_file(tmp_path: Path) -> None:
    """Every section arrives where it belongs."""
    (tmp_path / "dragoman.toml").write_text("""
data = "var"
environment = "production"
simulator_url = "http://127.0.0.1:9"

[server]
port = 8081

[deadlines]
first_byte_s = 7

[store]
sync = "full"

[local]
enabled = false

[keys]
alice = "sk-alice"

[routes.fast]
targets = ["groq/llama-3.1-8b-instant", "sim-openai_chat/m"]

[aliases]
quick = "sim-openai_chat/m"
""")
    config = load({"GROQ_API_KEY": "gsk", "DRAGOMAN_PEPPER": "salt"}, tmp_path)
    assert (config.data, config.environment) == (tmp_path / "var", "production")
    assert (config.server.port, config.deadlines.first_byte_s, config.store.sync) == (8081, 7.0, "full")
    assert not config.local.enabled
    assert [key.name for key in config.keys] == ["alice"]
    assert config.routes["quick"] == RouteSpec(("sim-openai_chat/m",))
    assert config.providers["groq"].ready
    assert config.pepper == "salt"
    assert all(f"sim-{dialect}" in config.providers for dialect in DIALECTS)


def test_paths_are_relative_to_where_they_stand(tmp_path: Path) -> None:
    """A folder named in a file elsewhere is beside that file; one named by a variable is here."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "dragoman.toml").write_text('data = "var"\n')
    environ = {"DRAGOMAN_CONFIG": "etc/dragoman.toml"}
    assert load(environ, tmp_path).data == tmp_path / "etc" / "var"
    assert load({**environ, "DRAGOMAN_DATA": "here"}, tmp_path).data == tmp_path / "here"
    assert load({**environ, "DRAGOMAN_DATA": "/else/where"}, tmp_path).data == Path("/else/where")


def test_env_files_of_the_older_programs_work_as_they_are(tmp_path: Path) -> None:
    """Names that mean nothing yet are no problem; those that do are understood."""
    (tmp_path / ".env").write_text("""
# Provider keys
GROQ_API_KEY="gsk"
GEMINI_API_KEY='gem'
OPENROUTER_API_KEY=sk-or
OLLAMA_BASE_URL=http://localhost:11434
ANTHROPIC_API_KEY=sk-ant
OPENAI_API_KEY=
COHERE_API_KEY=co
REQUESTY_API_KEY=rq
API_KEYS=one,two
API_TOKEN=three
PORT=3000
MAX_REQUESTS_PER_MINUTE=60
INFLUXDB_URL=http://localhost:8086
INFLUXDB_TOKEN=secret
INFLUXDB_ORG=acme
INFLUXDB_BUCKET=llm
""")
    config = load({}, tmp_path)
    assert config.server.port == 3000
    assert config.limits.requests_per_minute == 60
    assert config.influx.bucket == "llm"
    assert [key.name for key in config.keys] == ["key-1", "key-2", "api-token"]
    ready = {name for name, provider in config.providers.items() if provider.ready}
    assert {"groq", "gemini", "openrouter", "ollama", "anthropic", "requesty"} <= ready
    assert "openai" not in ready


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "gateway.example.com"])
def test_other_machines_need_a_key(tmp_path: Path, host: str) -> None:
    """An address that others can reach is refused without a key, and fine with one."""
    (tmp_path / "dragoman.toml").write_text(f'[server]\nhost = "{host}"\n')
    (problem,) = refused({}, tmp_path)
    assert problem.startswith(f"dragoman.toml:2: listening on {host} lets other machines in")
    assert "API_KEYS" in problem
    assert load({"API_KEYS": "a"}, tmp_path).server.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_none(tmp_path: Path, host: str) -> None:
    """A loopback address may be open."""
    assert load({"HOST": host}, tmp_path).server.host == host


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """One look at the message is enough to repair everything, wherever it stands."""
    (tmp_path / "dragoman.toml").write_text(
        "[server]\nport = 'x'\nhots = 'y'\n[routes.a]\ntargets = ['nobody/m']\n[keys]\nadmin = 'x'\n"
    )
    (tmp_path / ".env").write_text("DRAGOMAN_STORE_SYNC=maybe\n")
    problems = refused({"DRAGOMAN_SIMULATOR_URL": "localhost:9", "HOST": "0.0.0.0"}, tmp_path)
    places = [problem.partition(": ")[0] for problem in problems]
    assert sorted(places) == sorted(
        [
            "dragoman.toml:3",
            "dragoman.toml:2",
            ".env:1",
            "dragoman.toml:7",
            "environment variable DRAGOMAN_SIMULATOR_URL",
            "dragoman.toml:5",
            "environment variable HOST",
        ]
    )


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """Neither the configuration nor anything in it prints a key, a provider's key or the pepper."""
    (tmp_path / "dragoman.toml").write_text(
        '[providers.groq]\nkey = "canary"\nheaders = { x-a = "canary" }\n'
    )
    environ = {"API_KEYS": "canary-1", "OPENAI_API_KEY": "canary-2", "DRAGOMAN_PEPPER": "canary-3"}
    config = load(environ, tmp_path)
    assert config.providers["groq"].key == "canary"
    assert "canary" not in repr(config)
    assert "canary" not in repr(config.keys)
    assert "groq" in repr(config)


def test_a_configuration_cannot_be_changed(tmp_path: Path) -> None:
    """It is a value: a reload makes another."""
    config = load({}, tmp_path)
    with pytest.raises(AttributeError):
        config.environment = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.routes["x"] = RouteSpec(("a/b",))  # type: ignore[index]
    assert isinstance(config, Config)


toml_text = st.text(st.sampled_from("[]{}=.\"'# \nabkeysrvport1-,"), max_size=60)


@settings(max_examples=60)
@given(toml=toml_text | st.text(max_size=40), dotenv=st.text(max_size=40))
def test_any_files_load_or_are_refused(
    tmp_path_factory: pytest.TempPathFactory, toml: str, dotenv: str
) -> None:
    """Whatever stands in the files, the outcome is a configuration or its problems with their places."""
    folder = tmp_path_factory.mktemp("any")
    (folder / "dragoman.toml").write_bytes(toml.encode())
    (folder / ".env").write_bytes(dotenv.encode())
    try:
        load({}, folder)
    except ConfigError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.where and problem.message for problem in problems)


def test_a_shared_store_needs_a_shared_secret(tmp_path: Path) -> None:
    """Each machine would otherwise make its own, and know no other's keys."""
    environ = {"DRAGOMAN_STORE_URL": "postgresql://somewhere/dragoman"}
    with pytest.raises(ConfigError, match="DRAGOMAN_PEPPER"):
        load(environ, tmp_path)
    config = load({**environ, "DRAGOMAN_PEPPER": "x" * 40}, tmp_path)
    assert config.store.url == environ["DRAGOMAN_STORE_URL"]
    assert "somewhere" not in repr(config)


@pytest.mark.parametrize(("section", "begins"), [("store", "postgresql://"), ("redis", "redis://")])
def test_an_address_of_another_kind_is_refused_with_its_line(
    tmp_path: Path, section: str, begins: str
) -> None:
    """It is told before anything is started, and what it holds is not repeated."""
    (tmp_path / "dragoman.toml").write_text(f'[{section}]\nurl = "mysql://u:canary@host/x"\n')
    with pytest.raises(ConfigError) as caught:
        load({"DRAGOMAN_PEPPER": "p" * 40}, tmp_path)
    assert f"dragoman.toml:2: {section}.url" in str(caught.value)
    assert begins in str(caught.value)
    assert "canary" not in str(caught.value)
