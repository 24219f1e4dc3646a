"""One thing that a saga body waits for: alone, or as a branch of a join."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amends.errors import DefinitionError
from amends.model.call import Call
from amends.model.child import child_id
from amends.model.driving import Ask
from amends.model.item import Item
from amends.model.join import End, Join, Ok
from amends.model.stream import NextPart

if TYPE_CHECKING:
    from amends.model.effect import Effect
    from amends.model.join import Counting
    from amends.model.making import Maker
    from amends.model.stream import Stream

MOST_POSITIONS = 100_000
"""How many things one saga body may await; a longer saga is split into several runs."""


OVER: Ask[Any] = Ask()
GONE: End = Ok(None)
"""What is left of the ask and the end of a branch once its join has counted it: a million items are not kept in memory."""


class Branch:
    """An ask at its position. `end` is set once it is known; `parts` are the branches of a join, as far as they are made.

    `stage` is the position of the whole ask that it belongs to; `begun` says how many of its parts are begun, and `open` how
    many of these have not ended. A join whose parts the body takes one by one is a `stream`; `asked` is what waits for one.
    """

    end: End | None = None
    effect: Effect | None = None
    count: Counting | None = None
    feeding = False
    stream: Stream | None = None
    asked: Branch | None = None
    begun = 0
    open = 0

    def __init__(self, ask: Ask[Any], pos: int, stage: int, join: Branch | None, index: int) -> None:
        self.ask = ask
        self.pos = pos
        self.stage = stage
        self.join = join
        self.index = index
        self.parts: list[Branch] = []

    def forget(self) -> None:
        """Its join has counted it."""
        if self.effect is not None:
            self.ask, self.end = OVER, GONE

    @property
    def room(self) -> bool:
        """Whether another branch of the join may be at work."""
        assert isinstance(self.ask, Join)
        wanted = self.stream is None or self.stream.wants(self.begun)
        return self.end is None and wanted and (self.ask.limit is None or self.open < self.ask.limit)


class Planner:
    """Gives asks their positions, and makes the effects of their calls.

    Args:
        maker: makes the effects of its calls.
    """

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self.last = 0

    def plan(self, ask: Ask[Any], join: Branch | None = None) -> Branch:
        """The branch of an ask, and of all that is in it: at once, or as one more part of `join`.

        Raises:
            DefinitionError: there are more positions than a saga may have.
            NotStorable, TypeError: the arguments of a call do not fit; nothing has happened yet.
        """
        before = self.last
        try:
            if join is None:
                return self._plan(ask, None, 0, before + 1)
            part = self._plan(ask, join, len(join.parts), join.stage)
            join.parts.append(part)
            return part
        except BaseException:  # nothing is planned then, and the error goes on its way
            self.last = before
            raise

    def _plan(self, ask: Ask[Any], join: Branch | None, index: int, stage: int) -> Branch:
        if self.last >= MOST_POSITIONS:
            raise DefinitionError(f"a saga may await {MOST_POSITIONS} things; split this one into several runs.")
        self.last += 1
        branch = Branch(ask, self.last, stage, join, index)
        if isinstance(ask, Join):
            base = child_id(self._maker.run_id, branch.pos)
            branch.count = ask.rule.counting(len(ask.branches), self._maker.saga, base)
            branch.parts = [self._plan(part, branch, number, stage) for number, part in enumerate(ask.branches)]
        elif isinstance(ask, NextPart) and not ask.stream.pos:
            branch.parts = [self._plan(ask.stream.join, None, 0, self.last + 1)]
            branch.parts[0].stream, ask.stream.pos = ask.stream, branch.parts[0].pos
        elif isinstance(ask, (Call, Item)):
            branch.effect = self._maker.make(branch.pos, stage, ask)
            if join is not None and isinstance(join.ask, Join):
                branch.effect.width = join.ask.limit
        return branch
