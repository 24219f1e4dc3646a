"""The engine: opens a store, drives the runs of its sagas, and is how everybody else talks to them."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import msgspec

from amends.engine import noloop
from amends.engine.crew import Crew, Limits
from amends.engine.deadletters import DeadLetters, who
from amends.engine.handle import Handle
from amends.engine.papers import entry, outcome_of
from amends.engine.recovery import Recovery
from amends.engine.runner import Runner
from amends.errors import DefinitionError, EngineClosed, IdempotencyConflict, NotStorable, StoreError, UnknownRun
from amends.model import door, keys, records
from amends.model.call import Call
from amends.model.child import APART
from amends.model.codec import shape_of
from amends.model.records import CLOSED, OPEN, Raw, Record
from amends.model.saga import Detached, Saga, message_name
from amends.model.turn import decode_turn, encode_fact
from amends.stores.port import Durability, Run, RunQuery, Store, seal, store_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from amends.model.records import State

R = TypeVar("R")
History: TypeAlias = list[list[Record]]

LONGEST_ID = 200
GRACE = 5.0
"""Seconds that calls in flight get to end when the engine closes; after that they are left to the next worker."""


class Engine:
    """Runs sagas durably. Use it as an async context manager, in one event loop.

    Args:
        store: the path of an SQLite file (made if it is not there), or a Store.
        sagas: what this engine may drive; runs of other sagas are left alone. Without any, it only looks and posts.
        drive: False makes an engine that starts runs and waits for them, but leaves the driving to others.
        namespace: goes into every idempotency key; the store's own random identity by default. Give the same one to every
            store from which the same outside world must see the same keys.
        max_runs: how many runs are driven at once; others wait in the store.
        max_steps: how many calls of `async def` steps are in flight at once; others wait for their turn.
        max_pending: how many starts and messages may wait at once to be written; more are refused with `Overloaded`.
        threads: how many `def` steps run at once; others wait for their turn.
        lease: seconds (or a timedelta) without a sign of life after which another worker may take over a worker's runs.
        poll: seconds (or a timedelta) between looks for work that other processes left.
        durability: "full" (every acknowledged turn survives a power cut) or "relaxed" (a power cut may lose the last ones).
        wall: where the time of day comes from, in seconds since the epoch.
        luck: where random bytes come from; of each run's seed and of the worker's name.

    Raises:
        DefinitionError: two sagas have one name, or an option cannot be meant; on opening, when the annotations of a saga
            cannot be read.
        StoreUnusable: on opening, with the cure.
    """

    def __init__(
        self,
        store: str | os.PathLike[str] | Store,
        *,
        sagas: Iterable[Saga[..., Any]] = (),
        drive: bool = True,
        namespace: str | None = None,
        max_runs: int = 1000,
        max_steps: int = 256,
        max_pending: int = 10_000,
        threads: int = 32,
        lease: float | timedelta = 15.0,
        poll: float | timedelta = 0.2,
        durability: Durability = "full",
        wall: Callable[[], float] = time.time,
        luck: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._sagas = _by_name(sagas)
        self._limits = Limits(max_runs, max_steps, max_pending, threads)
        for name, value in self._limits._asdict().items():
            door.count(value, f"Engine({name}=...)", 1)
        door.one_of(drive, "Engine(drive=...)", True, False)
        if namespace is not None:
            door.text(namespace, "Engine(namespace=...)", "what goes into every key")
        door.function(wall, "Engine(wall=...)", "Give a function like time.time.")
        door.function(luck, "Engine(luck=...)", "Give a function like secrets.token_bytes.")
        self._lease = door.limit(lease, "Engine(lease=...)", "without a sign of life")
        self._poll = door.limit(poll, "Engine(poll=...)", "between two looks")
        self._store: Store = store_at(store, durability=durability)
        self._namespace, self._drive, self._wall, self._luck = namespace, drive, wall, luck
        self._open: Crew | None = None
        self._watching: asyncio.Task[None] | None = None
        self._used = False

    async def __aenter__(self) -> Self:
        if self._used:
            raise EngineClosed("an Engine is opened once; make a new one for the next `async with`.")
        for saga in self._sagas.values():
            saga.demand_usable()
        self._used = True
        worker = f"{socket.gethostname()}:{os.getpid()}:{self._luck(4).hex()}"
        drives = self._drive and bool(self._sagas)
        identity = await self._store.open(worker, lease=self._lease if drives else None)
        self._open = Crew(
            self._store,
            sagas=self._sagas,
            namespace=self._namespace or identity,
            worker=worker,
            wall=self._wall,
            limits=self._limits,
            drive=self._drive,
        )
        self._watching = asyncio.create_task(Recovery(self._open, self._poll).watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        crew, self._open = self._crew, None
        crew.pausing = True
        assert self._watching is not None
        self._watching.cancel()
        await asyncio.wait([self._watching])
        end = crew.loop.time() + GRACE
        while crew.loop.time() < end and (crew.line or not all(runner.at_rest for runner in crew.runners.values())):
            await asyncio.sleep(0.01)
        for runner in list(crew.runners.values()):
            runner.pause()
        crew.threads.close()
        await self._store.close()

    @property
    def dlq(self) -> DeadLetters:
        """The dead letters, and what can be done about them."""
        return DeadLetters(self._crew)

    async def run(self, call: Call[R], *, id: str) -> R:
        """Start a run, or join the one that has this id, and wait for its end.

        Args:
            call: a saga with its arguments: `place_order(order)`.
            id: the run's name, at most 200 characters. The same id with the same input is the same run.

        Returns:
            the saga's value.

        Raises:
            Compensated: it was rolled back.
            NeedsAttention: a person has to decide.
            IdempotencyConflict: the id is taken, by another input.
            DefinitionError: the saga is not one of this engine's.
            NotStorable: the input would not come back from the journal as it is.
            Overloaded: too much waits to be written already; nothing of this was.
        """
        return await (await self.start(call, id=id)).result()

    async def start(self, call: Call[R], *, id: str) -> Handle[R]:
        """Start a run, or join the one that has this id; it is durable on return. Raises what `run` does on starting."""
        crew = self._crew
        saga = self._registered(call)
        _check_id(id)
        given = saga.signature.encode(call.args, call.kwargs)
        there = await crew.line.write(self._create(crew, id, saga.name, given))
        if (there.saga, there.input) != (saga.name, given):
            raise IdempotencyConflict(id, _conflict(there, saga.name, given))
        return Handle(crew, id)

    def get(self, run_id: str) -> Handle[Any]:
        """A handle for a run that was started before, here or elsewhere."""
        door.text(run_id, "get(run_id)", "the id of a run")
        return Handle(self._crew, run_id)

    async def list(
        self,
        *,
        states: Iterable[State] = (),
        sagas: Iterable[str] = (),
        limit: int = 100,
        offset: int = 0,
        parent: str | None = None,
        roots: bool = False,
    ) -> list[Run]:
        """The rows of runs, newest first: all of them, those nested in `parent`, or (`roots`) those nested in none.

        Raises:
            DefinitionError: there is no such state, or an option cannot be meant.
        """
        for state in (wanted := door.several(states, "list(states=...)")):
            door.one_of(state, "a state of list(states=...)", *OPEN, *CLOSED)
        names = door.several(sagas, "list(sagas=...)")
        door.count(limit, "list(limit=...)", 0)
        door.count(offset, "list(offset=...)", 0)
        return await self._crew.store.runs(RunQuery(wanted, names, None, limit, offset, parent, roots))

    async def history(self, run_id: str) -> History:
        """A run's journal: the records of each turn. Raises `UnknownRun`, or `JournalDamaged` when a checksum fails."""
        await self._row(run_id)
        return [list[Record](decode_turn(turn.body)) for turn in await self._crew.store.journal(run_id)]

    async def tell(self, run_id: str, message: Any, *, by: str | None = None) -> None:
        """Send a run a message, which its saga gets from `receive(type(message))`; durable on return.

        Raises:
            UnknownRun: there is no such run.
            RunClosed: it has ended.
            NotStorable: the message would not come back as it is.
            Overloaded: too much waits to be written already; nothing of this was.
        """
        body = shape_of(type(message)).encode(message)
        await self.tell_json(run_id, message_name(type(message)), body, by=by)

    async def tell_json(self, run_id: str, name: str, body: bytes, *, by: str | None = None) -> None:
        """Send a run a message given as JSON; a message that is not of the type received is set aside, and says so."""
        try:
            msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise NotStorable(f"the message is not JSON: {error}", cure="Quote strings: '\"yes\"'.") from error
        await self._post(run_id, records.Told(self._crew.now(), name, Raw(body), who(by)))

    async def cancel(self, run_id: str, *, reason: str = "", by: str | None = None) -> None:
        """Ask a run to stop and roll back; durable on return. A run that rolls back already goes on with that.

        A nested run that is cancelled by its id has failed for the saga that called it. One that has its value is left
        as it is, and so is any run whose saga has returned.

        Raises:
            UnknownRun: there is no such run.
            RunClosed: it has ended.
        """
        door.note(reason, "cancel(reason=...)")
        await self._post(run_id, records.Cancelled(self._crew.now(), who(by), reason))

    async def _post(self, run_id: str, fact: records.Fact) -> None:
        crew = self._crew
        await crew.line.write(crew.store.post(run_id, encode_fact(fact)))
        crew.poke(run_id)

    async def _create(self, crew: Crew, run_id: str, saga: str, given: bytes) -> Run:
        """Write a new run, to be driven here if there is room, else by whoever has some; or find the one that is there."""
        row = Run(run_id, saga, given, self._luck(16), crew.now())
        if crew.slots() > 0:
            return await self._begin(crew, msgspec.structs.replace(row, owner=crew.worker, epoch=1))
        there = await crew.store.create(msgspec.structs.replace(row, next_at=0.0), None)  # due at once, by anybody's clock
        crew.wake.set()
        return there

    async def _begin(self, crew: Crew, row: Run) -> Run:
        """Write a new run, with its first turn if it can be, and drive it."""
        machine = crew.machine(row)
        fact = records.Started(row.created_at)
        decisions = noloop.call(machine.receive, fact)
        turn: list[Record] = [fact, *decisions]
        nests = any(isinstance(decision, records.ChildWanted) for decision in decisions)
        if machine.ended is not None and not nests:
            closed = {"state": machine.state, "outcome": outcome_of(machine), "closed_at": row.created_at}
            row = msgspec.structs.replace(row, owner=None, **closed)
        first = None if nests else entry(1, seal(row), turn)  # nested runs are started by the commit of a turn like any other
        crew.starting.add(row.id)
        try:
            there = await crew.store.create(row, first)
        except StoreError:
            noloop.call(machine.close)
            crew.doubt()  # the run may be there, and ours
            raise
        finally:
            crew.starting.discard(row.id)
        if there.seed != row.seed:
            noloop.call(machine.close)
        elif first is None:
            noloop.call(machine.close)
            crew.adopt(there, 0.0)
        else:
            runner = crew.runners[row.id] = Runner(crew, row, machine, 1, first.sum)
            runner.begun(decisions, turn)
        return there

    async def _row(self, run_id: str) -> Run:
        row = await self._crew.store.run(run_id)
        if row is None:
            raise UnknownRun(f"there is no run {run_id!r} in this store. `amends ps` lists those that are there.")
        return row

    def _registered(self, call: Call[Any]) -> Saga[..., Any]:
        if not isinstance(call, Call):
            raise DefinitionError(f"an engine runs a call of a saga, with its arguments: place_order(order), not {call!r}.")
        saga = call.target
        if isinstance(saga, Detached):
            raise DefinitionError(f"{call!r}: an engine starts every run on its own. Give the call without using().")
        if not isinstance(saga, Saga):
            raise DefinitionError(
                f"{call!r} is a call of a step; an engine runs sagas. Put it into an `async def` with @saga."
            )
        if self._sagas.get(saga.name) is not saga:
            raise DefinitionError(
                f"saga {saga.name!r} is not one of this engine's. Add it: Engine(..., sagas=[{saga.name}]); "
                "without it nobody would take the run up again after a crash."
            )
        return saga

    @property
    def _crew(self) -> Crew:
        if self._open is None:
            raise EngineClosed("the engine is not open. Use it inside `async with Engine(...) as engine:`.")
        if asyncio._get_running_loop() is not self._open.loop:
            raise EngineClosed(
                "the engine was opened in another event loop, or this thread has none. Make one Engine for each loop; "
                "from a thread, hand the coroutine over: asyncio.run_coroutine_threadsafe(engine.start(...), loop)."
            )
        return self._open


