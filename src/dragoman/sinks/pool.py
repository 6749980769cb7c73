"""What several workers counted, as one: a folder with a file of each.

    <folder>/<owner>.counts     what one worker has counted since it began, replaced whole
    <folder>/folded.counts      what workers that are gone had counted, and who they were
    <folder>/lock               held while the folder is read or changed

A scrape reaches one worker and is told the sum of all files. What they hold only ever grows, so a counter
does not go back, whichever worker is asked. One that died keeps its counters in the sum; its gauges told of
something that is gone and are left out. The files of the dead are folded into one, so that a worker that
dies every minute does not fill the disk.

A start that finds nobody else alive begins from nothing: that is how a counter begins anew when the whole
gateway does. Who is alive is known from elsewhere and passed in. All methods block.

The files are MessagePack, not a scraper's text: to read that back would take a hundred times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from operator import add
from pathlib import Path
from typing import Literal

import msgspec

from dragoman.sinks.disk import alone

FOLDED = "folded"

MANY = 8
"""Files of dead workers that are left lying."""


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric and its series.

    Attributes:
        name: Without ``_total``.
        about: For people.
        kind: What may be done with it; a gauge is as true as its teller is alive.
        labels: Names of the labels.
        bounds: Of a histogram, the buckets' upper bounds but the last, which is infinite.
        series: By the labels' values: one number, or of a histogram how many fell into each bucket, and the
            sum.
    """

    name: str
    about: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    bounds: tuple[float, ...]
    series: dict[tuple[str, ...], list[float]]

    @property
    def shape(self) -> tuple[str, tuple[str, ...], tuple[float, ...]]:
        """What has to be equal for values to be added up."""
        return self.kind, self.labels, self.bounds


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """What a file holds. ``names``: of a folded one, whose counts are in it."""

    families: list[Family] = []
    names: list[str] = []


class Pool:
    """One worker's view of the folder.

    Args:
        folder: Where the files are.
        owner: This worker's name.
        dead: Returns those of some names whose process is gone.
    """

    def __init__(self, folder: Path, owner: str, *, dead: Callable[[Iterable[str]], list[str]]) -> None:
        self._folder = folder
        self._owner = owner
        self._dead = dead
        self._written = 0

    def write(self, families: Iterable[Family], number: int) -> None:
        """Tell the others what this worker had counted; what is older than what was written last is not.

        Args:
            families: All of it.
            number: The how manieth gathering this is, from 1.

        Raises:
            OSError: The folder cannot be written.
        """
        with self._alone():
            if self._written == 0:
                self._begin()
            if number > self._written:
                self._replace(self._owner, Kept(list(families)))
                self._written = number

    def read(self) -> list[Family]:
        """Return the sum of what all workers have counted.

        Raises:
            OSError: The folder cannot be read.
        """
        with self._alone():
            folded = self._kept(FOLDED)
            for name in folded.names:
                self._path(name).unlink(missing_ok=True)
            files = self._files()
            dead = self._dead(name for name in files if name != self._owner)
            gone = [one for name in dead for one in self._kept(name).families if one.kind != "gauge"]
            living = [one for name in files if name not in dead for one in self._kept(name).families]
            lasting = summed([*folded.families, *gone])
            if len(dead) > MANY:
                self._fold(lasting, dead)
        return summed([*lasting, *living])

    def _begin(self) -> None:
        """Forget what was counted before, if nobody who counted it is alive."""
        files = self._files()
        if len(self._dead(files)) == len(files):
            for name in (*files, FOLDED):
                self._path(name).unlink(missing_ok=True)

    def _fold(self, lasting: list[Family], dead: list[str]) -> None:
        """Put what the dead had counted into one file.

        They are named in it, so that a crash before their files are gone counts nothing twice.
        """
        self._replace(FOLDED, Kept(lasting, dead))
        for name in dead:
            self._path(name).unlink(missing_ok=True)

    def _files(self) -> list[str]:
        """Return the names of all that have a file."""
        return [path.stem for path in self._folder.glob("*.counts") if path.stem != FOLDED]

    def _kept(self, name: str) -> Kept:
        """Return what a file holds; nothing if there is none, or another version's."""
        try:
            return msgspec.msgpack.decode(self._path(name).read_bytes(), type=Kept)
        except (FileNotFoundError, msgspec.DecodeError):
            return Kept()

    def _replace(self, name: str, kept: Kept) -> None:
        """Write a file whole or not at all."""
        draft = self._folder / f"{self._owner}.draft"
        draft.write_bytes(msgspec.msgpack.encode(kept))
        draft.replace(self._path(name))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.counts"

    def _alone(self) -> AbstractContextManager[None]:
        """Keep other workers from changing the folder meanwhile."""
        return alone(self._folder / "lock")


def summed(families: Iterable[Family]) -> list[Family]:
    """Return families of one name as one, the values of equal series added up.

    One of another shape than the first of its name (another version's) is left out: nothing adds up to it.
    """
    whole: dict[str, Family] = {}
    for family in families:
        into = whole.setdefault(family.name, msgspec.structs.replace(family, series={}))
        if into.shape != family.shape:
            continue
        for labels, values in family.series.items():
            known = into.series.get(labels)
            into.series[labels] = values if known is None else list(map(add, known, values))
    return list(whole.values())
