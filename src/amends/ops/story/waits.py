"""How a story goes on with what the saga itself waits for: pauses, and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r
from amends.ops.words import plus

if TYPE_CHECKING:
    from amends.ops.story.lines import Line, Story, Tellers

RUN = 0
"""The position whose timer is the deadline of the run."""

GIVEN_UP = "given up"


def _timer_wanted(story: Story, record: r.TimerWanted) -> None:
    line = story.steps.get(record.pos)
    if line is not None:
        line.until, line.ok = record.until, None if line.undo == "" else line.ok
        line.tries[-1].pause = max(0.0, record.until - story.start - story.now)
    elif record.pos == RUN:
        story.deadline = record.until
    else:
        _wait(story, story.add("sleep", "sleep", pos=record.pos, outcome="sleeping", until=record.until))


def _receive_wanted(story: Story, record: r.ReceiveWanted) -> None:
    outcome = "no message yet"
    _wait(story, story.add("receive", f"receive {record.name}", pos=record.pos, outcome=outcome, until=record.until))
    _hand_over(story, record.name)


def _wait(story: Story, line: Line) -> None:
    assert line.pos is not None
    story.waiting[line.pos] = line


def _hand_over(story: Story, name: str) -> None:
    """Give the oldest message of a name to the first line that waits for one, if there are both."""
    line = next((each for each in story.waiting.values() if each.what == f"receive {name}"), None)
    message = next((told for told in story.unread if told.what == name), None)
    if message is None or line is None or line.pos is None:
        return
    story.unread.remove(message)
    message.outcome = f"taken at {line.pos}"
    line.outcome, line.ok, line.detail = "received", True, message.detail
    if message.at < line.at:
        line.outcome = f"received, told at {plus(message.at)}"
    del story.waiting[line.pos]


def _time_up(story: Story, record: r.TimeUp) -> None:
    story.rang = record.pos
    line = story.waiting.pop(record.pos, None)
    if line is not None:
        line.outcome, line.ok = ("slept", True) if line.kind == "sleep" else ("no message in time", False)


def give_up(story: Story, pos: int) -> None:
    """Nobody waits any more for a pause or a message."""
    line = story.waiting.pop(pos, None)
    if line is not None:
        line.outcome = GIVEN_UP


def _told(story: Story, record: r.Told) -> None:
    message = story.add("message", record.name, args=bytes(record.body).decode(), detail=f"from {record.by}")
    message.at = record.at - story.start
    message.outcome = "not asked for yet" if story.state == "running" else "never asked for"
    story.unread.append(message)
    _hand_over(story, record.name)


def _unreadable(story: Story, record: r.Unreadable) -> None:
    """The message that was just handed over is not of the right type: the saga waits on, or takes the next one."""
    line = story.steps[record.pos]
    message = next(each for each in reversed(story.lines) if each.outcome == f"taken at {record.pos}")
    message.outcome, message.detail = "set aside", f"{message.detail}; {record.why}"
    line.outcome, line.ok, line.detail = "no message yet", None, ""
    _wait(story, line)
    _hand_over(story, line.what.removeprefix("receive "))


TELLERS: Tellers = {
    r.TimerWanted: _timer_wanted,
    r.TimeUp: _time_up,
    r.ReceiveWanted: _receive_wanted,
    r.Told: _told,
    r.Unreadable: _unreadable,
}
