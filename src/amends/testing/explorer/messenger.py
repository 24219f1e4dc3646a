"""Tells the run of a simulated world what its scenario has to tell it: soon, late, or just when nobody drives it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from amends.errors import RunClosed
from amends.model.codec import shape_of
from amends.model.records import Raw, Told
from amends.model.saga import message_name
from amends.model.turn import encode_fact
from amends.testing.explorer.journal import at_once
from amends.testing.explorer.network import TRAVEL
from amends.testing.explorer.scenario import RUN
from amends.testing.explorer.wall import EPOCH

if TYPE_CHECKING:
    from amends.stores.port import Store
    from amends.testing.clock import Loop
    from amends.testing.explorer.fate import Fate
    from amends.testing.explorer.team import Workforce

HOUR = 3600.0
BY = "somebody"


class Messenger:
    """Implements `fate.Messages`. A message is sent again until it is durable."""

    def __init__(self, fate: Fate, team: Workforce, hand: Loop, store: Store) -> None:
        self._fate = fate
        self._team = team
        self._hand = hand
        self._store = store
        self._kept: list[tuple[Any, asyncio.Event]] = []

    def begin(self) -> None:
        """The run has begun: decide when each message comes."""
        for message in self._fate.scenario.tell:
            how = self._fate.pick(f"message {type(message).__name__}", self._fate.kinds_on("message"))
            arrived = asyncio.Event()
            self._hand.call_later(HOUR if how else TRAVEL, self._send, message, arrived)
            if how == "message_between":
                self._kept.append((message, arrived))

    def come_between(self) -> None:
        """See `fate.Messages`."""
        kept, self._kept = self._kept, []
        for message, arrived in kept:
            if not arrived.is_set():
                arrived.set()
                self._fate.tale.add(None, f"the run is told {message!r}, while nobody drives it")
                said = Raw(shape_of(type(message)).encode(message))
                told = Told(EPOCH + self._fate.clock.now, message_name(type(message)), said, BY)
                with suppress(RunClosed):
                    at_once(self._store.post(RUN, encode_fact(told)))

    def _send(self, message: Any, arrived: asyncio.Event) -> None:
        """Tell the run a message, through whichever worker there is, until it is durable."""
        if arrived.is_set():
            return
        worker = self._team.open
        if worker is not None:
            self._fate.tale.add(None, f"the run is told {message!r}")
            worker.act(lambda engine: engine.tell(RUN, message, by=BY), arrived.set)
        self._hand.call_later(1.0, self._send, message, arrived)
