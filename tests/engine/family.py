"""Sagas that nest others and fan out, a world that counts what was done, and engines that are cut off at any commit."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Literal

from amends import (
    Compensated,
    Engine,
    Retry,
    all_of,
    any_of,
    current,
    each,
    quorum,
    receive,
    saga,
    settle,
    step,
    within,
)
from amends.engine.engine import Engine as _Engine
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import Change

ONCE = Retry(attempts=1)
done: Counter[str] = Counter()
keys: dict[str, set[str]] = {}
log: list[str] = []
broken: set[str] = set()
flying: list[int] = [0, 0]


def fresh() -> None:
    """Forget all that was done."""
    done.clear()
    keys.clear()
    log.clear()
    broken.clear()
    meeting.clear()
    waiting.clear()
    asked_to_stop.clear()
    globals()["may_go_on"] = asyncio.Event()
    flying[:] = [0, 0]


@step(retry=Retry(attempts=1, first=0.0))
async def book(name: str) -> str:
    """Take effect once for each key."""
    flying[0] += 1
    flying[1] = max(flying)
    await asyncio.sleep(0)
    flying[0] -= 1
    if name in broken:
        raise ValueError(name)
    if current().key not in keys.setdefault(name, set()):
        keys[name].add(current().key)
        done[name] += 1
        log.append(name)
    return name


@book.undo(retry=Retry(attempts=1, first=0.0))
async def unbook(name: str | None) -> None:
    """Undo by key."""
    given: Any = current().forward
    (what,) = given.args.values()
    if f"undo {what}" in broken:
        raise ValueError(f"undo {what}")
    if given.key in keys.get(what, set()):
        keys[what].remove(given.key)
        done[what] -= 1
        log.append(f"undo {what}")


waiting: list[str] = []
asked_to_stop: list[str] = []
may_go_on = asyncio.Event()


@step(retry=Retry(attempts=1, first=0.0))
async def book_late(name: str) -> str:
    """Take effect only when it may, and hear of no cancellation."""
    waiting.append(name)
    while not may_go_on.is_set():
        try:
            await may_go_on.wait()
        except asyncio.CancelledError:
            asked_to_stop.append(name)
    return await book.function(name)  # type: ignore[no-any-return]


@book_late.undo(retry=Retry(attempts=1, first=0.0))
async def unbook_late(name: str | None) -> None:
    """Undo by key."""
    await unbook(name)


@saga
async def trip(name: str) -> str:
    return await book(f"{name}1") + await book(f"{name}2")


@saga
async def waiting_trip(name: str) -> str:
    return await book(f"{name}1") + await receive(str)


@saga
async def deep(name: str) -> str:
    return await trip(name) + await book(f"{name}3")


@saga
async def tour() -> list[str]:
    before = await book("before")
    both = await all_of(trip("a"), deep("b"))
    return [before, *both, await book("after")]


@saga
async def tour_of_one() -> str:
    return await trip("a")


@saga
async def tour_and_wait() -> str:
    found = await trip("a")
    await book("before")
    return found + await receive(str)


@saga
async def tour_with_a_detour() -> list[str]:
    try:
        await trip("x")
    except Compensated as error:
        return [str(error.cause), await trip("y")]
    return []


@saga
async def fastest() -> str:
    return await any_of(trip("a"), trip("b"))


@saga
async def two_bookings() -> str:
    return await any_of(book("a"), book("b"))


@saga
async def losers_go_on(losers: Literal["keep", "cancel"]) -> str:
    return await any_of(trip("a"), deep("b"), losers=losers)


@saga
async def loser_waits_on() -> str:
    return await any_of(trip("a"), waiting_trip("b"), losers="keep")


@saga
async def maze() -> str:
    await book("before")
    inner = all_of(within(600, trip("a")), any_of(deep("b"), quorum(1, trip("c"), book("d"))))
    found = await quorum(1, inner, settle(book("e"), waiting_trip("f")))
    await book("after")
    return str(len(found.ok))


@saga
async def patient_tour() -> str:
    return await waiting_trip("a")


@saga
async def deep_in_time(name: str) -> str:
    return (await within(600, deep(name))).ok[0]


@saga
async def sends_off() -> str:
    await book("before")
    run_id = await waiting_trip.using(detached=True)("a")
    await book("after")
    return run_id


meeting: list[asyncio.Event] = []


@step(no_undo="it only waits for the others")
async def meet(number: int) -> int:
    """Wait until so many are there."""
    meeting.append(asyncio.Event())
    if len(meeting) == number:
        for each_ in meeting:
            each_.set()
    await meeting[-1].wait()
    return number


@saga
async def meets(number: int) -> int:
    return await meet(number)


@saga
async def sends_to_meet(number: int) -> int:
    return await meets(number)


@saga
async def many(names: list[str], limit: int, tolerate: int) -> list[str]:
    return list((await each(book, names, limit=limit, tolerate=tolerate)).ok)


@saga
async def many_trips(names: list[str]) -> list[str]:
    found = (await each(trip, names, limit=2)).ok
    await book("after")
    return list(found)


@saga
async def launches_and_fails() -> None:
    await trip.using(detached=True)("a")
    raise ValueError("at once")


SAGAS = [launches_and_fails, trip, waiting_trip, deep, tour, tour_with_a_detour, fastest, patient_tour]
SAGAS += [tour_of_one, tour_and_wait, two_bookings, losers_go_on, maze, meets, sends_to_meet, sends_off, many, many_trips]
SAGAS += [deep_in_time, loser_waits_on]


class Cut(MemoryStore):
    """A store whose worker is cut off after a number of commits: nothing that it still wants is written or heard of."""

    def __init__(self, shelf: Shelf, commits: int) -> None:
        super().__init__(shelf)
        self.left = commits
        self.over = asyncio.Event()

    def commit(self, change: Change) -> asyncio.Future[None]:
        """See `Store.commit`."""
        if self.left <= 0:
            self.over.set()
            return asyncio.get_running_loop().create_future()
        self.left -= 1
        return super().commit(change)


def engine(store: Any, **options: Any) -> Engine:
    """An engine for all sagas here, quick to look for work."""
    return _Engine(store, sagas=SAGAS, namespace="test", poll=0.005, **options)


async def closed(opened: Engine, call: Any) -> None:
    """Start a run, or join it, and wait until nothing of it is open."""
    await (await opened.start(call, id="x")).outcome()


async def kill(opened: Engine, store: MemoryStore) -> None:
    """End a worker as kill -9 would: it gives up nothing, and the others see it as dead."""
    crew: Any = opened._crew
    crew.pausing = True
    for runner in list(crew.runners.values()):
        runner.pause()
    opened._watching.cancel()  # type: ignore[union-attr]
    crew.threads.close()
    store.silence()


async def cut_off(shelf: Shelf, commits: int, call: Any) -> bool:
    """Begin a run with a worker that dies after so many commits; False when the run had ended before that."""
    store = Cut(shelf, commits)
    opened = engine(store)
    await opened.__aenter__()
    begun = asyncio.ensure_future(closed(opened, call))
    over = asyncio.ensure_future(store.over.wait())
    await asyncio.wait([begun, over], return_when=asyncio.FIRST_COMPLETED)
    ended = begun.done()
    await kill(opened, store)
    over.cancel()
    if not ended:
        begun.cancel()
    await asyncio.gather(begun, over, return_exceptions=True)
    return not ended


async def go_on(shelf: Shelf, **options: Any) -> Any:
    """Another worker takes over; how the run ended."""
    async with engine(MemoryStore(shelf), **options) as opened, asyncio.timeout(20):
        outcome = await opened.get("x").outcome()
        for run in await opened.list(limit=1000):
            assert run.state not in ("running", "compensating", "held"), run
        return outcome


async def to_the_end(call: Any, **options: Any) -> Any:
    """Run without any trouble; how it ended, and the rows of all its runs."""
    async with engine(MemoryStore(), **options) as opened, asyncio.timeout(20):
        outcome = await (await opened.start(call, id="x")).outcome()
        return outcome, {run.id: run.state for run in await opened.list(limit=5000)}
