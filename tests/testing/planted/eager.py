"""A module that explores while it is imported, and holds the saga."""

from __future__ import annotations

from amends import saga, step
from amends.testing import World, explore

world = World()
shop = world.service("shop")


@step(no_undo="a visit hurts nobody")
async def visit() -> str:
    return str(await shop.do("visit"))


@saga
async def visits_at_once() -> str:
    return await visit()


exploration = explore(visits_at_once(), world=world, faults=0)
