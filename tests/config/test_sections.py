"""Settings of fixed names: read, converted, bounded, and refused with a place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from dragoman.accounts.grants import RelaySpec
from dragoman.config.sections import SECTIONS, ServerSpec, read, refuse_unknown, variable, wanted
from dragoman.config.sources import Sources
from dragoman.providers.prices import PriceSpec
from dragoman.providers.transport import Deadlines
from dragoman.store.spec import StoreSpec


def told(sources: Sources) -> list[str]:
    """Return the problems in words."""
    return [str(problem) for problem in sources.problems]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_has_a_default(section: str, tmp_path: Path) -> None:
    """Nothing need be configured."""
    sources = Sources({}, tmp_path)
    assert read(sources, section, SECTIONS[section]) == SECTIONS[section]()
    assert not sources.problems


def test_a_variable_is_text_and_becomes_what_is_wanted(tmp_path: Path) -> None:
    """Numbers and truth values are read out of text; HOST and PORT are names of the same settings."""
    environ = {"PORT": "81", "HOST": "::1", "DRAGOMAN_SERVER_WORKERS": "2", "DRAGOMAN_SERVER_DRAIN_S": "0.5"}
    server = read(Sources(environ, tmp_path), "server", ServerSpec)
    assert server == ServerSpec(host="::1", port=81, workers=2, drain_s=0.5)
    server = read(Sources({**environ, "DRAGOMAN_SERVER_PORT": "82"}, tmp_path), "server", ServerSpec)
    assert server.port == 82
    assert read(Sources({"DRAGOMAN_STORE_SYNC": "full"}, tmp_path), "store", StoreSpec).sync == "full"


@pytest.mark.parametrize(("text", "keys"), [("a", ("a",)), (" a, b ,", ("a", "b")), ("*", ("*",))])
def test_a_list_in_a_variable_has_commas(tmp_path: Path, text: str, keys: tuple[str, ...]) -> None:
    """In the file it is a list of TOML, and a text there is none."""
    sources = Sources({"DRAGOMAN_RELAY_KEYS": text}, tmp_path)
    assert read(sources, "relay", RelaySpec).keys == keys
    (tmp_path / "dragoman.toml").write_text('[relay]\nkeys = "a,b"\n')
    sources = Sources({}, tmp_path)
    assert read(sources, "relay", RelaySpec).keys == ()
    assert told(sources) == ["dragoman.toml:2: relay.keys must be a list"]


def test_the_file_is_typed(tmp_path: Path) -> None:
    """In the file a number is a number; a text that looks like one is refused."""
    (tmp_path / "dragoman.toml").write_text("[server]\nport = 81\ndrain_s = 3\n\n[deadlines]\nidle_s = 5\n")
    sources = Sources({}, tmp_path)
    assert read(sources, "server", ServerSpec) == ServerSpec(port=81, drain_s=3.0)
    assert read(sources, "deadlines", Deadlines) == Deadlines(idle_s=5.0)
    (tmp_path / "dragoman.toml").write_text('[server]\nhost = "x"\nport = "81"\n')
    sources = Sources({}, tmp_path)
    assert read(sources, "server", ServerSpec).host == "x"
    assert told(sources) == ["dragoman.toml:3: server.port must be a whole number from 0 to 65535"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("port = 65536", "server.port must be a whole number from 0 to 65535"),
        ("port = 1.5", "server.port must be a whole number from 0 to 65535"),
        ("port = true", "server.port must be a whole number from 0 to 65535"),
        ("workers = 0", "server.workers must be a whole number from 1 to 256"),
        ("keepalive_s = 0", "server.keepalive_s must be a number above 0"),
        ("drain_s = -1", "server.drain_s must be a number from 0"),
        ("drain_s = nan", "server.drain_s must be a number from 0"),
        ("drain_s = inf", "server.drain_s must be a number from 0"),
        ("host = 127.0", "server.host must be text"),
        ("host = []", "server.host must be text"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, line: str, says: str) -> None:
    """A value out of bounds or of the wrong type is told with its line and what is wanted."""
    (tmp_path / "dragoman.toml").write_text(f"[server]\n{line}\n")
    sources = Sources({}, tmp_path)
    assert read(sources, "server", ServerSpec) == ServerSpec()
    assert told(sources) == [f"dragoman.toml:2: {says}"]


@pytest.mark.parametrize("rate", ["-1", "'-0.5'", "nan", "'Infinity'", "'much'", "true"])
def test_a_price_is_an_amount(tmp_path: Path, rate: str) -> None:
    """Whether a number or text: below 0, or none at all, it cannot be charged."""
    (tmp_path / "dragoman.toml").write_text(f"[prices]\ndefault_input = {rate}\n")
    sources = Sources({}, tmp_path)
    assert read(sources, "prices", PriceSpec) == PriceSpec()
    assert told(sources) == ["dragoman.toml:2: prices.default_input must be a number"]


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    """The place of a value from outside a file is the variable, or its line of .env."""
    sources = Sources({"DRAGOMAN_STORE_SYNC": "sometimes"}, tmp_path)
    read(sources, "store", StoreSpec)
    (tmp_path / ".env").write_text("\nPORT=http\n")
    other = Sources({}, tmp_path)
    read(other, "server", ServerSpec)
    assert told(sources) == [
        'environment variable DRAGOMAN_STORE_SYNC: store.sync must be "full" or "normal"'
    ]
    assert told(other) == [".env:2: server.port must be a whole number from 0 to 65535"]


def test_unknown_keys_are_refused(tmp_path: Path) -> None:
    """A key nobody reads is refused wherever it stands, with the one that was perhaps meant."""
    (tmp_path / "dragoman.toml").write_text(
        "servr = 1\nlocal = 3\n[server]\nprot = 1\n[deadlines]\nzebra = 1\n[keys]\nanything = 'x'\n"
    )
    sources = Sources({}, tmp_path)
    refuse_unknown(sources)
    assert told(sources) == [
        "dragoman.toml:1: unknown setting servr; did you mean server?",
        "dragoman.toml:2: local must be a table; write [local]",
        "dragoman.toml:4: unknown setting of [server] prot; did you mean port?",
        "dragoman.toml:6: unknown setting of [deadlines] zebra",
    ]


def test_unknown_variables_are_refused_where_they_are_surely_ours(tmp_path: Path) -> None:
    """A misspelt setting is told; what a cluster or another program sets is left alone."""
    (tmp_path / ".env").write_text("MAX_REQUESTS_PER_MINUTE=60\nDRAGOMAN_DEADLINES_IDLE=3\n")
    misspelt = "DRAGOMAN_SERVER_PROT"
    environ = {
        misspelt: "1",
        "DRAGOMAN_PORT": "tcp://10.0.0.1:80",
        "DRAGOMAN_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "DRAGOMAN_SERVICE_HOST": "10.0.0.1",
        "DRAGOMAN_LOCAL_URL": "http://127.0.0.1:1/v1",
        "PATH": "/bin",
    }
    sources = Sources(environ, tmp_path)
    refuse_unknown(sources)
    assert sorted(told(sources)) == [
        ".env:2: unknown variable DRAGOMAN_DEADLINES_IDLE; did you mean DRAGOMAN_DEADLINES_IDLE_S?",
        f"environment variable {misspelt}: unknown variable {misspelt}; did you mean DRAGOMAN_SERVER_PORT?",
    ]


def test_names_and_words() -> None:
    """A setting's variable and its type in words follow from its place and its annotation."""
    assert variable("server", "max_body") == "DRAGOMAN_SERVER_MAX_BODY"
    assert (variable("", "data"), variable("routes")) == ("DRAGOMAN_DATA", "DRAGOMAN_ROUTES")
    assert wanted(bool) == "true or false"
    assert wanted(int | None) == "a whole number"
    assert wanted(Literal["a", "b"]) == '"a" or "b"'
    assert wanted(Annotated[float, msgspec.Meta(gt=0, lt=2.5)]) == "a number above 0 below 2.5"
    assert wanted(tuple[str, ...]) == "a list"
    assert wanted(dict[str, str]) == "a table"
