"""The faults that a world can hold: each with the sentence that its story tells."""

from __future__ import annotations

from functools import cache
from typing import Literal, TypeAlias

Kind: TypeAlias = str
Occasion: TypeAlias = Literal["write", "write in time", "last write", "end", "claim", "start", "message"]

NOTHING: Kind = ""
"""Nothing goes wrong."""

CALLS: dict[Kind, str] = {
    "refused": "the service refuses, nothing is done",
    "unavailable": "the service is unavailable, nothing is done",
    "request_lost": "the request is lost, nothing is done",
    "answer_lost": "it takes effect, and the answer is lost",
    "late_effect": "no answer comes, and the request takes effect later",
    "duplicate": "the request arrives twice",
    "broken": "the service refuses this from now on, whoever asks",
    "zombie_before": "the worker stands still for longer than its lease, before the request is sent",
    "zombie_after": "the worker stands still for longer than its lease, after it took effect",
    "crash_after_effect": "it takes effect, and the worker is killed before it hears of it",
    "cancel_in_call": "it takes effect, and the run is cancelled before the answer comes",
    "deadline_before": "no answer comes until the deadline of the run or of a join has passed, nothing is done",
    "deadline_in_call": "it takes effect, and no answer comes until the deadline of the run or of a join has passed",
    "overtakes": "it is done faster than what was asked for before it",
}
"""What can happen to a request to a service."""

WRITES: dict[Kind, str] = {
    "crash_after_commit": "the worker is killed as soon as this is durable",
    "fate_unknown": "this is durable, but the worker is told that the write failed",
    "write_refused": "the store refuses the write: nothing of it is durable",
    "cancel": "the run is cancelled now",
    "restart": "the worker is shut down in order, and another one starts",
    "deadline": "this is durable, and the worker hears of it once the deadline of the run or of a join has passed",
}
"""What can happen to a turn that is written to the journal."""

CLOCKS: dict[Kind, str] = {
    "clock_back": "the new worker's time of day is an hour behind",
    "clock_ahead": "the new worker's time of day is an hour ahead",
}
"""What can be wrong with the time of day of a worker that takes the place of another."""

CLAIMS: dict[Kind, str] = {"crash_after_claim": "the worker is killed as soon as it has taken the run over"}
"""What can happen when a worker takes over a run."""

MESSAGES: dict[Kind, str] = {
    "message_late": "the message comes an hour later",
    "message_between": "the message comes when a worker has gone and before another takes over; an hour later at most",
}
"""What can happen to a message that is sent to the run."""

KINDS = CALLS | WRITES | CLAIMS | CLOCKS | MESSAGES
"""All faults. A crash before a write or a call is the crash after whatever came before it: nothing else survives a crash."""

_ON: dict[Occasion, tuple[Kind, ...]] = {
    "write": tuple(kind for kind in WRITES if kind != "deadline"),
    "write in time": tuple(WRITES),
    "last write": tuple(kind for kind in WRITES if kind not in ("cancel", "restart", "deadline")),
    "end": ("write_refused",),
    "claim": tuple(CLAIMS),
    "start": tuple(CLOCKS),
    "message": tuple(MESSAGES),
}

_OF_TARGET: dict[str, tuple[Kind, ...]] = {
    "step": (
        "refused",
        "unavailable",
        "request_lost",
        "answer_lost",
        "late_effect",
        "duplicate",
        "zombie_before",
        "zombie_after",
        "crash_after_effect",
        "cancel_in_call",
        "deadline_before",
        "deadline_in_call",
        "overtakes",
    ),
    "undo": (
        "refused",
        "broken",
        "answer_lost",
        "late_effect",
        "duplicate",
        "zombie_before",
        "zombie_after",
        "crash_after_effect",
        "overtakes",
    ),
    "check": ("refused", "broken", "zombie_after"),
}


@cache
def of(occasion: Occasion, explored: frozenset[Kind]) -> tuple[Kind, ...]:
    """What can happen on an occasion, beginning with nothing.

    A write in time is one before a deadline, a last write one of a worker that is being shut down. An end is a write after
    which nothing is left to do, in a world that a fault has befallen already: whoever is killed, cancelled, shut down or not
    told of it finds what is found after any other end.
    """
    return (NOTHING, *(kind for kind in _ON[occasion] if kind in explored))


@cache
def of_call(
    target: str, explored: frozenset[Kind], *, deadline: bool, others: bool, tried_again: bool, absorbed: bool
) -> tuple[Kind, ...]:
    """What can happen to a request, beginning with nothing.

    `target` is "step", "undo" or "check". `deadline` says whether a run or a join has a deadline ahead, `others` whether
    other requests are under way, `tried_again` whether the step is called again when the service is unavailable, `absorbed`
    whether a second request changes nothing. What cannot make a difference is left out: for an undo, a request that was
    lost is one that was refused, since both are tried again; a check that crashes leaves the world as it was.
    """
    left_out: set[Kind] = set()
    if not deadline:
        left_out |= {"deadline_before", "deadline_in_call"}
    if not others:
        left_out.add("overtakes")
    if not tried_again:
        left_out.add("unavailable")  # it is as final as a refusal
    if absorbed:
        left_out.add("duplicate")
    return (NOTHING, *(kind for kind in _OF_TARGET[target] if kind in explored and kind not in left_out))


def sentence(kind: Kind) -> str:
    """What the story says about a fault."""
    return KINDS[kind]
