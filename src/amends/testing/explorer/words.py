"""The records of a turn in plain words, for the story of a world."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from amends.model import records as r
from amends.testing.explorer import tale

if TYPE_CHECKING:
    from collections.abc import Sequence


def told(turn: Sequence[r.Record], names: dict[int, str]) -> str:
    """One turn. `names` are the steps by position; those that the turn begins are added."""
    parts: list[str] = []
    for record in turn:
        if isinstance(record, r.StepWanted):
            names[record.pos] = record.step
        elif isinstance(record, r.ChildWanted):
            names[record.pos] = f"{record.saga} ({tale.named(record.run)})"
        name = names.get(getattr(record, "pos", 0), "the run")
        parts.append(_WORDS[type(record)](record, name))
    return "; ".join(part for part in parts if part)


_WORDS: dict[type[r.Record], Callable[[Any, str], str]] = {
    r.Started: lambda record, name: "the run begins",
    r.StepDone: lambda record, name: f"{name} answered {bytes(record.result).decode()}",
    r.StepBroke: lambda record, name: f"{name} broke, {record.outcome.replace('_', ' ')}: {record.error}",
    r.Checked: lambda record, name: f"the check of {name} says it {'happened' if record.happened else 'did not happen'}",
    r.CheckBroke: lambda record, name: f"the check of {name} broke: {record.error}",
    r.UndoDone: lambda record, name: f"{name} is undone",
    r.UndoBroke: lambda record, name: f"the undo of {name} broke: {record.error}",
    r.TimeUp: lambda record, name: "time is up",
    r.Told: lambda record, name: f"told {record.name}",
    r.Cancelled: lambda record, name: f"cancelled by {record.by}",
    r.Recovered: lambda record, name: "taken over: what was in flight is lost",
    r.Stalled: lambda record, name: f"stalled: {record.error}",
    r.Retried: lambda record, name: f"letter {record.letter} retried by {record.by}",
    r.Resolved: lambda record, name: f"letter {record.letter} resolved by {record.by}",
    r.Abandoned: lambda record, name: f"letter {record.letter} abandoned by {record.by}",
    r.Answered: lambda record, name: f"letter {record.letter} answered by {record.by}",
    r.ChildDone: lambda record, name: f"{name} has its value",
    r.ChildClosed: lambda record, name: f"{name} is {record.state.replace('_', ' ')}: {record.cause}",
    r.ChildStuck: lambda record, name: f"{name} needs a person" if record.letters else f"{name} goes on",
    r.Unwound: lambda record, name: f"taken back by {tale.named(record.by)}: {record.reason}",
    r.ChildWanted: lambda record, name: f"wants {name}",
    r.ChildUndoWanted: lambda record, name: f"wants {name} rolled back",
    r.Held: lambda record, name: f"has its value {bytes(record.result).decode()}, and can be taken back",
    r.Stuck: lambda record, name: "needs a person" if record.letters else "goes on",
    r.StepWanted: lambda record, name: f"wants {name}",
    r.RetryWanted: lambda record, name: f"wants {name} again (attempt {record.attempt})",
    r.StopWanted: lambda record, name: f"wants {name} stopped",
    r.CheckWanted: lambda record, name: f"wants {name} checked",
    r.UndoWanted: lambda record, name: f"wants {name} undone" + (f" (try {record.attempt})" if record.attempt > 1 else ""),
    r.TimerWanted: lambda record, name: "waits",
    r.ReceiveWanted: lambda record, name: f"waits for {record.name}",
    r.JoinWanted: lambda record, name: f"waits for {record.verb}({', '.join(map(str, record.branches))})",
    r.JoinDecided: lambda record, name: f"decides the join at {record.pos}: {'met' if record.met else 'cannot be met'}",
    r.Returned: lambda record, name: f"has its value {bytes(record.result).decode()}",
    r.Unreadable: lambda record, name: f"sets a message aside: {record.why}",
    r.RollbackBegan: lambda record, name: f"rolls back ({record.why}): {record.cause}",
    r.DeadLettered: lambda record, name: f"dead letter {record.letter} about {name} ({record.kind}): {record.error}",
    r.Ended: lambda record, name: f"ends {record.state}",
}
