"""The work that every engine is given, as plain functions: its own steps call these, and so they can be counted."""

from __future__ import annotations

import socket
import time
from array import array

STEPS = 10
"""Steps of an ordinary run."""

value = ""
"""What a step returns."""
ticks: array[float] = array("d")
"""When each step was performed, since the last `forget`."""
undone = 0
"""How many undos were performed, since the last `forget`."""


class Declined(Exception):
    """The outside world says no, for good."""


def noop(number: int) -> str:
    """A step that does nothing but being counted."""
    ticks.append(time.perf_counter())
    return value


def fail() -> str:
    """A step that fails for good."""
    ticks.append(time.perf_counter())
    raise Declined("declined")


def undo() -> None:
    """The undo of a step."""
    global undone
    undone += 1


def returns(size: int) -> None:
    """Let steps return so many bytes."""
    global value
    value = "x" * size


def forget() -> None:
    """Begin to count anew."""
    global undone
    undone = 0
    del ticks[:]


def free_port() -> int:
    """A port on loopback that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
