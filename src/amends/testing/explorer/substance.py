"""The vacuity gate: an exploration in which nothing happened proves nothing."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from amends.testing.explorer.faults import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.testing.explorer.plan import Plan
    from amends.testing.explorer.scenario import Scenario
    from amends.testing.explorer.tally import Tally

ALWAYS = ("crash_after_commit", "fate_unknown", "write_refused", "cancel", "refused", "answer_lost", "crash_after_effect")
"""Faults that every saga can meet that touches the outside world; these must occur when none are named."""

_NO_OUTSIDE = (
    " No step met the outside world where they could. Let steps use a service of a World, or fake(...) them; or name the "
    "faults that you mean: kinds=(...)."
)


def why_vacuous(scenario: Scenario, tally: Tally, plan: Plan) -> str | None:
    """Why an exploration proves nothing about something that it was asked for, if so.

    Every fault and every end that was asked for must have occurred, every fake been called, every expectation been judged.
    When no faults are named, those that every saga can meet must have occurred; when worlds are drawn by luck, any.
    """
    missing = chain(_ends(scenario, tally), _fakes(scenario, tally), _judged(scenario, tally), _faults(scenario, tally, plan))
    return next(missing, None)


def _ends(scenario: Scenario, tally: Tally) -> Iterator[str]:
    for state in scenario.reaches:
        if not tally.ends[state]:
            ended = ", ".join(repr(end) for end in sorted(tally.ends))
            yield (
                f"no world ended {state!r}, though reaches= asks for it. The first world: {tally.first}. If that is as it "
                f"should be, say which ends are reached: reaches=[{ended}]."
            )


def _fakes(scenario: Scenario, tally: Tally) -> Iterator[str]:
    for fake in scenario.fakes:
        if not tally.asked[fake.step.name]:
            yield f"step {fake.step.name!r} has a fake and never took effect: drop the fake, or call the step."


def _judged(scenario: Scenario, tally: Tally) -> Iterator[str]:
    for condition in scenario.expect:
        states = condition.states
        if states is not None and not any(tally.ends[state] for state in states):
            yield (
                f"{condition.name!r} is expected of worlds that end {' or '.join(states)}, and none did: it was "
                "never judged. Explore with more faults, or drop the expectation."
            )


def _faults(scenario: Scenario, tally: Tally, plan: Plan) -> Iterator[str]:
    if plan.faults == 0:
        return
    if not scenario.explored:
        yield f"faults={plan.faults}, and kinds= and without= leave none that could occur: name some, or say faults=0."
    by_luck = plan.strategy != "exhaustive" and bool(tally.fired)
    wanted = sorted(scenario.kinds) if scenario.kinds is not None else () if by_luck else ALWAYS
    silent = [kind for kind in wanted if kind in scenario.explored and not tally.fired[kind]]
    if silent:
        outside = _NO_OUTSIDE if all(kind in CALLS for kind in silent) else ""
        yield f"these faults never occurred: {', '.join(silent)}.{outside}"
    if not tally.fired:
        yield f"no fault occurred in any world; those that were explored are {', '.join(sorted(scenario.explored))}."
