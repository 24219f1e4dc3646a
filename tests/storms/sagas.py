"""The sagas that a storm drives: they complete, fail at the end, ask again, check, cancel by key, and wait to be told.

Each effect goes to the ledger under its position in the saga, which is the first argument of its step.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from amends import Retry, Saga, current, receive, saga, sleep, step
from tests.storms.ledger import Ledger

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
    """Take an effect back; every other one of them is refused at first."""
    if made not in (None, current().forward.key):
        raise AssertionError(f"the undo was given {made}, which is not what its step returned")
    if _odd() and current().attempt == 1:
        raise Busy
    await Outside.on_the_way("before")
    Outside.ledger.write("undo", pos)
    await Outside.on_the_way("after")


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
async def unbook(made: str) -> None:
    await undo(current().forward.args["pos"], made)


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
async def uninsist(made: str) -> None:
    await undo(current().forward.args["pos"], made)


@step(retry=Retry(attempts=1))
async def ask(pos: int, heard: bool) -> str:
    """Its answer is always lost, and its request sometimes, too."""
    if heard:
        await do(pos)
    raise ConnectionResetError


@ask.undo(retry=Retry(attempts=5, on=Exception, **QUICKLY))
async def unask(made: str) -> None:
    await undo(current().forward.args["pos"], made)


@ask.check
async def find(pos: int, heard: bool) -> str | None:
    """Whether it happened: asking leaves a line, and what was not there then can never come."""
    Outside.ledger.write("ask", pos)
    key = current().forward.key
    ops = [line.op for line in Outside.ledger.page(current().run_id) if line.key == key]
    return key if "do" in ops[: ops.index("ask")] else None


@step(retry=Retry(attempts=1))
async def hope(pos: int) -> str:
    """Its answer is always lost, its request half the time, and there is nobody to ask."""
    if _odd():
        await do(pos)
    raise TimeoutError


@hope.undo(retry=Retry(attempts=5, on=Exception, **QUICKLY))
async def unhope(made: str | None) -> None:
    await undo(current().forward.args["pos"], made)


@step(no_undo="it never happens")
async def refuse() -> None:
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


SAGAS: tuple[Saga[[], str] | Saga[[], None], ...] = (completes, refused, doubted, unheard, told)

DONE = {"completes": {2, 4, 5}, "told": {1, 3}}
"""The positions whose effects stand in the end, of those that complete; all others are compensated."""
