"""A module that prints while it is imported, and holds a saga."""

from __future__ import annotations

from amends import saga, step
from amends.testing import World

print("nobody asked for this")

world = World()
shop = world.service("shop")


@step(no_undo="a visit hurts nobody")
async def visit() -> str:
    return str(await shop.do("visit"))


@saga
async def visits() -> str:
    return await visit()
