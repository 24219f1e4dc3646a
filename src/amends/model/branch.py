"""One thing that a saga body waits for: alone, or as a branch of a join."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amends.errors import DefinitionError
from amends.model.call import Call
from amends.model.join import Count, Join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from amends.model.driving import Ask
    from amends.model.effect import Effect
    from amends.model.join import End

MOST_POSITIONS = 100_000
"""How many things one saga body may await; a longer saga is split into several runs."""


class Branch:
    """An ask at its position. `end` is set once it is known; `parts` are the branches of a join."""

    __slots__ = ("ask", "begun", "count", "effect", "end", "index", "join", "parts", "pos")

    def __init__(self, ask: Ask[Any], pos: int, join: Branch | None, index: int) -> None:
        self.ask = ask
        self.pos = pos
        self.join = join
        self.index = index
        self.begun = False
        self.end: End | None = None
        self.effect: Effect | None = None
        self.parts: list[Branch] = []
        self.count: Count | None = None


def planned(ask: Ask[Any], after: int, effect: Callable[[int, int, Call[Any]], Effect]) -> tuple[Branch, int]:
    """Give an ask, and all that is in it, the positions after `after`, and make the effects of its calls.

    Args:
        ask: what the body awaits.
        after: the last position that is taken.
        effect: makes the effect of a call, of its position and that of the whole ask.

    Returns:
        the branch, and the last position that is taken now.

    Raises:
        DefinitionError: there are more positions than a saga may have.
        NotStorable, TypeError: the arguments of a call do not fit; nothing has happened yet.
    """
    numbers = iter(range(after + 1, MOST_POSITIONS + 1))
    root = _planned(ask, None, 0, numbers, effect, after + 1)
    return root, next(numbers, MOST_POSITIONS + 1) - 1


def _planned(
    ask: Ask[Any],
    join: Branch | None,
    index: int,
    numbers: Iterator[int],
    effect: Callable[[int, int, Call[Any]], Effect],
    stage: int,
) -> Branch:
    pos = next(numbers, None)
    if pos is None:
        raise DefinitionError(f"a saga may await {MOST_POSITIONS} things; split this one into several runs.")
    branch = Branch(ask, pos, join, index)
    if isinstance(ask, Call):
        branch.effect = effect(pos, stage, ask)
    elif isinstance(ask, Join):
        branch.count = Count(ask.rule, len(ask.branches))
        branch.parts = [_planned(part, branch, number, numbers, effect, stage) for number, part in enumerate(ask.branches)]
    return branch
