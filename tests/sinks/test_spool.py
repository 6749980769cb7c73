"""Lines on disk: none is lost while they fit, none is handed over twice, the dead leave theirs."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from threading import Thread

import pytest

from dragoman.sinks import spool as module
from dragoman.sinks.spool import MOST_REJECTED, Spool


class Team:
    """Processes that share a folder, and who of them is dead."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gone: set[str] = set()
        self.now = 1_764_000_000.0

    def spool(self, owner: str = "one", most_bytes: int = 1_000_000, piece_bytes: int = 100) -> Spool:
        """Return a process's view."""
        return Spool(
            self.folder,
            owner,
            dead=self.dead,
            now=lambda: self.now,
            most_bytes=most_bytes,
            piece_bytes=piece_bytes,
        )

    def dead(self, names: Iterable[str]) -> list[str]:
        """Return those of `names` that are gone."""
        return [name for name in names if name in self.gone]


@pytest.fixture
def team(tmp_path: Path) -> Team:
    """Return a team whose folder is not there yet."""
    return Team(tmp_path / "spool" / "influx")


def fill(spool: Spool, first: int, last: int) -> None:
    """Append lines of 20 bytes, each by itself."""
    for number in range(first, last):
        spool.append([b"line %014d\n" % number])


def drained(spool: Spool) -> list[int]:
    """Take everything; return the lines' numbers."""
    found: list[int] = []
    while (taken := spool.oldest()) is not None:
        piece, data = taken
        lines = data.splitlines()
        assert len(lines) == piece.count
        found += [int(line.split()[1]) for line in lines]
        spool.done(piece)
    return found


def test_lines_are_handed_over_once_in_order(team: Team) -> None:
    """Piece by piece; what comes meanwhile comes after."""
    spool = team.spool()
    fill(spool, 0, 12)
    assert spool.waiting == 12
    taken = spool.oldest()
    assert taken is not None
    fill(spool, 12, 14)
    assert spool.oldest() == taken
    assert drained(spool) == list(range(14))
    assert (spool.waiting, spool.lost) == (0, 0)
    assert [path.name for path in team.folder.iterdir()] == []
    fill(spool, 14, 15)
    assert drained(spool) == [14]


def test_files_are_for_nobody_else(team: Team) -> None:
    """What keys ask for is the operator's."""
    fill(team.spool(), 0, 1)
    assert [path.stat().st_mode & 0o077 for path in (team.folder, *team.folder.iterdir())] == [0, 0]


def test_the_dead_leave_their_lines(team: Team) -> None:
    """To one of those who look, and before what that one writes itself."""
    fill(team.spool("dead"), 0, 13)
    team.now += 60
    living, other = team.spool("living"), team.spool("other")
    fill(living, 13, 15)
    assert living.adopt() == 0
    team.gone = {"dead"}
    assert [living.adopt(), other.adopt(), living.adopt()] == [13, 0, 0]
    fill(living, 15, 17)
    assert drained(living) == list(range(17))
    assert drained(other) == []


def test_the_living_keep_theirs(team: Team) -> None:
    """Neither taken over nor dropped by anybody else."""
    one, two = team.spool("one"), team.spool("two", most_bytes=200)
    fill(one, 0, 50)
    fill(two, 50, 100)
    assert two.adopt() == 0
    assert drained(one) == list(range(50))


def test_half_a_line_of_the_dead_is_cut_off(team: Team) -> None:
    """It would make the line after it unreadable; it is counted."""
    fill(team.spool("dead"), 0, 2)
    [path] = team.folder.glob("*.lines")
    with path.open("ab") as file:
        file.write(b"line 0000")
    team.gone = {"dead"}
    spool = team.spool()
    assert (spool.adopt(), spool.lost) == (2, 1)
    assert drained(spool) == [0, 1]


def test_other_files_are_left_alone(team: Team) -> None:
    """What is not named like a piece is none."""
    team.folder.mkdir(parents=True)
    (team.folder / "notes.lines").write_bytes(b"mine\n")
    spool = team.spool()
    team.gone = {"notes"}
    assert spool.adopt() == 0
    assert drained(spool) == []
    assert (team.folder / "notes.lines").read_bytes() == b"mine\n"


