"""Where settings come from: layers, places, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config.sources import ConfigError, Problem, Sources, _lines, guess


def told(sources: Sources) -> list[str]:
    """Return the problems in words."""
    return [str(problem) for problem in sources.problems]


def test_nothing_at_all_is_fine(tmp_path: Path) -> None:
    """Without files and variables there is nothing to find and nothing wrong."""
    sources = Sources({}, tmp_path)
    assert (dict(sources.tree), sources.variables, sources.problems) == ({}, {}, [])
    assert sources.setting(("server", "port"), "DRAGOMAN_SERVER_PORT") is None
    assert sources.files == (tmp_path / "dragoman.toml", tmp_path / ".env")


def test_the_first_that_says_something_wins(tmp_path: Path) -> None:
    """Environment before .env before file, and within one layer the first name; each with its place."""
    (tmp_path / "dragoman.toml").write_text("# first\n[server]\nport = 1\n")
    found = Sources({}, tmp_path).setting(("server", "port"), "LONG", "SHORT")
    assert found == (1, "dragoman.toml:3", False)
    (tmp_path / ".env").write_text("# first\nexport SHORT='2' # why\nLONG=\n")
    assert Sources({}, tmp_path).setting(("server", "port"), "LONG", "SHORT") == ("2", ".env:2", True)
    found = Sources({"SHORT": "3"}, tmp_path).setting(("server", "port"), "LONG", "SHORT")
    assert found == ("3", "environment variable SHORT", True)
    found = Sources({"SHORT": "3", "LONG": "4"}, tmp_path).setting(("server", "port"), "LONG", "SHORT")
    assert found == ("4", "environment variable LONG", True)
    assert Sources({"LONG": " "}, tmp_path).variable("LONG", "SHORT") == ("2", ".env:2", True)


def test_the_file_may_be_elsewhere(tmp_path: Path) -> None:
    """DRAGOMAN_CONFIG names the file, also from .env; one that is not there is a problem."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "my.toml").write_text("a = 1\n")
    (tmp_path / ".env").write_text("DRAGOMAN_CONFIG=etc/my.toml\n")
    sources = Sources({}, tmp_path)
    assert (dict(sources.tree), sources.where(("a",))) == ({"a": 1}, "my.toml:1")
    assert sources.folder == tmp_path / "etc"
    (tmp_path / ".env").write_text("\nDRAGOMAN_CONFIG=nowhere.toml\n")
    assert told(Sources({}, tmp_path)) == [
        ".env:2: there is no file nowhere.toml; name one that exists, or none"
    ]


@pytest.mark.parametrize(
    ("name", "content", "place"),
    [
        ("dragoman.toml", b"[server]\nport = \n", "dragoman.toml:2"),
        ("dragoman.toml", b"a = 1\n\na = 2\n", "dragoman.toml:3"),
        ("dragoman.toml", b"a = [1,\n2\n", "dragoman.toml:3"),
        ("dragoman.toml", b"a = 1\nb = '\xff'\n", "dragoman.toml:2"),
        (".env", b"A=1\n'\n", ".env:2"),
        (".env", b"A=1\n\n\xff=2\n", ".env:3"),
    ],
)
def test_what_cannot_be_read_is_placed(tmp_path: Path, name: str, content: bytes, place: str) -> None:
    """A syntax error, or bytes that are no text, are told with file and line."""
    (tmp_path / name).write_bytes(content)
    assert [problem.where for problem in Sources({}, tmp_path).problems] == [place]


def test_a_folder_in_a_files_place_is_told(tmp_path: Path) -> None:
    """A file that cannot be opened is a problem, not a traceback."""
    (tmp_path / "dragoman.toml").mkdir()
    assert [problem.where for problem in Sources({}, tmp_path).problems] == ["dragoman.toml"]


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    """Files saved by editors that write one are read all the same."""
    (tmp_path / "dragoman.toml").write_bytes(b"\xef\xbb\xbfa = 1\n")
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1\r\n")
    sources = Sources({}, tmp_path)
    assert (dict(sources.tree), sources.variable("A")) == ({"a": 1}, ("1", ".env:1", True))


DOCUMENT = '''\
top = 1

[server]
# a comment
port = 1
"quoted.key" = 2
inline = { a = 1, b = [
  1,
  2 ] }
text = """
[not.a.table]
x = 1
"""

[providers."a.b".auth]
scheme = "x"

[[list]]
a = 1
[[list]]
a = 2
'''


def test_every_key_has_its_line() -> None:
    """The place of a key is the line its statement begins on, in every syntax TOML has."""
    lines = _lines(DOCUMENT)
    assert lines["top",] == 1
    assert lines["server",] == 3
    assert lines["server", "port"] == 5
    assert lines["server", "quoted.key"] == 6
    assert lines["server", "inline", "b", 1] == 7
    assert lines["server", "text"] == 10
    assert ("not",) not in lines
    assert lines["providers", "a.b", "auth", "scheme"] == 16
    assert lines["list", 0, "a"] == 19
    assert lines["list", 1, "a"] == 21


names = st.text("abcdef", min_size=1, max_size=3)


@given(st.lists(st.tuples(names, names, st.integers(0, 3)), unique_by=lambda entry: entry[:2], max_size=12))
def test_lines_are_exact(entries: list[tuple[str, str, int]]) -> None:
    """For any tables, keys and blank lines between them, each key is found on its own line."""
    text, expected = "", {}
    for table in dict.fromkeys(entry[0] for entry in entries):
        text += f"[{table}]\n"
        for _, key, blanks in (entry for entry in entries if entry[0] == table):
            text += "\n" * blanks + "# a comment = 1\n" * (blanks % 2)
            expected[table, key] = text.count("\n") + 1
            text += f"{key} = [\n 1 ]\n"
    lines = _lines(text)
    assert {key: lines[key] for key in expected} == expected


def test_a_key_that_is_not_there_is_placed_by_what_encloses_it(tmp_path: Path) -> None:
    """A missing field is told at its table, and what is nowhere at the file."""
    (tmp_path / "dragoman.toml").write_text("\n[a.b]\nc = 1\n")
    sources = Sources({}, tmp_path)
    assert sources.where(("a", "b", "missing", 3)) == "dragoman.toml:2"
    assert sources.where(("elsewhere",)) == "dragoman.toml"


def test_an_error_tells_every_problem() -> None:
    """The exception's words are one line a problem, each with its place and what to do."""
    problems = [Problem("a:1", "wrong", "right it"), Problem("b:2", "worse")]
    error = ConfigError(problems)
    assert str(error) == "a:1: wrong; right it\nb:2: worse"
    assert error.problems == tuple(problems)


def test_a_guess_is_made_when_there_is_a_close_word() -> None:
    """What is close is asked for, what is not is not."""
    assert guess("prot", ["port", "host"]) == "did you mean port?"
    assert guess("zebra", ["port", "host"]) == ""
