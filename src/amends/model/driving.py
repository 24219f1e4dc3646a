"""Which saga body is being driven right now, as far as calls need to know."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator


class Driven(Protocol):
    """A saga body that is being driven."""

    def ask(self, wanted: Any) -> Generator[Any, Any, Any]:
        """Hand a wish out to the machine, and give back what came of it."""
        ...

    def made(self, call: Any) -> None:
        """Take note of a call that should be awaited."""
        ...


driving: ContextVar[Driven | None] = ContextVar("amends_driving", default=None)
"""The body that is being driven, if any: it is set around each step that a body takes."""
