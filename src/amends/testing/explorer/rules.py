"""The rules that hold in every world: each with its name, its sentence, what to change when it is broken, and its test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.errors import Diverged
from amends.model.records import CLOSED
from amends.testing.explorer import family_rules, join_rules, order_rules, world_rules
from amends.testing.explorer.account import Account, apart
from amends.testing.explorer.breach import OURS, Breach, Rule, seen
from amends.testing.explorer.ending import MOST_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.testing.explorer.ending import Ending


def judged(ending: Ending) -> list[Breach]:
    """Every rule that a world broke, and every expectation that it did not meet."""
    found = [Breach(rule.name, why) for rule in RULES for why in rule.test(ending)]
    for expectation in ending.scenario.expect:
        why = expectation.complaint(ending)
        if why is not None:
            found.append(Breach(expectation.name, why))
    return found


def _ends(ending: Ending) -> Iterator[str]:
    if not ending.quiet:
        turns = sum(len(account.turns) for account in ending.accounts.values())
        yield f"it goes on for ever: after {turns:,} turns, something is still asked for again and again"
    elif ending.account is None:
        yield "the run never began"
    elif ending.state not in (*CLOSED, "needs_attention"):
        yield f"{_why_still(ending.account)}, and the run is still {ending.state}: {_waits_for(ending.account)}"


def _why_still(account: Account) -> str:
    machine = account.replayed
    if isinstance(machine, Diverged) or machine.timers.next_due is None:
        return "nothing moves any more"
    return f"{MOST_DAYS} days are over, which is as long as a world lasts"


def _waits_for(account: Account) -> str:
    machine = account.replayed
    if isinstance(machine, Diverged):
        return "its code diverged"
    flying = [effect for effect in machine.effects.values() if effect.busy]
    if flying:
        return "; ".join(f"{effect.step.kind} {effect.step.name} is {effect.phase.value}" for effect in flying)
    return f"its body waits for {machine.waits!r}"


def _replays(ending: Ending) -> Iterator[str]:
    yield from seen("replays")(ending)
    for account in ending.accounts.values():
        if isinstance(account.replayed, Diverged):
            yield apart(account.replayed)
    for letter in ending.letters:
        if letter.kind in ("diverged", "damaged"):
            yield f"run {letter.run_id} was parked: {letter.error}"


RULES: tuple[Rule, ...] = (
    Rule(
        "ends",
        "Every world comes to an end: the run closes, or a dead letter asks for a person.",
        "Give calls a timeout=, receives a timeout=, and let every loop of the body end.",
        _ends,
    ),
    Rule(
        "one_effect",
        "A step takes effect at most once, however often it is called.",
        "Send current().key to the service with every call (never a key made of the time or of luck), or declare "
        "@step(idempotent=False) with a check.",
        seen("one_effect"),
    ),
    Rule(
        "no_stray_error",
        "No error is raised where nobody waits for it.",
        "Await what you start: a step that leaves a task behind leaves its errors behind too.",
        seen("no_stray_error"),
    ),
    *world_rules.RULES,
    *order_rules.RULES,
    *join_rules.RULES,
    *family_rules.RULES,
    Rule("intent_first", "Nothing is called before its intent is durable.", OURS, seen("intent_first")),
    Rule("fenced", "Nothing is accepted from a worker that has lost its lease.", OURS, seen("fenced")),
    Rule(
        "replays",
        "The journal replays to the same decisions, in any process.",
        "Let the body depend on nothing but its arguments and what it awaits: use amends.now, amends.random and "
        "amends.uuid, and sort sets before you loop over them.",
        _replays,
    ),
    Rule(
        "no_foreign_error",
        "A saga body sees the errors of its steps, never those of the engine's own business.",
        OURS,
        seen("no_foreign_error"),
    ),
)

NAMES = {rule.name: rule for rule in RULES}
