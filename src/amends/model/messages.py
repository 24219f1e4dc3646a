"""The messages that a run was told and has not received yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amends.errors import NotStorable
from amends.model.codec import shape_of
from amends.model.records import Unreadable

if TYPE_CHECKING:
    from amends.model.body import Receive
    from amends.model.records import Decision, Told


class Messages:
    """Told messages, oldest first."""

    def __init__(self) -> None:
        self._told: list[Told] = []

    def add(self, told: Told) -> None:
        """Keep a message until it is received."""
        self._told.append(told)

    def take(self, wanted: Receive[Any], pos: int, out: list[Decision]) -> tuple[Any] | None:
        """The oldest message that fits, in a tuple; one that is not of its type is set aside, which `out` is told."""
        number = 0
        while number < len(self._told):
            told = self._told[number]
            if told.name != wanted.name:
                number += 1
                continue
            del self._told[number]
            try:
                return (shape_of(wanted.type).decode(told.body),)
            except NotStorable as error:
                out.append(Unreadable(pos, number, str(error)))
        return None
