"""How joins are formed: what they take, and what they refuse before anything has happened."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from amends.errors import DefinitionError
from amends.model.branch import MOST_POSITIONS
from amends.model.call import Call, Step, Target
from amends.model.driving import Ask, noted
from amends.model.join import End, Join, Losers, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    _count(verb, len(branches))
    for branch in branches:
        if not isinstance(branch, Ask):
            raise DefinitionError(
                f"{verb}() takes calls of steps and sagas, amends.sleep, amends.receive, or other joins, not {branch!r}. "
                f"{_cure(branch)}"
            )
        if isinstance(branch, Join) and branch.alone:
            raise DefinitionError(
                f"{verb}(): {branch!r} reads an async iterable, which may await steps of its own, so it cannot be a branch. "
                "Put it into a saga, and give the call of that; or read the items first."
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
    return noted(kind(verb, branches, rule, answer, losers, seconds, depth, size, limit), *branches)


def _cure(branch: Any) -> str:
    if isinstance(branch, Target):
        return f"Call it: {branch.name}(...)."
    if isinstance(branch, (list, tuple, Generator)):
        return "Branches are arguments of their own: put a * before it."
    return "Give the call itself, without `await`; put other I/O into a @step."


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
    return "undo" if losers is None else losers


def _steps(branches: tuple[Ask[Any], ...]) -> Iterator[Step[..., Any]]:
    for branch in branches:
        if isinstance(branch, Join):
            yield from _steps(branch.branches)
        target = branch.target if isinstance(branch, Call) else branch.mapped if isinstance(branch, Join) else None
        if isinstance(target, Step):
            yield target


def whole(verb: str, name: str, value: int, least: int, branches: int, why: str = "") -> None:
    """Check that an option is a whole number, from `least` to the number of branches; raises `DefinitionError`."""
    _count(verb, branches)
    if isinstance(value, Ask):
        raise DefinitionError(f"{verb}({value!r}, …): {name} comes first, and then the branches: {verb}(2, a, b, c).")
    if not (isinstance(value, int) and not isinstance(value, bool) and least <= value <= branches):
        among = f"there is 1 branch, so {name} is" if branches == 1 else f"of {branches} branches, {name} is"
        raise DefinitionError(f"{verb}({name}={value!r}): {among} a whole number from {least} to {branches}{why}.")


def takes_one(verb: str, target: Target[..., Any], what: str) -> None:
    """Check that a step or a saga can be called with one argument; raises `DefinitionError`."""
    target.demand_usable()
    try:
        target.signature.bind((None,), {})
    except TypeError as error:
        raise DefinitionError(
            f"{verb}() calls {target.name!r} with one argument, {what}, and that does not fit: {error}. "
            "Let it take one argument; a dataclass or a tuple holds several values."
        ) from None


def as_it_is(given: Any) -> str:
    """What to do where a step or a saga itself is wanted, and something else was given."""
    if isinstance(given, Call):
        return f"Give it without calling it: {given.target.name}."
    if isinstance(given, Target):
        return "Set its options where it is defined: there it is found again after a restart."
    return "Put @step on a function at the top level of a module, and give that."


def _count(verb: str, branches: int) -> None:
    if not 1 <= branches <= MOST_BRANCHES:
        raise DefinitionError(
            f"{verb}() takes 1 to {MOST_BRANCHES} branches, not {branches}. For a list of unknown length use `each`."
        )
