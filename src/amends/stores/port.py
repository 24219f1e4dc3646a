"""The Store protocol: what the engine asks of a journal, and what a store promises.

A store knows rows, not sagas: bodies are bytes to it. It keeps

* **runs**: one row each, with its state, the worker that drives it (`owner`), the fencing `epoch`, and `next_at`, the
  instant at which a run that nobody drives wants to be driven, 0 if at once by anybody's clock;
* **turns**: the append-only journal of each run, chained by checksums;
* **letters**: the dead letters, to be listed over all runs;
* **mail**: facts that somebody posted to a run and that its driver has not journaled yet;
* **workers**: who is alive, judged by a counter that each worker's store raises on its own, never by a clock.
"""

from __future__ import annotations

import importlib
import os
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

import msgspec

from amends.errors import DefinitionError, JournalDamaged
from amends.model import door
from amends.model.records import CLOSED, LetterKind, State

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One entry of a run's journal. `seq` counts from 1; `sum` chains it to the turn before (see `chain`)."""

    seq: int
    body: bytes
    sum: bytes


class Run(msgspec.Struct, frozen=True, gc=False):
    """A run's row. `input` and `outcome` are JSON; `seed` is the run's luck; `epoch` grows with every new driver.

    `parent` is the run that this one is nested in, if that one can take it back. `given_up` is said by a claim only, and
    is no part of the row: nobody drove the run any more, so that it was not taken from a worker that died.
    """

    id: str
    saga: str
    input: bytes
    seed: bytes
    created_at: float
    state: State = "running"
    owner: str | None = None
    epoch: int = 0
    next_at: float | None = None
    outcome: bytes | None = None
    closed_at: float | None = None
    parent: str | None = None
    given_up: bool = False


class Letter(msgspec.Struct, frozen=True):
    """A dead letter's row. `no` counts from 1 within the run; `body` is JSON with the full context.

    `acted` says what a person did (`retried`, `resolved`, `answered`, `abandoned`), once somebody has.
    """

    run_id: str
    no: int
    saga: str
    kind: LetterKind
    step: str
    error: str
    opened_at: float
    body: bytes
    acted: str | None = None
    by: str | None = None
    note: str | None = None
    acted_at: float | None = None

    @property
    def id(self) -> str:
        """The letter's name everywhere: `order-17#1`."""
        return f"{self.run_id}#{self.no}"


class Mail(msgspec.Struct, frozen=True):
    """A fact that waits to be journaled by the run's driver; `no` grows in the order of posting."""

    no: int
    run_id: str
    body: bytes


class Act(msgspec.Struct, frozen=True):
    """What a person does about a dead letter, written together with the mail that tells the run."""

    no: int
    acted: str
    by: str
    note: str
    at: float


class Change(msgspec.Struct, frozen=True, gc=False):
    """All that one turn writes, in one transaction, if `epoch` is still the run's epoch.

    `state`, `next_at` and `outcome` are the row's values after the turn. `release` gives the run up: its owner becomes
    None, so that any worker may claim it when `next_at` comes or mail arrives. `touched` is False when the row's
    values are the same as before the turn, which spares the store an update. `mail` is what the turn took in; a run that
    is given up while newer mail than `seen_mail` waits is claimable at once. `starts` are runs nested in this one, written
    if their ids are not there yet; with `frees` all runs nested in this one, at any depth, that are `held` are completed, and
    taken from whoever drives them still; `posts` is mail for other runs, by id: one that is closed gets no more, and that
    is no error.
    """

    run_id: str
    epoch: int
    turn: Turn | None
    state: State
    next_at: float | None = None
    outcome: bytes | None = None
    closed_at: float | None = None
    release: bool = False
    touched: bool = True
    letters: tuple[Letter, ...] = ()
    mail: tuple[int, ...] = ()
    seen_mail: int = 0
    frees: bool = False
    starts: tuple[Run, ...] = ()
    posts: tuple[tuple[str, bytes], ...] = ()

    @property
    def writes_row(self) -> bool:
        """Whether the run's row is written too."""
        return self.turn is None or self.touched or self.release or self.state in CLOSED


class RunQuery(msgspec.Struct, frozen=True):
    """Which runs to list: newest first, `limit` of them after skipping `offset`.

    Of one driver, if `owner` is given; those nested in one run, if `parent` is; only those nested in none, for `roots`.
    """

    states: tuple[State, ...] = ()
    sagas: tuple[str, ...] = ()
    owner: str | None = None
    limit: int = 100
    offset: int = 0
    parent: str | None = None
    roots: bool = False


class LetterQuery(msgspec.Struct, frozen=True):
    """Which dead letters to list: oldest first. `open` None means both those that wait and those acted upon."""

    open: bool | None = True
    run_id: str | None = None
    limit: int = 100
    offset: int = 0


DAMAGED = "(damaged)"
"""Stands for the saga of a run whose row was found damaged: whoever claims it sets it aside."""

Durability: TypeAlias = Literal["full", "relaxed"]


