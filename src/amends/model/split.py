"""The static joins: several calls at once, and how many of them are enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from amends.errors import (
    AllFailed,
    BranchesFailed,
    JoinFailed,
    NoAgreement,
    QuorumImpossible,
    TooFewInTime,
)
from amends.model import door
from amends.model.driving import Ask
from amends.model.forming import form, policy, whole
from amends.model.join import Agreeing, Completing, Count, End, Failed, Join, Joined, Losers, Ok, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta


A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Agreement(Generic[T_co]):
    """What a vote agreed on.

    `value` is the first of the equal values in the order of the branches; `support` says how many branches agree on it;
    `dissent` holds the values of those that do not; `votes` is all that came.
    """

    _keep_instead: ClassVar[str] = "Return what you need of it: `.value`, `.support`, or `.dissent`."

    value: T_co
    support: int
    dissent: tuple[T_co, ...]
    votes: Joined[T_co]


@overload
def all_of(a: Ask[A], /, *, losers: Losers = ...) -> Join[tuple[A]]: ...
@overload
def all_of(a: Ask[A], b: Ask[B], /, *, losers: Losers = ...) -> Join[tuple[A, B]]: ...
@overload
def all_of(a: Ask[A], b: Ask[B], c: Ask[C], /, *, losers: Losers = ...) -> Join[tuple[A, B, C]]: ...
@overload
def all_of(a: Ask[A], b: Ask[B], c: Ask[C], d: Ask[D], /, *, losers: Losers = ...) -> Join[tuple[A, B, C, D]]: ...
@overload
def all_of(
    a: Ask[A], b: Ask[B], c: Ask[C], d: Ask[D], e: Ask[E], /, *, losers: Losers = ...
) -> Join[tuple[A, B, C, D, E]]: ...
@overload
def all_of(*branches: Ask[T], losers: Losers = ...) -> Join[tuple[T, ...]]: ...
def all_of(*branches: Ask[Any], losers: Losers = "undo") -> Join[Any]:
    """Await every branch at once (a barrier); it fails at the first branch that fails.

    Args:
        branches: calls, pauses, messages, or joins; at most 10,000.
        losers: when a branch fails, what becomes of the others, finished ones included: "undo" (the default), "keep", or
            "cancel" (interrupt those that are still at work, and undo nothing).

    Returns:
        when awaited, the values as a tuple, in the order of the branches.

    Raises:
        BranchesFailed: in the body; `partial` holds what came.
        DefinitionError: there is no branch, or one of them cannot be awaited in a saga.
    """

    def answer(count: Count, verdict: Verdict) -> End:
        joined = count.joined()
        if verdict is Verdict.MET:
            return Ok(joined.ok)
        return _refused(BranchesFailed, "a branch failed", joined)

    return form("all_of", branches, Agreeing(len(branches)), answer, losers)


@overload
def settle(a: Ask[A], /) -> Join[tuple[Ok[A] | Failed]]: ...
@overload
def settle(a: Ask[A], b: Ask[B], /) -> Join[tuple[Ok[A] | Failed, Ok[B] | Failed]]: ...
@overload
def settle(a: Ask[A], b: Ask[B], c: Ask[C], /) -> Join[tuple[Ok[A] | Failed, Ok[B] | Failed, Ok[C] | Failed]]: ...
@overload
def settle(*branches: Ask[T]) -> Join[tuple[Ok[T] | Failed, ...]]: ...
def settle(*branches: Ask[Any]) -> Join[Any]:
    """Await every branch at once, failures as values.

    Args:
        branches: calls, pauses, messages, or joins; at most 10,000.

    Returns:
        when awaited, a tuple with `Ok(value)` or `Failed(error)` for each branch, in the order of the branches.

    Raises:
        DefinitionError: there is no branch, or one of them cannot be awaited in a saga.
    """

    def answer(count: Count, _: Verdict) -> End:
        return Ok(count.joined().ends)

    return form("settle", branches, Completing(len(branches)), answer, "keep")


def any_of(*branches: Ask[T], losers: Losers | None = None) -> Join[T]:
    """Await the first branch that succeeds: redundant execution.

    Args:
        branches: calls, pauses, messages, or joins; at most 10,000.
        losers: what becomes of the others: "undo" (the default when every branch says how), "keep", or "cancel".

    Returns:
        when awaited, the value of the first branch that succeeded.

    Raises:
        AllFailed: in the body, when no branch succeeded.
        DefinitionError: there is no branch, one cannot be awaited in a saga, or a step has no undo and `losers` is not given.
    """

    def answer(count: Count, verdict: Verdict) -> End:
        joined = count.joined()
        if verdict is Verdict.MET:
            return Ok(joined.ok[0])
        return _refused(AllFailed, "every branch failed", joined)

    return form("any_of", branches, Agreeing(1), answer, policy("any_of", branches, losers))


def race(*branches: Ask[T], losers: Losers | None = None) -> Join[T]:
    """Await the first branch that ends, whether it succeeds or fails: the fastest wins.

    Args:
        branches: calls, pauses, messages, or joins; at most 10,000.
        losers: what becomes of the others: "undo" (the default when every branch says how), "keep", or "cancel".

    Returns:
        when awaited, the value of the branch that ended first; its error is raised if it failed.

    Raises:
        DefinitionError: there is no branch, one cannot be awaited in a saga, or a step has no undo and `losers` is not given.
    """

    def answer(count: Count, _: Verdict) -> End:
        first = count.joined().ends[count.arrival[0]]
        assert first is not None
        return first

    return form("race", branches, Completing(1), answer, policy("race", branches, losers))


def quorum(n: int, /, *branches: Ask[T], losers: Losers | None = None) -> Join[Joined[T]]:
    """Await `n` branches that succeed; it fails as soon as that many can no longer succeed.

    Args:
        n: how many successes are enough, 1 to the number of branches.
        branches: calls, pauses, messages, or joins; at most 10,000.
        losers: what becomes of the others: "undo" (the default when every branch says how), "keep", or "cancel".

    Returns:
        when awaited, a `Joined`.

    Raises:
        QuorumImpossible: in the body; `partial` holds what came.
        DefinitionError: `n` is out of range, a branch cannot be awaited in a saga, or a step has no undo and `losers` is
            not given.
    """
    whole("quorum", "n", n, 1, len(branches))

    def answer(count: Count, verdict: Verdict) -> End:
        joined = count.joined()
        if verdict is Verdict.MET:
            return Ok(joined)
        return _refused(QuorumImpossible, f"{n} of {len(branches)} branches can no longer succeed", joined)

    return form("quorum", branches, Agreeing(n), answer, policy("quorum", branches, losers))


def within(
    seconds: float | timedelta, /, *branches: Ask[T], at_least: int = 1, losers: Losers | None = None
) -> Join[Joined[T]]:
    """Await every branch, but no longer than a time, and go on with what came.

    A result that is durable before the end of the time counts; which ones these are is decided once, and kept.

    Args:
        seconds: the time, in seconds or as a timedelta.
        branches: calls, pauses, messages, or joins (`within(5, quorum(2, …))`); at most 10,000.
        at_least: how many must succeed, 0 to the number of branches; as soon as that many cannot any more, it fails.
        losers: what becomes of the stragglers: "undo" (the default when every branch says how), "keep", or "cancel".

    Returns:
        when awaited, a `Joined`.

    Raises:
        TooFewInTime: in the body; `partial` holds what came.
        DefinitionError: the time is not positive, `at_least` is out of range, a branch cannot be awaited in a saga, or a
            step has no undo and `losers` is not given.
    """
    limit = door.limit(seconds, "within(seconds, ...)", "that the branches may take")
    whole("within", "at_least", at_least, 0, len(branches))

    def answer(count: Count, verdict: Verdict) -> End:
        joined = count.joined()
        if verdict is Verdict.MET:
            return Ok(joined)
        came = f"{len(joined.ok)} of {len(branches)} branches succeeded"
        return _refused(TooFewInTime, f"{came} within {limit:g} seconds, and at_least={at_least}", joined)

    rule = Completing(len(branches), at_least)
    return form("within", branches, rule, answer, policy("within", branches, losers), limit)


def vote(
    *branches: Ask[T], agree: int, key: Callable[[T], Any] | None = None, losers: Losers | None = None
) -> Join[Agreement[T]]:
    """Await `agree` branches that return equal values: consensus. It ends as soon as that is reached, or cannot be.

    Args:
        branches: calls, pauses, messages, or joins; at most 10,000.
        agree: how many must agree: more than half of the branches, so that there is never more than one winner.
        key: what is compared of a value (`str.lower`); the value itself by default. A pure function; a branch for whose
            value it raises has failed.
        losers: what becomes of those that disagree or come too late: "undo" (the default when every branch says how),
            "keep", or "cancel".

    Returns:
        when awaited, an `Agreement`.

    Raises:
        NoAgreement: in the body; `votes` holds what came.
        DefinitionError: `agree` is not more than half, a branch cannot be awaited in a saga, or a step has no undo and
            `losers` is not given.
    """
    if key is not None:
        door.function(key, "vote(key=...)", "Give a pure function of a value, for instance str.lower.")
    half = ": more than half, so that no two answers can win"
    whole("vote", "agree", agree, len(branches) // 2 + 1, len(branches), half)
    kind: Callable[[Any], Any] = key or _itself

    def answer(count: Count, verdict: Verdict) -> End:
        joined = count.joined()
        if verdict is Verdict.MET:
            return Ok(_agreement(joined, count.winners()))
        return _refused(NoAgreement, f"{agree} of {len(branches)} branches can no longer agree", joined)

    return form("vote", branches, Agreeing(agree, kind), answer, policy("vote", branches, losers))


def _agreement(joined: Joined[Any], winners: frozenset[int]) -> Agreement[Any]:
    votes = [(index, end.value) for index, end in enumerate(joined.ends) if isinstance(end, Ok)]
    value = next(value for index, value in votes if index in winners)
    dissent = tuple(value for index, value in votes if index not in winners)
    return Agreement(value, len(winners), dissent, joined)


def _itself(value: Any) -> Any:
    return value


def _refused(kind: type[JoinFailed], why: str, joined: Joined[Any]) -> Failed:
    return Failed(kind(why, [end.error for end in joined.failed], joined))
