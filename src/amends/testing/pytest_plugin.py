"""The fault explorer in pytest: a fixture `explore`, and options to replay a finding or to search further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from amends.testing.explore import Exploration, Explore

REPLAY = "amends-replay"
PLAYED = "played"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("amends", "exploring sagas")
    group.addoption(f"--{REPLAY}", metavar="TOKEN", help="play only the world that a finding's token names")
    group.addoption("--amends-faults", type=int, metavar="N", help="explore with up to N faults, whatever the tests say")
    group.addoption("--amends-budget", type=int, metavar="N", help="play up to N worlds, whatever the tests say")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what is no token at all, and count what a token fits."""
    token = config.getoption(f"--{REPLAY}")
    if token is None:
        return
    from amends.errors import StaleToken
    from amends.testing.explorer.token import saga_of

    try:
        saga_of(token)
    except StaleToken as stale:
        raise pytest.UsageError(str(stale)) from None
    if not hasattr(config, "workerinput"):  # of pytest-xdist only the one that hears of all tests counts
        config.pluginmanager.register(Fits())


class Fits:
    """What became of a token in all tests. One that was never played has shown nothing, so that the session fails."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Hear of a test, also of one that ran in another process."""
        self._said.update((str(what), None) for name, what in report.user_properties if name == REPLAY)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Let the session fail when nothing was played."""
        if PLAYED not in self._said and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say so, with the reasons."""
        if PLAYED not in self._said:
            terminalreporter.section(f"--{REPLAY} fits no exploration of these tests", red=True)
            for why in self._said or ["no test explores anything"]:
                terminalreporter.line(why)


@pytest.fixture
def explore(request: pytest.FixtureRequest) -> Explore:
    """`amends.testing.explore` for tests: a finding fails the test with its story."""
    from amends.errors import RuleBroken, StaleToken, Vacuous
    from amends.testing.explore import Exploration
    from amends.testing.explore import explore as search
    from amends.testing.explorer.plan import Plan
    from amends.testing.explorer.scenario import Scenario
    from amends.testing.explorer.tally import Tally

    chosen = {
        "replay": request.config.getoption(f"--{REPLAY}"),
        "faults": request.config.getoption("--amends-faults"),
        "budget": request.config.getoption("--amends-budget"),
    }
    chosen = {name: value for name, value in chosen.items() if value is not None}

    def explored(what: Any, **options: Any) -> Exploration:
        options |= chosen
        said, exploration, failure = PLAYED, None, ""
        try:
            exploration = search(what, **options)
        except StaleToken as stale:  # it is of another exploration, which may come later in the same test
            scenario = what if isinstance(what, Scenario) else Scenario(what)
            nothing = Plan("exhaustive", faults=0, budget=1, seed=0, shard=(1, 1), processes=1, progress=None)
            said, exploration = str(stale), Exploration(scenario, Tally(), nothing)
        except RuleBroken as broken:
            failure = broken.exploration.told(f"pytest --{REPLAY}={{token}}")
        except Vacuous as vacuous:
            failure = str(vacuous)
        if "replay" in chosen:
            request.node.user_properties.append((REPLAY, said))
        if exploration is None:  # out of the `except`, so that it is shown once
            pytest.fail(failure, pytrace=False)
        what_came = "this world breaks no rule any more\n" if "replay" in chosen and said == PLAYED else ""
        request.node.add_report_section("call", "exploration", what_came + str(exploration))
        return exploration

    return explored
