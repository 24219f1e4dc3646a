"""What a user expects of every world, besides the rules that always hold."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from traceback import extract_tb
from typing import TYPE_CHECKING, TypeAlias

from amends.errors import DefinitionError
from amends.model import door
from amends.testing.explorer.brief import cut

if TYPE_CHECKING:
    from amends.model.records import State
    from amends.testing.explorer.ending import Ending

Judge: TypeAlias = "Callable[[Ending], bool | None]"


@dataclass(frozen=True)
class Expectation:
    """A condition on how a world ended, in the given states of the run (None: in all)."""

    judge: Judge
    states: tuple[State, ...] | None

    def __post_init__(self) -> None:
        door.function(self.judge, "what judges an ending", "Give a `def` that takes the Ending.")
        if inspect.iscoroutinefunction(self.judge):
            raise DefinitionError(f"{self.name} is an `async def`, and nobody awaits what it says: judge in a `def`.")

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
        except Exception as error:  # it is told with the story of the world that it cannot judge
            at = extract_tb(error.__traceback__)[-1]
            return f"{self.name} cannot judge it: {type(error).__name__}: {error} (in {at.name}, line {at.lineno})"
        if verdict is not None and not isinstance(verdict, bool):
            raise DefinitionError(_NO_VERDICT.format(self.name, _shown(verdict)))
        return f"{self.name} does not hold" if verdict is False else None


_NO_VERDICT = "{} says {} of a world, which is no verdict: let it assert, or return True or False."


def _shown(verdict: object) -> str:
    if inspect.iscoroutine(verdict):
        verdict.close()  # nobody awaits it, and nobody has to be warned of that twice
    return cut(repr(verdict))


def when_completed(judge: Judge) -> Expectation:
    """Expect something of every world in which the run completed.

    Args:
        judge: a `def` that gets the `Ending`; it asserts, or returns False when it is not content. Whatever else it raises
            is a finding, too.

    Raises:
        DefinitionError: `judge` is an `async def`, or returned something that is neither a `bool` nor None.
    """
    return Expectation(judge, ("completed",))


def when_compensated(judge: Judge) -> Expectation:
    """Expect something of every world in which the run was rolled back, wholly or in part."""
    return Expectation(judge, ("compensated", "partly_compensated"))


def always(judge: Judge) -> Expectation:
    """Expect something of every world, however the run ended."""
    return Expectation(judge, None)
