"""A programme that is its own module, and the worker that imports it: each finishes what the other has begun."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SHOP = """
import asyncio, os, signal, sys
from amends import Compensated, Engine, each, saga, step


class Refused(Exception):
    pass


@step(no_undo="it only packs")
async def pack(item: int) -> int:
    if item == 3 and "die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@step
async def book(item: int) -> int:
    return item


@book.undo
async def unbook(item: int) -> None:
    if "die" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)


@saga
async def packs() -> int:
    return len((await each(pack, range(6), limit=2)).ok)


@saga
async def goes_back() -> int:
    await book(1)
    raise Refused("no")


async def main(saga):
    async with Engine("shop.db", sagas=[packs, goes_back], poll=0.01) as engine:
        try:
            print(await engine.run(saga(), id=saga.name))
        except Compensated as back:
            print(back.cause.type)


if __name__ == "__main__":
    asyncio.run(main(globals()[sys.argv[1]]))
"""


@pytest.mark.parametrize(("saga", "said"), [("packs", "6"), ("goes_back", "shop.Refused")])
def test_what_a_programme_has_begun_another_module_finishes(saga: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    killed = subprocess.run([sys.executable, "shop.py", saga, "die"], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGKILL
    other = f"import asyncio, shop; asyncio.run(shop.main(shop.{saga}))"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    for command in (["-c", other], ["shop.py", saga], ["-m", "shop", saga]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout.strip(), done.stderr, done.returncode) == (said, "", 0)
