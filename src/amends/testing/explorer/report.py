"""What an exploration found, for people and for programs."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from amends.model.turn import decode_turn
from amends.testing.explorer import verdict, words
from amends.testing.explorer.brief import brief, cut
from amends.testing.explorer.rules import NAMES
from amends.testing.explorer.token import token_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.testing.explorer.ending import Ending
    from amends.testing.explorer.plan import Plan
    from amends.testing.explorer.player import Played
    from amends.testing.explorer.scenario import Scenario
    from amends.testing.explorer.tally import Tally

OWN = "This is what you expect of your saga; the story shows how it came about."


FAULT = "✗ FAULT"
"""Who did it, when it was a fault."""

WIDTH = 100
"""Columns of a story; its lines are wrapped, and go on under where they began."""


def text(scenario: Scenario, played: Played, how: str, width: int = WIDTH) -> str:
    """The story of a world that breaks a rule: what happened, what the world holds, what to change, how to replay it."""
    wrap = partial(_wrapped, width=width)
    breach, ending = played.breaches[0], played.ending
    sentence, cure = _of_rule(breach.rule)
    faults = _FEW.get(len(played.deviations), f"{len(played.deviations)} faults")
    lines = [
        *wrap("", f"{scenario.call!r} breaks the rule {breach.rule!r} in a world with {faults}."),
        *(wrap("  ", sentence) if sentence else ()),
        *wrap("  ", breach.why),
        *(line for other in played.breaches[1:] for line in wrap("  ", f"also {other.rule}: {other.why}")),
        "",
        "What happened (seconds, who, what)",
        *_events(ending, wrap),
        "",
        "What the world holds",
        *(_effects(ending) or ["  nothing was done"]),
        "",
        "What the run says",
        *wrap("  ", verdict.of(ending)),
        "",
        "What to change",
        *wrap("  ", cure),
        *([f"  See docs/explore.md#{breach.rule}"] if sentence else ()),
        "",
        "Replay this world",
        f"  {how}",
    ]
    return "\n".join(lines)


_FEW = {0: "no fault at all", 1: "one fault", 2: "two faults"}


def _wrapped(lead: str, words: str, width: int = WIDTH) -> list[str]:
    """Text behind a lead, in lines that begin where the first one does; words stay whole."""
    room = " " * len(lead)
    return textwrap.wrap(cut(words), width, initial_indent=lead, subsequent_indent=room, break_long_words=False) or [lead]


def _effects(ending: Ending) -> list[str]:
    return list(
        brief(ending.effects, lambda effect: [f"  {cut(str(effect))}" + f", by step {effect.step}" * bool(effect.step)])
    )


def summary(tally: Tally, plan: Plan, width: int = WIDTH) -> str:
    """What was tried, in a few lines."""
    by = ", ".join(f"{worlds:,} with {faults}" for faults, worlds in sorted(tally.levels.items()))
    lines = [f"{_worlds(tally.worlds)} (by faults: {by})", *_strategy(tally, plan)]
    for faults, played, total in tally.sampled:
        part = f"{played:,} of {_worlds(total)}" if total is not None else f"{_worlds(played)}, of nobody knows how many,"
        lines += _wrapped("sampled: ", f"{part} with {_faults(faults)}; raise budget= to play them all", width)
    lines += _counted("ends:   ", tally.ends, width) + _letters(tally, width) + _counted("faults: ", tally.fired, width)
    if tally.elsewhere:
        lines.append(f"not replayed in another process: {tally.elsewhere}")
    elif tally.replayed:
        lines.append(f"replayed in other processes: {tally.replayed:,} of {tally.journals:,} journals")
    if plan.shard[1] > 1:
        lines += _wrapped("", _PART.format(*plan.shard), width)
    return "\n".join(lines)


def _letters(tally: Tally, width: int) -> list[str]:
    """For what worlds wait for a person: no rule is broken by that, and often an undo or a check would spare it."""
    worlds = Counter({f"{kind} of {step or 'the run'}": number for (kind, step), number in tally.letters.items()})
    lines = _counted("people: ", worlds, width) if worlds else []
    if any(kind == "in_doubt" for kind, _ in tally.letters):
        lines += _wrapped("        ", SPARED, width)
    return lines


SPARED = "a check, or an undo that takes None and cancels by key, settles what is in doubt without a person"

_PART = (
    "this is part {} of {}: whether each fault and each end occurred is judged of no part alone. One exploration that is not "
    "parted judges it, with a small budget."
)


def _strategy(tally: Tally, plan: Plan) -> list[str]:
    if plan.strategy == "exhaustive":
        return []
    return [f"drawn by luck: strategy {plan.strategy}, seed {plan.seed}; {_worlds(len(tally.different))} are different"]


def _worlds(number: int) -> str:
    return "1 world" if number == 1 else f"{number:,} worlds"


def _faults(number: int) -> str:
    return "1 fault" if number == 1 else f"{number} faults"


def _counted(lead: str, counts: Counter[str], width: int) -> list[str]:
    return _wrapped(lead, ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items())) or "none", width)


def as_json(scenario: Scenario, tally: Tally, plan: Plan) -> dict[str, Any]:
    """The same for programs."""
    found, luck = tally.found, plan.strategy != "exhaustive"
    return {
        "saga": scenario.saga.name,
        "store": scenario.store,
        "strategy": plan.strategy,
        "faults": plan.faults,
        "budget": plan.budget,
        "seed": plan.seed if luck else None,
        "shard": list(plan.shard),
        "worlds": tally.worlds,
        "different": len(tally.different) if luck else tally.worlds,
        "levels": {str(faults): worlds for faults, worlds in sorted(tally.levels.items())},
        "sampled": [{"faults": f, "played": p, "worlds": t} for f, p, t in tally.sampled],
        "ends": dict(sorted(tally.ends.items())),
        "letters": [{"kind": kind, "step": step, "worlds": n} for (kind, step), n in sorted(tally.letters.items())],
        "fired": dict(sorted(tally.fired.items())),
        "replayed": {"journals": tally.replayed, "of": tally.journals},
        "elsewhere": tally.elsewhere or None,
        "finding": None if found is None else _finding(scenario, found),
    }


def _finding(scenario: Scenario, played: Played) -> dict[str, Any]:
    ending = played.ending
    return {
        "breaches": [
            {"rule": breach.rule, "sentence": _of_rule(breach.rule)[0] or None, "why": breach.why}
            for breach in played.breaches
        ],
        "cure": _of_rule(played.breaches[0].rule)[1],
        "token": token_of(played, scenario.saga.name),
        "faults": [{"place": played.met[index][0], "index": index, "kind": kind} for index, kind in played.deviations],
        "state": ending.state,
        "value": None if ending.account is None else msgspec.json.decode(ending.account.outcome.result),
        "cause": None if ending.cause is None else {"type": ending.cause.type, "message": ending.cause.message},
        "kept": [{"step": kept.step, "why": kept.why} for kept in ending.kept],
        "letters": [
            {"id": letter.id, "kind": letter.kind, "step": letter.step, "error": letter.error} for letter in ending.letters
        ],
        "events": [{"at": round(at, 6), "who": who, "what": what} for at, who, what in _told(ending)],
        "effects": [
            {"service": e.service, "what": e.what, "receipt": e.receipt, "step": e.step, "key": e.key, "net": e.net}
            for e in ending.effects
        ],
    }


def _of_rule(name: str) -> tuple[str, str]:
    rule = NAMES.get(name)
    return (rule.sentence, rule.cure) if rule else ("", OWN)


def _events(ending: Ending, wrap: Callable[[str, str], list[str]]) -> list[str]:
    told = _told(ending)
    wide = max((len(f"{at:,.3f}") for at, _, _ in told), default=0)

    def line(event: tuple[float, str, str]) -> list[str]:
        at, who, what = event
        return wrap(f"  {at:>{wide},.3f}  {who:<9} ", what)

    return list(brief(told, line, keep=lambda event: event[1] == FAULT))


def _told(ending: Ending) -> list[tuple[float, str, str]]:
    names: dict[str, dict[int, str]] = defaultdict(dict)
    told: list[tuple[float, str, str]] = []
    for event in ending.tale.events:
        what = event.what
        if event.turn is not None:
            what = f"{what}: {words.told(decode_turn(event.turn.body), names[event.run_id])}"
        told.append((event.at, FAULT if event.fault else event.who, what))
    return told
