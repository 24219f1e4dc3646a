"""Durable sagas in plain async Python: steps that end well whatever breaks."""

from amends.engine.current import Current, Forward, as_current, current
from amends.engine.engine import Engine
from amends.engine.handle import Handle, Outcome
from amends.errors import (
    AmendsError,
    Compensated,
    DefinitionError,
    Diverged,
    EngineClosed,
    ForeignAwait,
    IdempotencyConflict,
    LeaseLost,
    LetterSettled,
    NeedsAttention,
    NeverAwaited,
    NotStorable,
    RunClosed,
    StepFailed,
    StoreError,
    UnknownRun,
)
from amends.model.call import Call, Step, step
from amends.model.retry import Retry
from amends.model.saga import Saga, now, random, receive, saga, sleep, sleep_until, uuid

__version__ = "0.1.0"

__all__ = [
    "AmendsError",
    "Call",
    "Compensated",
    "Current",
    "DefinitionError",
    "Diverged",
    "Engine",
    "EngineClosed",
    "ForeignAwait",
    "Forward",
    "Handle",
    "IdempotencyConflict",
    "LeaseLost",
    "LetterSettled",
    "NeedsAttention",
    "NeverAwaited",
    "NotStorable",
    "Outcome",
    "Retry",
    "RunClosed",
    "Saga",
    "Step",
    "StepFailed",
    "StoreError",
    "UnknownRun",
    "as_current",
    "current",
    "now",
    "random",
    "receive",
    "saga",
    "sleep",
    "sleep_until",
    "step",
    "uuid",
]