def _by_name(sagas: Iterable[Saga[..., Any]]) -> dict[str, Saga[..., Any]]:
    found: dict[str, Saga[..., Any]] = {}
    if isinstance(sagas, Saga):
        raise DefinitionError(f"Engine(sagas=...) takes a list: sagas=[{sagas.name}].")
    if not isinstance(sagas, Iterable):
        raise DefinitionError(f"Engine(sagas=...) takes a list of sagas, not {sagas!r}.")
    for saga in sagas:
        if not isinstance(saga, Saga):
            raise DefinitionError(f"Engine(sagas=[...]) takes sagas, not {saga!r}. Decorate it with @saga.")
        if found.setdefault(saga.name, saga) is not saga:
            raise DefinitionError(f"two sagas are named {saga.name!r}; give one another name: @saga(name=...).")
    return found


def _check_id(run_id: str) -> None:
    if not isinstance(run_id, str) or not 0 < len(run_id) <= LONGEST_ID or not run_id.isprintable():
        raise DefinitionError(f"a run's id is 1 to {LONGEST_ID} printable characters; this is {run_id!r}.")
    if APART in run_id:
        raise DefinitionError(f"{run_id!r} is no id for a run: {APART!r} stands in the ids of nested runs only.")


def _conflict(there: Run, saga: str, given: bytes) -> str:
    if there.saga != saga:
        return f"- saga {there.saga}\n+ saga {saga}"
    return keys.diff(there.input, given)
