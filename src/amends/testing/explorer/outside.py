"""The real world and its time, kept out of reach while simulated ones are played: nobody's money moves in an exploration."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from amends.errors import DefinitionError
from amends.testing.explorer import wall

if TYPE_CHECKING:
    from collections.abc import Generator


@contextmanager
def out_of_reach() -> Generator[None]:
    """While it lasts, opening a connection or starting a program is refused, with the cure; the time of day is a world's."""
    before = [(owner, name, vars(owner).get(name)) for owner, name, _ in _STAND_INS]
    for owner, name, stand_in in _STAND_INS:
        setattr(owner, name, stand_in)
    try:
        yield
    finally:
        for owner, name, value in before:
            if value is None:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise DefinitionError(
        "a step tried to reach the real world while its saga was explored. Let it use a service of a World, or give "
        "explore(...) a fake(step, service) that stands in for it."
    )


_STAND_INS: tuple[tuple[Any, str, Any], ...] = (
    (socket.socket, "connect", _refuse),
    (socket.socket, "connect_ex", _refuse),
    (socket.socket, "sendto", _refuse),
    (socket, "getaddrinfo", _refuse),
    (subprocess.Popen, "__init__", _refuse),
    (time, "time", wall.now),
    (time, "time_ns", wall.now_ns),
)
