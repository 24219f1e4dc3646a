"""Tokens that replay one world: they name its faults by place, and tell when the saga is not the one they were made for."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from amends.errors import StaleToken, Unsteady
from amends.model.records import ChildWanted, StepWanted
from amends.testing.explorer.faults import KINDS
from amends.testing.explorer.path import Deviation, Deviations

if TYPE_CHECKING:
    from amends.testing.explorer.player import Played, Player

FORMAT = "1"

LONGEST = 9
"""Digits of the number of a place: no world comes to more of them."""


def token_of(played: Played, saga: str) -> str:
    """`1.SAGA.PRINT.PLACE-FAULT.PLACE-FAULT…`; the print is a hash of the places up to the last fault.

    Without a fault it is one of the steps and sagas that were called: that the story is of this world is all that it tells.
    """
    faults = [f"{deviation.place}-{deviation.kind}" for deviation in played.deviations]
    return ".".join([FORMAT, saga, _print(played), *faults])


def saga_of(token: str) -> str:
    """The saga whose world a token names; raises `StaleToken` when it is no token."""
    return _parse(token)[1]


def replayed(token: str, player: Player) -> Played:
    """The world that a token names.

    Raises:
        StaleToken: it is no token, or of another saga, or of another version of this one.
    """
    deviations, saga, mark = _parse(token)
    mine = player.scenario.saga.name
    if saga != mine:
        raise StaleToken(f"this token is of saga {saga!r}, and {mine!r} is explored here.")
    try:
        played = player.follow(deviations)
    except Unsteady as off:
        raise StaleToken(_CHANGED.format(off.why)) from off
    player.witness.sheaf.gather(deviations, played.ending.accounts.values())
    if _print(played) != mark:
        other = "comes to other places on its way to the faults" if deviations else "calls other steps"
        raise StaleToken(_CHANGED.format(f"the run {other}"))
    return played


_CHANGED = (
    "this token was made for another version of the saga, its steps or its world: {}. "
    "Explore again: if the defect is still there, it has a new token."
)


def _print(played: Played) -> str:
    last = max((deviation.place for deviation in played.deviations), default=-1)
    way = [f"{place}|{','.join(kinds)}\n" for place, kinds in played.met[: last + 1]]
    return blake2b("".join(way or _called(played)).encode(), digest_size=4).hexdigest()


def _called(played: Played) -> list[str]:
    """The steps and sagas that a world called, whatever the order: that may be what is wrong with it."""
    records = [record for account in played.ending.accounts.values() for record in account.records]
    return sorted(
        f"{record.step if isinstance(record, StepWanted) else record.saga}\n"
        for record in records
        if isinstance(record, StepWanted | ChildWanted)
    )


def _parse(token: str) -> tuple[Deviations, str, str]:
    version, _, rest = str(token).partition(".")
    saga, *parts = rest.split(".")
    if version != FORMAT or not parts:
        raise StaleToken(f"{token!r} is no token of this version of amends; tokens begin with {FORMAT!r} and name the saga.")
    deviations: list[Deviation] = []
    for part in parts[1:]:
        index, _, kind = part.partition("-")
        if not index.isdecimal() or len(index) > LONGEST or kind not in KINDS:
            raise StaleToken(f"{token!r} names no fault by {part!r}.")
        deviations.append(Deviation(int(index), kind))
    return tuple(deviations), saga, parts[0]
