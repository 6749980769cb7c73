"""How large a run is, what it draws from, and where it keeps what it made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import msgspec

from drills.ask import Watch
from drills.history import Seen


class Plan(msgspec.Struct, frozen=True):
    """One run of the drills.

    Attributes:
        folder: What the run makes is below it.
        seed: What everything random is drawn from; the same seed plays the same run again.
        full: At full size.
        rounds: Rounds of the drills that have rounds; 0: as many as the size says.
        watch: Looks through every answer.
    """

    folder: Path
    seed: int
    full: bool = False
    rounds: int = 0
    watch: Watch = msgspec.field(default_factory=Watch)

    def rng(self, *names: object) -> Random:
        """Return a source of chance of its own for what is named so."""
        return Random(f"{self.seed} {names}")  # noqa: S311 - to be played again, not to be secret

    def size(self, short: int, full: int) -> int:
        """Return how many, by the run's size."""
        return full if self.full else short

    def turns(self, short: int, full: int) -> int:
        """Return how many rounds."""
        return self.rounds or self.size(short, full)

    def note(self, name: str, seen: Sequence[Seen]) -> None:
        """Keep what the provider saw beside the ledger, to be looked into."""
        with (self.place(name) / "seen.jsonl").open("ab") as file:
            file.writelines(msgspec.json.encode(one) + b"\n" for one in seen)

    def place(self, name: str) -> Path:
        """Return a folder of the run, made if need be."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path
