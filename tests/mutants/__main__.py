"""Tries every mutant and prints who found it: `make mutants`.

`--with FILE` (again and again) lets these tests alone look for the mutants, to show how many they find by themselves;
`--only WORD` tries the mutants whose name or rule holds the word, by the tests that they name; `-n` says how many at once.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.mutants.mutant import SRC, Mutant, copied
from tests.mutants.roll import KILLERS, MUTANTS, SURVIVORS
from tests.mutants.trial import ALL_OF_THEM, Broken, Verdict, tried

ENOUGH = 0.95
"""The part of the mutants that must be found."""


def main() -> int:
    """The exit code: 0 when enough are found and every survivor is a known one."""
    asked = _arguments()
    chosen = [mutant for mutant in MUTANTS if asked.only in mutant.name or asked.only in mutant.rule]
    if not chosen:
        print(f"No mutant has {asked.only!r} in its name or rule.")
        return 2
    killers: Sequence[str] = asked.alone or (_named_by(chosen) if asked.only else KILLERS)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as name, ThreadPoolExecutor(asked.n) as pool:
        src = copied(SRC, Path(name) / "src")
        print(f"The unmutated copy, with {', '.join(killers)}:", flush=True)
        whole = tried(src, None, killers, ALL_OF_THEM)
        if whole.end != "passed":
            print(f"  it {whole.end} in {whole.test}: nothing can be said about mutants.")
            return 2
        print(f"  passed in {whole.seconds:.0f} s\n", flush=True)
        verdicts = pool.map(partial(_hunted, src, killers, asked.alone is None), chosen)
        found = {mutant.name: _shown(mutant, verdict) for mutant, verdict in zip(chosen, verdicts, strict=True)}
    print(f"\nfound {sum(found.values())} of {len(found)} in {time.monotonic() - began:.0f} s")
    return 0 if asked.alone else _judged(found)


def _named_by(chosen: Sequence[Mutant]) -> Sequence[str]:
    """The tests that these mutants name; all, when one of them names none."""
    return sorted({test for mutant in chosen for test in mutant.by}) if all(mutant.by for mutant in chosen) else KILLERS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--with", dest="alone", action="append", metavar="FILE", help="let these tests alone look for them")
    parser.add_argument("--only", default="", metavar="WORD", help="only those whose name or rule holds this word")
    parser.add_argument("-n", type=int, default=os.cpu_count() or 1, help="how many at once; the number of cores by default")
    return parser.parse_args()


def _hunted(src: Path, killers: Sequence[str], named_first: bool, mutant: Mutant) -> Verdict:
    """First the tests that the mutant names, then all the others."""
    taken = 0.0
    if named_first and mutant.by:
        verdict = tried(src, mutant, mutant.by)
        if verdict.end != "passed":
            return verdict
        taken = verdict.seconds
    verdict = tried(src, mutant, killers, ALL_OF_THEM)
    return replace(verdict, seconds=taken + verdict.seconds)


def _shown(mutant: Mutant, verdict: Verdict) -> bool:
    """Print one row of the table; True when the mutant was found."""
    if verdict.end == "passed":
        by = f"SURVIVED {SURVIVORS.get(mutant.name, '')}".rstrip()
    else:
        by = f"{'hangs in ' if verdict.end == 'hung' else ''}{verdict.test.removeprefix('tests/')}"
    print(f"{mutant.word:<12} {mutant.name:<58} {verdict.seconds:5.1f} s  {by}", flush=True)
    return verdict.end != "passed"


def _judged(found: dict[str, bool]) -> int:
    unknown = [name for name, was in found.items() if not was and name not in SURVIVORS]
    enough = sum(found.values()) >= ENOUGH * len(found)
    if not enough:
        print(f"That is less than {ENOUGH:.0%}.")
    for name in unknown:
        print(f"No test finds {name!r}: write one, or say in tests/mutants/roll.py why none can.")
    return 0 if enough and not unknown else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as broken:
        sys.exit(f"A trial did not work:\n{broken}")
