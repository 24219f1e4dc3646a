"""The sagas that a storm drives: they complete, fail at the end, ask again, check, cancel by key, wait to be told, join
branches of which some lose, nest runs, and fan out.

Each effect goes to the ledger under its position in its run, which is the first argument of its step.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from amends import Retry, Saga, all_of, any_of, current, each, quorum, receive, saga, sleep, step
from tests.storms.ledger import Ledger, root_of

NAP = 0.02
"""Seconds of the durable sleeps."""

QUICKLY = {"first": 0.002, "factor": 1.5, "most": 0.02}


class Busy(Exception):
    """The world has no time just now: nothing has happened."""


async def _at_once(_: str) -> None:
    """Steps take no time, unless a worker says otherwise."""


class Outside:
    """The world as the steps of this process reach it; `on_the_way` is what may happen before and after each call."""

    ledger: Ledger
    on_the_way: Callable[[str], Awaitable[None]] = staticmethod(_at_once)


async def do(pos: int) -> str:
    """Take effect in the world, and return the key as the effect's name there."""
    await Outside.on_the_way("before")
    Outside.ledger.write("do", pos)
    await Outside.on_the_way("after")
    return current().key


async def undo(pos: int, made: str | None) -> None:
    """Take an effect back."""
    if made not in (None, current().forward.key):
        raise AssertionError(f"the undo was given {made}, which is not what its step returned")
    await Outside.on_the_way("before")
    Outside.ledger.write("undo", pos)
    await Outside.on_the_way("after")


async def undo_of(pos: int, made: str | None) -> None:
    """Take an effect back; every other one of them is refused at first."""
    if _odd() and current().attempt == 1:
        raise Busy
    await undo(pos, made)


def _odd() -> bool:
    return int(current().key[0], 16) % 2 == 1


@step(no_undo="it only reads", retry=Retry(attempts=3, **QUICKLY))
async def quote(pos: int) -> str:
    """A price that is another one each time it is asked for."""
    Outside.ledger.write("read", pos)
    return os.urandom(4).hex()


@step(retry=Retry(attempts=3, **QUICKLY))
async def book(pos: int, price: str = "") -> str:
    """Plain, and always well."""
    return await do(pos)


@book.undo(retry=Retry(attempts=5, on=Exception, **QUICKLY))
async def unbook(made: str | None) -> None:
    await undo_of(current().forward.args["pos"], made)


@step(retry=Retry(attempts=5, on=Busy, **QUICKLY))
async def insist(pos: int) -> str:
    """First it is refused, then its answer is lost; only then is it well."""
    if current().attempt == 1:
        raise Busy
    made = await do(pos)
    if current().attempt == 2:
        raise ConnectionResetError
    return made


@insist.undo(retry=Retry(attempts=5, on=Exception, **QUICKLY))
async def uninsist(made: str | None) -> None:
    await undo_of(current().forward.args["pos"], made)


@step(retry=Retry(attempts=1))
async def ask(pos: int, heard: bool) -> str:
    """Its answer is always lost, and its request sometimes, too."""
    if heard:
        await do(pos)
    raise ConnectionResetError


@ask.undo(retry=Retry(attempts=5, on=Exception, **QUICKLY))
async def unask(made: str) -> None:
    await undo_of(current().forward.args["pos"], made)


@ask.check
async def find(pos: int, heard: bool) -> str | None:
    """Whether it happened: asking leaves a line, and what was not there then can never come."""
    Outside.ledger.write("ask", pos)
    key = current().forward.key
    ops = [line.op for line in Outside.ledger.page(root_of(current().run_id)) if line.key == key]
    return key if "do" in ops[: ops.index("ask")] else None


@step(retry=Retry(attempts=1))
async def hope(pos: int) -> str:
    """Its answer is always lost, its request half the time, and there is nobody to ask."""
    if _odd():
        await do(pos)
    raise TimeoutError


@hope.undo(retry=Retry(attempts=5, on=Exception, **QUICKLY))
async def unhope(made: str | None) -> None:
    await undo_of(current().forward.args["pos"], made)


@step
async def sway(pos: int, later: float) -> str:
    """As quick as can be when it is called for the first time, and slower when it is called again."""
    if current().attempt > 1:
        await asyncio.sleep(later)
    return await do(pos)


@sway.undo
async def unsway(made: str | None) -> None:
    await undo(current().forward.args["pos"], made)


@step(no_undo="it never happens")
async def refuse() -> str:
    await Outside.on_the_way("before")
    raise ValueError("no")


@saga
async def completes() -> str:
    price = await quote(1)
    await book(2, price)
    await sleep(NAP)
    await insist(4)
    return await ask(5, heard=True)


@saga
async def refused() -> None:
    await book(1)
    await insist(2)
    price = await quote(3)
    await book(4, price)
    await refuse()


@saga
async def doubted() -> None:
    await book(1)
    await sleep(NAP)
    await book(3)
    await hope(4)


@saga
async def unheard() -> None:
    await book(1)
    await insist(2)
    await ask(3, heard=False)


@saga
async def told() -> str:
    await book(1)
    return await book(3, await receive(str))


@saga
async def either() -> list[str]:
    """Of two bookings one is enough; the other one is undone."""
    first = await book(1)
    return [first, await any_of(book(3), insist(4)), await book(5)]


@saga
async def two_of_three() -> list[str]:
    return list((await quorum(2, book(2), insist(3), ask(4, heard=True))).ok)


@saga
async def torn() -> None:
    """A branch fails: the others are undone, and then what came before them."""
    await book(1)
    await all_of(book(3), insist(4), refuse())


@saga
async def trip() -> str:
    await book(1)
    return await insist(2)


@saga
async def taken_back() -> None:
    """A nested run is done when its owner fails."""
    await book(1)
    await trip()
    await book(3)
    await refuse()


@saga
async def rivals() -> list[str]:
    """Of two nested runs one is enough."""
    first = await book(1)
    return [first, await any_of(trip(), trip()), await book(5)]


@saga
async def fans_out() -> list[str]:
    return list((await each(book, [2, 3, 4], limit=2)).ok)


@saga
async def folds_up() -> None:
    await each(insist, [2, 3, 4], limit=2)
    await book(3)
    await refuse()


@saga
async def contested() -> str:
    """Both are done at the same moment; when they have to be called again, the second one is first."""
    return await any_of(sway(2, later=0.1), sway(3, later=0.0))


SAGAS: tuple[Saga[[], Any], ...] = (
    *(completes, refused, doubted, unheard, told),
    *(either, two_of_three, torn, taken_back, rivals, fans_out, folds_up),
)
"""What a storm starts."""

ALL = (*SAGAS, trip, contested)
"""What its workers drive: these, what is nested in them, and what only scenes start."""

Path: TypeAlias = tuple[int, ...]
"""Where an effect is: its position, and before it those of the nested runs that it is in."""

DONE: dict[str, list[set[Path]]] = {
    "completes": [{(2,), (4,), (5,)}],
    "told": [{(1,), (3,)}],
    "either": [{(1,), (3,), (5,)}, {(1,), (4,), (5,)}],
    "two_of_three": [{(2,), (3,)}, {(2,), (4,)}, {(3,), (4,)}],
    "rivals": [{(1,), (3, 1), (3, 2), (5,)}, {(1,), (4, 1), (4, 2), (5,)}],
    "fans_out": [{(2, 2), (2, 3), (2, 4)}],
    "contested": [{(2,)}, {(3,)}],
}
"""Of those that complete, the effects that may stand in the end; all others are compensated, and leave nothing."""
