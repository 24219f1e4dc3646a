"""All mutants, the tests that are to find them, and those that are known to survive."""

from __future__ import annotations

from collections import Counter

from tests.mutants import engine, fans, forks, joins, machine, model, outside, recoveries, stores, workers
from tests.mutants.mutant import Mutant

MODEL = [*model.OUTCOMES, *model.RETRIES, *model.ROLLBACK, *machine.ENDS, *machine.REPLAY, *machine.VALUES]
ENGINE = [*engine.TURNS, *engine.CALLS, *recoveries.RECOVERIES, *outside.OUTSIDE]
STORES = [*stores.MEMORY, *stores.SQLITE, *workers.WRITER, *workers.ROSTER]
FORKS = [*joins.JOINS, *joins.NESTED, *forks.DECISIONS, *forks.FAMILIES, *fans.FANS]
MUTANTS = [*MODEL, *ENGINE, *STORES, *FORKS]

ONE_FAULT = "tests/testing/test_own_sagas.py::test_together_they_reach_every_end_by_every_fault"
"""All sagas of our own in every world with one fault."""

KILLERS = ("tests/model", "tests/engine", "tests/stores", ONE_FAULT)
"""The tests that are run when those that a mutant names have not found it, in this order."""

WORDS = (
    "Outcomes",
    "Retries",
    "Order",
    "Journal",
    "Key",
    "Cancel",
    "Compensation",
    "Letters",
    "Versions",
    "Body",
    "Store",
    "Lease",
    "Joins",
    "Fan-out",
    "Nested sagas",
)
"""The words of the design under which rules are decided; each has its mutants."""

SURVIVORS: dict[str, str] = {}
"""Mutants that no test can find, each with its reason."""

QUICK = (
    "a refusal clears the doubt",
    "a check that fails says that it did not happen",
    "the first is undone first",
    "a run closes with an open letter",
    "a second cancel begins the rollback anew",
    "falsy results are lost",
    "the namespace is left out of the key",
    "decisions are performed before the commit",
    "an append is not fenced by the epoch",
    "checksums are not verified",
)
"""A few that are found within a second each: they are tried with every run of the test suite."""


def named(name: str) -> Mutant:
    """The mutant of this name; raises `KeyError`."""
    return {mutant.name: mutant for mutant in MUTANTS}[name]


def doubles() -> list[str]:
    """Names that are taken twice, and defects that have two names."""
    names = Counter(mutant.name for mutant in MUTANTS)
    defects = Counter((mutant.file, mutant.old, mutant.new) for mutant in MUTANTS)
    twice = [mutant.name for mutant in MUTANTS if names[mutant.name] > 1]
    return twice + [mutant.name for mutant in MUTANTS if defects[mutant.file, mutant.old, mutant.new] > 1]
