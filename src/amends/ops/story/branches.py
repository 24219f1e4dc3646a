"""How a story goes on with joins, and with the runs nested in it: who won, who lost, who came too late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r
from amends.model.child import APART
from amends.model.chunk import NAME as CHUNK
from amends.model.chunk import read_fingerprint
from amends.ops.story.fan import Fan
from amends.ops.story.lines import Rule
from amends.ops.story.steps import BEING_INTERRUPTED, BEING_UNDONE, INTERRUPTED
from amends.ops.story.waits import give_up
from amends.ops.words import plus

if TYPE_CHECKING:
    from amends.ops.story.lines import Fate, Line, Story, Tellers

AT_WORK = "at work"
UNDECIDED = "not decided"


def _join_wanted(story: Story, record: r.JoinWanted) -> None:
    seconds = None if record.until is None else record.until - story.start - story.now
    rule = Rule(record.verb, record.need, record.losers, list(record.branches), seconds)
    line = story.add("join", str(rule), pos=record.pos, outcome=AT_WORK, rule=rule)
    story.branches.update(dict.fromkeys(record.branches, record.pos))
    if record.verb == "each":
        line.fan = Fan(story.now)


def _join_decided(story: Story, record: r.JoinDecided) -> None:
    line = story.steps[record.pos]
    assert line.rule is not None
    line.rule.met, line.rule.decided = record.met, story.now
    line.ok = record.met
    if line.fan is not None:
        line.fan.until = story.now
    if line.rule.verb == "race" and record.arrival:
        line.ok = story.steps[record.arrival[0]].ok
    line.outcome = f"{'met' if record.met else 'not met'} at {plus(story.now)}"
    if not record.met:
        story.failed_join = line
    late: Fate = "late" if story.rang == record.pos else "lost" if record.met else ""
    all_won = len(record.winners) == len(line.rule.parts)
    for branch in story.under(line):
        if branch.pos in record.winners:
            branch.fate = "won" if not all_won and (branch.ok or line.rule.verb == "race") else ""
        elif branch.pos in record.arrival:
            branch.fate = "lost" if record.met and branch.ok else ""
        else:
            _lose(story, branch, late)


def _lose(story: Story, line: Line, fate: Fate) -> None:
    """A branch, and all that is in it, was not awaited to its end."""
    line.fate = fate
    leave(story, line)
    for branch in story.under(line):
        _lose(story, branch, fate)


def leave(story: Story, line: Line) -> None:
    """The saga does not wait for this line any more."""
    if line.pos is not None:
        give_up(story, line.pos)
    if line.rule is not None and line.rule.decided is None:
        line.rule.decided, line.outcome = story.now, UNDECIDED
    if line.fan is not None and line.fan.until is None:
        line.fan.until = story.now


def _child_wanted(story: Story, record: r.ChildWanted) -> None:
    if record.saga.endswith(CHUNK):
        _chunk_wanted(story, record)
        return
    args = bytes(record.args).decode()
    line = story.add("run", record.saga, pos=record.pos, run=record.run, args=args, outcome=AT_WORK)
    if not record.owned:
        line.outcome, line.ok = "started, goes its own way", True


def _chunk_wanted(story: Story, record: r.ChildWanted) -> None:
    found = read_fingerprint(record.args)
    join = story.steps[int(found.base.rpartition(APART)[2].partition(".")[0])]
    assert join.rule is not None
    assert join.fan is not None
    assert join.pos is not None
    join.rule.parts.append(record.pos)
    story.branches[record.pos] = join.pos
    join.fan.take(record.pos, record.run, found)
    join.what = f"each {join.fan.fn}"
    story.add("chunk", f"{join.fan.chunks[record.pos].items} items", pos=record.pos, run=record.run, outcome=AT_WORK)


def _child_done(story: Story, record: r.ChildDone) -> None:
    line = story.steps[record.pos]
    line.outcome, line.ok, line.stuck = "done", True, ()
    if record.kept:
        line.detail = "left in the world, though it succeeded: " + ", ".join(kept.step for kept in record.kept)
    fan = _fan(story, line)
    if fan is None:
        line.result = bytes(record.result).decode()
    else:
        fan.result(record.pos, record.result)


def _child_closed(story: Story, record: r.ChildClosed) -> None:
    line = story.steps[record.pos]
    line.stuck = ()
    how = {"partly_compensated": "undone in part", "abandoned": "abandoned"}.get(record.state, "undone")
    if line.undo or line.stopped:
        line.undo = f"{how} at {plus(story.now)}"
        line.outcome = INTERRUPTED if line.ok is None else line.outcome
    else:
        line.ok, line.error, line.outcome = False, record.cause, "rolled back" if how == "undone" else f"rolled back, {how}"
    fan = _fan(story, line)
    if fan is not None:
        fan.closed(record.pos, undone=how == "undone")


def _child_stuck(story: Story, record: r.ChildStuck) -> None:
    line = story.steps[record.pos]
    line.stuck = record.letters
    word = "needs a person" if record.letters else AT_WORK
    if line.undo:
        line.undo = word if record.letters else BEING_UNDONE
    else:
        line.outcome = word


def _child_undo_wanted(story: Story, record: r.ChildUndoWanted) -> None:
    line = story.steps[record.pos]
    line.undo = BEING_UNDONE
    if line.ok is None:
        line.outcome = BEING_INTERRUPTED


def _fan(story: Story, line: Line) -> Fan | None:
    """The fan-out that a chunk is a part of."""
    return None if line.kind != "chunk" or line.join is None else story.steps[line.join].fan


def _held(story: Story, _: r.Held) -> None:
    story.state = "held"


TELLERS: Tellers = {
    r.JoinWanted: _join_wanted,
    r.JoinDecided: _join_decided,
    r.ChildWanted: _child_wanted,
    r.ChildDone: _child_done,
    r.ChildClosed: _child_closed,
    r.ChildStuck: _child_stuck,
    r.ChildUndoWanted: _child_undo_wanted,
    r.Held: _held,
}
