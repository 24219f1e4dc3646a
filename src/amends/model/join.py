"""How many are enough: the rule of a join, and what has come of its branches so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeAlias, TypeVar

from amends.errors import BranchesFailed, DefinitionError, NotStorable
from amends.model import canonical
from amends.model.driving import Ask

if TYPE_CHECKING:
    from amends.model.records import ChildWanted

T_co = TypeVar("T_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)

Losers: TypeAlias = Literal["undo", "keep", "cancel"]
"""What becomes of a branch that lost: undone; left to go on and kept; or only interrupted, and not undone if it is done.

A nested run that is interrupted rolls back what it did, as every run does that is cancelled.
"""


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """A branch that succeeded, and its value."""

    value: T_co


@dataclass(frozen=True, slots=True)
class Failed:
    """A branch that failed, and its error: `StepFailed`, `Compensated`, `TimeoutError`, or the error of a join."""

    error: Exception


End: TypeAlias = Ok[Any] | Failed
"""How a branch ended."""


@dataclass(frozen=True, slots=True)
class Joined(Generic[T_co]):
    """What came of the branches of a join.

    `ends` has an entry for each branch, in the order in which they were given: `Ok`, `Failed`, or None for a branch that
    had not ended when the join was decided. `arrival` holds the indexes of those that ended, in the order in which they did.
    """

    _keep_instead: ClassVar[str] = "Return what you need of it: `.ok`, `.lost`, or texts made of `.failed`."

    ends: tuple[Ok[T_co] | Failed | None, ...]
    arrival: tuple[int, ...]

    @property
    def ok(self) -> tuple[T_co, ...]:
        """The values of the branches that succeeded, in the order in which the branches were given."""
        return tuple(end.value for end in self.ends if isinstance(end, Ok))

    @property
    def failed(self) -> tuple[Failed, ...]:
        """The branches that failed, in the order in which they were given."""
        return tuple(end for end in self.ends if isinstance(end, Failed))

    @property
    def lost(self) -> tuple[int, ...]:
        """The indexes of the branches that had not ended when the join was decided."""
        return tuple(index for index, end in enumerate(self.ends) if end is None)

    def values(self) -> tuple[T_co, ...]:
        """The same as `ok`, if no branch failed; raises `BranchesFailed` if one did."""
        if self.failed:
            raise BranchesFailed(
                f"{len(self.failed)} of {len(self.ends)} branches failed", [end.error for end in self.failed], self
            )
        return self.ok


class Verdict(Enum):
    """What a rule says once it is decided."""

    MET = "met"
    LOST = "can no longer be met"


class Counting(Protocol):
    """What has come of the branches of one join, and whether that decides it."""

    arrival: list[int]
    begun: int
    """How many branches have been begun."""

    @property
    def sated(self) -> bool:
        """Whether no more branches are to be begun."""
        ...

    def next(self, foretold: ChildWanted | None) -> Ask[Any] | None:
        """One more branch, if there is one that is not known from the start; `foretold` is what a replay knows of it."""
        ...

    def arrive(self, index: int, end: End) -> Verdict | None:
        """Take in how one branch ended; the verdict, if that decides the join."""
        ...

    def exhausted(self, branches: int) -> Verdict | None:
        """There are no more branches than these; the verdict, if that decides the join."""
        ...

    def time_up(self) -> Verdict:
        """The verdict when there is no more time."""
        ...

    def winners(self) -> frozenset[int]:
        """The branches that the verdict is made of; all others have lost."""
        ...


class Rule(Protocol):
    """Says how many are enough; `least` is how many must succeed, for those who read the journal."""

    @property
    def least(self) -> int:
        """How many must succeed."""
        ...

    def counting(self, branches: int, saga: str, base: str) -> Counting:
        """Begin to count; `saga` is whose join it is, and `base` tells it from all other joins."""
        ...


@dataclass(frozen=True, slots=True)
class Agreeing:
    """Decided once `need` branches have succeeded, with values of one kind if `kind` tells kinds apart."""

    need: int
    kind: Callable[[Any], Any] | None = None

    @property
    def least(self) -> int:
        """How many must succeed; as many are enough when the time is over."""
        return self.need

    def counting(self, branches: int, saga: str, base: str) -> Count:
        """Begin to count."""
        return Count(self, branches)


@dataclass(frozen=True, slots=True)
class Completing:
    """Decided once `need` branches have ended, whichever way, if at least `ok` of them have succeeded by then."""

    need: int
    ok: int = 0

    @property
    def least(self) -> int:
        """How many must succeed; as many are enough when the time is over."""
        return self.ok

    def counting(self, branches: int, saga: str, base: str) -> Count:
        """Begin to count."""
        return Count(self, branches)


class Count:
    """How the branches of one join have ended so far, and whether that decides it."""

    sated = False

    def __init__(self, rule: Agreeing | Completing, branches: int) -> None:
        self._rule = rule
        self._ends: list[End | None] = [None] * branches
        self._kinds: Counter[bytes] = Counter()
        self._kind_of: dict[int, bytes] = {}
        self._best = b""
        self._succeeded = 0
        self.begun = 0
        self.arrival: list[int] = []

    def arrive(self, index: int, end: End) -> Verdict | None:
        """Take in how one branch ended; the verdict, if that decides the join."""
        if isinstance(end, Ok):
            end = self._sort(index, end)
        self._ends[index] = end
        self.arrival.append(index)
        return self._verdict()

    def next(self, foretold: ChildWanted | None) -> Ask[Any] | None:
        """All branches were known from the start."""
        return None

    def exhausted(self, branches: int) -> Verdict | None:
        """All branches were known from the start."""
        return None

    def time_up(self) -> Verdict:
        """The verdict when there is no more time."""
        return Verdict.MET if self._succeeded >= self._rule.least else Verdict.LOST

    def joined(self) -> Joined[Any]:
        """What has come so far."""
        return Joined(tuple(self._ends), tuple(self.arrival))

    def winners(self) -> frozenset[int]:
        """The branches that the verdict is made of; all others have lost."""
        if isinstance(self._rule, Completing):
            return frozenset(self.arrival)
        return frozenset(index for index, kind in self._kind_of.items() if kind == self._best)

    def _sort(self, index: int, end: Ok[Any]) -> End:
        kind = b""
        if isinstance(self._rule, Agreeing) and self._rule.kind is not None:
            try:
                kind = _written(self._rule.kind(end.value))
            except Exception as error:  # the user's own key function: its branch cannot be counted, whatever it raised
                return Failed(error)
        self._kinds[kind] += 1
        self._kind_of[index] = kind
        if self._kinds[kind] > self._succeeded:
            self._succeeded, self._best = self._kinds[kind], kind
        return end

    def _verdict(self) -> Verdict | None:
        succeeded, open_ = self._succeeded, len(self._ends) - len(self.arrival)
        if isinstance(self._rule, Agreeing):
            if succeeded >= self._rule.need:
                return Verdict.MET
            return Verdict.LOST if succeeded + open_ < self._rule.need else None
        if succeeded + open_ < self._rule.ok:
            return Verdict.LOST
        return Verdict.MET if len(self.arrival) >= self._rule.need and succeeded >= self._rule.ok else None


def _written(key: Any) -> bytes:
    try:
        return canonical.encode_any(key)
    except (TypeError, NotStorable) as error:
        raise DefinitionError(f"a vote cannot compare {key!r}: {error}. Let key= give plain data of it.") from error


@dataclass(frozen=True, slots=True)
class Join(Ask[R_co]):
    """Several things to await at once, and the rule that says when that is over. Made by `all_of` and its sisters.

    `answer` makes the join's own end of what was counted; `seconds` is the time that it may take. `depth` says how many
    joins are inside one another here, and `size` how many positions all of it takes. `limit` says how many branches may be
    at work at once. A join without `branches` is given them one by one by what counts them.
    """

    verb: str
    branches: tuple[Ask[Any], ...]
    rule: Rule
    answer: Callable[[Any, Verdict], End]
    losers: Losers
    seconds: float | None = None
    depth: int = 1
    size: int = 1
    limit: int | None = None

    @property
    def alone(self) -> bool:
        """Whether it can be no branch of another join."""
        return False

    @property
    def mapped(self) -> Any:
        """The step or saga that its branches will call, when they come from a feed."""
        return None

    def __repr__(self) -> str:
        return f"{self.verb}({', '.join(map(repr, self.branches[:5]))}{', …' if len(self.branches) > 5 else ''})"
