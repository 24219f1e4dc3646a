"""What an exploration found, for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amends.model.records import decode_turn
from amends.testing.explorer import words
from amends.testing.explorer.rules import NAMES
from amends.testing.explorer.token import token_of

if TYPE_CHECKING:
    from amends.testing.explorer.ending import Ending
    from amends.testing.explorer.player import Played
    from amends.testing.explorer.scenario import Scenario
    from amends.testing.explorer.search import Tally

OWN = "This is what you expect of your saga; the story shows how it came about."


def text(scenario: Scenario, played: Played) -> str:
    """The story of a world that breaks a rule: what happened, what the world holds, what to change, how to replay it."""
    breach, ending = played.breaches[0], played.ending
    sentence, cure = _of_rule(breach.rule)
    count = len(played.deviations)
    faults = "no fault at all" if not count else "one fault" if count == 1 else f"{count} faults"
    more = [f"  also {other.rule}: {other.why}" for other in played.breaches[1:]]
    lines = [
        f"{scenario.call!r} breaks the rule {breach.rule!r} in a world with {faults}.",
        *([f"  {sentence}"] if sentence else []),
        f"  {breach.why}",
        *more,
        "",
        "What happened (seconds, who, what)",
        *_events(ending),
        "",
        "What the world holds",
        *([f"  {effect}, step {effect.step or '-'}" for effect in ending.effects] or ["  nothing was done"]),
        "",
        "What the run says",
        f"  {_verdict(ending)}",
        "",
        "What to change",
        f"  {cure}",
        "",
        "Replay this world",
        f"  explore(..., replay={token_of(played, scenario.saga.name)!r})",
    ]
    return "\n".join(lines)


def summary(tally: Tally) -> str:
    """What was tried, in a few lines."""
    by = ", ".join(f"{worlds:,} with {faults}" for faults, worlds in sorted(tally.levels.items()))
    lines = [f"{tally.worlds:,} worlds (by faults: {by})"]
    for faults, played, total in tally.sampled:
        lines.append(f"sampled: {played:,} of {total:,} worlds with {faults} faults; raise budget= to play them all")
    lines.append("ends: " + ", ".join(f"{state} {number:,}" for state, number in sorted(tally.ends.items())))
    lines.append("faults: " + (", ".join(f"{kind} {number:,}" for kind, number in sorted(tally.fired.items())) or "none"))
    if tally.elsewhere:
        lines.append(f"not replayed in another process: {tally.elsewhere}")
    return "\n".join(lines)


def as_json(scenario: Scenario, tally: Tally) -> dict[str, Any]:
    """The same for programs."""
    found = tally.found
    return {
        "saga": scenario.saga.name,
        "ok": found is None,
        "worlds": tally.worlds,
        "levels": {str(faults): worlds for faults, worlds in sorted(tally.levels.items())},
        "sampled": [{"faults": f, "played": p, "worlds": t} for f, p, t in tally.sampled],
        "ends": dict(sorted(tally.ends.items())),
        "fired": dict(sorted(tally.fired.items())),
        "elsewhere": tally.elsewhere or None,
        "finding": None if found is None else _finding(scenario, found),
    }


def _finding(scenario: Scenario, played: Played) -> dict[str, Any]:
    return {
        "breaches": [{"rule": breach.rule, "why": breach.why} for breach in played.breaches],
        "cure": _of_rule(played.breaches[0].rule)[1],
        "token": token_of(played, scenario.saga.name),
        "faults": [{"place": played.met[index][0], "index": index, "kind": kind} for index, kind in played.deviations],
        "state": played.ending.state,
        "events": [{"at": round(at, 6), "who": who, "what": what} for at, who, what in _told(played.ending)],
        "effects": [
            {"service": e.service, "what": e.what, "receipt": e.receipt, "step": e.step, "key": e.key, "net": e.net}
            for e in played.ending.effects
        ],
    }


def _of_rule(name: str) -> tuple[str, str]:
    rule = NAMES.get(name)
    return (rule.sentence, rule.cure) if rule else ("", OWN)


def _events(ending: Ending) -> list[str]:
    return [f"  {at:>12,.3f}  {who:<9} {what}" for at, who, what in _told(ending)]


def _told(ending: Ending) -> list[tuple[float, str, str]]:
    names: dict[int, str] = {}
    told: list[tuple[float, str, str]] = []
    for event in ending.events:
        what = event.what
        if event.turn is not None:
            what = f"{what}: {words.told(decode_turn(event.turn.body), names)}"
        told.append((event.at, "✗ FAULT" if event.fault else event.who, what))
    return told


def _verdict(ending: Ending) -> str:
    if ending.row is None:
        return "it never began"
    parts = [ending.state.replace("_", " ")]
    if ending.cause is not None:
        parts.append(f"because of {ending.cause}")
    parts += [f"{kept.step} stays: {kept.why}" for kept in ending.kept]
    parts += [
        f"dead letter {letter.id} ({letter.kind}) about {letter.step or 'the run'}: {letter.error}"
        for letter in ending.letters
    ]
    return "; ".join(parts)
