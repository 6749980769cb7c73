"""How alike two questions must be to be one: hits and false hits by threshold, with and without the guard.

    python bench/semantic.py [--pairs FILE] [--detail THRESHOLD]        needs the extra: dragoman[semantic]

The pairs (semantic.tsv) were written by hand: paraphrases, and near misses of eight kinds that a text model
finds alike. All but one kind were there before the guard was; the pairs of the kind "framing" were written to
get past it. It was made by looking at every second pair only; the others are *held out*, and theirs are the
figures to believe. A false hit is a wrong answer given with confidence, a missed one costs what it would have
cost anyway: so the default is a threshold above every false hit of both halves.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dragoman.cache.guard import marks
from dragoman.cache.semantic import Embed, load, nearest

THRESHOLDS = (0.90, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.99)


class Pair(NamedTuple):
    """Two questions, how near they are, and whether the guard lets them be compared."""

    kind: str
    one: str
    other: str
    cosine: float
    passed: bool
    held_out: bool

    @property
    def same(self) -> bool:
        """Whether one answer would do for both."""
        return self.kind == "same"


def read(path: Path, embed: Embed) -> list[Pair]:
    """Read and measure every pair of a file."""
    pairs = []
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    for number, line in enumerate(lines):
        kind, one, other = line.split("\t")
        cosine = nearest(embed(one), [embed(other)])[1]
        mine = marks(one)
        pairs.append(
            Pair(kind, one, other, cosine, mine is not None and mine == marks(other), number % 2 == 1)
        )
    return pairs


def rate(pairs: Iterable[Pair], threshold: float, *, same: bool, guarded: bool) -> str:
    """Return how many of the pairs that are (not) the same would be taken for it."""
    asked = [pair for pair in pairs if pair.same == same]
    hit = sum(pair.cosine >= threshold and (pair.passed or not guarded) for pair in asked)
    return f"{hit:3d}/{len(asked):<3d} {hit / len(asked):4.0%}"


def table(title: str, pairs: Sequence[Pair]) -> None:
    """Print hits and false hits at every threshold."""
    print(f"\n{title}\n")
    print("| cosine | hits, bare | false hits, bare | hits, guarded | false hits, guarded |")
    print("|---|---|---|---|---|")
    for threshold in THRESHOLDS:
        cells = [
            rate(pairs, threshold, same=same, guarded=guarded)
            for guarded in (False, True)
            for same in (True, False)
        ]
        print(f"| {threshold:.2f} | {' | '.join(cells)} |")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=Path, default=Path(__file__).with_suffix(".tsv"))
    parser.add_argument("--detail", type=float, metavar="THRESHOLD", help="name what went wrong at it")
    parser.add_argument("--seen", action="store_true", help="leave the held-out pairs out")
    options = parser.parse_args()
    pairs = read(options.pairs, load())
    seen, held = [p for p in pairs if not p.held_out], [p for p in pairs if p.held_out]
    print(f"{sum(p.same for p in pairs)} paraphrases, {sum(not p.same for p in pairs)} near misses:", end=" ")
    print(
        ", ".join(f"{count} {kind}" for kind, count in Counter(p.kind for p in pairs if not p.same).items())
    )
    table("The pairs the guard was made with", seen)
    if not options.seen:
        table("Held out", held)
    if options.detail is not None:
        for pair in seen if options.seen else pairs:
            taken = pair.passed and pair.cosine >= options.detail
            if taken != pair.same:
                verdict = "false hit" if taken else "guarded" if not pair.passed else "too far"
                print(f"{verdict:10} {pair.cosine:.3f} {pair.kind}: {pair.one}  |  {pair.other}")


if __name__ == "__main__":
    main()
