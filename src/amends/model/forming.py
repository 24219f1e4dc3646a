"""How joins are formed: what they take, and what they refuse before anything has happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amends.errors import DefinitionError
from amends.model.branch import MOST_POSITIONS
from amends.model.call import Call, Step
from amends.model.driving import Ask
from amends.model.join import End, Join, Losers, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_BRANCHES = 10_000
MOST_DEPTH = 16

EARLY = "it may be decided before every branch has ended"


def form(
    verb: str,
    branches: tuple[Ask[Any], ...],
    rule: Rule,
    answer: Callable[[Any, Verdict], End],
    losers: Losers,
    seconds: float | None = None,
    limit: int | None = None,
    kind: type[Join[Any]] = Join,
) -> Join[Any]:
    """A join of these branches; `kind` makes it.

    Raises:
        DefinitionError: there are none or too many, one cannot be awaited in a saga, or joins are nested too deep.
    """
    if not 1 <= len(branches) <= MOST_BRANCHES:
        raise DefinitionError(
            f"{verb}() takes 1 to {MOST_BRANCHES} branches, not {len(branches)}. For a list of unknown length use `each`."
        )
    for branch in branches:
        if not isinstance(branch, Ask):
            raise DefinitionError(
                f"{verb}() takes calls of steps and sagas, amends.sleep, amends.receive, or other joins, not {branch!r}. "
                "Give the call itself, without `await`; put other I/O into a @step."
            )
    if losers not in ("undo", "keep", "cancel"):
        raise DefinitionError(f"{verb}(losers={losers!r}): 'undo', 'keep' or 'cancel'.")
    inner = [branch for branch in branches if isinstance(branch, Join)]
    depth = 1 + max((join.depth for join in inner), default=0)
    if depth > MOST_DEPTH:
        raise DefinitionError(f"{verb}(): more than {MOST_DEPTH} joins are inside one another.")
    size = 1 + len(branches) + sum(join.size - 1 for join in inner)
    if size > MOST_POSITIONS:
        raise DefinitionError(f"{verb}(): {size} things are in it, and a saga may await {MOST_POSITIONS}.")
    return kind(verb, branches, rule, answer, losers, seconds, depth, size, limit)


def policy(verb: str, branches: tuple[Ask[Any], ...], losers: Losers | None) -> Losers:
    """The policy for losers of a join that may be decided early: a branch with an effect must say how it is undone.

    Raises:
        DefinitionError: one does not, and `losers` is not given.
    """
    if losers is None:
        for step in _steps(branches):
            if step.undoing is None and step.options.no_undo is None and step.options.on_rollback == "undo":
                raise DefinitionError(
                    f"{verb}(): step {step.name!r} has no undo, and {EARLY}. Declare @{step.name}.undo, or say "
                    f"@step(no_undo='it only reads') if it has no effect, or give {verb}(..., losers='keep' or 'cancel')."
                )
    return losers or "undo"


def _steps(branches: tuple[Ask[Any], ...]) -> list[Step[..., Any]]:
    found: list[Step[..., Any]] = []
    for branch in branches:
        if isinstance(branch, Join):
            found += _steps(branch.branches)
        elif isinstance(branch, Call) and isinstance(branch.target, Step):
            found.append(branch.target)
    return found


def whole(verb: str, name: str, value: int, least: int, most: int) -> None:
    """Check that an option is a whole number in its range; raises `DefinitionError`."""
    if not (isinstance(value, int) and not isinstance(value, bool) and least <= value <= most):
        half = " (more than half of the branches)" if verb == "vote" else ""
        raise DefinitionError(f"{verb}({name}={value!r}): a whole number from {least}{half} to {most}, the branches.")
