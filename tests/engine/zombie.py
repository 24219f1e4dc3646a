"""A process that stops itself in a step after the effect, and must find its lease gone when it is woken."""

from __future__ import annotations

import asyncio
import sys

from amends import Engine
from tests.engine import sagas


async def main(store: str) -> None:
    sagas.stop_here = True
    async with Engine(store, sagas=[sagas.held], lease=0.3, poll=0.02) as engine:
        outcome = await (await engine.start(sagas.held(), id="run")).outcome()
        print(outcome.state)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
