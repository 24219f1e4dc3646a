"""What a saga body finds where the event loop would be: a refusal, so that nothing is ever left running behind it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from amends.errors import ForeignAwait
from amends.model.body import CURE

if TYPE_CHECKING:
    from amends.model.machine import Machine
    from amends.model.records import Decision, Fact


class NoLoop:
    """Stands in for the running event loop; whatever asyncio asks of it is refused with the cure."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ForeignAwait(
            f"a saga body used asyncio's event loop ({name}): sleep, timeout, gather, create_task and TaskGroup of asyncio "
            f"would be lost in a crash. {CURE}"
        )

    def __hash__(self) -> int:
        return self.__getattr__("current_task")


NO_LOOP: Any = NoLoop()


def receive(machine: Machine, fact: Fact) -> list[Decision]:
    """`machine.receive(fact)`, with the event loop out of the body's reach."""
    with out_of_reach():
        return machine.receive(fact)


class out_of_reach:  # noqa: N801 (reads like a function)
    """While it lasts, whoever asks for the running event loop is refused."""

    def __enter__(self) -> None:
        self._loop = asyncio._get_running_loop()
        asyncio._set_running_loop(NO_LOOP)

    def __exit__(self, *_: object) -> None:
        asyncio._set_running_loop(self._loop)
