"""What the saga body waits for: one ask, or a tree of joins whose branches end one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amends.errors import IllegalFact
from amends.model.body import Receive, Sleep
from amends.model.child import Launch
from amends.model.fan import Chunks
from amends.model.join import Failed, Join, Ok, Verdict
from amends.model.messages import Messages
from amends.model.records import ChildWanted, JoinDecided, JoinWanted, ReceiveWanted
from amends.model.stream import NextPart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amends.model.branch import Branch, Planner
    from amends.model.driving import Ask
    from amends.model.effect import Effect
    from amends.model.join import End, Losers
    from amends.model.records import Record, Told
    from amends.model.slate import Slate
    from amends.model.stream import Stream


class Waiting:
    """The open branches, and the rules of their joins.

    `begin` is told each effect whose call is wanted now, and `lose` each whose
    branch has lost, with what is to become of it.
    """

    def __init__(
        self,
        slate: Slate,
        planner: Planner,
        begin: Callable[[Effect], None],
        lose: Callable[[Effect, Losers], None],
    ) -> None:
        self.messages = Messages()
        self._slate = slate
        self._planner = planner
        self._begin_effect = begin
        self._lose_effect = lose
        self._foretold: dict[int, ChildWanted] = {}
        self._open: dict[int, Branch] = {}
        self._receiving: dict[str, dict[int, Branch]] = {}
        self._streams: dict[int, Branch] = {}
        self._root: Branch | None = None

    @property
    def ask(self) -> Ask[Any] | None:
        """What the body awaits."""
        return None if self._root is None else self._root.ask

    def begin(self, ask: Ask[Any]) -> End | None:
        """Begin what the body awaits; how it ended, if that is known at once. Raises what `Planner.plan` does."""
        self._root = self._planner.plan(ask)
        self._begin(self._root)
        return self._root.end

    def holds(self, pos: int) -> bool:
        """Whether the body still waits for what is at a position, alone or in a join that is not decided."""
        return pos in self._open

    def ended(self, pos: int, end: End) -> End | None:
        """One branch ended; how all that the body awaits ended, if that decides it."""
        assert self._root is not None
        self._settle(self._open[pos], end)
        return self._root.end

    def time_up(self, pos: int) -> End | None:
        """The timer of a pause, a message or a join went off."""
        branch = self._open.get(pos)
        if branch is None:
            raise IllegalFact(f"TimeUp for position {pos}, where nothing waits.")
        if isinstance(branch.ask, Receive):
            return self.ended(pos, Failed(TimeoutError(f"no {branch.ask.name} came within {branch.ask.timeout:g} seconds")))
        if branch.count is not None:
            return self.ended(pos, self._decide(branch, branch.count.time_up()))
        return self.ended(pos, Ok(None))

    def told(self, message: Told) -> End | None:
        """A message came; it goes to the first branch that waits for one of its name, or is kept."""
        self.messages.add(message)
        branch = next(iter(self._receiving.get(message.name, {}).values()), None)
        if branch is None:
            return None
        assert isinstance(branch.ask, Receive)
        taken = self.messages.take(branch.ask, branch.pos, self._slate.out)
        return None if taken is None else self.ended(branch.pos, Ok(taken[0]))

    def foretell(self, decisions: Iterable[Record]) -> None:
        """Say what a replay knows already of the nested runs that come next."""
        self._foretold = {each.pos: each for each in decisions if isinstance(each, ChildWanted)}

    def leave(self) -> None:
        """The body is over: what it has not taken of the joins that go on behind its back has lost."""
        for branch in self._streams.values():
            if branch.end is None and isinstance(branch.count, Chunks):
                branch.count.leave()
                self._settle(branch, self._decide(branch, Verdict.MET, Ok(None)))

    def drop(self) -> None:
        """The body waits for nothing any more: its effects are the run's business now."""
        for branch in list(self._open.values()):
            self._close(branch)
        self._root = None

    # ── the tree ────────────────────────────────────────────────────────────────────────────────

    def _begin(self, branch: Branch) -> None:
        self._open[branch.pos] = branch
        now, ask = self._slate.now, branch.ask
        if branch.effect is not None:
            self._begin_effect(branch.effect)
            if isinstance(branch.effect, Launch):
                self._settle(branch, Ok(branch.effect.run_id))
        elif isinstance(ask, Join):
            self._begin_join(branch, ask)
        elif isinstance(ask, Sleep):
            self._slate.set_timer(branch.pos, ask.until if ask.until is not None else now + (ask.seconds or 0.0))
        elif isinstance(ask, Receive):
            self._begin_receive(branch, ask)
        elif isinstance(ask, NextPart):
            self._begin_part(branch, ask.stream)

    def _begin_join(self, branch: Branch, join: Join[Any]) -> None:
        until = None if join.seconds is None else self._slate.now + join.seconds
        if until is not None:
            self._slate.timers[branch.pos] = until
        positions = tuple(part.pos for part in branch.parts)
        self._slate.out.append(JoinWanted(branch.pos, join.verb, positions, join.rule.least, join.losers, until))
        self._feed(branch)

    def _begin_part(self, branch: Branch, stream: Stream) -> None:
        for join in branch.parts:
            self._streams[join.pos] = join
            self._begin(join)
        join = self._streams[stream.pos]
        join.asked, stream.asked = branch, True
        self._hand_over(join, stream)
        self._feed(join)

    def _hand_over(self, join: Branch, stream: Stream) -> None:
        """Give the body the part that it asked for, once it is there; or say that there are no more."""
        if join.asked is None or not isinstance(join.count, Chunks):
            return
        part = None if isinstance(join.end, Failed) else join.count.take(stream.keep)
        if part is None and join.end is None:
            return
        asked, join.asked, stream.asked = join.asked, None, False
        stream.taken += part is not None
        if isinstance(join.end, Ok):
            stream.value = join.end.value
        self._settle(asked, join.end if isinstance(join.end, Failed) else Ok(part))

    def _feed(self, branch: Branch) -> None:
        """Begin as many more branches of a join as may be at work at once; what is there already may decide it."""
        if branch.feeding or branch.count is None:
            return
        branch.feeding = True
        while branch.room:
            try:
                part = self._next_part(branch)
            except IllegalFact:
                raise
            except Exception as error:  # the user's own source of items: whatever it raises is how the join fails
                self._settle(branch, self._decide(branch, Verdict.LOST, Failed(error)))
                break
            if part is None:
                verdict = branch.count.exhausted(branch.begun)
                if verdict is not None and branch.end is None:
                    self._settle(branch, self._decide(branch, verdict))
                break
            branch.begun = branch.count.begun = branch.begun + 1
            branch.open += 1
            self._begin(part)
        branch.feeding = False

    def _next_part(self, branch: Branch) -> Branch | None:
        assert branch.count is not None
        if branch.count.sated:
            return None
        if branch.begun < len(branch.parts):
            return branch.parts[branch.begun]
        ask = branch.count.next(self._foretold.get(self._planner.last + 1))
        return None if ask is None else self._planner.plan(ask, branch)

    def _begin_receive(self, branch: Branch, wanted: Receive[Any]) -> None:
        until = None if wanted.timeout is None else self._slate.now + wanted.timeout
        self._slate.out.append(ReceiveWanted(branch.pos, wanted.name, until))
        message = self.messages.take(wanted, branch.pos, self._slate.out)
        if message is not None:
            self._settle(branch, Ok(message[0]))
            return
        self._receiving.setdefault(wanted.name, {})[branch.pos] = branch
        if until is not None:
            self._slate.timers[branch.pos] = until

    def _settle(self, branch: Branch, end: End) -> None:
        """One branch ended; so may the join that it is part of, and the join around that."""
        self._close(branch)
        branch.end = end
        if branch.stream is not None:
            self._hand_over(branch, branch.stream)
        join = branch.join
        if join is None or join.end is not None or join.count is None:
            return
        join.open -= 1
        verdict = join.count.arrive(branch.index, end)
        branch.forget()
        if verdict is not None:
            self._settle(join, self._decide(join, verdict))
            return
        if join.stream is not None:
            self._hand_over(join, join.stream)
        self._feed(join)

    def _decide(self, branch: Branch, verdict: Verdict, end: End | None = None) -> End:
        """Write down the verdict, and let go of the losers: their fate is sealed only once this turn is durable."""
        join, count = branch.ask, branch.count
        assert isinstance(join, Join)
        assert count is not None
        winners = count.winners() if verdict is Verdict.MET else frozenset[int]()
        arrival = tuple(branch.parts[index].pos for index in count.arrival)
        won = tuple(branch.parts[index].pos for index in sorted(winners))
        self._slate.out.append(JoinDecided(branch.pos, verdict is Verdict.MET, arrival, won))
        branch.end = end = end or join.answer(count, verdict)
        for part in branch.parts[: branch.begun]:
            if part.index not in winners:
                self._lose(part, join.losers)
        return end

    def _lose(self, branch: Branch, losers: Losers) -> None:
        self._close(branch)
        if branch.effect is not None:
            self._lose_effect(branch.effect, losers)
        for part in branch.parts[: branch.begun]:
            self._lose(part, losers)

    def _close(self, branch: Branch) -> None:
        """Nobody waits for this branch any more."""
        self._open.pop(branch.pos, None)
        if branch.effect is None:
            self._slate.timers.pop(branch.pos, None)
        if isinstance(branch.ask, Receive):
            self._receiving.get(branch.ask.name, {}).pop(branch.pos, None)
