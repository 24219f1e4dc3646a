"""What is written about a run for others to read: its outcome, and the context of its dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from amends.model.records import NULL, Failure, Kept, Raw
from amends.model.turn import encode_turn
from amends.stores.port import Letter, Turn, chain

if TYPE_CHECKING:
    from amends.model.effect import Effect
    from amends.model.machine import Machine
    from amends.model.records import DeadLettered, Record

_encoder = msgspec.json.Encoder()

ACTS: dict[str, tuple[str, ...]] = {
    "undo_failed": ("retry", "resolve", "abandon"),
    "in_doubt": ("answer", "retry", "resolve", "abandon"),
    "unstorable": ("answer", "retry", "resolve", "abandon"),
    "diverged": ("retry",),
    "damaged": (),
}
"""What a person can do about each kind of dead letter; `retry` only where there is something to try again."""


class OutcomePaper(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a run stands or ended, as it is kept in the run's row. `returned`: its body did, so `result` will not change."""

    result: Raw = NULL
    returned: bool = False
    cause: Failure | None = None
    kept: tuple[Kept, ...] = ()
    letters: tuple[str, ...] = ()


class LetterPaper(msgspec.Struct, frozen=True, omit_defaults=True):
    """The full context of a dead letter."""

    error: Failure
    waits: str
    acts: tuple[str, ...]
    args: Raw = NULL
    result: Raw = NULL
    key: str = ""
    attempts: int = 0


def entry(seq: int, before: bytes, turn: list[Record]) -> Turn:
    """A turn as it is journaled; `before` is the checksum of the one in front of it, or the run's seal."""
    body = encode_turn(turn)
    return Turn(seq, body, chain(before, body))


def due_of(machine: Machine) -> float | None:
    """When a run that needs a person is to be taken up without one, should its engine close before it gets there."""
    if machine.stalled:
        return 0.0 if machine.may_go_on else None
    return machine.timers.next_due


def outcome_of(machine: Machine) -> bytes:
    """The outcome of a run that ended, needs a person, or has its value while its losers are still open."""
    ended = machine.ended
    kept = ended.kept if ended else machine.effects.kept() if machine.state == "held" else ()
    return _encoder.encode(
        OutcomePaper(
            result=NULL if machine.returned is None else Raw(machine.returned),
            returned=machine.returned is not None,
            cause=machine.cause,
            kept=kept,
            letters=machine.stuck,
        )
    )


def read_outcome(raw: bytes | None) -> OutcomePaper:
    """The outcome in a row; an empty one when there is none yet."""
    return msgspec.json.decode(raw, type=OutcomePaper) if raw else OutcomePaper()


def letter_row(machine: Machine, letter: DeadLettered, at: float) -> Letter:
    """The row of a dead letter that the machine has just written."""
    effect = machine.effects.get(letter.pos)
    paper = LetterPaper(error=letter.error, waits=_waits(machine), acts=ACTS[letter.kind])
    if effect is not None:
        paper = msgspec.structs.replace(
            paper,
            acts=tuple(act for act in paper.acts if act != "retry" or effect.retriable),
            args=Raw(effect.args),
            result=effect.result or NULL,
            key=effect.key,
            attempts=_attempts(effect),
        )
    return Letter(
        machine.run_id,
        letter.letter,
        machine.saga.name,
        letter.kind,
        effect.step.name if effect else "",
        str(letter.error),
        at,
        _encoder.encode(paper),
    )


def stall_row(run_id: str, saga: str, letter: DeadLettered, at: float) -> Letter:
    """The row of a letter about a run that cannot be driven at all."""
    paper = LetterPaper(
        error=letter.error,
        waits="the whole run waits: nothing was called and nothing was rolled back",
        acts=ACTS[letter.kind],
    )
    return Letter(run_id, letter.letter, saga, letter.kind, "", str(letter.error), at, _encoder.encode(paper))


def _attempts(effect: Effect) -> int:
    return effect.tries if effect.step.undoing is not None and effect.result is not None else effect.attempt


def _waits(machine: Machine) -> str:
    rest = "what other steps did is undone meanwhile" if machine.cause and machine.effects.busy else "nothing else is held up"
    return f"the run stays open until somebody acts on this letter; {rest}"
