"""The time of day in simulated worlds: virtual for users' code too, and wrong for a worker whose clock is."""

from __future__ import annotations

import time

import pytest

from amends import saga, step
from amends.testing import World, explore
from amends.testing.explorer.wall import EPOCH

world = World()
desk = world.service("desk")
seen: list[tuple[float, int]] = []


@step(no_undo="a note hurts nobody")
async def note() -> None:
    seen.append((time.time(), time.time_ns()))
    await desk.do("note")


@step(no_undo="a note hurts nobody")
def note_in_a_thread() -> None:
    seen.append((time.time(), time.time_ns()))
    desk.sync.do("note")


@saga
async def notes() -> None:
    await note()


@saga
async def notes_in_a_thread() -> None:
    await note_in_a_thread()


@pytest.mark.parametrize("call", [notes(), notes_in_a_thread()], ids=["task", "thread"])
@pytest.mark.parametrize(("kind", "off"), [("clock_ahead", 3_600), ("clock_back", -3_600)])
def test_a_step_reads_the_clock_of_its_worker(call: object, kind: str, off: int) -> None:
    seen.clear()
    explore(call, world=world, kinds=["crash_after_effect", kind], faults=2)
    assert {round(at - EPOCH) for at, _ in seen} == {0, off}
    assert all(abs(at - ns / 1e9) < 1e-5 for at, ns in seen)


def test_outside_of_worlds_the_time_is_real() -> None:
    told: list[float] = []
    explore(
        notes(), world=world, faults=1, progress=lambda _: told.append(time.time()), setup=lambda: told.append(time.time())
    )
    assert told and abs(time.time() - told[0]) < 600 and time.time.__module__ == "time"
