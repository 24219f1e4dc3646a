"""What a story is made of: a line for each thing that the saga asked for, and for each that happened to the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from amends.model.records import CLOSED
from amends.ops.words import span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from amends.model import records as r
    from amends.ops.story.fan import Fan

LineKind: TypeAlias = Literal[
    "step", "run", "chunk", "join", "sleep", "receive", "message", "event", "rollback", "letter", "end"
]

Fate: TypeAlias = Literal["", "won", "lost", "late"]


@dataclass
class Try:
    """One call of a step, of its check or of its undo. Times are seconds from the start of the run."""

    what: Literal["attempt", "check", "undo"]
    number: int
    at: float
    said: str = ""
    error: str = ""
    ended: float | None = None
    pause: float = 0.0


@dataclass
class Rule:
    """What a join waits for: `need` says how many of its branches must succeed, `parts` where these are.

    `met` is what was decided, at `decided`; None then, if nobody waited for it any more.
    """

    verb: str
    need: int
    losers: Literal["undo", "keep", "cancel"]
    parts: list[int]
    seconds: float | None = None
    met: bool | None = None
    decided: float | None = None

    def __str__(self) -> str:
        size = len(self.parts)
        within = "" if self.seconds is None else f" in {span(self.seconds)}"
        if self.verb in ("quorum", "vote", "any_of", "within", "scatter"):
            return f"{self.verb} {self.need} of {size}{within}"
        return f"{self.verb}{within}" if self.verb == "each" else f"{self.verb} {size}{within}"


@dataclass
class Line:
    """One line of a story.

    `outcome` is what became of it, and `ok` whether that is a success; `undo` is what became of its undo; `until` is an
    instant. `join` is the position of the join that it is a branch of, and `fate` what it came to there. `run` is the id of
    the nested run that it is about, and `stuck` names the dead letters that hold that one up.
    """

    at: float
    kind: LineKind
    what: str
    pos: int | None = None
    key: str = ""
    args: str = ""
    outcome: str = ""
    ok: bool | None = None
    result: str = ""
    detail: str = ""
    undo: str = ""
    until: float | None = None
    tries: list[Try] = field(default_factory=list)
    letter: int | None = None
    join: int | None = None
    fate: Fate = ""
    stopped: bool = False
    run: str = ""
    stuck: tuple[str, ...] = ()
    rule: Rule | None = None
    fan: Fan | None = None
    error: r.Failure | None = None

    @property
    def busy(self) -> Try | None:
        """The call that is under way, as far as the journal knows."""
        return self.tries[-1] if self.tries and self.tries[-1].ended is None else None

    @property
    def at_work(self) -> bool:
        """Whether it moves on without a person: a call, a pause before the next, or a nested run."""
        if self.run:
            return not self.stuck and (self.undo == "being undone" or self.outcome in ("at work", "being interrupted"))
        return self.busy is not None or (self.kind == "step" and self.until is not None)

    def count(self, what: str) -> int:
        """How many tries of one sort there were."""
        return sum(1 for each in self.tries if each.what == what)


@dataclass
class Story:
    """A run's story. Times are seconds from `start`, an instant.

    `lines` is all of it, `steps` the lines that have a position, `unread` the messages not asked for; `waiting` are the
    pauses and messages that the saga waits for. `branches` says of which join a position is a branch. `deadline` is an
    instant: a run that has not ended by then is rolled back. `parked`: the run itself had stopped, and a person has put it
    back to work; no worker has taken it up yet.
    """

    lines: list[Line] = field(default_factory=list)
    steps: dict[int, Line] = field(default_factory=dict)
    branches: dict[int, int] = field(default_factory=dict)
    state: r.State = "running"
    returned: bool = False
    why: str = ""
    cause: r.Failure | None = None
    failed_join: Line | None = None
    kept: tuple[r.Kept, ...] = ()
    letters: dict[int, Line] = field(default_factory=dict)
    unread: list[Line] = field(default_factory=list)
    waiting: dict[int, Line] = field(default_factory=dict)
    deadline: float | None = None
    parked: bool = False
    rang: int = 0
    turns: int = 0
    recoveries: int = 0
    start: float = 0.0
    now: float = 0.0

    def add(self, kind: LineKind, what: str, **rest: Any) -> Line:
        """Go on with another line."""
        line = Line(self.now, kind, what, **rest)
        self.lines.append(line)
        if line.pos is not None:
            self.steps[line.pos] = line
            line.join = self.branches.get(line.pos)
        return line

    def under(self, line: Line) -> list[Line]:
        """The branches of a join that have begun, in their order; none, if it is no join."""
        return [self.steps[pos] for pos in line.rule.parts if pos in self.steps] if line.rule else []

    @property
    def open(self) -> list[Line]:
        """What moves on without a person, in the order of the positions."""
        return [line for line in self.steps.values() if line.at_work]

    @property
    def due(self) -> float | None:
        """The deadline, as long as it threatens."""
        return self.deadline if self.state == "running" and not self.returned else None

    @property
    def waits_for_losers(self) -> bool:
        """Whether the saga has its value, and only what its losers do is open."""
        return self.returned and self.state not in CLOSED


Tellers: TypeAlias = "Mapping[type[r.Record], Callable[[Story, Any], None]]"
"""How a story goes on, by the record that is read."""
