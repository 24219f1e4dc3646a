"""A rule, and a breach of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from amends.testing.explorer.ending import Ending

Test: TypeAlias = "Callable[[Ending], Iterator[str]]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `test` says, of one ending, where it is broken."""

    name: str
    sentence: str
    cure: str
    test: Test


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that one world broke."""

    rule: str
    why: str


OURS = "This is the engine's own rule: please report it."
"""The cure of a rule that no saga can break."""


def seen(name: str) -> Test:
    """The test of a rule that is watched while the world runs."""

    def test(ending: Ending) -> Iterator[str]:
        return (why for rule, why in ending.broken if rule == name)

    return test
