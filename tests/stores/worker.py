"""A worker of its own process, told what to do line by line: `python -m tests.stores.worker FILE NAME LEASE`."""

from __future__ import annotations

import asyncio
import json
import sys

from amends.errors import AmendsError
from amends.stores.sqlite import SQLiteStore
from tests.stores.rows import change, first, row


async def main(path: str, name: str, lease: float) -> None:
    store = SQLiteStore(path)
    await store.open(name, lease=lease)
    print("open", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        match line.split():
            case ["create", run_id]:
                await store.create(row(run_id, owner=name), first(row(run_id)))
                said: object = run_id
            case ["commit", run_id]:
                try:
                    await store.commit(change(row(run_id)))
                    said = "written"
                except AmendsError as error:
                    said = type(error).__name__
            case ["claim", limit]:
                said = [run.id for run in await store.claim(("saga",), now=9.0, limit=int(limit))]
            case _:
                break
        print(json.dumps(said), flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
