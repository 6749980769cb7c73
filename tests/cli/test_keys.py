"""``dragoman keys``: the secret alone on stdout, everything else in words, in the store of the gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dragoman.accounts.keys import well_formed
from dragoman.cli import main


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Run commands in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    return {"DRAGOMAN_DATA": str(tmp_path / "data"), "API_KEYS": "from-the-environment"}


Told = pytest.CaptureFixture[str]


def run(capsys: Told, environ: dict[str, str], *words: str, code: int = 0) -> tuple[str, str]:
    """Run a command; return what it said, and what it said about it."""
    assert main(words, environ) == code
    told = capsys.readouterr()
    return told.out.strip(), told.err.strip()


def shown(capsys: Told, environ: dict[str, str], name: str) -> dict[str, object]:
    """Return a key as ``--json`` shows it."""
    found: dict[str, object] = json.loads(run(capsys, environ, "keys", "show", name, "--json")[0])
    return found


def test_a_secret_is_alone_on_stdout(capsys: Told, environ: dict[str, str], tmp_path: Path) -> None:
    """A pipe gets nothing else; nothing says it again; only its digest is on disk."""
    secret, about = run(capsys, environ, "keys", "create", "alice")
    assert well_formed(secret)
    assert "once" in about
    assert secret not in about
    for words in (("keys", "list"), ("keys", "show", "alice", "--json"), ("audit", "--json")):
        assert secret not in "".join(run(capsys, environ, *words))
    assert not any(
        secret.encode() in path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file()
    )


def test_everything_that_can_be_said_of_a_key(capsys: Told, environ: dict[str, str]) -> None:
    """Options of create and change become its terms; what a change does not give stays."""
    run(capsys, environ, "teams", "put", "research")
    run(capsys, environ, "users", "put", "carol")
    words = "--role reader --team research --user carol --expires 2099-01-01 --description d --label a=b"
    words += " --model gpt-4o --model claude* --route fast --text off --parallel 3 --tokens-per-day 0"
    run(capsys, environ, "keys", "create", "alice", *words.split())
    found = shown(capsys, environ, "alice")
    assert (found["role"], found["team"], found["user"]) == ("reader", "research", "carol")
    assert (found["models"], found["routes"], found["text"]) == (["gpt-4o", "claude*"], ["fast"], False)
    assert (found["labels"], found["description"]) == ({"a": "b"}, "d")
    run(capsys, environ, "keys", "change", "alice", "--parallel", "5", "--any-model", "--team", "")
    changed = shown(capsys, environ, "alice")
    assert (changed["models"], changed["routes"], changed["team"]) == ([], [], None)
    limits = changed.pop("limits")
    assert isinstance(limits, dict)
    assert (limits["parallel"], limits["tokens_per_day"], limits["requests_per_day"]) == (5, 0, None)
    for name in ("role", "user", "expires_at", "text", "labels", "description", "secrets"):
        assert changed[name] == found[name]
    run(capsys, environ, "keys", "change", "alice", "--expires", "never", "--label", "c=d")
    again = shown(capsys, environ, "alice")
    assert (again["expires_at"], again["labels"]) == (None, {"a": "b", "c": "d"})


def test_rotation_and_revocation(capsys: Told, environ: dict[str, str]) -> None:
    """A new secret beside the old one, which gets an end; then none of them counts."""
    first, _ = run(capsys, environ, "keys", "create", "alice")
    second = json.loads(run(capsys, environ, "keys", "rotate", "alice", "--overlap", "90m", "--json")[0])
    assert second["secret"] != first
    old, new = second["key"]["secrets"]
    assert old["expires_at"] - new["created_at"] == 5400
    assert new["expires_at"] is None
    table, _ = run(capsys, environ, "keys", "revoke", "alice")
    assert "revoked" in table
    _, about = run(capsys, environ, "keys", "rotate", "alice", code=1)
    assert "revoked" in about


def test_a_table_for_people(capsys: Told, environ: dict[str, str]) -> None:
    """Every key with what it may ask; the configuration's are among them, and nobody's secrets."""
    run(capsys, environ, "keys", "create", "bob", "--role", "reader")
    table, _ = run(capsys, environ, "keys", "list")
    head, bob, env = table.splitlines()
    assert head.split()[:3] == ["NAME", "STATUS", "ROLE"]
    assert bob.split()[:3] == ["bob", "active", "reader"]
    assert "nothing" in bob
    assert env.startswith("key-1")
    assert "(configuration)" in env
    assert "from-the-environment" not in table
    assert [one["name"] for one in json.loads(run(capsys, environ, "keys", "list", "--json")[0])] == [
        "bob",
        "key-1",
    ]


def test_with_no_key_the_next_step_is_named(
    capsys: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is not there, and one line says what to do."""
    monkeypatch.chdir(tmp_path)
    said, about = run(capsys, {"DRAGOMAN_DATA": str(tmp_path / "data")}, "keys", "list")
    assert said == ""
    assert "dragoman keys create" in about


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("create", "admin"), 1, "no key may have this name"),
        (("create", "key-1"), 1, "configuration"),
        (("create", "x", "--expires", "soon"), 2, "soon"),
        (("create", "x", "--expires", "2020-01-01"), 2, "passed"),
        (("create", "x", "--team", "nobody"), 2, "team"),
        (("create", "x", "--label", "a"), 2, "NAME=VALUE"),
        (("create", "x", "--parallel", "-1"), 2, "limit"),
        (("create", "x", "--role", "god"), 2, "god"),
        (("rotate", "x", "--overlap", "1"), 2, "overlap"),
        (("show", "nobody"), 1, "no key"),
        (("revoke", "key-1"), 1, "configuration"),
        ((), 2, "ACTION"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    capsys: Told, environ: dict[str, str], words: tuple[str, ...], code: int, says: str
) -> None:
    """It says what is wrong, with the exit code of whose fault it is, and changes nothing."""
    said, about = run(capsys, environ, "keys", *words, code=code)
    assert said == ""
    assert says in about
    assert "Traceback" not in about
    assert run(capsys, environ, "audit")[0] == ""


def test_every_change_is_the_command_lines(capsys: Told, environ: dict[str, str]) -> None:
    """The audit log says so, and a key cannot have that name."""
    run(capsys, environ, "keys", "create", "alice")
    [entry] = json.loads(run(capsys, environ, "audit", "--json")[0])
    assert (entry["actor"], entry["action"], entry["subject"]) == ("command line", "key.create", "alice")


def test_options_are_told(capsys: Told) -> None:
    """Each action has a help of its own."""
    assert main(["keys", "create", "--help"], {}) == 0
    assert "--expires" in capsys.readouterr().out


@pytest.mark.parametrize("group", [("keys", "create"), ("teams", "put")])
def test_a_limit_nobody_could_read_again_is_refused(
    capsys: Told, environ: dict[str, str], group: tuple[str, str]
) -> None:
    """A number above the largest limit is told, and hides no key."""
    _, about = run(capsys, environ, *group, "alice", "--parallel", "9" * 23, code=2)
    assert "limit" in about
    run(capsys, environ, *group, "bob", "--parallel", "3")
    assert "bob" in run(capsys, environ, group[0], "list")[0]


def test_a_length_of_time_beyond_the_calendar_is_refused(capsys: Told, environ: dict[str, str]) -> None:
    """It is not taken for never."""
    assert "no time" in run(capsys, environ, "keys", "create", "alice", "--expires", "999999999d", code=2)[1]
