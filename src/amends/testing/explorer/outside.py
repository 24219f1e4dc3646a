"""The real world, kept out of reach while simulated ones are played: nobody's money moves in an exploration."""

from __future__ import annotations

import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from amends.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Generator

_DOORS: tuple[tuple[Any, str], ...] = (
    (socket.socket, "connect"),
    (socket.socket, "connect_ex"),
    (socket.socket, "sendto"),
    (socket, "getaddrinfo"),
    (subprocess.Popen, "__init__"),
)


@contextmanager
def out_of_reach() -> Generator[None]:
    """While it lasts, opening a connection or starting a program is refused, with the cure."""
    before = [(owner, name, vars(owner).get(name)) for owner, name in _DOORS]
    for owner, name in _DOORS:
        setattr(owner, name, _refuse)
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