def test_what_is_no_file_is_no_piece(team: Team) -> None:
    """Whatever it is called: a folder cannot be read, and a pipe would be waited for."""
    team.folder.mkdir(parents=True)
    (team.folder / "01764000000123-two-000001.lines").mkdir()
    os.mkfifo(team.folder / "01764000000123-two-000002.lines")
    team.gone = {"two"}
    assert team.spool().adopt() == 0
    assert len(list(team.folder.glob("*-two-*.lines"))) == 2


def test_the_oldest_go_when_there_is_no_room(team: Team) -> None:
    """They are counted; the one in somebody's hands stays."""
    spool = team.spool(most_bytes=400)
    fill(spool, 0, 10)
    taken = spool.oldest()
    assert taken is not None
    fill(spool, 10, 100)
    files = sum(path.stat().st_size for path in team.folder.glob("*.lines"))
    assert files <= 400
    assert spool.waiting + spool.lost == 100
    left = drained(spool)
    assert left == [*range(5), *range(100 - (len(left) - 5), 100)]


def test_what_was_left_is_bounded_too(team: Team) -> None:
    """Whoever takes over much keeps the newest of it."""
    fill(team.spool("dead"), 0, 100)
    team.gone = {"dead"}
    spool = team.spool(most_bytes=400)
    assert spool.adopt() == 100
    left = drained(spool)
    assert left == list(range(100 - len(left), 100))
    assert spool.lost == 100 - len(left)
    assert 10 <= len(left) <= 20


def test_what_nobody_wants_is_put_aside(team: Team) -> None:
    """The next piece is handed over; of those aside the last are kept."""
    spool = team.spool()
    for number in range(MOST_REJECTED + 5):
        team.now += 1
        fill(spool, number, number + 1)
        taken = spool.oldest()
        assert taken is not None
        spool.reject(taken[0])
    aside = sorted((team.folder / "rejected").iterdir())
    assert len(aside) == MOST_REJECTED
    assert aside[-1].read_bytes() == b"line %014d\n" % (MOST_REJECTED + 4)
    assert spool.waiting == 0


def test_a_write_that_fails_leaves_nothing(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line is taken back, and the next one is whole."""
    spool = team.spool()
    fill(spool, 0, 1)

    def half(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:5])
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_whole", half)
        with pytest.raises(OSError, match="full"):
            fill(spool, 1, 2)
    fill(spool, 2, 3)
    assert drained(spool) == [0, 2]


def test_a_folder_that_goes_away_is_made_again(team: Team) -> None:
    """What was in it is lost and counted; what comes after is not."""
    spool = team.spool()
    fill(spool, 0, 7)
    for path in team.folder.iterdir():
        path.unlink()
    team.folder.rmdir()
    assert drained(spool) == []
    assert spool.lost == 7
    fill(spool, 7, 8)
    assert drained(spool) == [7]


def test_writing_and_taking_at_once_loses_nothing(team: Team) -> None:
    """One thread writes while another takes."""
    spool = team.spool()
    writing = Thread(target=fill, args=(spool, 0, 500))
    writing.start()
    found: list[int] = []
    while writing.is_alive():
        found += drained(spool)
    writing.join()
    assert found + drained(spool) == list(range(500))


def test_what_was_appended_survives_a_kill(team: Team) -> None:
    """Every line of which a process could say that it is safe is there after kill -9."""
    program = (
        "import sys; from pathlib import Path; from tests.sinks.test_spool import Team, fill\n"
        "spool = Team(Path(sys.argv[1])).spool('dead', piece_bytes=3000)\n"
        "for number in range(10**9):\n"
        "    fill(spool, number, number + 1)\n"
        "    print(number, flush=True)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(team.folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    with child.stdout:
        safe = [int(child.stdout.readline()) for _ in range(200)]
        child.send_signal(signal.SIGKILL)
        child.wait()
        safe += [int(line) for line in child.stdout if line.endswith("\n")]
    team.gone = {"dead"}
    spool = team.spool()
    spool.adopt()
    found = drained(spool)
    assert found[: len(safe)] == safe
    assert len(found) <= len(safe) + 1
