"""What Dragoman does when things go wrong, measured: kill -9, databases that stop, clients that leave.

    make faults                      python bench/faults.py [--size short] [--only crash,purse] [--seed N]

Real gateways in processes of their own, real PostgreSQL and Redis, a simulated provider that keeps a
journal. Every drill holds against each other what its clients heard, what the provider saw and what the
ledger says. Prints a table; ends with 0 only if every figure meets its target. A drill that cannot run
here says so; where CI=true that is a failure as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from random import SystemRandom
from types import MappingProxyType

import msgspec
from drills.figures import Figure, missing, table, told
from drills.plan import Plan
from drills.servers import Absent

from drills import canary, crash, drain, fallback, leaving, outage, purse, soak

Drill = Callable[[Plan], Awaitable[list[Figure]]]

DRILLS: Mapping[str, Drill] = MappingProxyType(
    {
        "crash": crash.run,
        "purse": purse.run,
        "shared": purse.shared,
        "outage": outage.run,
        "redis": outage.slow,
        "leaving": leaving.run,
        "drain": drain.run,
        "fallback": fallback.run,
        "soak": soak.run,
    }
)
"""Every drill by name, in the order they are played; the search for secrets comes after them."""

BLOCK = re.compile(r"(<!-- measured: faults -->\n).*?(<!-- end -->)", re.DOTALL)


def chosen(only: str) -> list[str]:
    """Return the drills that are asked for, all of them where none is named."""
    names = [name for piece in only.split(",") if (name := piece.strip())]
    if unknown := [name for name in names if name not in DRILLS]:
        raise SystemExit(f"there is no drill {', '.join(unknown)}; there are {', '.join(DRILLS)}")
    return names or list(DRILLS)


async def play(plan: Plan, names: list[str]) -> list[Figure]:
    """Play drills one after another; one that breaks is a figure that fails, and the others go on."""
    figures: list[Figure] = []
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    loop.add_signal_handler(signal.SIGTERM, me.cancel)  # what was started must not outlive this
    clock = loop.time
    for name in names:
        began = clock()
        try:
            found = await DRILLS[name](plan)
        except Absent as absent:
            must = os.environ.get("CI") == "true"
            found = [(missing if must else told)(name, "THE DRILL WAS NOT PLAYED", str(absent))]
        except Exception as error:  # noqa: BLE001 - whatever it is, the other drills are worth playing
            found = [missing(name, "the drill", f"{type(error).__name__}: {error}")]
        figures += found
        print(f"\n{name}: {clock() - began:.0f} s\n{table(found)}", flush=True)
        for figure in found:
            for note in figure.notes:
                print(f"  {figure.name}: {note}", flush=True)
    return [*figures, *canary.search(plan)]


def written(page: str, figures: list[Figure], plan: Plan) -> str:
    """Return a page with the figures in its measured part."""
    said = f"At {'full' if plan.full else 'short'} size, seed {plan.seed}.\n\n{table(figures)}\n"
    return BLOCK.sub(lambda found: f"{found[1]}\n{said}\n{found[2]}", page)


def main() -> int:
    """Play the drills; print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", choices=("short", "full"), default="full", help="how much of everything")
    parser.add_argument("--only", default="", metavar="NAMES", help=f"of {', '.join(DRILLS)}")
    parser.add_argument("--seed", type=int, help="what everything random is drawn from (default: any)")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of the drills that have rounds")
    parser.add_argument("--json", type=Path, metavar="PATH", help="also write the figures there")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="also write them into this page")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and ledgers in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dragoman-faults-") as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # PostgreSQL runs as somebody else
        seed = SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
        plan = Plan(folder, seed, full=options.size == "full", rounds=options.rounds)
        print(f"seed {plan.seed}, size {options.size}: --seed {plan.seed} plays the same again", flush=True)
        try:
            figures = asyncio.run(play(plan, chosen(options.only)))
        except asyncio.CancelledError:
            print("told to stop before the end")
            return 1
    failed = [figure for figure in figures if not figure.ok]
    print(f"\n{table(figures)}\n\n{len(figures)} figures, {len(failed)} not as they have to be")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        record = {"seed": plan.seed, "size": options.size, "figures": msgspec.to_builtins(figures)}
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    if options.write:
        options.write.write_text(written(options.write.read_text(), figures, plan))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
