"""Room for so many calls at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from amends.engine.berths import Berths
from amends.engine.flight import Flight


@dataclass
class One:
    name: str
    log: list[str] = field(default_factory=list)
    given_up: bool = False

    def begin(self) -> None:
        self.log.append(self.name)


def test_who_finds_no_room_begins_when_another_leaves_in_the_order_of_the_line() -> None:
    log: list[str] = []
    berths = Berths(2)
    for name in "abcd":
        berths.enter(One(name, log))
    assert log == ["a", "b"]
    berths.leave()
    berths.leave()
    assert log == ["a", "b", "c", "d"]


def test_who_gave_up_is_passed_over_and_takes_no_room() -> None:
    log: list[str] = []
    berths = Berths(1)
    berths.enter(One("a", log))
    berths.enter(gone := One("b", log))
    gone.given_up = True
    berths.leave()
    berths.enter(One("c", log))
    assert log == ["a", "c"]


async def _dropped_before_it_began() -> list[str]:
    log: list[str] = []
    crew = SimpleNamespace(loop=asyncio.get_running_loop(), berths=Berths(1))
    effect = SimpleNamespace(step=SimpleNamespace(function=_dropped_before_it_began))
    flight = Flight(cast("Any", crew), cast("Any", None), cast("Any", effect), "step", 1, cast("Any", None))
    flight.board()
    flight.drop()
    await asyncio.sleep(0)
    crew.berths.enter(One("a", log))
    crew.berths.enter(One("b", log))
    return log


def test_a_call_that_is_dropped_before_its_task_began_gives_its_room_back_once() -> None:
    assert asyncio.run(_dropped_before_it_began()) == ["a"]
