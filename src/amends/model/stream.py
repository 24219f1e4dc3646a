"""A join that goes on behind the body's back, while the body takes one part after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from amends.model.chunk import read
from amends.model.driving import Ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from amends.model.call import Target
    from amends.model.join import Join
    from amends.model.source import Reading

R_co = TypeVar("R_co", covariant=True)

MOST_HELD = 8
"""How many parts are begun at most before the first of them is taken."""


class Stream:
    """The parts of a join in their order, as results of chunks; `value` is what the whole came to, once all are taken.

    More parts are begun only when the body asks for the next one, so that one who leaves early starts nothing more.

    Args:
        join: is begun with the first part.
        reading: where its items come from.
        ahead: how many items are read before a part is awaited, if reading them awaits something.
        keep: whether the join keeps what was taken.
    """

    def __init__(self, join: Join[Any], reading: Reading, ahead: int, keep: bool) -> None:
        self.join = join
        self.keep = keep
        self.value: Any = None
        self.pos = 0  # of the join, once it is planned
        self.asked = False
        self.taken = 0
        self._reading = reading
        self._ahead = ahead

    def wants(self, begun: int) -> bool:
        """Whether to begin another part, when so many are begun."""
        return self.asked and begun - self.taken < MOST_HELD

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> bytes:
        await self._reading.fill(self._ahead)
        part: bytes | None = await NextPart(self)
        if part is None:
            raise StopAsyncIteration
        return part


@dataclass(frozen=True, slots=True)
class NextPart(Ask["bytes | None"]):
    """The next part of a stream, or None when there are no more."""

    stream: Stream

    def __repr__(self) -> str:
        return f"the next part of {self.stream.join!r}"


class Parts(Generic[R_co]):
    """The values of a fan-out, a chunk at a time.

    This is no generator: one that is left while it awaits something is closed by the event loop, behind the body's back.
    """

    def __init__(self, stream: Stream, fn: Target[..., R_co]) -> None:
        self._stream = stream
        self._decode = fn.signature.result.decode

    def __aiter__(self) -> Parts[R_co]:
        return self

    async def __anext__(self) -> list[R_co]:
        return [self._decode(value) for value in read(await anext(self._stream)).values]


class Values(Generic[R_co]):
    """The values of a fan-out, one by one."""

    def __init__(self, parts: AsyncIterator[list[R_co]]) -> None:
        self._parts = parts
        self._part: Iterator[R_co] = iter(())

    def __aiter__(self) -> Values[R_co]:
        return self

    async def __anext__(self) -> R_co:
        while True:
            for value in self._part:
                return value
            self._part = iter(await anext(self._parts))
