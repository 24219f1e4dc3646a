"""Every pair of faults for every saga of our own, on both stores: `python -m tests.testing`, a part of `make soak`."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace

from amends.errors import RuleBroken
from amends.testing import explore
from amends.testing.explorer.scenario import StoreKind
from tests.testing import own_families, own_joins, own_sagas

STORES: tuple[StoreKind, ...] = ("memory", "sqlite")
ALL = 10_000_000
"""More worlds than any saga has."""


def main() -> int:
    """The exit code: 0 when no world breaks a rule."""
    broken = 0
    for name, scenario in (own_sagas.SCENARIOS | own_joins.SCENARIOS | own_families.SCENARIOS).items():
        for store in STORES:
            began = time.monotonic()
            try:
                tally = explore(
                    replace(scenario, store=store), faults=2, budget=ALL, reaches=(), processes=os.cpu_count() or 1
                ).tally
            except RuleBroken as found:
                broken += 1
                print(found)
            else:
                print(f"{name:<34} {store:<7} {tally.worlds:>7,} worlds in {time.monotonic() - began:6.1f} s", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
