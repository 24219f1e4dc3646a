"""The storm itself: workers are killed, stopped for longer than their lease, and born again under a clock that jumps."""

from __future__ import annotations

import heapq
import itertools
import random
import resource
import signal
import time
from dataclasses import dataclass, field

from tests.storms.fork_server import Child, ForkServer
from tests.storms.locks import holds_the_file
from tests.storms.rules import Rule
from tests.storms.sagas import SAGAS
from tests.storms.worker import Halt, Life, Place

HOUR = 3600.0

STARTS = 4
"""Runs that a worker starts when it is born, at most."""

ELDERS = 2
"""Workers that live long enough to see that others stand still; the rest dies too young for that."""

HELD_FOR_LONG = 0.05
"""The part of those stopped with the file in their hand that keep it, and so hold up everybody."""

SPARED = 0.3
"""The part of the kills that come too early, while the worker still opens the store, which are put off."""

NEVER_CALLED = 2.0
"""Seconds after which a worker that was to stop in a call, and got none, is killed instead."""

LONGEST_CALM = 30.0
"""Seconds after the storm in which all runs must have ended."""


@dataclass(frozen=True)
class Plan:
    """How hard it blows: until so many seconds are over and so many workers were killed and stopped, whatever is later.

    `fleet` workers are alive at once, beside the elders and those that are stopped; each lives `life` seconds on average.
    `zombie_births` is the part of them that is stopped and woken. `patience` is when it has to be over.
    """

    seed: int
    seconds: float = 0.0
    kills: int = 0
    zombies: int = 0
    fleet: int = 6
    life: float = 0.03
    zombie_births: float = 0.05
    most_open: int = 40
    patience: float = 60.0
    off: Rule | None = None


@dataclass
class Tally:
    """What was done to the workers. `refused` counts the zombies whose writes were refused after they woke up; `cpu` is the
    processors' time until the calm, in seconds."""

    births: int = 0
    kills: int = 0
    kills_while_opening: int = 0
    zombies: int = 0
    zombies_in_a_call: int = 0
    refused: int = 0
    file_in_hand: int = 0
    jumps: int = 0
    seconds: float = 0.0
    calm: float = 0.0
    cpu: float = 0.0
    wrong: list[str] = field(default_factory=list)


def storm(place: Place, plan: Plan) -> Tally:
    """Rage, then calm down: kill and stop until it is enough, then let the last worker bring all to an end."""
    with ForkServer(place) as server:
        weather = _Weather(place, plan, server)
        weather.rage()
        weather.tally.cpu = _cpu()
        weather.calm_down()
        return weather.tally


