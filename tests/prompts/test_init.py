"""Prompt templates: load, watch, fill in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dragoman.core.failure import Failure, Kind
from dragoman.prompts import PromptsSpec, Templates
from dragoman.prompts.template import places


class Complaints(list[str]):
    """What was complained of."""

    def __call__(self, message: str, error: BaseException) -> None:
        """Take one complaint."""
        assert isinstance(error, Failure)
        self.append(f"{message}: {error.message}")


@pytest.fixture
def complaints() -> Complaints:
    """Return who is complained to."""
    return Complaints()


def ids(templates: Templates) -> list[str]:
    """Return the ids there are, in order."""
    return [template.id for template in templates.list()]


def test_the_shipped_templates_are_what_was_promised(complaints: Complaints) -> None:
    """The named ones, across at least four categories; each says exactly the variables its text has."""
    shipped = Templates(None, complaints).list()
    by_id = {template.id: template for template in shipped}
    assert by_id["friendly"].variables == ("audience", "topic")
    wanted = {"summarize", "story_generator", "code_bug_fixer", "translator", "explainer"}
    assert wanted <= by_id.keys()
    assert len({template.category for template in shipped}) >= 4
    for template in shipped:
        assert set(template.variables) == set(places(template.prompt)), template.id
        assert template.title
        assert template.tags
    assert not complaints


def test_the_documents_own_example_can_be_filled(complaints: Complaints) -> None:
    """Source 001's `friendly`, with its variables."""
    told = Templates(None, complaints).fill("friendly", {"audience": "kids", "topic": "gravity"})
    assert "gravity" in told
    assert "kids" in told
    assert "{{" not in told


def test_the_operators_file_wins_as_a_whole(tmp_path: Path, complaints: Complaints) -> None:
    """Its templates are the only ones; where there is none, the shipped ones are."""
    path = tmp_path / PromptsSpec().file
    assert "friendly" in ids(Templates(path, complaints))
    path.write_text('{"mine": "Hello {{name}}"}')
    templates = Templates(path, complaints)
    assert ids(templates) == ["mine"]
    assert templates.fill("mine", {"name": "{{name}}"}) == "Hello {{name}}"
    assert not complaints


def test_an_edit_counts_at_the_next_look(tmp_path: Path, complaints: Complaints) -> None:
    """A file that comes, changes and is replaced; one that is as it was is not read again."""
    path = tmp_path / "t.json"
    templates = Templates(path, complaints)
    assert templates.look() is False
    path.write_text('{"one": "1"}')
    assert (templates.look(), ids(templates), templates.look()) == (True, ["one"], False)
    path.write_text('{"one": "1", "two": "2"}')
    assert (templates.look(), ids(templates)) == (True, ["one", "two"])
    other = tmp_path / "other"
    other.write_text('{"three": "3"}')
    other.replace(path)
    assert (templates.look(), ids(templates)) == (True, ["three"])
    assert not complaints


def test_a_broken_edit_keeps_the_last_good_one(tmp_path: Path, complaints: Complaints) -> None:
    """It is complained of once, with the place of the fault, and mended by the next good one."""
    path = tmp_path / "t.json"
    path.write_text('{"one": "1"}')
    templates = Templates(path, complaints)
    path.write_text('{"one": "1",\n "two" "2"}')
    assert (templates.look(), templates.look(), ids(templates)) == (False, False, ["one"])
    assert len(complaints) == 1
    assert f"{path}:2:8: " in complaints[0]
    assert "last good ones stay" in complaints[0]
    path.write_text('{"one": "1", "two": "2"}')
    assert (templates.look(), ids(templates)) == (True, ["one", "two"])
    assert len(complaints) == 1


def test_a_file_broken_at_the_start_leaves_the_shipped_ones(tmp_path: Path, complaints: Complaints) -> None:
    """A slip in a text file keeps nobody's gateway from serving."""
    path = tmp_path / "t.json"
    path.write_text("[")
    assert "friendly" in ids(Templates(path, complaints))
    assert len(complaints) == 1


def test_a_file_that_is_gone_leaves_its_templates(tmp_path: Path, complaints: Complaints) -> None:
    """Until another comes."""
    path = tmp_path / "t.json"
    path.write_text('{"one": "1"}')
    templates = Templates(path, complaints)
    path.unlink()
    assert (templates.look(), ids(templates)) == (False, ["one"])
    path.write_text('{"two": "2"}')
    assert (templates.look(), ids(templates)) == (True, ["two"])
    assert not complaints


def test_an_edit_is_seen_by_the_watch(tmp_path: Path, complaints: Complaints) -> None:
    """Without anybody asking for it; where there will never be a file, there is nothing to watch."""
    path = tmp_path / "t.json"
    templates = Templates(path, complaints)

    async def play() -> None:
        watch = asyncio.get_running_loop().create_task(templates.watching(0.001))
        path.write_text('{"one": "1"}')
        while ids(templates) != ["one"]:
            await asyncio.sleep(0.001)
        watch.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watch
        await Templates(None, complaints).watching(0)

    asyncio.run(play())


def test_an_unknown_id_is_told_with_close_ones(complaints: Complaints) -> None:
    """The id itself is not repeated, however long it is."""
    templates = Templates(None, complaints)
    with pytest.raises(Failure, match="did you mean friendly") as refused:
        templates.fill("freindly", {})
    failure = refused.value
    assert (failure.kind, failure.at, failure.code) == (
        Kind.NOT_FOUND,
        "$.template_id",
        "template_not_found",
    )
    with pytest.raises(Failure, match="GET /templates lists") as refused:
        templates.fill("canary" * 1_000_000, {})
    assert "canary" not in refused.value.message


def test_two_gateways_do_not_meet(tmp_path: Path, complaints: Complaints) -> None:
    """Each has its own templates."""
    (tmp_path / "a").write_text('{"a": "1"}')
    (tmp_path / "b").write_text('{"b": "1"}')
    first, second = Templates(tmp_path / "a", complaints), Templates(tmp_path / "b", complaints)
    assert (ids(first), ids(second)) == (["a"], ["b"])
