"""Tests for your own sagas: the fault explorer, the worlds that it plays, and the suite that every store must pass."""

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
    "Refused",
    "Scenario",
    "Service",
    "Unavailable",
    "World",
    "always",
    "explore",
    "fake",
    "when_compensated",
    "when_completed",
]
