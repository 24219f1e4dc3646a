"""Takes up runs: those that were left by a dead worker, those whose time has come, and those with mail."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

import msgspec

from amends.engine import family, noloop, papers, trouble
from amends.engine.crew import Seen
from amends.engine.runner import Runner
from amends.errors import Diverged, EngineClosed, JournalDamaged, LeaseLost, NotStorable, StoreError
from amends.model import records
from amends.model.failure import failure_of
from amends.model.machine import RUN
from amends.model.records import DeadLettered, Fact, LetterKind, Record
from amends.model.replay import replay
from amends.model.turn import decode_fact, decode_turn
from amends.stores.port import Change, LetterQuery, RunQuery, Turn, seal

if TYPE_CHECKING:
    from amends.engine.crew import Crew
    from amends.model.machine import Machine
    from amends.stores.port import Letter, Mail, Run

log = logging.getLogger("amends.recovery")

BATCH = 256
"""How many runs are claimed at once."""


class Recovery:
    """Looks for work every `poll` seconds, and at once when it is woken."""

    def __init__(self, crew: Crew, poll: float) -> None:
        self._crew = crew
        self._poll = poll
        crew.adopt = self._adopt_soon
        self._tasks: set[asyncio.Task[None]] = set()

    async def watch(self) -> None:
        """Go on for as long as the engine is open."""
        while True:
            self._crew.wake.clear()  # what wakes it from here on may be too late for this round
            try:
                more = await self._round()
            except StoreError as error:
                self._crew.trouble.complain("looking for work failed, and is tried again", error)
                more = False
            if not more:
                await self._idle()

    async def _idle(self) -> None:
        alarm = self._crew.loop.call_later(self._poll, self._crew.wake.set)
        try:
            await self._crew.wake.wait()
        finally:
            alarm.cancel()

    async def _round(self) -> bool:
        """Take up what there is; True when there may be more."""
        crew = self._crew
        for run_id in await crew.store.mailed():
            if run_id in crew.runners:
                crew.runners[run_id].look_for_mail()
        if crew.unsure:
            await self._find_strays()
        limit = min(BATCH, crew.slots())
        if limit <= 0 or not crew.sagas:
            crew.make_room()
            return False
        try:
            rows = await crew.store.claim(crew.names, now=crew.now(), limit=limit)
        except StoreError:
            crew.unsure = True  # the next round finds out, when its time has come
            raise
        for row in rows:
            self._adopt_soon(row)
        return len(rows) == limit

    async def _find_strays(self) -> None:
        """Take up the runs that are this worker's by the store, and that it does not know of."""
        crew = self._crew
        rows = await crew.store.runs(RunQuery(owner=crew.worker, limit=crew.max_runs))
        crew.unsure = False
        for row in rows:
            if not crew.drives(row) and row.id not in crew.starting:
                self._adopt_soon(row)

    def _adopt_soon(self, row: Run, delay: float = 0.0) -> None:
        """Bring a run back; of two claims of one run the later counts, whichever is heard of first."""
        known = self._crew.coming.get(row.id)
        if self._crew.pausing or (known is not None and known.epoch >= row.epoch):
            return
        self._crew.coming[row.id] = row
        if known is None:
            task = self._crew.loop.create_task(self._adopt(row.id, delay))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _adopt(self, run_id: str, delay: float) -> None:
        """Bring a run back by replay, and drive it on; whatever comes in between, it is not forgotten."""
        while True:
            await asyncio.sleep(delay)
            row, again, delay = self._crew.coming[run_id], delay > 0, trouble.LEAST
            try:
                await self._bring_back(await self._as_it_is(row) if again else row)
            except EngineClosed:
                return  # whoever opens the next engine takes it up
            except LeaseLost:
                log.info("run %s was taken over by another worker", run_id)
            except Exception as error:  # whatever it is, the run is tried again
                self._crew.trouble.complain(f"run {run_id} could not be taken up, and is tried again", error)
                if isinstance(error, StoreError):
                    delay = self._crew.trouble.met()
                continue
            if self._crew.coming[run_id] is row:
                del self._crew.coming[run_id]
                return

    async def _as_it_is(self, row: Run) -> Run:
        """The row again: what is known of it is from before a write whose fate may be unknown."""
        fresh = await self._crew.store.run(row.id)
        if fresh is None or (fresh.owner, fresh.epoch) != (self._crew.worker, row.epoch):
            raise LeaseLost(f"run {row.id!r} is not driven by this worker any more; epoch {row.epoch} is over.")
        return msgspec.structs.replace(fresh, given_up=row.given_up)

    async def _bring_back(self, row: Run) -> None:
        crew = self._crew
        if crew.pausing or crew.drives(row):
            return
        if row.id in crew.runners:
            crew.runners[row.id].pause()  # it lost the run and has not heard of it: its calls are not to go on beside ours
        try:
            mail = await crew.store.mail(row.id)
            if row.state == "held" and not mail:
                await crew.store.commit(_put_down(row))
                return
            turns = await crew.store.journal(row.id)
        except JournalDamaged as damaged:
            await self._quarantine(row, damaged)
            return
        story = [list[Record](decode_turn(turn.body)) for turn in turns]
        machine = crew.machine(row)
        try:
            self._replay(machine, row.input, story)
        except Diverged as diverged:
            noloop.call(machine.close)
            await self._stall(row, turns, story, mail, diverged)
            return
        if crew.pausing:
            noloop.call(machine.close)
            return
        total = turns[-1].sum if turns else seal(row)
        runner = Runner(crew, row, machine, len(turns), total)
        crew.runners[row.id] = runner
        if not turns:
            runner.tell(records.Started(crew.now()))
        runner.settle_in(mail)

    def _replay(self, machine: Machine, row_input: bytes, story: list[list[Record]]) -> None:
        try:
            machine.saga.signature.decode(row_input)
            noloop.call(replay, machine, story)
        except NotStorable as error:
            raise Diverged(machine.run_id, len(story), "values of the types they had then", str(error)) from error

    async def _stall(
        self, row: Run, turns: list[Turn], story: list[list[Record]], mail: list[Mail], error: Exception
    ) -> None:
        """Park a run whose code does not match its journal, unless it is parked for that already."""
        flat = [record for turn in story for record in turn]
        letters = [record for record in flat if isinstance(record, DeadLettered)]
        answered = {getattr(record, "letter", 0) for record in flat if isinstance(record, records.Retried)}
        waiting = [letter.letter for letter in letters if letter.pos == RUN and letter.letter not in answered]
        facts: list[tuple[int, Fact]] = [(letter.no, decode_fact(letter.body)) for letter in mail]
        acts = [(no, fact) for no, fact in facts if isinstance(fact, records.Retried) and fact.letter in waiting]
        seen = max((letter.no for letter in mail), default=0)
        if row.state == "held" and not any(isinstance(fact, records.Unwound) for _, fact in facts):
            await self._crew.store.commit(_put_down(row, seen))  # nothing is asked of it that it could not do
            return
        if waiting and not acts:
            told = family.stuck(row, f"{row.id}#{waiting[-1]}", self._crew.now())  # its owner may not have waited yet
            await self._crew.store.commit(msgspec.structs.replace(_released(row), seen_mail=seen, posts=told))
            return
        now = self._crew.now()
        stalled = records.Stalled(now, "diverged", failure_of(error))
        letter = DeadLettered(len(letters) + 1, RUN, "diverged", stalled.error)
        turn: list[Record] = [*(fact for _, fact in acts), stalled, letter]
        written = papers.entry(len(turns) + 1, turns[-1].sum if turns else seal(row), turn)
        change = _released(row, letter=papers.stall_row(row.id, row.saga, letter, now))
        change = msgspec.structs.replace(
            change,
            turn=written,
            mail=tuple(no for no, _ in acts),
            posts=family.stuck(row, f"{row.id}#{letter.letter}", now),
        )
        await self._crew.store.commit(change)
        log.warning("run %s is parked: %s", row.id, error)
        self._crew.announce(row.id, Seen(change.state, change.outcome))

    async def _quarantine(self, row: Run, error: JournalDamaged) -> None:
        """Park a run whose journal cannot be trusted; nothing can be added to it."""
        kind: LetterKind = "damaged"
        known = await self._crew.store.letters(LetterQuery(open=None, run_id=row.id, limit=1000))
        number = next((letter.no for letter in known if letter.kind == kind), len(known) + 1)
        letter = DeadLettered(number, RUN, kind, failure_of(error))
        change = _released(row, letter=papers.stall_row(row.id, row.saga, letter, self._crew.now()))
        posts = family.stuck(row, f"{row.id}#{number}", self._crew.now())
        seen = await self._newest_mail(row.id)  # else it would be taken up again at once, for mail that nobody can take in
        await self._crew.store.commit(msgspec.structs.replace(change, posts=posts, seen_mail=seen))
        log.error("run %s is set aside: %s", row.id, error)
        self._crew.announce(row.id, Seen(change.state, change.outcome))

    async def _newest_mail(self, run_id: str) -> int:
        """The number of the last message to a run; where one is damaged, no more is known than that it is there."""
        try:
            return max((letter.no for letter in await self._crew.store.mail(run_id)), default=0)
        except JournalDamaged:
            return sys.maxsize


def _put_down(row: Run, seen_mail: int = 0) -> Change:
    """The change that leaves a nested run as it is: it has its value, and its owner does not ask for it back."""
    return Change(row.id, row.epoch, None, "held", outcome=row.outcome, release=True, seen_mail=seen_mail)


def _released(row: Run, letter: Letter | None = None) -> Change:
    """The change that parks a run for a person."""
    outcome = row.outcome
    if letter is not None:
        known = papers.read_outcome(row.outcome)
        outcome = msgspec.json.encode(msgspec.structs.replace(known, letters=(letter.id,)))
    return Change(
        row.id,
        row.epoch,
        None,
        "needs_attention",
        outcome=outcome,
        release=True,
        letters=() if letter is None else (letter,),
    )
