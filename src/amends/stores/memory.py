"""A store in memory, for tests: it keeps every promise of the port but durability, and reads like its specification."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from msgspec.structs import replace

from amends.errors import EngineClosed, LeaseLost, LetterSettled, RunClosed, StoreError, UnknownRun
from amends.model.records import CLOSED
from amends.stores.port import Act, Change, Letter, LetterQuery, Mail, Run, RunQuery, Turn, verified

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shelf:
    """What several workers' stores share: the data, and who is alive."""

    def __init__(self) -> None:
        self.identity = secrets.token_hex(16)
        self.runs: dict[str, Run] = {}
        self.turns: dict[str, list[Turn]] = {}
        self.letters: dict[tuple[str, int], Letter] = {}
        self.mail: list[Mail] = []
        self.posted = 0
        self.alive: set[str] = set()


class MemoryStore:
    """One worker's view of a shelf; stores on the same shelf see the same runs."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self.shelf = shelf or Shelf()
        self._worker = ""
        self._owns = False

    async def open(self, worker: str, *, lease: float | None) -> str:
        """See `Store.open`; a worker in memory lives until it is closed or silenced, however long its lease."""
        if self._worker:
            raise EngineClosed("the store is open already; one object serves one worker.")
        self._worker = worker
        self._owns = lease is not None
        self.shelf.alive.add(worker)
        return self.shelf.identity

    def silence(self) -> None:
        """Let the others see this worker as dead, as if it had stood still for the length of its lease."""
        self.shelf.alive.discard(self._worker)

    async def close(self) -> None:
        """See `Store.close`."""
        if not self._worker:
            return
        for run in self._mine():
            waits = run.state in ("needs_attention", "held") and not any(mail.run_id == run.id for mail in self.shelf.mail)
            due = run.next_at if waits else 0.0
            self.shelf.runs[run.id] = replace(run, owner=None, next_at=due)
        self.shelf.alive.discard(self._worker)
        self._worker = ""

    async def create(self, run: Run, first: Turn | None) -> Run:
        """See `Store.create`."""
        self._check_open()
        return self._add(run, first)

    def _add(self, run: Run, first: Turn | None) -> Run:
        there = self.shelf.runs.setdefault(run.id, run)
        if there is run:
            self.shelf.turns[run.id] = [] if first is None else [first]
        return there

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._check_open()
            self._commit(change)
        except (StoreError, EngineClosed) as refused:
            done.set_exception(refused)
        else:
            done.set_result(None)
        return done

    def _commit(self, change: Change) -> None:
        run = self.shelf.runs.get(change.run_id)
        if run is None or (run.epoch, run.owner) != (change.epoch, self._worker):
            raise LeaseLost(f"run {change.run_id!r} is driven by another worker; epoch {change.epoch} is over.")
        if change.turn is not None:
            turns = self.shelf.turns[run.id]
            if change.turn.seq != len(turns) + 1:
                raise StoreError(f"turn {change.turn.seq} of run {run.id!r} does not follow the last one.")
            turns.append(change.turn)
        if change.writes_row:
            self._change_row(run, change)
        for letter in change.letters:
            self.shelf.letters[letter.run_id, letter.no] = letter
        self.shelf.mail = [mail for mail in self.shelf.mail if mail.no not in change.mail]
        if change.frees:
            self._free(run.id, change.closed_at)
        for nested in change.starts:
            self._add(nested, None)
        for run_id, body in change.posts:
            addressed = self.shelf.runs.get(run_id)
            if addressed is not None and addressed.state not in CLOSED:
                self._deliver(addressed, body)

    def _change_row(self, run: Run, change: Change) -> None:
        closed = change.state in CLOSED
        waiting = [mail.no for mail in self.shelf.mail if mail.run_id == run.id and mail.no not in change.mail]
        unseen = change.release and max(waiting, default=0) > change.seen_mail
        self.shelf.runs[run.id] = replace(
            run,
            state=change.state,
            next_at=None if closed else 0.0 if unseen else change.next_at,
            outcome=change.outcome,
            closed_at=change.closed_at,
            owner=None if change.release or closed else self._worker,
        )

    def _free(self, run_id: str, at: float | None) -> None:
        for nested in [run for run in self.shelf.runs.values() if run.parent == run_id]:
            self._free(nested.id, at)
            if nested.state == "held":
                freed = replace(nested, state="completed", closed_at=at, next_at=None, owner=None, epoch=nested.epoch + 1)
                self.shelf.runs[nested.id] = freed

    async def post(self, run_id: str, body: bytes, act: Act | None = None) -> None:
        """See `Store.post`."""
        self._check_open()
        run = self.shelf.runs.get(run_id)
        if run is None:
            raise UnknownRun(f"there is no run {run_id!r}.")
        if run.state in CLOSED:
            raise RunClosed(f"run {run_id!r} has ended: it is {run.state}, and takes no more messages.")
        if act is not None:
            self._settle(run_id, act)
        self._deliver(run, body)

    def _deliver(self, run: Run, body: bytes) -> None:
        self.shelf.posted += 1
        self.shelf.mail.append(Mail(self.shelf.posted, run.id, body))
        if run.owner is None:
            self.shelf.runs[run.id] = replace(run, next_at=0.0)

    def _settle(self, run_id: str, act: Act) -> None:
        letter = self.shelf.letters.get((run_id, act.no))
        if letter is None:
            raise UnknownRun(f"there is no dead letter {run_id}#{act.no}.")
        if letter.acted is not None:
            raise LetterSettled(f"letter {letter.id} was {letter.acted} by {letter.by} already; nothing was done.")
        settled = replace(letter, acted=act.acted, by=act.by, note=act.note, acted_at=act.at)
        self.shelf.letters[run_id, act.no] = settled

    async def mail(self, run_id: str) -> list[Mail]:
        """See `Store.mail`."""
        self._check_open()
        return [mail for mail in self.shelf.mail if mail.run_id == run_id]

    async def mailed(self) -> list[str]:
        """See `Store.mailed`."""
        self._check_open()
        waiting = {mail.run_id for mail in self.shelf.mail}
        return [run.id for run in self._mine() if run.id in waiting]

    async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
        """See `Store.claim`."""
        self._check_open()
        if not self._owns:
            return []
        free = [run for run in self.shelf.runs.values() if run.saga in sagas and self._is_free(run, now)]
        taken = sorted(free, key=lambda run: run.next_at or 0.0)[: max(0, limit)]
        for run in taken:
            self.shelf.runs[run.id] = replace(run, owner=self._worker, epoch=run.epoch + 1)
        return [replace(self.shelf.runs[run.id], given_up=run.owner is None) for run in taken]

    def _is_free(self, run: Run, now: float) -> bool:
        if run.owner is None:
            return run.next_at is not None and run.next_at <= now
        return run.owner not in self.shelf.alive

    async def run(self, run_id: str) -> Run | None:
        """See `Store.run`."""
        self._check_open()
        return self.shelf.runs.get(run_id)

    async def journal(self, run_id: str) -> list[Turn]:
        """See `Store.journal`."""
        self._check_open()
        run = self.shelf.runs.get(run_id)
        if run is None:
            raise UnknownRun(f"there is no run {run_id!r}.")
        return verified(run, list(self.shelf.turns[run_id]))

    async def runs(self, query: RunQuery) -> list[Run]:
        """See `Store.runs`."""
        self._check_open()
        found = [
            run
            for run in reversed(self.shelf.runs.values())
            if (not query.states or run.state in query.states)
            and (not query.sagas or run.saga in query.sagas)
            and query.owner in (None, run.owner)
            and query.parent in (None, run.parent)
            and not (query.roots and run.parent is not None)
        ]
        return found[query.offset : query.offset + query.limit]

    async def letters(self, query: LetterQuery) -> list[Letter]:
        """See `Store.letters`."""
        self._check_open()
        found = [
            letter
            for letter in self.shelf.letters.values()
            if query.open in (None, letter.acted is None) and query.run_id in (None, letter.run_id)
        ]
        found.sort(key=lambda letter: (letter.opened_at, letter.no))
        return found[query.offset : query.offset + query.limit]

    def _mine(self) -> list[Run]:
        return [run for run in self.shelf.runs.values() if run.owner == self._worker]

    def _check_open(self) -> None:
        if not self._worker:
            raise EngineClosed("the store is not open.")
