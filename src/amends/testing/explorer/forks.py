"""The joins of one run, as its journal tells of them: what is a branch of what, and who has lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from amends.model.join import Losers
    from amends.model.records import Record

_STRICTEST_FIRST: tuple[Losers, ...] = ("undo", "cancel", "keep")


class Forks:
    """Read off the records alone: no machine has a word in it. Positions that are in no join stand for themselves."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.joins: dict[int, r.JoinWanted] = {}
        self.decided: dict[int, r.JoinDecided] = {}
        self._around: dict[int, int] = {}
        self._open: list[int] = []
        for record in records:
            self._take_in(record)

    def _take_in(self, record: Record) -> None:
        if isinstance(record, r.JoinWanted):
            self.joins[record.pos] = record
            self._open.append(record.pos)
            self._around.update(dict.fromkeys(record.branches, record.pos))
        elif isinstance(record, r.JoinDecided):
            self.decided[record.pos] = record
            self._around.update(dict.fromkeys(record.arrival, record.pos))
            if record.pos in self._open:
                self._open.remove(record.pos)
        elif isinstance(record, r.ChildWanted) and record.pos not in self._around:
            fed = [pos for pos in self._open if not self.joins[pos].branches]
            if fed:
                self._around[record.pos] = fed[-1]  # the chunk of a fan-out: its join knew no branches beforehand

    def stage(self, pos: int) -> int:
        """The position of the whole ask that a position is part of."""
        while pos in self._around:
            pos = self._around[pos]
        return pos

    def lost(self, pos: int, decided: set[int] | None = None) -> Losers | None:
        """What is to become of a branch that has lost, by the strictest of the joins in which it has; None if in none.

        With `decided`, only these joins have been decided so far.
        """
        if pos not in self._around:
            return None
        policies = {join.losers for join in self._lost_in(pos) if decided is None or join.pos in decided}
        return next((losers for losers in _STRICTEST_FIRST if losers in policies), None)

    def _lost_in(self, pos: int) -> Iterator[r.JoinWanted]:
        while pos in self._around:
            branch, pos = pos, self._around[pos]
            decided = self.decided.get(pos)
            if decided is not None and branch not in decided.winners:
                yield self.joins[pos]
