"""Scatter-gather: one request to several agents, and what they answer, merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from amends.errors import DefinitionError, QuorumImpossible, TooFewInTime
from amends.model import door
from amends.model.call import Target
from amends.model.driving import noted
from amends.model.forming import as_it_is, form, policy, takes_one, whole
from amends.model.join import Completing, Count, End, Failed, Join, Losers, Ok, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from amends.model.driving import Ask

Q = TypeVar("Q")
R = TypeVar("R")
M = TypeVar("M")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Gathered(Generic[R_co]):
    """What came of a request, by the names of the agents and in their order.

    `answers` holds the values of those that answered, `failed` the errors of those that failed; `late` names those that had
    not answered when it was decided.
    """

    _keep_instead: ClassVar[str] = "Return what you need of it: `dict(got.answers)`, `.late`, or texts made of `.failed`."

    answers: Mapping[str, R_co]
    failed: Mapping[str, Exception]
    late: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Scatter(Join[Gathered[R_co]]):
    """A request to several agents, made by `scatter`: to be awaited, or merged first."""

    def merge(self, fn: Callable[[Gathered[R_co]], M]) -> Join[M]:
        """The same request, with its answers merged into one.

        Args:
            fn: a pure function of what was gathered; `amends.merges` has some that are ready.

        Returns:
            what gives, when awaited, what `fn` returns; it raises what awaiting the request raises, and what `fn` raises.

        Raises:
            DefinitionError: `fn` is no function, or an `async def`.
        """
        door.pure(fn, "merge(fn)", "Give a `def` of what was gathered, or await the request and call a step with it.")

        def answer(count: Any, verdict: Verdict) -> End:
            end = self.answer(count, verdict)
            if isinstance(end, Failed):
                return end
            try:
                return Ok(fn(end.value))
            except Exception as error:  # the user's own merge: whatever it raises is how the join fails
                return Failed(error)

        return noted(cast("Join[M]", replace(self, answer=answer)), self)


def scatter(
    agents: Iterable[Callable[[Q], Ask[R]]] | Mapping[str, Callable[[Q], Ask[R]]],
    request: Q,
    /,
    *,
    within: float | timedelta | None = None,
    at_least: int = 1,
    limit: int | None = None,
    losers: Losers | None = None,
) -> Scatter[R]:
    """Send one request to several agents at once, and gather what they answer.

    Args:
        agents: steps or sagas that take the request; a mapping gives them names, else they go by their own.
        request: what each of them is called with.
        within: seconds (or a timedelta) to wait; those that have not answered by then are late. None: wait for all.
        at_least: how many must answer, 0 to the number of agents.
        limit: how many are asked at once; all of them by default.
        losers: what becomes of those that are late: "undo" (the default when every agent says how), "keep", or "cancel".

    Returns:
        when awaited, a `Gathered`; `.merge(fn)` makes one answer of it.

    Raises:
        TooFewInTime: in the body: fewer than `at_least` answered in time; `partial` holds what came.
        QuorumImpossible: in the body: fewer than `at_least` can answer, because too many failed.
        DefinitionError: there are no agents, two have one name, a number is out of its range, or a step has no undo and
            `losers` is not given.
    """
    named = _named(agents)
    names = tuple(named)
    seconds = None if within is None else door.limit(within, "scatter(within=...)", "that the agents may take")
    whole("scatter", "at_least", at_least, 0, len(names))
    if limit is not None:
        whole("scatter", "limit", limit, 1, len(names))
    for agent in named.values():
        takes_one("scatter", agent, "the request")
    branches = tuple(agent(request) for agent in named.values())

    def answer(count: Count, verdict: Verdict) -> End:
        joined = count.joined()
        if verdict is Verdict.MET:
            return Ok(_gathered(names, joined.ends))
        kind = QuorumImpossible if seconds is None else TooFewInTime
        why = f"{len(joined.ok)} of {len(names)} agents answered, and at_least={at_least}"
        return Failed(kind(why, [end.error for end in joined.failed], joined))

    rule = Completing(len(names), at_least)
    early = "undo" if seconds is None and losers is None else policy("scatter", branches, losers)
    made = form("scatter", branches, rule, answer, early, seconds, limit, Scatter)
    assert isinstance(made, Scatter)
    return made


def _named(agents: Any) -> dict[str, Any]:
    if not isinstance(agents, Iterable):
        raise DefinitionError(f"scatter() takes agents as a list, or as a mapping with their names, not {agents!r} alone.")
    pairs = agents.items() if isinstance(agents, Mapping) else [(getattr(agent, "name", ""), agent) for agent in agents]
    named: dict[str, Any] = {}
    for name, agent in pairs:
        if not isinstance(agent, Target):
            raise DefinitionError(f"scatter() takes steps and sagas, not {agent!r}. {as_it_is(agent)}")
        if named.setdefault(name, agent) is not agent or not isinstance(name, str):
            raise DefinitionError(
                f"scatter(): two agents are named {name!r}; give names of their own: {{'a': one, 'b': two}}."
            )
    if len(named) != len(pairs):
        raise DefinitionError("scatter(): one agent is there twice. Give it two names: {'a': agent, 'b': agent}.")
    return named


def _gathered(names: tuple[str, ...], ends: tuple[Any, ...]) -> Gathered[Any]:
    pairs = list(zip(names, ends, strict=True))
    return Gathered(
        {name: end.value for name, end in pairs if isinstance(end, Ok)},
        {name: end.error for name, end in pairs if isinstance(end, Failed)},
        tuple(name for name, end in pairs if end is None),
    )
