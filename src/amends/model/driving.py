"""Which saga body is being driven right now, and what such a body may await."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from amends.errors import ForeignAwait

if TYPE_CHECKING:
    from collections.abc import Generator

R_co = TypeVar("R_co", covariant=True)
W = TypeVar("W")


class Driven(Protocol):
    """A saga body that is being driven."""

    def ask(self, wanted: Any) -> Generator[Any, Any, Any]:
        """Hand a wish out to the machine, and give back what came of it."""
        ...

    def made(self, wanted: Any) -> None:
        """Take note of what should be awaited."""
        ...

    def taken(self, wanted: Any) -> None:
        """It is awaited, or has become a part of what should be."""
        ...


driving: ContextVar[Driven | None] = ContextVar("amends_driving", default=None)
"""The body that is being driven, if any: it is set around each step that a body takes."""


def noted(wanted: W, *parts: Any) -> W:
    """Take note, in a saga body, of what should be awaited; its parts need not be any more."""
    body = driving.get()
    if body is not None:
        for part in parts:
            body.taken(part)
        body.made(wanted)
    return wanted


def taken(wanted: Any) -> None:
    """Take note, in a saga body, that something is awaited."""
    body = driving.get()
    if body is not None:
        body.taken(wanted)


class Ask(Generic[R_co]):
    """What a saga body may await: a call, a pause, a message, or a join of these. It is a value until it is awaited."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, R_co]:
        body = driving.get()
        if body is None:
            raise ForeignAwait(f"{self!r} can be awaited in a saga body only. Run the saga in an Engine.")
        return body.ask(self)