def _cpu() -> float:
    """Seconds of the processors' time that this process and its dead children have used."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


class _Weather:
    """A storm under way: who lives, and what is to come when."""

    def __init__(self, place: Place, plan: Plan, server: ForkServer) -> None:
        self.tally = Tally()
        self._place, self._plan, self._server = place, plan, server
        self._luck = random.Random(plan.seed)
        self._wall = 0.0
        self._fleet: set[Child] = set()
        self._elders: set[Child] = set()
        self._zombies: set[Child] = set()
        self._is_over = False
        self._to_come: list[tuple[float, int, str, Child | None]] = []
        self._order = itertools.count()

    def rage(self) -> None:
        """Until it is enough, and until the last zombie has woken up among the others and done what harm it can."""
        began = time.monotonic()
        self._soon("jump", None, 0.0)
        while not self._enough(time.monotonic() - began) or self._zombies:
            self._fill_up()
            self._let_come()
            for child in self._server.wait(self._until_next()):
                self._changed(child)
        self.tally.seconds = time.monotonic() - began

    def calm_down(self) -> None:
        """All are killed at once, in the middle of their work, and one brings everything to its end.

        Its clock is behind all others: whatever waits for an instant that another clock called near must not wait for long.
        """
        began = time.monotonic()
        for child in self._fleet | self._elders:
            self._server.kill(child)
        self._wall = -HOUR
        last = self._server.bear(self._life(last=True, tells=True, max_runs=1000))
        if not self._server.wait_for(lambda: last.code is not None, LONGEST_CALM):
            self.tally.wrong.append(f"after {LONGEST_CALM:g} s of calm there are runs that have not ended")
        elif last.code:
            self.tally.wrong.append(f"the last worker ended with {last.code}")
        self.tally.calm = time.monotonic() - began

    def _enough(self, seconds: float) -> bool:
        if seconds > self._plan.patience:
            self.tally.wrong.append(f"after {seconds:.0f} s the storm had not killed and stopped enough workers")
            self._is_over = True
        plan, tally = self._plan, self.tally
        self._is_over |= seconds >= plan.seconds and tally.kills >= plan.kills and tally.refused >= plan.zombies
        return self._is_over

    # ── births ──────────────────────────────────────────────────────────────────────────────────

    def _fill_up(self) -> None:
        while len(self._elders) < ELDERS:
            child = self._server.bear(self._life(max_runs=32, tells=True))
            self._elders.add(child)
            self._soon("kill", child, self._luck.uniform(1.0, 4.0))
        while len(self._fleet) < self._plan.fleet:
            child = self._bear()
            self._fleet.add(child)

    def _bear(self) -> Child:
        luck = self._luck
        if self._is_over or luck.random() >= self._plan.zombie_births:
            child = self._server.bear(self._life())
            self._soon("kill", child, luck.uniform(0.0, 2 * self._plan.life))
        elif luck.random() < 0.5:
            child = self._server.bear(self._life())
            self._soon("stop", child, luck.uniform(0.0, 4 * self._plan.life))
        else:
            halt = Halt(luck.randint(1, 6), luck.choice(("before", "after")), signal.SIGSTOP)
            child = self._server.bear(self._life(halt=halt))
            self._soon("kill", child, NEVER_CALLED)
        return child

    def _life(self, **more: object) -> Life:
        self.tally.births += 1
        starts = tuple(self._luck.choice(SAGAS).name for _ in range(STARTS))
        given = {"starts": starts, "most_open": self._plan.most_open, "off": self._plan.off, **more}
        if more.get("last"):
            given |= {"starts": (), "off": None}
        return Life(self.tally.births, self._luck.getrandbits(32), self._wall, **given)  # type: ignore[arg-type]

    # ── what comes ──────────────────────────────────────────────────────────────────────────────

    def _soon(self, what: str, child: Child | None, delay: float) -> None:
        heapq.heappush(self._to_come, (time.monotonic() + delay, next(self._order), what, child))

    def _until_next(self) -> float:
        return max(0.0, min(0.1, self._to_come[0][0] - time.monotonic()))

    def _let_come(self) -> None:
        now = time.monotonic()
        while self._to_come[0][0] <= now:
            _, _, what, child = heapq.heappop(self._to_come)
            if child is None:
                self._jump()
            elif child.code is None:
                {"kill": self._kill, "stop": self._stop, "wake": self._wake}[what](child)

    def _jump(self) -> None:
        """Whoever is born from now on sees another time of day."""
        self._wall = self._luck.choice([wall for wall in (-HOUR, 0.0, HOUR) if wall != self._wall])
        self.tally.jumps += 1
        self._soon("jump", None, self._luck.uniform(0.2, 2.0))

    def _kill(self, child: Child) -> None:
        if child.stopped:
            return  # it is killed when it has been awake again for a while
        if not child.board.is_open and self._luck.random() < SPARED:
            self._soon("kill", child, self._luck.uniform(0.0, 2 * self._plan.life))
            return
        self._server.kill(child)

    def _stop(self, child: Child) -> None:
        if child.board.is_tied:
            self._server.stop(child)
        else:
            self._soon("stop", child, 0.001)

    def _wake(self, child: Child) -> None:
        self._server.wake(child)
        self._soon("kill", child, self._luck.uniform(0.5, 1.5) * self._place.lease)

    def _changed(self, child: Child) -> None:
        if child.code is not None:
            self._has_ended(child)
        elif child.stopped:
            self._has_stopped(child)

    def _has_ended(self, child: Child) -> None:
        for group in (self._fleet, self._elders, self._zombies):
            group.discard(child)
        if child.code == -signal.SIGKILL:
            self.tally.kills += 1
            self.tally.kills_while_opening += not child.board.is_open
            self.tally.refused += child.board.refused > 0
        else:
            self.tally.wrong.append(f"worker {child.life.number} ended by itself, with {child.code}")

    def _has_stopped(self, child: Child) -> None:
        if holds_the_file(self._place.store, child.pid):
            self.tally.file_in_hand += 1
            if self._luck.random() >= HELD_FOR_LONG:  # or the whole storm would stand still for most of its time
                self._server.wake(child)
                self._soon("stop", child, 0.001)
                return
        self._fleet.discard(child)
        self._zombies.add(child)
        self.tally.zombies += 1
        self.tally.zombies_in_a_call += child.life.halt is not None
        self._soon("wake", child, self._luck.uniform(1.5, 3.0) * self._place.lease)
