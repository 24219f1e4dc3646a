"""What an engine is given is checked when it is given."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from amends import DefinitionError, Engine, saga
from amends.errors import EngineClosed
from amends.stores.memory import MemoryStore
from amends.stores.sqlite import SQLiteStore
from amends.stores.view import SQLiteView

NAN = float("nan")


@saga
async def idle() -> str:
    return "done"


WRONG: dict[str, list[Any]] = {
    "sagas": [5, None, "idle", [5], idle],
    "drive": [0, "no", None],
    "namespace": [5, "", " ", True],
    "max_runs": [0, -1, 1.5, True, "2", None],
    "max_steps": [0, 1.5, NAN],
    "max_pending": [0, 1.5, "2"],
    "threads": [0, 1.5, True],
    "lease": [0, -1, NAN, float("inf"), "5", True, None, timedelta(0)],
    "poll": [0, -1, NAN, float("inf"), "5", True, None],
    "durability": ["FULL", "strict", True, "", None, ["full"]],
    "wall": [5, None],
    "luck": [5, None],
}


@pytest.mark.parametrize(("option", "value"), [(option, value) for option, values in WRONG.items() for value in values])
def test_of_the_engine(option: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=option):
        Engine(MemoryStore(), **{option: value})


@pytest.mark.parametrize("place", [5, None, b"orders.db", "", ["orders.db"]])
def test_of_its_store(place: Any) -> None:
    with pytest.raises(DefinitionError, match=r"Give a path: 'orders\.db'"):
        Engine(place)


def test_of_a_store_in_a_file(tmp_path: Path) -> None:
    for word in ("FULL", "strict", True, None):
        with pytest.raises(DefinitionError, match=r"durability is .*; give 'full' or 'relaxed'"):
            SQLiteStore(tmp_path / "a.db", durability=word)  # type: ignore[arg-type]
    for store in (SQLiteStore, SQLiteView):
        with pytest.raises(DefinitionError, match="busy"):
            store(tmp_path / "a.db", busy=NAN)
    SQLiteStore(tmp_path / "a.db", durability="relaxed")


ASKED: list[Any] = [
    lambda engine: engine.list(states="running"),
    lambda engine: engine.list(states=["foo"]),
    lambda engine: engine.list(states=5),
    lambda engine: engine.list(sagas="idle"),
    lambda engine: engine.list(sagas=[idle]),
    lambda engine: engine.list(limit=1.5),
    lambda engine: engine.list(limit=-1),
    lambda engine: engine.list(offset="1"),
    lambda engine: engine.tell("a", "hello", by=5),
    lambda engine: engine.cancel("a", by=5),
    lambda engine: engine.cancel("a", reason=5),
    lambda engine: engine.dlq.list(open="yes"),
    lambda engine: engine.dlq.list(limit=True),
    lambda engine: engine.dlq.retry("a#1", by=5),
    lambda engine: engine.dlq.retry("a#1", note=5),
    lambda engine: engine.dlq.resolve("a#1", note=5),
    lambda engine: engine.dlq.abandon("a#1", note=" "),
    lambda engine: engine.dlq.answer("a#1", happened="no"),
]


def test_of_what_an_engine_is_asked() -> None:
    async def main() -> None:
        async with Engine(MemoryStore(), sagas=[idle]) as engine:
            assert await engine.run(idle(), id="a") == "done"
            for ask in ASKED:
                with pytest.raises(DefinitionError):
                    await ask(engine)
            with pytest.raises(DefinitionError, match="the id of a run"):
                engine.get(5)  # type: ignore[arg-type]
            assert [run.id for run in await engine.list(states=["completed"], sagas=("idle",))] == ["a"]

    asyncio.run(main())


def test_from_a_plain_thread_an_engine_says_how_to_reach_it() -> None:
    async def main() -> None:
        async with Engine(MemoryStore()) as engine:
            with pytest.raises(EngineClosed, match="run_coroutine_threadsafe"):
                await asyncio.to_thread(engine.get, "a")

    asyncio.run(main())
