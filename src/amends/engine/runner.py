"""Drives one run round the ring: fact, decide, commit, perform, next fact."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from amends.engine import family, noloop, telemetry, trouble
from amends.engine.crew import TOLD, Seen
from amends.engine.flight import Flight, Kind, Swept
from amends.engine.papers import due_of, entry, letter_row, outcome_of
from amends.errors import IllegalFact, JournalDamaged, LeaseLost, StoreError
from amends.model import records
from amends.model.records import CLOSED, DeadLettered, Decision, Fact, Record
from amends.model.turn import decode_fact
from amends.stores.port import Change, Mail, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from amends.engine.crew import Crew
    from amends.model.machine import Machine
    from amends.stores.port import Run

log = logging.getLogger("amends.runner")

PARK_AFTER = 5.0
"""A run that has nothing to do for longer than this many seconds leaves memory until its time comes."""

_PLAIN = frozenset({records.StepWanted, records.RetryWanted, records.CheckWanted, records.TimerWanted})
"""Decisions that are nobody's business but the run's own."""

_CALLS: dict[type[Decision], Kind] = {
    records.StepWanted: "step",
    records.RetryWanted: "step",
    records.CheckWanted: "check",
    records.UndoWanted: "undo",
}


class Runner:
    """One run that this process drives. It lives from a claim (or the start) until a park, a pause or the end."""

    def __init__(self, crew: Crew, row: Run, machine: Machine, seq: int, total: bytes) -> None:
        self.row = row
        self.machine = machine
        self._crew = crew
        self._seq = seq
        self._sum = total
        self.state: records.State = row.state
        self.returned = machine.returned is not None
        self._inbox: list[tuple[Fact, int | None]] = []
        self._ahead = 0.0
        self._flights: dict[int, Flight] = {}
        self._committing = False
        self._scheduled = False
        self._gone = False
        self._seen_mail: set[int] = set()
        self._newest_mail = 0
        self._stalled = machine.stalled is not None
        self._alarm: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._posted = False
        self._fetching = False
        self._postman: asyncio.Task[None] | None = None

    def tell(self, fact: Fact, mail: int | None = None) -> None:
        """Take in a fact; the next turn decides about it."""
        if not self._gone:
            self._inbox.append((fact, mail))
            self._schedule()

    def look_for_mail(self) -> None:
        """Fetch what was posted to the run; what is posted while that is under way is looked for once more."""
        self._posted = True
        if not self._gone and not self._fetching:
            self._fetching = True  # before the task: an eager one may be over when it is known
            self._postman = self._crew.loop.create_task(self._fetch_mail())

    async def _fetch_mail(self) -> None:
        try:
            while self._posted:
                self._posted = False
                self.take_mail(await self._crew.store.mail(self.row.id))
        except JournalDamaged as error:
            self._stumble(error)  # whoever takes it up finds the same, and sets it aside
        except StoreError as error:
            self._crew.trouble.complain(f"the mail of run {self.row.id} could not be read, and is tried again", error)
        finally:
            self._fetching = False
        self._rest()

    def take_mail(self, letters: list[Mail]) -> None:
        """Turn mail into facts; a run that is parked for its code takes only what a person says about that."""
        stalled = self.machine.stalled
        for mail in letters:
            fact = decode_fact(mail.body)
            self._newest_mail = max(self._newest_mail, mail.no)
            if mail.no not in self._seen_mail and stalled in (None, getattr(fact, "letter", 0)):
                self._seen_mail.add(mail.no)
                self.tell(fact, mail.no)

    def begun(self, decisions: list[Decision], turn: list[Record]) -> None:
        """The first turn is durable, written together with the run's row."""
        self._after(turn, decisions, self.row.state, self.row.outcome)

    def settle_in(self, mail: list[Mail]) -> None:
        """Take up a run that was brought back by replay: first what it had in flight, for mail may begin more of that."""
        if self.machine.may_go_on or (self.machine.effects.in_flight() and not self.machine.stalled):
            self.tell(self._recovered())
        self.take_mail(mail)
        self._rest()

    def _recovered(self) -> Fact:
        return records.Recovered(self._now(), self._crew.worker, self.row.given_up)

    def pause(self) -> None:
        """Let go of the run: nothing more is called, and what is in flight is left to whoever takes over."""
        self._leave()

    @property
    def at_rest(self) -> bool:
        """Whether nothing is in flight, neither calls nor writes."""
        return not (self._flights or self._committing or self._inbox or self._fetching)

    # ── a turn ──────────────────────────────────────────────────────────────────────────────────

    def _schedule(self) -> None:
        if not (self._scheduled or self._committing or self._gone):
            self._scheduled = True
            self._crew.turn_soon(self)

    def turn(self) -> Callable[[], None] | None:
        """Decide about the facts at hand, and say how that is written. The body's code is run here, and nothing else's."""
        self._scheduled = False
        if self._gone or not self._inbox:
            return None
        turn: list[Record] = []
        decisions: list[Decision] = []
        mail: list[int] = []
        inbox, self._inbox = self._inbox, []
        for fact, number in inbox:
            if number is not None:
                mail.append(number)
            if isinstance(fact, records.TimeUp) and fact.pos not in self.machine.timers:
                continue  # what it was set for has come to its end by a fact before it
            try:
                decided = self.machine.receive(fact)
            except IllegalFact as illegal:
                log.warning("run %s: %s", self.row.id, illegal)
                continue
            except Exception as error:  # nothing of this turn is written; the run is taken up again from its journal
                return partial(self._stumble, error)
            turn.append(fact)
            turn += decided
            decisions += decided
        return partial(self._commit, turn, decisions, tuple(mail)) if turn or mail else self._rest

    def _commit(self, turn: list[Record], decisions: list[Decision], mail: tuple[int, ...]) -> None:
        try:
            written = entry(self._seq + 1, self._sum, turn) if turn else None
            change = self._change(written, decisions, mail)
        except Exception as error:  # it is this run's trouble only: others write their turns in the same go
            self._stumble(error)
            return
        self._committing = True
        self._crew.starting.update(nested.id for nested in change.starts if nested.owner is not None)
        self._crew.store.commit(change).add_done_callback(partial(self._committed, change, turn, decisions))

    def _change(self, written: Turn | None, decisions: list[Decision], mail: tuple[int, ...]) -> Change:
        """All that a turn writes; most turns write their entry in the journal, and nothing else."""
        state, row, machine = self.machine.state, self.row, self.machine
        if state == self.state == "running" and not mail and not self._returns and _PLAIN.issuperset(map(type, decisions)):
            return Change(row.id, row.epoch, written, state, touched=False)
        closed, now = state in CLOSED, self._crew.now()
        return Change(
            row.id,
            row.epoch,
            written,
            state,
            next_at=self._by_the_clock(due_of(machine)) if state == "needs_attention" else None,
            outcome=self._outcome(state),
            closed_at=now if closed else None,
            release=closed,
            touched=closed or state != self.state or state == "needs_attention" or self._returns,
            letters=tuple(letter_row(machine, each, now) for each in decisions if isinstance(each, DeadLettered)),
            mail=mail,
            frees=closed and machine.effects.has_nested,
            starts=family.starts(row, machine, decisions, now, self._crew.worker, self._crew.slots()),
            posts=family.posts(row, machine, decisions, now),
        )

    @property
    def _returns(self) -> bool:
        """Whether the body has returned in the turn at hand."""
        return self.machine.returned is not None and not self.returned

    def _outcome(self, state: records.State) -> bytes | None:
        """What the row says for others to read, if there is something to say yet."""
        if state in TOLD or self.machine.returned is not None:
            return outcome_of(self.machine)
        return None

    def _committed(self, change: Change, turn: list[Record], decisions: list[Decision], done: asyncio.Future[None]) -> None:
        self._committing = False
        error = None if done.cancelled() else done.exception()
        self._start_nested(change, written=error is None)
        if done.cancelled() or self._gone:
            return
        if error is not None:
            self._stumble(error)
            return
        if self._crew.trouble.since is not None:
            self._crew.trouble.over()
        if change.turn is not None:
            self._seq, self._sum = change.turn.seq, change.turn.sum
        for run_id, _ in change.posts:
            self._crew.poke(run_id)
        self._after(turn, decisions, change.state, change.outcome)

    def _start_nested(self, change: Change, *, written: bool) -> None:
        """Take up the runs that a turn started, though their owner may have been let go of meanwhile."""
        for nested in change.starts:
            self._crew.starting.discard(nested.id)
            if nested.owner is None:
                self._crew.wake.set()
            elif written:
                self._crew.adopt(nested, 0.0)
            else:
                self._crew.doubt()  # they may be there, and ours

    def _after(self, turn: list[Record], decisions: list[Decision], state: records.State, outcome: bytes | None) -> None:
        """A turn is durable: tell who wants to know, and do what was decided."""
        telemetry.report(self.machine, turn)
        self.state, news = state, self._returns
        self.returned = self.returned or news
        if news or state in TOLD:
            self._crew.announce(self.row.id, Seen(state, outcome, self.machine.live_cause))
        if state in CLOSED:
            self._leave()
            return
        stopped = {each.pos for each in decisions if isinstance(each, records.StopWanted)}
        for decision in decisions:
            if not self._crew.pausing or self._is_only_once(decision):
                self._perform(decision, stopped)
        if self._stalled and not self._crew.pausing:
            self._unstall()
        if self._inbox:
            self._schedule()
        self._rest()

    def _is_only_once(self, decision: Decision) -> bool:
        """Whether it is a call that may be made only once: journaled as wanted and not made, it would be in doubt."""
        if not isinstance(decision, (records.StepWanted, records.RetryWanted)):
            return False
        return self.machine.effects[decision.pos].step.options.idempotent is False

    def _unstall(self) -> None:
        """Once a person said that the run fits its code again, it goes on, and takes in the mail that waited."""
        if self.machine.may_go_on:
            self.tell(self._recovered())
        elif not self.machine.stalled:
            self._stalled = False
            self.look_for_mail()

    def _perform(self, decision: Decision, stopped: Container[int] = ()) -> None:
        """Call what is wanted, unless its own turn `stopped` it, or interrupt it; timers are read off the machine."""
        kind = _CALLS.get(type(decision))
        if kind is not None:
            pos, attempt = decision.pos, getattr(decision, "attempt", 1)  # type: ignore[attr-defined]  # calls have one
            flight = Flight(self._crew, self.machine, self.machine.effects[pos], kind, attempt, self._landed)
            self._flights[pos] = flight
            flight.stop() if kind == "step" and pos in stopped else flight.board()
        elif isinstance(decision, records.StopWanted) and decision.pos in self._flights:
            self._flights[decision.pos].stop()

    def _landed(self, flight: Flight, fact: Fact | None, error: BaseException | None) -> None:
        pos = flight.effect.pos
        if self._flights.get(pos) is flight:
            del self._flights[pos]
        if fact is None:
            self._lose(flight, error)
            return
        if flight.kind == "step":  # what an undo or a check raises is not why the step failed
            self.machine.live.pop(pos, None)  # with its traceback, an error holds all that its call has held
            if error is not None:
                self.machine.live[pos] = error
        self.tell(msgspec.structs.replace(fact, at=self._now()) if self._ahead else fact)

    # ── between turns ───────────────────────────────────────────────────────────────────────────

    def _now(self) -> float:
        """The run's own time, which never goes back: from its journal on, when that is ahead of this worker's clock."""
        now = self._crew.now()
        self._ahead = max(self._ahead, self.machine.now - now)
        return now + self._ahead

    def _rest(self) -> None:
        """Set the alarm for the next timer; leave memory when nothing is in flight and there is nothing to do for long."""
        if self._gone or self._committing or self._inbox or self._crew.pausing:
            return
        if self._flights and self._alarm is None and not self.machine.timers:
            return
        due = self.machine.timers.next_due if not self.machine.stalled else None
        wait = None if due is None else max(0.0, due - self._now())
        if not self.at_rest or (wait is not None and wait <= PARK_AFTER):
            self._set_alarm(due, wait, self._ring)
        elif self.machine.effects.waits_for_runs() and self._crew.slots() > 0:
            self._set_alarm(None, PARK_AFTER, self.give_room)  # a nested run may be done soon
        else:
            self._park(self._by_the_clock(due))

    def _by_the_clock(self, due: float | None) -> float | None:
        """An instant of the run's own time by this worker's clock: the run's may have been brought forward."""
        return None if due is None else due - self._ahead

    def _set_alarm(self, due: float | None, wait: float | None, ring: Callable[[], None]) -> None:
        """Have the alarm go off after so many seconds; one that is set for the same instant already is left alone."""
        instant = self._by_the_clock(due)
        if self._alarm is not None:
            if instant is not None and instant == self._due:
                return
            self._alarm.cancel()
        self._due = instant
        self._alarm = None if wait is None else self._crew.loop.call_later(wait, ring)

    def give_room(self) -> None:
        """Leave memory, if all that is to come is what nested runs do."""
        idle = not self._gone and self.at_rest and not self._crew.pausing
        if idle and self.machine.effects.waits_for_runs():
            self._park(self._by_the_clock(self.machine.timers.next_due))

    def _ring(self) -> None:
        self._alarm = None
        now = self._now()
        for pos in self.machine.timers.ring(now):
            self.tell(records.TimeUp(now, pos))
        self._rest()

    def _park(self, until: float | None) -> None:
        change = Change(
            self.row.id,
            self.row.epoch,
            None,
            self.state,
            next_at=until,
            outcome=self._outcome(self.state),
            release=True,
            seen_mail=self._newest_mail,
        )
        self._leave()
        self._crew.store.commit(change).add_done_callback(self._parked)

    def _parked(self, done: asyncio.Future[None]) -> None:
        if not done.cancelled() and (error := done.exception()) is not None and not isinstance(error, LeaseLost):
            self._take_up_again(f"run {self.row.id} could not be parked, and is taken up again", error)
        self._crew.wake.set()

    def _stumble(self, error: BaseException) -> None:
        """A turn was not written: forget the run, as a crash would, and take it up again from its journal."""
        self._leave()
        if isinstance(error, LeaseLost):
            log.warning("run %s is driven by another worker now", self.row.id)
            return
        self._take_up_again(f"run {self.row.id}: its journal could not be written, and it is taken up again", error)

    def _lose(self, flight: Flight, error: BaseException | None) -> None:
        """There is nothing to write about a call: as after a crash, nobody knows what came of it, and no attempt is spent."""
        self._leave()
        about = f"run {self.row.id}: what came of step {flight.effect.step.name} is not known, and it is taken up again"
        if error is None or isinstance(error, Swept):
            log.info("%s: it was cancelled from outside", about)
            self._crew.adopt(msgspec.structs.replace(self.row, given_up=True), trouble.LEAST)
        else:
            self._take_up_again(about, error)

    def _take_up_again(self, why: str, error: BaseException) -> None:
        """What was to be written was not: once the store was left alone for a while, the run goes on from its journal."""
        self._crew.trouble.complain(why, error)
        self._crew.adopt(msgspec.structs.replace(self.row, given_up=False), self._crew.trouble.met())

    def _leave(self) -> None:
        self._gone = True
        if self._crew.runners.get(self.row.id) is self:
            del self._crew.runners[self.row.id]
        self._inbox.clear()
        self._crew.dismiss(self.row.id)
        if self._alarm is not None:
            self._alarm.cancel()
        for flight in self._flights.values():
            flight.drop()
        self._flights.clear()
        noloop.call(self.machine.close)
        if self._crew.slots() == 1:
            self._crew.wake.set()  # there was no room until now
