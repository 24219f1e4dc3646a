"""Tests for your own sagas: steps by hand, the fault explorer with its worlds, and the suite for stores."""

from amends.engine.current import Forward, as_current
from amends.testing.expect import always, when_compensated, when_completed
from amends.testing.explore import Exploration, Explore, explore
from amends.testing.explorer.ending import Ending
from amends.testing.explorer.scenario import Scenario
from amends.testing.fakes import fake
from amends.testing.world import Refused, Service, Unavailable, World

__all__ = [
    "Ending",
    "Exploration",
    "Explore",
    "Forward",
    "Refused",
    "Scenario",
    "Service",
    "Unavailable",
    "World",
    "always",
    "as_current",
    "explore",
    "fake",
    "when_compensated",
    "when_completed",
]
