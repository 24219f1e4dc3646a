"""The fault explorer in pytest: a fixture `explore`, and options to replay a finding or to search further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from amends.testing.explore import Exploration, Explore


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("amends", "exploring sagas")
    group.addoption("--amends-replay", metavar="TOKEN", help="play only the world that a finding's token names")
    group.addoption("--amends-faults", type=int, metavar="N", help="explore with up to N faults, whatever the tests say")
    group.addoption("--amends-budget", type=int, metavar="N", help="play up to N worlds, whatever the tests say")


@pytest.fixture
def explore(request: pytest.FixtureRequest) -> Explore:
    """`amends.testing.explore` for tests: a finding fails the test with its story."""
    from amends.errors import RuleBroken, StaleToken, Vacuous
    from amends.testing.explore import explore as search
    from amends.testing.explorer.token import saga_of

    token = request.config.getoption("--amends-replay")
    chosen = {"faults": request.config.getoption("--amends-faults"), "budget": request.config.getoption("--amends-budget")}

    def explored(what: Any, **options: Any) -> Exploration:
        options |= {name: value for name, value in chosen.items() if value is not None}
        try:
            if token is not None:
                options["replay"] = token
                if saga_of(token) != getattr(what, "call", what).target.name:
                    pytest.skip(f"--amends-replay plays a world of saga {saga_of(token)!r}")
            exploration = search(what, **options)
        except RuleBroken as broken:
            pytest.fail(broken.exploration.told("pytest --amends-replay={token}"), pytrace=False)
        except (Vacuous, StaleToken) as error:
            pytest.fail(str(error), pytrace=False)
        said = "this world breaks no rule any more\n" if token is not None else ""
        request.node.add_report_section("call", "exploration", said + str(exploration))
        return exploration

    return explored