@runtime_checkable
class Store(Protocol):
    """Where runs are kept. One object serves one worker in one event loop.

    Every method may raise `StoreBusy` or another `StoreError`; then nothing of that call was written, unless the error
    says that the fate of the write is unknown. A caller that cannot tell reads the journal again.
    """

    async def open(self, worker: str, *, lease: float | None) -> str:
        """Open the store and say that `worker` lives, until `close`: this must not depend on the caller's event loop.

        `lease` is in seconds: a worker whose sign of life has not changed for as long may lose its runs. None is for one
        that will own no runs: it gives no sign of life, and a store that it only reads is not written to. Returns the
        store's identity, a random name that was made with it. Raises `StoreUnusable`, with the cure.
        """
        ...

    async def close(self) -> None:
        """Wait until all that was asked is written, give up every run, and say that this worker is gone.

        When that cannot be written, it is logged and not raised: the lease does the same, later.
        """
        ...

    async def create(self, run: Run, first: Turn | None) -> Run:
        """Write a new run (with its first turn, when the caller drives it at once); durable on return.

        When the id is taken, nothing is written and the row that is there is returned instead: compare `seed`.
        """
        ...

    def commit(self, change: Change) -> asyncio.Future[None]:
        """Write one turn; the future is done once it is durable, and all changes of one run are written in order.

        Fails with `LeaseLost` when the run's epoch is not `change.epoch` any more: then nothing was written. Called
        without waiting, so that the turns of many runs share one transaction.
        """
        ...

    async def post(self, run_id: str, body: bytes, act: Act | None = None) -> None:
        """Leave mail for a run, durable on return, and make a run that nobody drives claimable at once.

        With `act`, the dead letter is marked as acted upon in the same transaction. Raises `UnknownRun`, `RunClosed`,
        or `LetterSettled` (naming who was first) and then writes nothing.
        """
        ...

    async def mail(self, run_id: str) -> list[Mail]:
        """The mail that waits for a run, in the order of posting; raises `JournalDamaged` when it is not as it was posted."""
        ...

    async def mailed(self) -> list[str]:
        """The ids of the runs driven by this worker that have mail waiting."""
        ...

    async def claim(self, sagas: Sequence[str], *, now: float, limit: int) -> list[Run]:
        """Take over at most `limit` runs of these sagas for this worker, each with its epoch raised by one.

        Taken are runs that nobody drives and whose `next_at` is not after `now`, and runs whose driver is dead: gone for
        certain, or without a sign of life for the length of the lease by this observer's monotonic clock. Which of the two
        a run was is its `given_up`. Of those that nobody drives the ones that wait longest are taken first. Two workers
        never take the same run.
        """
        ...

    async def run(self, run_id: str) -> Run | None:
        """A run's row, or None; raises `JournalDamaged` when it is not as it was written."""
        ...

    async def journal(self, run_id: str) -> list[Turn]:
        """A run's turns in order, checked against their checksums; raises `JournalDamaged`."""
        ...

    async def runs(self, query: RunQuery) -> list[Run]:
        """The rows that match; one that is not as it was written is shown as one that needs a person, without an outcome."""
        ...

    async def letters(self, query: LetterQuery) -> list[Letter]:
        """The dead letters that match."""
        ...


def chain(before: bytes, body: bytes) -> bytes:
    """The checksum of a turn: it covers the turn and, through `before`, every turn in front of it."""
    return blake2b(body, digest_size=8, key=before).digest()


def seal(run: Run) -> bytes:
    """Where a run's chain of checksums begins: it covers what never changes in the run's row."""
    owner = () if run.parent is None else (run.parent.encode(),)
    return chain(b"", b"\0".join((run.id.encode(), run.saga.encode(), run.seed, run.input, *owner)))


def verified(run: Run, turns: list[Turn]) -> list[Turn]:
    """The turns of a run, once every checksum and every number is found right; raises `JournalDamaged`."""
    total = seal(run)
    for number, turn in enumerate(turns, start=1):
        total = chain(total, turn.body)
        if turn.seq != number or turn.sum != total:
            raise JournalDamaged(
                f"turn {number} of run {run.id!r} is not what was written: its checksum does not match. "
                "Restore the file from a backup; other runs are not affected."
            )
    return turns


_KINDS = {"sqlite": "amends.stores.sqlite:SQLiteStore", "sqlite view": "amends.stores.view:SQLiteView"}
"""Concrete stores are looked up by name: nothing above the port depends on one."""


def store_at(place: str | os.PathLike[str] | Store, *, durability: Durability = "full") -> Store:
    """The store for a path, or a store itself; raises `DefinitionError` when it is neither."""
    demand_durability(durability)
    if issubclass(type(place), Store):  # of a type the answer is remembered; to look through an object takes 10 microseconds
        return cast("Store", place)
    if not isinstance(place, (str, os.PathLike)) or not os.fspath(place):
        raise DefinitionError(f"a journal is kept in a file, or in a Store, not in {place!r}. Give a path: 'orders.db'.")
    return _made("sqlite", place, durability=durability)


def demand_durability(word: Durability) -> None:
    """Check how safe a store is to be: any word that is not known would make it less safe than was meant."""
    door.one_of(word, "durability", "full", "relaxed")


def view_at(place: str | os.PathLike[str]) -> Store:
    """The store for a path, to be looked at only: nothing is written, and nothing need be writable."""
    return _made("sqlite view", place)


def _made(kind: str, *place: Any, **options: Any) -> Store:
    module, _, name = _KINDS[kind].partition(":")
    store: Store = getattr(importlib.import_module(module), name)(*place, **options)
    return store
