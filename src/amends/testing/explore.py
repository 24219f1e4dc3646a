"""The fault explorer: runs a saga in every world with up to n faults, and shows the smallest story that breaks a rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias

from amends.errors import DefinitionError, RuleBroken, Unsteady, Vacuous
from amends.testing.explorer import report
from amends.testing.explorer.breach import Breach
from amends.testing.explorer.elsewhere import Elsewhere
from amends.testing.explorer.plan import BUDGET, Plan
from amends.testing.explorer.player import playing
from amends.testing.explorer.scenario import Scenario, nobody
from amends.testing.explorer.substance import why_vacuous
from amends.testing.explorer.tally import Tally
from amends.testing.explorer.token import replayed, token_of
from amends.testing.world import World

if TYPE_CHECKING:
    from amends.model.call import Call
    from amends.model.records import State
    from amends.model.saga import Saga
    from amends.stores.port import Letter
    from amends.testing.expect import Expectation
    from amends.testing.explorer.plan import Strategy
    from amends.testing.explorer.player import Played, Player
    from amends.testing.explorer.scenario import Act, StoreKind
    from amends.testing.explorer.tally import Progress
    from amends.testing.fakes import Fake


@dataclass(frozen=True)
class Exploration:
    """What was tried and found. Printed, it is a report. `vacuous` says why it proves nothing, if so."""

    scenario: Scenario
    tally: Tally
    plan: Plan
    vacuous: str | None = None

    @property
    def ok(self) -> bool:
        """Whether no rule was broken, and something was proven."""
        return self.tally.found is None and self.vacuous is None

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
        return report.as_json(self.scenario, self.tally, self.plan) | {"ok": self.ok, "vacuous": self.vacuous}

    def told(self, how: str, width: int = report.WIDTH) -> str:
        """The report for people, in lines of at most `width` columns.

        `how` is the command that replays the finding, with `{token}` where that belongs; it is never broken.
        """
        summary, found, again = report.summary(self.tally, self.plan, width), self.tally.found, self.token or ""
        if found is not None:
            return f"{report.text(self.scenario, found, how.replace('{token}', again), width)}\n\n{summary}"
        return summary if self.vacuous is None else f"{self.vacuous}\n{summary}"

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
    without: Iterable[str] = frozenset(),
    faults: int = 2,
    strategy: Strategy = "exhaustive",
    budget: int = BUDGET,
    seed: int = 0,
    reaches: Iterable[State] | None = None,
    shard: tuple[int, int] = (1, 1),
    processes: int = 1,
    replay: str | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Run a saga in every world with up to `faults` faults, and fail with the smallest story that breaks a rule.

    The engine, the machine and the store are the ones that ship; the clock is virtual, and nothing leaves the process.

    Args:
        what: a call of a saga, `place_order(order)`; or a `Scenario`, which holds the arguments from `world` to `without`
            and what it reaches.
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
        reaches: states that the run must end in, in some world; "completed", unless the Scenario says something else.
        shard: `(k, n)` plays the k-th of n parts. Whether an exploration proves something is judged of no part alone.
        processes: forks that share the search; by the strategy "hypothesis" there are neither forks nor parts.
        replay: a token: only this world is played.
        progress: called with the tally after each world; its worlds are those of all processes.

    Returns:
        what was tried; printed, it is a report.

    Raises:
        RuleBroken: a world breaks a rule; its text is the story, with a token that replays it.
        Vacuous: a fault or an end that is asked for never occurred, a fake was never called or an expectation never judged,
            so that the exploration proves nothing about it.
        Unsteady: the same faults led to another world, so that the exploration proves nothing at all.
        StaleToken: the token to replay is of another version of the saga.
        TypeError: the call does not fit the saga.
        DefinitionError: an argument is out of range, or belongs into the Scenario; or the process explores already.
    """
    cast: dict[str, Any] = {"world": world, "fakes": fakes, "expect": expect, "tell": tell, "sagas": sagas}
    cast |= {"operator": operator, "setup": setup, "workers": workers, "store": store, "kinds": kinds, "without": without}
    scenario = _scenario(what, cast)
    if reaches is not None:
        scenario = replace(scenario, reaches=reaches)  # type: ignore[arg-type]  # it becomes a tuple
    scenario.saga.signature.bind(scenario.call.args, scenario.call.kwargs)
    plan = Plan(strategy, faults, budget, seed, shard, processes, progress)
    return _explored(scenario, plan, replay)


def _explored(scenario: Scenario, plan: Plan, replay: str | None) -> Exploration:
    """Search, and raise what came of it if it is nothing good."""
    if not _one_at_a_time.acquire(blocking=False):
        raise DefinitionError(
            "this process explores already, in another thread or in the step that explores here: an exploration puts its "
            "own time and its own fakes in the place of those of the whole process, so let them come one after the other."
        )
    try:
        tally = _searched(scenario, plan, replay)
    except Unsteady as unsteady:
        unsteady.exploration = Exploration(scenario, Tally(), plan, str(unsteady))
        raise
    finally:
        _one_at_a_time.release()
    if tally.found is not None:
        raise RuleBroken(Exploration(scenario, tally, plan))
    whole = replay is None and plan.shard[1] == 1
    vacuous = why_vacuous(scenario, tally, plan) if whole else None
    exploration = Exploration(scenario, tally, plan, vacuous)
    if vacuous is not None:
        raise Vacuous(exploration)
    return exploration


_one_at_a_time = Lock()


def _scenario(what: Any, cast: dict[str, Any]) -> Scenario:
    """What is explored: a Scenario, which has all that takes part in it, or a call with those that are given beside it."""
    said = {name: value for name, value in cast.items() if value is not None and value != _UNSAID.get(name)}
    if not isinstance(what, Scenario):
        return Scenario(what, **said)
    if said:
        names = ", ".join(f"{name}=" for name in said)
        raise DefinitionError(
            f"explore(SCENARIO, {names}): that belongs into the Scenario; replace(SCENARIO, ...) changes one."
        )
    return what


_UNSAID = {field.name: field.default for field in fields(Scenario)}
"""What an argument is that nobody gave."""


def _searched(scenario: Scenario, plan: Plan, replay: str | None) -> Tally:
    with Elsewhere(scenario) as elsewhere, playing(scenario, elsewhere) as player:
        if replay is None:
            tally = plan.search(player)
        else:
            tally = Tally()
            tally.add(replayed(replay, player))
        if tally.found is None:
            _replay_elsewhere(player, tally)
    return tally


def _replay_elsewhere(player: Player, tally: Tally) -> None:
    """The journals are replayed in processes with other hash seeds: those of worlds with few faults, or a spread of all."""
    sheaf = player.witness.sheaf
    verdict, deviations = player.witness.verdict()
    tally.elsewhere, tally.journals = verdict.cannot, sheaf.seen
    tally.replayed = 0 if verdict.cannot else len(sheaf.sheets)
    if verdict.diverged:
        why = f"in another process, with another hash seed: {verdict.diverged}"
        tally.found = replace(player.follow(deviations), breaches=[Breach("replays", why)])
