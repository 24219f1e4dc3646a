"""The long form: a minute of kills and zombies, audited from outside, and the controls that the audit must see."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.storms.audit import audit
from tests.storms.scenes import CONTROLS
from tests.storms.stage import staged
from tests.storms.storm import Plan
from tests.storms.worker import Place

TO_SEE = (
    "acknowledged",
    "completed",
    "compensated",
    "Recovered",
    "calls repeated",
    "joins",
    "losers that took effect",
    "nested runs",
)
"""What the audit counts, and a storm that proves anything has some of."""


def main() -> int:
    """Let it storm, print what came of it; 1 when anything is wrong, or a control is not seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.storms", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing is left behind then, either
    print(f"seed {asked.seed}", flush=True)
    plan = Plan(asked.seed, seconds=asked.seconds, fleet=6, life=0.005, zombie_births=0.08, patience=3 * asked.seconds + 60)
    wrong = _storm(plan)
    for scene, names in CONTROLS.items():
        with _place() as place:
            staged(place, scene)
            found = audit(place).names
        print(f"control {scene!r}: {', '.join(sorted(found)) or 'nothing found'}", flush=True)
        wrong += [] if found >= names else [f"the audit did not see {', '.join(sorted(names - found))} in {scene!r}"]
    for each in wrong[:20]:
        print(each)
    return 1 if wrong else 0


def _storm(plan: Plan) -> list[str]:
    """One storm and its audit; returns what is wrong."""
    with _place() as place:
        tally = staged(place, plan)
        found = audit(place)
        complaints = [line for line in place.log.read_text().splitlines() if "Traceback" in line]
    minutes = tally.seconds / 60
    print(
        f"{tally.kills:,} kills in {tally.seconds:.0f} s, {tally.kills / minutes:,.0f} a minute"
        f" ({tally.kills_while_opening:,} while the worker still opened the file);"
        f" {tally.zombies} zombies, {tally.zombies / minutes:,.0f} a minute ({tally.refused} came back to refused writes,"
        f" {tally.file_in_hand} were stopped within a transaction);"
        f" {tally.jumps} jumps of the time of day;"
        f" {1000 * tally.cpu / max(1, tally.kills):.1f} ms of processor a kill,"
        f" {100 * tally.cpu / tally.seconds / (os.cpu_count() or 1):.0f} % of the machine"
    )
    print(", ".join(f"{name} {count:,}" for name, count in sorted(found.counts.items())))
    print(f"findings: {len(found.findings) + len(tally.wrong)}", flush=True)
    empty = [f"there was nothing to see of: {name}" for name in TO_SEE if not found.counts[name]]
    return [*map(str, found.findings), *tally.wrong, *complaints, *empty]


@contextmanager
def _place() -> Iterator[Place]:
    """A folder in memory where there is one: `kill -9` loses nothing that was written, synced or not."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="amends-storm-", dir=memory) as folder:
        yield Place(Path(folder), lease=0.4, durability="full")


if __name__ == "__main__":
    sys.exit(main())
