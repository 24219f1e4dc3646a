"""All that one run did to the world: which effects move, and which are still to be undone."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from amends.model.child import Child
from amends.model.phase import IN_FLIGHT, IN_ITS_OWN_RUN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from amends.model.effect import Effect
    from amends.model.join import Losers
    from amends.model.records import Decision, Fact, Kept
    from amends.model.slate import Slate


STRICTNESS: dict[Losers, int] = {"keep": 0, "cancel": 1, "undo": 2}
"""How much of a loser each policy takes away."""


class Effects(dict[int, "Effect"]):
    """The effects of a run by position.

    `going_back` is set when the run rolls back, for good; `has_nested`, when one of them is a nested run.
    """

    def __init__(self, slate: Slate) -> None:
        super().__init__()
        self.going_back = False
        self._slate = slate
        self._busy: set[int] = set()
        self._stuck: dict[int, tuple[str, ...]] = {}
        self.has_nested = False
        self._nested: set[int] = set()
        self._to_undo: list[Effect] = []
        self._undoing: int | None = None

    @property
    def busy(self) -> bool:
        """Whether one of them moves on without a person."""
        return bool(self._busy)

    def kept(self) -> tuple[Kept, ...]:
        """Those that stay in the world on purpose, or by a person's word."""
        return tuple(kept for effect in self.values() for kept in effect.kept())

    def stuck(self) -> Iterator[str]:
        """The dead letters of nested runs that hold this run up, in the order in which they were told."""
        return (letter for letters in self._stuck.values() for letter in letters)

    def waits_for_runs(self) -> bool:
        """Whether all that moves are nested runs."""
        return self.busy and len(self._nested) == len(self._busy)

    def in_flight(self) -> list[Effect]:
        """Those whose call, check or undo is under way, or was when the worker died."""
        return [effect for pos in sorted(self._busy) if (effect := self[pos]).phase in IN_FLIGHT]

    def begin(self, effect: Effect) -> None:
        """Call it for the first time."""
        self[effect.pos] = effect
        self.has_nested = self.has_nested or isinstance(effect, Child)
        self._do(effect, (effect.wanted(),))

    def receive(self, effect: Effect, fact: Fact) -> None:
        """Let one move on by a fact; raises `IllegalFact` when that cannot have happened to it."""
        self._do(effect, effect.receive(fact))

    def lose(self, effect: Effect, losers: Losers) -> None:
        """The branch of an effect has lost; a join around that may be stricter than the join itself, and never milder."""
        if effect.lost is not None and STRICTNESS[losers] <= STRICTNESS[effect.lost]:
            return
        effect.lost = losers
        if losers == "keep":
            return
        if effect.busy or effect.stuck:
            self._do(effect, effect.turn_back(losers))
        elif losers == "undo":
            self.take_back(effect)

    def take_back(self, effect: Effect) -> None:
        """Undo an effect: on the way back in its turn, and of a branch that lost at once, for nothing was built on it."""
        if self.going_back:
            insort(self._to_undo, effect, key=_stage)
        else:
            self._do(effect, effect.take_back())

    def turn_back(self) -> None:
        """The run rolls back: nothing is called any more, and all that was done is to be undone."""
        self.going_back = True
        self._to_undo = sorted(self.values(), key=_stage)
        for pos in sorted(self._busy):
            self._do(self[pos], self[pos].turn_back())

    def go_on(self) -> None:
        """Undo what is not yet undone: what one ask did at once, as far as it may be, and what came before only then.

        What is found done when its turn is over already does not wait for what came before it.
        """
        while self._to_undo:
            effect = self._to_undo[-1]
            full = effect.width is not None and len(self._busy) >= effect.width
            if self._busy and (full or self._undoing is None or effect.stage < self._undoing):
                return
            self._undoing = effect.stage
            self._to_undo.pop()
            self._do(effect, effect.take_back())

    def _do(self, effect: Effect, decisions: Iterable[Decision]) -> None:
        """Carry out one move, and keep what is known about the effects as a whole in step: never by a look at all of them."""
        self._slate.out.extend(decisions)
        pos = effect.pos
        if effect.busy:
            self._busy.add(pos)
        else:
            self._busy.discard(pos)
        if self.has_nested:
            (self._nested.add if effect.phase in IN_ITS_OWN_RUN else self._nested.discard)(pos)
        if effect.stuck:
            self._stuck[pos] = effect.stuck
        elif self._stuck:
            self._stuck.pop(pos, None)
        if effect.until is not None:
            self._slate.timers[pos] = effect.until
        elif pos in self._slate.timers:
            del self._slate.timers[pos]


def _stage(effect: Effect) -> int:
    return effect.stage
