"""What a user expects of every world, besides the rules that always hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from amends.model.records import State
    from amends.testing.explorer.ending import Ending

Judge: TypeAlias = "Callable[[Ending], bool | None]"


@dataclass(frozen=True)
class Expectation:
    """A condition on how a world ended, in the given states of the run (None: in all)."""

    judge: Judge
    states: tuple[State, ...] | None

    @property
    def name(self) -> str:
        """How reports call it."""
        return str(getattr(self.judge, "__name__", self.judge))

    def complaint(self, ending: Ending) -> str | None:
        """What is wrong with a world, if anything."""
        if self.states is not None and ending.state not in self.states:
            return None
        try:
            verdict = self.judge(ending)
        except AssertionError as failed:
            return str(failed).partition("\n")[0] or f"{self.name} does not hold"
        return f"{self.name} does not hold" if verdict is False else None


def when_completed(judge: Judge) -> Expectation:
    """Expect something of every world in which the run completed.

    Args:
        judge: gets the `Ending`; it asserts, or returns False when it is not content.
    """
    return Expectation(judge, ("completed",))


def when_compensated(judge: Judge) -> Expectation:
    """Expect something of every world in which the run was rolled back, wholly or in part."""
    return Expectation(judge, ("compensated", "partly_compensated"))


def always(judge: Judge) -> Expectation:
    """Expect something of every world, however the run ended."""
    return Expectation(judge, None)
