"""Durable sagas in plain async Python: steps that end well whatever breaks."""

from amends.engine.current import Current, Forward, as_current, current
from amends.engine.engine import Engine
from amends.engine.handle import Handle, Outcome
from amends.errors import (
    AmendsError,
    Compensated,
    DefinitionError,
    IdempotencyConflict,
    JoinFailed,
    NeedsAttention,
    StepFailed,
)
from amends.model.call import Call, Step, step
from amends.model.fanout import Each, Partial, each
from amends.model.gather import scatter
from amends.model.join import Failed, Joined, Ok
from amends.model.retry import Retry
from amends.model.saga import Saga, now, random, receive, saga, sleep, sleep_until, uuid
from amends.model.split import all_of, any_of, quorum, race, settle, vote, within

__version__ = "0.1.0"

__all__ = [
    "AmendsError",
    "Call",
    "Compensated",
    "Current",
    "DefinitionError",
    "Each",
    "Engine",
    "Failed",
    "Forward",
    "Handle",
    "IdempotencyConflict",
    "JoinFailed",
    "Joined",
    "NeedsAttention",
    "Ok",
    "Outcome",
    "Partial",
    "Retry",
    "Saga",
    "Step",
    "StepFailed",
    "all_of",
    "any_of",
    "as_current",
    "current",
    "each",
    "now",
    "quorum",
    "race",
    "random",
    "receive",
    "saga",
    "scatter",
    "settle",
    "sleep",
    "sleep_until",
    "step",
    "uuid",
    "vote",
    "within",
]
