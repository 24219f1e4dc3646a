"""Mail that comes while mail is being fetched, and mail that is none."""

from __future__ import annotations

import asyncio

import pytest

from amends import Engine, receive, saga
from amends.errors import NotStorable
from amends.stores.memory import MemoryStore
from amends.stores.port import Mail

SOON = 4.0
"""Seconds: too few for the run to leave memory, or the mail would be found as it does."""


@saga
async def hears_two() -> str:
    return await receive(str, timeout=SOON) + await receive(str, timeout=SOON)


def test_what_is_no_json_is_refused_before_it_is_posted() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with Engine(store, sagas=[hears_two], drive=False) as engine:
            await engine.start(hears_two(), id="x")
            for wrong in (b"yes", b'{"a": ', b"", b"\xff"):
                with pytest.raises(NotStorable, match="the message is not JSON"):
                    await engine.tell_json("x", "str", wrong)
            assert store.shelf.posted == 0

    asyncio.run(main())


class Slow(MemoryStore):
    """Its answers are on their way until they may arrive, and are old by then."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = asyncio.Event()
        self.may_arrive = asyncio.Event()

    async def mail(self, run_id: str) -> list[Mail]:
        found = await super().mail(run_id)
        self.reading.set()
        await self.may_arrive.wait()
        return found


def test_what_is_posted_while_mail_is_fetched_is_looked_for_at_once() -> None:
    async def main() -> None:
        slow = Slow()
        async with asyncio.timeout(SOON), Engine(slow, sagas=[hears_two], poll=1000) as engine:
            handle = await engine.start(hears_two(), id="x")
            await engine.tell("x", "one")
            await slow.reading.wait()
            await engine.tell("x", "two")
            slow.may_arrive.set()
            assert await handle.result() == "onetwo"

    asyncio.run(main())
