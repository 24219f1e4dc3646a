"""One simulated world: workers, their journal, the services outside, and whatever goes wrong between them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from amends.errors import DefinitionError, JournalDamaged
from amends.model import keys
from amends.model.records import CLOSED
from amends.stores.port import LetterQuery, RunQuery
from amends.testing.clock import Clock, Loop
from amends.testing.explorer import faults
from amends.testing.explorer.account import Account
from amends.testing.explorer.ending import MOST_DAYS, Ending
from amends.testing.explorer.journal import at_once
from amends.testing.explorer.messenger import Messenger
from amends.testing.explorer.network import AFTERLIFE, Network
from amends.testing.explorer.scenario import ACTS
from amends.testing.explorer.tale import Tale
from amends.testing.explorer.team import Workforce

if TYPE_CHECKING:
    from amends.engine.engine import Engine
    from amends.errors import AmendsError
    from amends.stores.port import Change, Letter, Run, Turn
    from amends.testing.explorer.fate import Actor
    from amends.testing.explorer.faults import Kind, Occasion
    from amends.testing.explorer.path import Path
    from amends.testing.explorer.scenario import Act, Scenario
    from amends.testing.explorer.stores import House

MOST_CALLBACKS = 50_000
"""Callbacks in which a world must come to its end: more is taken as going on for ever."""

MOST_COMMITS = 1_000
"""Commits in which a world must come to its end: more is taken as going on for ever, too. Of a sleep there are two."""

DAY = 86_400.0

MOST_RUNS = 1_000
"""Runs of one world, nested ones included."""

MOST_ACTS = 3
"""Acts of the operator on dead letters in one world."""


class Simulation:
    """One world on one path (see `fate.Fate`). `run` plays it to its end."""

    def __init__(self, scenario: Scenario, path: Path, house: House) -> None:
        self.scenario = scenario
        self.clock = Clock()
        self.tale = Tale(self.clock)
        self.refused: AmendsError | None = None
        self.troubled = False
        self.broken: list[tuple[str, str]] = []
        self._path = path
        self._house = house
        self._hand = Loop(self.clock)
        self.team = Workforce(self, house, self._hand)
        self._network = Network(self)
        self._draws = count(1)
        self._drivers: dict[str, tuple[int, int]] = {}
        self._acts = 0
        self._commits = 0
        self._begun = False
        self._auditor = house.attach()
        at_once(self._auditor.open("auditor", lease=None))
        self.messenger = Messenger(self, self.team, self._hand, self._auditor)

    def run(self) -> Ending:
        """Play the world until nothing moves any more, and say how it ended."""
        self.scenario.world.clear()
        if self.scenario.setup is not None:
            self.scenario.setup()
        with self.scenario.world.on(self._network):
            for _ in range(self.scenario.workers):
                self.team.enlist()  # each of them starts the run, and one of them is first
            quiet = self._play()
            while quiet and self._stir():
                quiet = self._play()
            return self._ending(quiet)

    def bury(self) -> None:
        """Free what the world still holds, once it has been judged: only then may what its dead leave behind be heard of."""
        with self.scenario.world.on(AFTERLIFE):
            self.team.bury()
        self._house.close()

    def _play(self) -> bool:
        quiet = self.clock.run(horizon=MOST_DAYS * DAY, most=MOST_CALLBACKS)
        for error in self._hand.errors:
            raise error.get("exception") or RuntimeError(str(error))
        return quiet

    def _stir(self) -> bool:
        """When nothing moves: what was under way arrives, and the operator acts. False when that moves nothing either."""
        if self._network.land():
            return True
        acts: list[tuple[Letter, Act]] = [
            (letter, act) for letter in self._letters() if (act := self._decided(letter)) is not None
        ]
        if not acts or self._acts >= MOST_ACTS:
            return False
        worker = self.team.open
        assert worker is not None, "a world that has come to rest has a worker"
        self._network.mend()
        for letter, act in acts:
            self._acts += 1
            worker.act(partial(_act, letter=letter, act=act))
            self.tale.add(None, f"the operator acts on dead letter {letter.id}: {act}")
        return True

    def _decided(self, letter: Letter) -> Act | None:
        """What the operator does about a dead letter; they are not asked about one that breaks a rule by being there."""
        if letter.kind in ("diverged", "damaged"):
            return None
        act = self.scenario.operator(letter)
        if act is None or act in ACTS:
            return act
        known = ", ".join(map(repr, ACTS))
        raise DefinitionError(f"operator(...) said {act!r} about dead letter {letter.id}: it can say {known}, or None.")

    def _ending(self, quiet: bool) -> Ending:
        auditor = self._auditor
        rows: list[Run] = sorted(at_once(auditor.runs(RunQuery(limit=MOST_RUNS))), key=lambda run: (len(run.id), run.id))
        errors = [error.get("exception") or error for worker in self.team for error in worker.loop.errors]
        errors += [error for worker in self.team for error in worker.loop.unread()]
        return Ending(
            scenario=self.scenario,
            accounts={row.id: self._account(row) for row in rows},
            effects=list(self.scenario.world.effects),
            asked=frozenset(self.scenario.world.asked),
            broken=[*self.broken, *(("no_stray_error", _said(error)) for error in errors)],
            tale=self.tale,
            quiet=quiet,
            refused=self.refused,
        )

    def _account(self, row: Run) -> Account:
        turns: list[Turn] = []
        try:
            turns = at_once(self._auditor.journal(row.id))
        except JournalDamaged as damaged:
            self.breaks("replays", str(damaged))
        letters: list[Letter] = at_once(self._auditor.letters(LetterQuery(open=None, run_id=row.id)))
        return Account(row, turns, letters, self.scenario.by_name)

    def _letters(self) -> list[Letter]:
        letters: list[Letter] = at_once(self._auditor.letters(LetterQuery()))
        return letters

    # ── what the parts of the world ask of it: see `fate.Fate` ──────────────────────────────────

    def pick(self, place: str, kinds: tuple[Kind, ...]) -> Kind:
        """See `Fate`."""
        kind = faults.NOTHING if self._path.over or len(kinds) == 1 else self._path.pick(place, kinds)
        if kind:
            self.troubled = True
            self.tale.fault(kind, place)
        return kind

    @property
    def settled(self) -> bool:
        """See `Fate`."""
        return self._path.over

    def kinds_on(self, occasion: Occasion) -> tuple[Kind, ...]:
        """See `Fate`."""
        return faults.of(occasion, self.scenario.explored)

    def luck(self, size: int) -> bytes:
        """See `Fate`."""
        return keys.luck(b"explored", next(self._draws))[:size]

    def drives(self, run_id: str, epoch: int, worker: Actor) -> None:
        """See `Fate`."""
        self._drivers[run_id] = epoch, worker.number
        if not self._begun:
            self._begun = True
            self.messenger.begin()

    def accepted(self, change: Change, worker: Actor) -> None:
        """See `Fate`."""
        if self._drivers[change.run_id] != (change.epoch, worker.number):
            self.breaks("fenced", f"the store accepted a turn of worker {worker.number} at epoch {change.epoch}")
        self._commits += 1
        if self._commits == MOST_COMMITS:
            self.clock.stop()
        for run in change.starts:
            if run.owner is not None and run.id not in self._drivers:
                self.drives(run.id, run.epoch, worker)
        if change.release and change.state not in CLOSED:
            if change.next_at is not None:
                self.team.look_when_due(change.run_id, change.next_at)
            self.team.look_soon()
        elif change.posts:
            self.team.look_soon()

    def ends_with(self, change: Change) -> bool:
        """See `Fate`."""
        return self.troubled and change.state in CLOSED and self._drivers.keys() == {change.run_id}

    def journaled(self, run_id: str, key: str) -> bool:
        """See `Fate`."""
        needle = key.encode()
        return any(needle in body for body in reversed(self._house.bodies(run_id)))  # most likely in the latest

    def refuse(self, why: AmendsError) -> None:
        """See `Fate`."""
        self.refused = self.refused or why
        self.clock.stop()

    def breaks(self, rule: str, why: str) -> None:
        """See `Fate`."""
        self.broken.append((rule, why))


def _said(error: object) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)


async def _act(engine: Engine, letter: Letter, act: Act) -> None:
    dlq, by = engine.dlq, "operator"
    if act == "retry":
        with suppress(DefinitionError):  # there is nothing to try again: they are told so, and the letter waits on
            await dlq.retry(letter.id, by=by)
    elif act == "resolve":
        await dlq.resolve(letter.id, by=by, note="done by hand")
    elif act == "abandon":
        await dlq.abandon(letter.id, by=by, note="not worth it")
    else:
        await dlq.answer(letter.id, happened=act == "happened", by=by)
