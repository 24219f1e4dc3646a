"""A worker's store in a simulated world: the store as it ships, with time, crashes and errors between it and the worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from amends.errors import StoreBusy, StoreError
from amends.testing.explorer.tale import named, of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amends.stores.port import Act, Change, Letter, LetterQuery, Mail, Run, RunQuery, Store, Turn
    from amends.testing.explorer.fate import Actor, Fate
    from amends.testing.explorer.faults import Occasion

WRITE = 0.001
"""Seconds that a write takes."""

LATE = 60.0
"""Seconds after a deadline at which a worker hears of a write that it has missed it with."""

_UNKNOWN = "the write failed, and nobody knows whether it is durable"


class Journal:
    """Implements `Store`. What a worker submits is written a moment later, if the worker is still there by then."""

    worker: Actor

    def __init__(self, fate: Fate, inner: Store) -> None:
        self.inner = inner
        self._fate = fate

    async def open(self, worker: str, *, lease: float | None) -> str:
        """See `Store.open`."""
        return await self.inner.open(worker, lease=lease)

    async def close(self) -> None:
        """See `Store.close`."""
        await self.inner.close()
        self._fate.team.look_soon()

    async def create(self, run: Run, first: Turn | None) -> Run:
        """See `Store.create`."""

        def write() -> Run:
            there: Run = at_once(self.inner.create(run, first))
            if there.seed == run.seed and there.owner is not None:
                self._fate.drives(run.id, there.epoch, self.worker)
            return there

        there: Run = await self._later("the run and its first turn", write, first, run.id)
        return there

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""

        def write() -> None:
            at_once(self.inner.commit(change))
            self._fate.accepted(change, self.worker)

        what = "the park" if change.turn is None else f"turn {change.turn.seq}"
        ends = self._fate.ends_with(change)
        return self._later(f"{what}{of(change.run_id)}", write, change.turn, change.run_id, ends=ends)

    async def post(self, run_id: str, body: bytes, act: Act | None = None) -> None:
        """See `Store.post`."""
        await self.inner.post(run_id, body, act)
        self._fate.team.look_soon()

    async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
        """See `Store.claim`."""
        rows = await self.inner.claim(sagas, now=now, limit=limit)
        for row in rows:
            self._fate.drives(row.id, row.epoch, self.worker)
            self._fate.tale.add(self.worker, f"takes {named(row.id)} over (epoch {row.epoch})")
            if self._fate.pick("claim", self._fate.kinds_on("claim")) == "crash_after_claim":
                self._fate.team.kill(self.worker)
                await self.worker.loop.create_future()
        return rows

    # ── reading takes no time and meets no fault: it changes nothing ────────────────────────────

    async def mail(self, run_id: str) -> list[Mail]:
        """See `Store.mail`."""
        return await self.inner.mail(run_id)

    async def mailed(self) -> list[str]:
        """See `Store.mailed`."""
        return await self.inner.mailed()

    async def run(self, run_id: str) -> Run | None:
        """See `Store.run`."""
        return await self.inner.run(run_id)

    async def journal(self, run_id: str) -> list[Turn]:
        """See `Store.journal`."""
        return await self.inner.journal(run_id)

    async def runs(self, query: RunQuery) -> list[Run]:
        """See `Store.runs`."""
        return await self.inner.runs(query)

    async def letters(self, query: LetterQuery) -> list[Letter]:
        """See `Store.letters`."""
        return await self.inner.letters(query)

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    def _later(
        self, what: str, write: Callable[[], Any], turn: Turn | None, run_id: str, *, ends: bool = False
    ) -> asyncio.Future[Any]:
        done: asyncio.Future[Any] = self.worker.loop.create_future()
        self.worker.loop.call_later(WRITE, self._write, what, write, turn, run_id, ends, done)
        return done

    def _write(
        self, what: str, write: Callable[[], Any], turn: Turn | None, run_id: str, ends: bool, done: asyncio.Future[Any]
    ) -> None:
        fate, worker = self._fate, self.worker
        if done.cancelled():
            return
        fault = fate.pick(what, fate.kinds_on("end" if ends else self._occasion()))
        if fault == "write_refused":
            fate.tale.add(worker, f"{what} is not written", turn, run_id)
            done.set_exception(StoreBusy("the store refuses the write. Try again."))
            return
        try:
            value = write()
        except StoreError as refused:
            fate.tale.add(worker, f"{what} is refused ({str(refused).rstrip('.')})", turn, run_id)
            done.set_exception(refused)
            return
        fate.tale.add(worker, f"{what} is durable", turn, run_id)
        if fault == "fate_unknown":
            done.set_exception(StoreError(_UNKNOWN))
        elif fault == "crash_after_commit":
            fate.team.kill(worker)
        elif fault == "deadline":
            worker.loop.call_at((worker.deadline() or 0.0) + LATE, _settle, done, value)
        else:
            done.set_result(value)
            if fault == "cancel":
                worker.cancel()
            elif fault == "restart":
                fate.team.restart(worker)

    def _occasion(self) -> Occasion:
        if not self.worker.open:
            return "last write"
        return "write" if self._fate.settled or self.worker.deadline() is None else "write in time"


def _settle(done: asyncio.Future[Any], value: Any) -> None:
    if not done.done():  # whoever waited for it may have given up
        done.set_result(value)


def at_once(answer: Any) -> Any:
    """What an inner store's coroutine or future says; it never has to wait."""
    if isinstance(answer, asyncio.Future):
        return answer.result()
    try:
        answer.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("a store of a simulated world had to wait")
