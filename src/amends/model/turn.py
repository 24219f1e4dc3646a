"""How the records of a turn are written down: a JSON array of arrays, each of which begins with its record's name."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from amends.model.records import (
    Abandoned,
    Answered,
    Cancelled,
    CheckBroke,
    Checked,
    CheckWanted,
    ChildClosed,
    ChildDone,
    ChildStuck,
    ChildUndoWanted,
    ChildWanted,
    DeadLettered,
    Ended,
    Fact,
    Held,
    JoinDecided,
    JoinWanted,
    ReceiveWanted,
    Record,
    Recovered,
    Resolved,
    Retried,
    RetryWanted,
    Returned,
    RollbackBegan,
    Stalled,
    Started,
    StepBroke,
    StepDone,
    StepWanted,
    StopWanted,
    Stuck,
    TimerWanted,
    TimeUp,
    Told,
    UndoBroke,
    UndoDone,
    UndoWanted,
    Unreadable,
    Unwound,
)

AnyFact: TypeAlias = (
    Started
    | StepDone
    | StepBroke
    | Checked
    | CheckBroke
    | UndoDone
    | UndoBroke
    | TimeUp
    | Told
    | Cancelled
    | Recovered
    | Stalled
    | Retried
    | Resolved
    | Abandoned
    | Answered
    | ChildDone
    | ChildClosed
    | ChildStuck
    | Unwound
)
AnyDecision: TypeAlias = (
    StepWanted
    | RetryWanted
    | StopWanted
    | CheckWanted
    | UndoWanted
    | TimerWanted
    | ReceiveWanted
    | JoinWanted
    | JoinDecided
    | ChildWanted
    | ChildUndoWanted
    | Held
    | Stuck
    | Unreadable
    | Returned
    | RollbackBegan
    | DeadLettered
    | Ended
)
AnyRecord: TypeAlias = AnyFact | AnyDecision

_encoder = msgspec.json.Encoder()
_turn = msgspec.json.Decoder(list[AnyRecord])
_fact: msgspec.json.Decoder[AnyFact] = msgspec.json.Decoder(AnyFact)


def encode_turn(records: list[Record]) -> bytes:
    """Encode the records of one turn as they are journaled: a JSON array of arrays."""
    return _encoder.encode(records)


def decode_turn(body: bytes) -> list[AnyRecord]:
    """Decode one turn; raises `msgspec.DecodeError` when the bytes are not one."""
    return _turn.decode(body)


def encode_fact(fact: Fact) -> bytes:
    """Encode one fact, to be posted to a run."""
    return _encoder.encode(fact)


def decode_fact(body: bytes) -> AnyFact:
    """Decode one fact that was posted to a run."""
    return _fact.decode(body)
