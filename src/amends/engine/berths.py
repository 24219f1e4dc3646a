"""How many calls of user code are at work at once; others wait in line, at the cost of an entry in it."""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Waits(Protocol):
    """What wants to begin once there is room."""

    @property
    def given_up(self) -> bool:
        """Whether it does not want to begin any more."""
        ...

    def begin(self) -> None:
        """There is room."""
        ...


class Berths:
    """Room for `most` calls at once."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._line: deque[Waits] = deque()

    def enter(self, one: Waits) -> None:
        """Let it begin now, or when its turn comes."""
        if self._free > 0:
            self._free -= 1
            one.begin()
        else:
            self._line.append(one)

    def leave(self) -> None:
        """One came to its end: the next that still wants to may begin."""
        while self._line:
            following = self._line.popleft()
            if not following.given_up:
                following.begin()
                return
        self._free += 1
