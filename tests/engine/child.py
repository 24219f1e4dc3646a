"""A process that runs a saga, and dies with -9 just before or just after its n-th commit."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from typing import Any

from amends import Engine
from amends.stores.writer import Writer
from tests.engine import sagas


def die_at(number: int, moment: str) -> None:
    """Kill this process around the commit of this number; commits that only raise the counter of life are not counted."""
    count = 0
    transact = Writer._transact

    def counted(self: Writer, connection: sqlite3.Connection, jobs: list[Any], beats: bool) -> Any:
        nonlocal count
        count += bool(jobs)
        if count == number and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        settled = transact(self, connection, jobs, beats)
        if count == number and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return settled

    Writer._transact = counted  # type: ignore[method-assign]


async def main(store: str, saga: str, number: str, moment: str) -> None:
    if moment != "never":
        die_at(int(number), moment)
    target = getattr(sagas, saga)
    async with Engine(store, sagas=[target], lease=1, poll=0.02) as engine:
        outcome = await (await engine.start(target("x"), id="run")).outcome()
        print(outcome.state, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
