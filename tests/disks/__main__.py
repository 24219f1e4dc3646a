"""The long form: thousands of power cuts, every operation that can fail, a thousand flipped bits."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.disks import flips, proofs


def main() -> int:
    """Run all of it, and say what was found; 1 when it is anything that must not be."""
    parser = argparse.ArgumentParser(prog="python -m tests.disks", description=__doc__)
    parser.add_argument("--cuts", type=int, default=20_000, help="power cuts")
    parser.add_argument("--flips", type=int, default=1_000, help="flipped bits")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    operations = len(proofs.recorded("full")[0])
    cuts = proofs.power_cuts("full", images=max(1, asked.cuts // operations), seed=asked.seed)
    print(f"power cuts, full durability:    {cuts}", flush=True)
    control = proofs.power_cuts("relaxed", images=2, seed=asked.seed)
    print(f"power cuts, relaxed (control):  {control}", flush=True)
    failures = proofs.failures(every=1)
    print(f"operations that fail:           {failures}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(flips.fill(Path(folder) / "a.db"))
        missed, tried = flips.undetected(Path(folder) / "a.db", asked.flips, asked.seed)
    print(f"flipped bits:                   {sum(tried.values())} tried, {len(missed)} missed", flush=True)
    wrong = [*cuts.all, *control.corrupt, *control.stuck, *failures.all]
    for each in wrong[:20]:
        print(each)
    if not control.lost:
        print("the control lost nothing: the proof proves nothing")
    return 1 if wrong or missed or not control.lost else 0


if __name__ == "__main__":
    sys.exit(main())
