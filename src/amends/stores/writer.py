"""The one thread that writes to an SQLite file: all that waits shares one transaction, and so one fsync."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from amends.errors import AmendsError, EngineClosed, StoreError
from amends.stores.answering import answer
from amends.stores.faults import is_busy
from amends.stores.port import Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.stores.answering import Came
    from amends.stores.pen import Pen

    Job: TypeAlias = Callable[[sqlite3.Connection], Any]
    Waiting: TypeAlias = tuple[Change | Job, asyncio.Future[Any]]

log = logging.getLogger("amends.store")

MOST_AT_ONCE = 1024
"""Jobs after which a transaction takes in no more, so that others get their turn with the file."""


class NotBegun(Exception):
    """A transaction could not begin at all."""

    def __init__(self, error: sqlite3.Error) -> None:
        self.error = error


class Torn(Exception):
    """A change was refused after its turn was appended: a job before it in the batch gave its run away."""


class Writer:
    """Writes changes and runs jobs on its own connection, many in one transaction.

    What is refused raises an `AmendsError` before it has written anything. If `beat` is given, it is run `every` so many
    seconds, whatever else there is to write.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        pen: Pen,
        *,
        beat: Job | None,
        every: float,
        explain: Callable[[BaseException], AmendsError],
    ) -> None:
        self._connection = connection
        self._pen = pen
        self._beat = beat
        self._every = every
        self._explain = explain
        self._loop = asyncio.get_running_loop()
        self._going: list[Waiting] = []
        self._waiting: SimpleQueue[list[Waiting] | None] = SimpleQueue()
        self._held: list[Waiting] = []
        self._closing = False
        self._broken: StoreError | None = None
        self.commits = 0
        self._thread = threading.Thread(target=self._work, name="amends-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Change | Job) -> asyncio.Future[Any]:
        """Write a change, or run a job, in the next transaction; the future is done once that is durable."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self._closing:
            future.set_exception(EngineClosed("the store is closed."))
            return future
        if not self._going:
            self._loop.call_soon(self._hand_over)
        self._going.append((job, future))
        return future

    def _hand_over(self) -> None:
        """Give the thread all of one go: woken for its first part, it would fight for the interpreter with the rest."""
        going, self._going = self._going, []
        for start in range(0, len(going), MOST_AT_ONCE):
            self._waiting.put(going[start : start + MOST_AT_ONCE])
        if self._broken is not None:  # looked at after the put: whoever comes last turns away what nobody will take
            self._turn_away(self._broken)

    async def close(self) -> None:
        """Finish what waits, then end the thread."""
        self._closing = True
        self._hand_over()
        self._waiting.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # the thread ends here: whoever waits for it, now or later, is told
            self._broken = StoreError(f"the journal's writer has stopped: {error!r}. Close the engine and open it again.")
            self._turn_away(self._broken)
        finally:
            self._connection.close()

    def _serve(self) -> None:
        due = time.monotonic() + self._every
        closing = False
        while not closing and not self._loop.is_closed():
            self._held, closing = self._take(max(0.0, due - time.monotonic()))
            late = time.monotonic() >= due
            beats = late and self._beat is not None
            if self._held or beats:
                self._write(self._held, beats)
            if late:
                due = time.monotonic() + self._every

    def _take(self, patience: float) -> tuple[list[Waiting], bool]:
        """All that waits, as soon as anything does; and whether the end was asked for."""
        batch: list[Waiting] = []
        try:
            waiting = self._waiting.get(timeout=patience)
            while waiting is not None:
                batch += waiting
                if len(batch) >= MOST_AT_ONCE:
                    return batch, False
                waiting = self._waiting.get_nowait()
        except Empty:
            return batch, False
        return batch, True

    def _write(self, batch: list[Waiting], beats: bool) -> None:
        """Write a batch; when it fails as a whole, each part alone, so that one bad job cannot fail its neighbours."""
        try:
            settled = self._transact(self._connection, batch, beats)
        except NotBegun as held:  # no job is to blame: none would get in alone
            self._refuse(batch, held.error)
            return
        except BaseException as error:  # nothing of it may stay; whoever waits is told, and the thread lives on
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if len(batch) + beats == 1:
                self._refuse(batch, error)
                return
            for waiting in batch:
                self._write([waiting], False)
            if beats:
                self._write([], True)
            return
        self.commits += 1
        self._tell(batch, settled)

    def _transact(self, connection: sqlite3.Connection, batch: list[Waiting], beats: bool) -> list[Came]:
        """What came of each job, once all of it is durable."""
        changes = _changes(batch)
        only_turns = not beats and len(changes) == len(batch) and all(map(self._pen.is_plain, changes))
        if only_turns and self._append_alone(connection, changes):
            return [(None, None)] * len(batch)
        self._begin(connection)
        turns = [change for change in changes if change.turn is not None]
        appended = bool(turns) and self._pen.append(connection, turns)
        settled: list[Came] = []
        for job, _ in batch:
            try:
                settled.append((self._carry_out(connection, job, appended), None))
            except AmendsError as refused:
                settled.append((None, refused))
        if beats and self._beat is not None:
            self._beat(connection)
        connection.execute("COMMIT")
        return settled

    def _begin(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise NotBegun(error) from error

    def _append_alone(self, connection: sqlite3.Connection, changes: list[Change]) -> bool:
        """Nothing but turns is one statement, which is a transaction of its own; False when something in it is refused."""
        try:
            return self._pen.append(connection, changes)
        except sqlite3.Error as error:
            if is_busy(error):
                raise NotBegun(error) from error
            return False  # one of them may be to blame: it is found in a transaction

    def _carry_out(self, connection: sqlite3.Connection, job: Change | Job, appended: bool) -> Any:
        if not isinstance(job, Change):
            return job(connection)
        if not appended or job.turn is None:
            return self._pen.write(connection, job)
        try:
            return self._pen.finish(connection, job)
        except AmendsError as refused:  # its turn may not stay: each is written alone, in the order in which they came
            raise Torn from refused

    def _refuse(self, batch: list[Waiting], error: BaseException) -> None:
        if not batch:
            log.warning("the sign of life could not be written, and is tried again: %s", self._explain(error))
        self._tell(batch, [(None, error)] * len(batch))

    def _turn_away(self, error: StoreError) -> None:
        left, self._held = self._held, []
        while True:
            try:
                waiting = self._waiting.get_nowait()
            except Empty:
                break
            if waiting is not None:
                left += waiting
        self._tell(left, [(None, error)] * len(left))

    def _tell(self, batch: list[Waiting], settled: list[Came]) -> None:
        """Wake the event loop once for all of them."""
        if not batch:
            return
        asked = [future for _, future in batch]
        came = [(value, None if error is None else self._explain(error)) for value, error in settled]
        try:
            self._loop.call_soon_threadsafe(answer, asked, came)
        except RuntimeError:  # the event loop is closed: nobody waits any more
            pass


def _changes(batch: list[Waiting]) -> list[Change]:
    """The changes of a batch; none when two are of one run, for these are written one after the other."""
    changes = [job for job, _ in batch if isinstance(job, Change)]
    return changes if len({change.run_id for change in changes}) == len(changes) else []
