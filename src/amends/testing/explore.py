"""The fault explorer: runs a saga in every world with up to n faults, and shows the smallest story that breaks a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from amends.errors import RuleBroken
from amends.testing.explorer import report
from amends.testing.explorer.breach import Breach
from amends.testing.explorer.elsewhere import Elsewhere
from amends.testing.explorer.plan import Plan
from amends.testing.explorer.player import playing
from amends.testing.explorer.scenario import Scenario, nobody
from amends.testing.explorer.search import Tally
from amends.testing.explorer.substance import demand_substance
from amends.testing.explorer.token import replayed, token_of
from amends.testing.world import World

if TYPE_CHECKING:
    from amends.model.call import Call
    from amends.model.records import State
    from amends.model.saga import Saga
    from amends.stores.port import Letter
    from amends.testing.expect import Expectation
    from amends.testing.explorer.plan import Strategy
    from amends.testing.explorer.player import Played
    from amends.testing.explorer.scenario import Act, StoreKind
    from amends.testing.explorer.search import Progress
    from amends.testing.fakes import Fake


@dataclass(frozen=True)
class Exploration:
    """What was tried and found. Printed, it is a report."""

    scenario: Scenario
    tally: Tally

    @property
    def ok(self) -> bool:
        """Whether no rule was broken."""
        return self.tally.found is None

    @property
    def worlds(self) -> int:
        """How many worlds were played."""
        return self.tally.worlds

    @property
    def found(self) -> Played | None:
        """The smallest world that breaks a rule."""
        return self.tally.found

    @property
    def token(self) -> str | None:
        """Replays the finding: `explore(..., replay=token)`."""
        return token_of(self.tally.found, self.scenario.saga.name) if self.tally.found else None

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return report.as_json(self.scenario, self.tally)

    def told(self, how: str, width: int = report.WIDTH) -> str:
        """The report for people, in lines of at most `width` columns.

        `how` is the command that replays the finding, with `{token}` where that belongs; it is never broken.
        """
        summary, found = report.summary(self.tally, width), self.tally.found
        if found is None:
            return summary
        return f"{report.text(self.scenario, found, how.replace('{token}', self.token or ''), width)}\n\n{summary}"

    def __str__(self) -> str:
        return self.told("explore(..., replay='{token}')")


Explore: TypeAlias = Callable[..., Exploration]
"""The type of the pytest fixture `explore`; it takes what the function takes."""


def explore(
    what: Call[Any] | Scenario,
    *,
    world: World | None = None,
    fakes: Iterable[Fake] = (),
    expect: Iterable[Expectation] = (),
    tell: Sequence[Any] = (),
    sagas: Iterable[Saga[..., Any]] = (),
    operator: Callable[[Letter], Act | None] = nobody,
    setup: Callable[[], object] | None = None,
    workers: int = 1,
    store: StoreKind = "memory",
    kinds: Iterable[str] | None = None,
    without: Iterable[str] = (),
    faults: int = 2,
    strategy: Strategy = "exhaustive",
    budget: int = 20_000,
    seed: int = 0,
    reaches: Iterable[State] = ("completed",),
    shard: tuple[int, int] = (1, 1),
    processes: int = 1,
    replay: str | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Run a saga in every world with up to `faults` faults, and fail with the smallest story that breaks a rule.

    The engine, the machine and the store are the ones that ship; the clock is virtual, and nothing leaves the process.

    Args:
        what: a call of a saga, `place_order(order)`; or a `Scenario`, which holds the arguments from `world` to `without`.
        world: the services that the saga's steps use.
        fakes: stand-ins for steps that would reach the real world; see `fake`.
        expect: your own conditions; see `expect.when_completed`, `expect.when_compensated`, `expect.always`.
        tell: messages that are sent to the run as soon as it has begun.
        sagas: those that may be nested in it.
        operator: what a person does about a dead letter: "retry", "resolve", "abandon", "happened", "did not happen",
            or None to leave it open, which is an end too. What was broken is mended before they act.
        setup: called before every world, to reset what your own fakes remember.
        workers: how many workers are up from the beginning; after a crash or a stop there is always another.
        store: "memory" or "sqlite" (in memory): the store that the workers share.
        kinds: the faults to explore, each of which must then occur; all that can happen by default.
        without: faults to leave out.
        faults: the most faults in one world.
        strategy: "exhaustive" (fewest faults first, so that the first finding is the smallest), "random" or "hypothesis".
        budget: the most worlds to play. A level of the exhaustive search that does not fit is sampled, and the report
            says so.
        seed: of the strategies that draw by luck.
        reaches: states that the run must end in, in some world.
        shard: `(k, n)` plays the k-th of n parts of an exhaustive search.
        processes: forks that share an exhaustive search.
        replay: a token: only this world is played.
        progress: called with the tally after each world.

    Returns:
        what was tried; printed, it is a report.

    Raises:
        RuleBroken: a world breaks a rule; its text is the story, with a token that replays it.
        Vacuous: a fault or an end that is asked for never occurred, so that the exploration proves nothing about it.
        Unsteady: the same faults led to another world, so that the exploration proves nothing at all.
        StaleToken: the token to replay is of another version of the saga.
        DefinitionError: an argument is out of range.
    """
    if not isinstance(what, Scenario):
        chosen = None if kinds is None else frozenset(kinds)
        cast = (world or World(), tuple(fakes), tuple(expect), tuple(tell), operator, setup, workers, store)
        what = Scenario(what, *cast, chosen, frozenset(without), tuple(sagas))
    plan = Plan(strategy, faults, budget, seed, shard, processes, progress)
    exploration = Exploration(what, _searched(what, plan, replay))
    if not exploration.ok:
        raise RuleBroken(exploration)
    if replay is None and shard[1] == 1:
        demand_substance(what, exploration.tally, tuple(reaches), plan)
    return exploration


def _searched(scenario: Scenario, plan: Plan, replay: str | None) -> Tally:
    with Elsewhere(scenario) as elsewhere:
        with playing(scenario, elsewhere) as player:
            if replay is not None:
                tally = Tally()
                tally.add(replayed(replay, player))
            else:
                tally = plan.search(player)
        _replay_elsewhere(elsewhere, tally, player.first)
    return tally


def _replay_elsewhere(elsewhere: Elsewhere, tally: Tally, played: Played | None) -> None:
    """The journals of worlds with at most one fault are replayed in a process with another hash seed."""
    if tally.found is not None:
        return
    verdict = elsewhere.verdict()
    tally.elsewhere = verdict.cannot
    if verdict.diverged:
        assert played is not None
        why = f"in another process, with another hash seed: {verdict.diverged}"
        tally.found = replace(played, breaches=[Breach("replays", why)])
