"""The fault explorer on a saga of four steps: every pair of faults."""

from __future__ import annotations

import time

from amends import saga, step
from amends.testing import World, explore

world = World()
hotel, airline, bank, post = (world.service(name) for name in ("hotel", "airline", "bank", "post"))


@step
async def room() -> str:
    return str(await hotel.do("room"))


@room.undo
async def free(booking: str | None) -> None:
    await hotel.undo(booking)


@step
async def seat() -> str:
    return str(await airline.do("seat"))


@seat.undo
async def leave(booking: str | None) -> None:
    await airline.undo(booking)


@step
async def charge() -> str:
    return str(await bank.do("charge"))


@charge.undo
async def refund(receipt: str | None) -> None:
    await bank.undo(receipt)


@step(no_undo="a letter hurts nobody")
async def write() -> str:
    return str(await post.do("letter"))


@saga
async def four() -> str:
    return await room() + await seat() + await charge() + await write()


def worlds(processes: int) -> tuple[int, float]:
    """How many worlds have at most two faults, and the seconds that they take."""
    began = time.perf_counter()
    played = explore(four(), world=world, faults=2, processes=processes).worlds
    return played, time.perf_counter() - began
