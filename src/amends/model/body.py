"""A saga body driven by hand: what it awaits comes out, what came of it goes in."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from amends.errors import ForeignAwait, NeverAwaited
from amends.model import keys
from amends.model.driving import Ask, driving

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator
    from types import CodeType
    from uuid import UUID

T_co = TypeVar("T_co", covariant=True)

CURE = (
    "In a saga body every await is a durable point. Put I/O into a @step and await that; use amends.sleep for a pause, "
    "@step(timeout=...) or @saga(deadline=...) for a time limit, and amends.all_of(...) or another join to wait for "
    "several calls at once."
)


@dataclass(frozen=True, slots=True)
class Sleep(Ask[None]):
    """A pause that the saga body asked for; exactly one of the two is set."""

    seconds: float | None
    until: float | None

    def __repr__(self) -> str:
        return f"sleep({self.seconds:g})" if self.until is None else f"sleep_until({datetime.fromtimestamp(self.until, UTC)})"


@dataclass(frozen=True, slots=True)
class Receive(Ask[T_co]):
    """A message that the saga body waits for."""

    type: Any
    name: str
    timeout: float | None

    def __repr__(self) -> str:
        return f"receive({self.name})"


@dataclass(frozen=True, slots=True)
class Returned:
    """The body came to its end."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The body ended with an exception."""

    error: BaseException


class Body:
    """One run's coroutine, with its clock (the time of the last fact) and its luck (drawn from the run's seed)."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], seed: bytes) -> None:
        self._coroutine = coroutine
        self._seed = seed
        self._draws = 0
        self._unawaited: dict[int, tuple[Any, CodeType, int]] = {}
        self.now = 0.0

    def resume(self, value: Any = None, error: BaseException | None = None) -> Ask[Any] | Returned | Raised:
        """Go on with a value or an error until the body awaits something or ends."""
        token = driving.set(self)
        try:
            while True:
                asked = self._coroutine.send(value) if error is None else self._coroutine.throw(error)
                if isinstance(asked, Ask):
                    return asked
                value, error = (
                    None,
                    ForeignAwait(f"a saga body awaited {asked!r}, which cannot be made durable. {CURE}"),
                )
        except StopIteration as stop:
            forgotten = self._forgotten()
            return Raised(forgotten) if forgotten else Returned(stop.value)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # whatever the body ends with is the run's failure, sys.exit included
            return Raised(raised)
        finally:
            driving.reset(token)

    def close(self) -> None:
        """Leave the body where it stands: its `finally` blocks run, but nothing that they await."""
        token = driving.set(self)
        try:
            self._coroutine.close()
        except KeyboardInterrupt:
            raise
        except BaseException:  # the run has its cause already; a `finally` block cannot replace it
            return
        finally:
            driving.reset(token)

    def ask(self, wanted: Ask[Any]) -> Generator[Any, Any, Any]:
        """What awaiting does within the body: hand the wish out, and give back what came of it."""
        self.taken(wanted)
        return (yield wanted)

    def made(self, wanted: Any) -> None:
        """Remember what should be awaited until it is, and where it was made."""
        frame = sys._getframe(2)  # 0 is here, 1 is Target.__call__ or `noted`
        while frame.f_globals["__name__"].startswith("amends.model.") and frame.f_back is not None:
            frame = frame.f_back
        self._unawaited[id(wanted)] = (wanted, frame.f_code, frame.f_lineno)

    def taken(self, wanted: Any) -> None:
        """It is awaited, or has become a part of what should be."""
        self._unawaited.pop(id(wanted), None)

    def draw(self) -> int:
        """The number of the next draw of luck."""
        self._draws += 1
        return self._draws

    def random(self) -> float:
        """The next number of at least 0 and below 1."""
        return keys.luck_float(self._seed, self.draw())

    def uuid(self) -> UUID:
        """The next random UUID."""
        return keys.luck_uuid(self._seed, self.draw())

    def clock(self) -> datetime:
        """The time of the last fact, in UTC."""
        return datetime.fromtimestamp(self.now, UTC)

    def _forgotten(self) -> NeverAwaited | None:
        for wanted, code, line in self._unawaited.values():
            return NeverAwaited(
                f"{wanted!r}, made at {code.co_filename}:{line}, was never awaited, so it never happened. "
                "Put `await` before it."
            )
        return None


def current_body(what: str) -> Body:
    """The body that is being driven; raises `ForeignAwait` outside of one."""
    body = driving.get()
    if not isinstance(body, Body):
        raise ForeignAwait(f"amends.{what}() works in a saga body only. Run the saga in an Engine.")
    return body
