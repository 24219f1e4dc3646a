"""Runs that cannot be driven at all, because they are damaged or their code has changed: who is told, and what is kept."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from amends import Call, Engine, saga, sleep
from amends.model import records as r
from amends.model.turn import decode_turn
from amends.stores.memory import MemoryStore, Shelf
from amends.stores.port import DAMAGED
from tests.engine import family
from tests.engine.patience import until
from tests.engine.ties import ties

LONG = 600.0
"""Seconds: long enough for a sleeping run to leave memory."""


@pytest.fixture(autouse=True)
def _fresh() -> None:
    family.fresh()


@saga
async def naps() -> str:
    await sleep(LONG)
    return await family.book("woke")


async def other(**_: Any) -> Any:
    return await family.book("other")


def engine(store: Any) -> Engine:
    return Engine(store, sagas=[*family.SAGAS, ties, naps], poll=0.005)


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(main(), 5))


def damage(shelf: Shelf, run_id: str) -> None:
    """Change a byte of its first turn."""
    turns = shelf.turns[run_id]
    turns[0] = msgspec.structs.replace(turns[0], body=turns[0].body[:-1] + b"?")


def facts(shelf: Shelf, run_id: str, kind: type[r.Record]) -> list[Any]:
    return [record for turn in shelf.turns[run_id] for record in decode_turn(turn.body) if isinstance(record, kind)]


def test_the_letter_about_the_damage_comes_after_those_that_the_run_has() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with engine(store) as opened:
            assert (await (await opened.start(ties(), id="x")).outcome()).letters == ("x#1",)
            await until(lambda: store.shelf.runs["x"].owner is None)
            damage(store.shelf, "x")
            for number in (1, 2):
                await opened.tell("x", f"look again, {number}")
                await until(lambda: ("x", 2) in store.shelf.letters and store.shelf.runs["x"].owner is None)
            letters = await opened.dlq.list()
            assert [(letter.id, letter.kind) for letter in letters] == [("x#1", "undo_failed"), ("x#2", "damaged")]
            assert (await opened.get("x").outcome()).letters == ("x#2",)

    run(main)


def test_the_owner_of_a_damaged_run_shows_that_a_person_is_needed() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with engine(store) as opened:
            handle = await opened.start(family.patient_tour(), id="x")
            await until(lambda: "a1" in family.log and store.shelf.runs["x//1"].owner is None)
            damage(store.shelf, "x//1")
            await opened.tell("x//1", "who reads this?")
            outcome = await handle.outcome()
            assert (outcome.state, outcome.letters) == ("needs_attention", ("x//1#1",))

    run(main)


def test_the_owner_of_a_run_whose_code_has_changed_shows_that_a_person_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when there is no mail for that run, which would have it looked at once more."""
    monkeypatch.setattr("amends.engine.engine.GRACE", 0.0)

    async def main() -> None:
        shelf = Shelf()
        async with engine(MemoryStore(shelf)) as opened:
            await opened.start(family.sends_to_meet(2), id="x")
            await until(lambda: bool(family.meeting))
            opened._crew.pausing = True
        monkeypatch.setattr(family.meets, "function", other)
        async with engine(MemoryStore(shelf)) as opened:
            outcome = await opened.get("x").outcome()
            assert (outcome.state, outcome.letters) == ("needs_attention", ("x//1#1",))

    run(main)


def test_a_run_that_is_parked_for_its_code_is_not_woken_by_its_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits its code again, but nobody has said so yet."""

    async def main() -> None:
        store = MemoryStore()
        async with engine(store) as opened:
            await opened.start(naps(), id="x")
            await until(lambda: store.shelf.runs["x"].owner is None)
            with monkeypatch.context() as patch:
                patch.setattr(naps, "function", other)
                await opened.tell("x", "look")
                await until(lambda: bool(store.shelf.letters) and store.shelf.runs["x"].owner is None)
            epoch = store.shelf.runs["x"].epoch
            await opened.tell("x", "look again")
            await until(lambda: store.shelf.runs["x"].epoch > epoch and store.shelf.runs["x"].owner is None)
            assert store.shelf.runs["x"].next_at is None
            await opened.dlq.retry("x#1", by="ann")
            await until(lambda: store.shelf.runs["x"].state == "running" and store.shelf.runs["x"].owner is None)
            assert store.shelf.runs["x"].next_at is not None, "now it sleeps on"

    run(main)


@pytest.mark.parametrize(("call", "aside"), [(naps(), True), (family.trip("a"), False)], ids=["open", "closed"])
def test_a_run_whose_row_is_damaged_is_set_aside_while_it_is_open(tmp_path: Path, call: Call[str], aside: bool) -> None:
    """Whatever the name of its saga says by now: that may be what was damaged."""

    async def main() -> None:
        async with engine(tmp_path / "a.db") as opened:
            handle = await opened.start(call, id="x")
            await opened.run(family.trip("b"), id="other")
            assert aside or await handle.result() == "a1a2"
        with sqlite3.connect(tmp_path / "a.db") as db:
            db.execute("UPDATE runs SET saga = 'none' WHERE id = 'x'")
        db.close()
        async with engine(tmp_path / "a.db") as opened:
            assert [row.saga for row in await opened.list()] == ["trip", DAMAGED if aside else "none"]
            while aside and not await opened.dlq.list():
                await asyncio.sleep(0.002)
            assert [letter.kind for letter in await opened.dlq.list()] == ["damaged"] * aside

    run(main)
