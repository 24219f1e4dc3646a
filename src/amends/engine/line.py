"""What callers asked to have written: so much may wait and no more, and it is written also when its caller is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from amends.errors import Overloaded

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class Line:
    """The writes that callers wait for, at most `most` at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._writes: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._writes)

    async def write(self, asked: Coroutine[Any, Any, T]) -> T:
        """Wait for a write. A caller that is cancelled does not stop it: what is half begun would be nobody's.

        Raises:
            Overloaded: too many wait already; it was not even begun.
        """
        if len(self._writes) >= self._most:
            asked.close()
            raise Overloaded(self._most)
        task = asyncio.get_running_loop().create_task(asked)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)
