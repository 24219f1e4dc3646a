"""The vacuity gate: an exploration in which nothing happened proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.errors import Vacuous
from amends.testing.explorer import report
from amends.testing.explorer.faults import CALLS

if TYPE_CHECKING:
    from amends.model.records import State
    from amends.testing.explorer.plan import Plan
    from amends.testing.explorer.scenario import Scenario
    from amends.testing.explorer.search import Tally

ALWAYS = ("crash_after_commit", "fate_unknown", "write_refused", "cancel", "refused", "answer_lost", "crash_after_effect")
"""Faults that every saga can meet that touches the outside world; these must occur when none are named."""

_NO_OUTSIDE = (
    " No step met the outside world where they could. Let steps use a service of a World, or fake(...) them; or name the "
    "faults that you mean: kinds=(...)."
)


def demand_substance(scenario: Scenario, tally: Tally, reaches: tuple[State, ...], plan: Plan) -> None:
    """Check that every fault and every end that was asked for has occurred, and every fake was called; or raise `Vacuous`.

    When no faults are named, those that every saga can meet must have occurred; when worlds are drawn by luck, any.
    """
    for state in reaches:
        if not tally.ends[state]:
            raise Vacuous(f"no world ended {state!r}, though reaches= asks for it.\n{report.summary(tally)}")
    for fake in scenario.fakes:
        if not tally.asked[fake.step.name]:
            raise Vacuous(f"step {fake.step.name!r} has a fake and never took effect: drop the fake, or call the step.")
    if plan.faults == 0:
        return
    by_luck = plan.strategy != "exhaustive" and bool(tally.fired)
    wanted = sorted(scenario.kinds) if scenario.kinds is not None else () if by_luck else ALWAYS
    silent = [kind for kind in wanted if kind in scenario.explored and not tally.fired[kind]]
    if silent:
        outside = _NO_OUTSIDE if all(kind in CALLS for kind in silent) else ""
        raise Vacuous(f"these faults never occurred: {', '.join(silent)}.{outside}\n{report.summary(tally)}")
