"""Durable sagas in plain async Python: steps that end well whatever breaks.

::

    to define        saga  step  Retry
    in a body        sleep  sleep_until  receive  now  random  uuid
    at once          all_of  settle  any_of  race  quorum  within  vote        what they give: Ok  Failed  Joined  Agreement
    one for each     each  scatter                                             what they give: Partial  Gathered
    in a step        current
    to run           Engine
    for annotations  Ask  Call  Step  Saga  Handle  Outcome  Current
    to catch         AmendsError  Compensated  DefinitionError  IdempotencyConflict  JoinFailed  NeedsAttention  StepFailed

The other errors are in `amends.errors`, merges for `scatter` in `amends.merges`, all that tests need in `amends.testing`.
"""

from amends.engine.current import Current, current
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
from amends.model.driving import Ask
from amends.model.fanout import Partial, each
from amends.model.gather import Gathered, scatter
from amends.model.join import Failed, Joined, Ok
from amends.model.retry import Retry
from amends.model.saga import Saga, now, receive, saga, sleep, sleep_until
from amends.model.saga import random as random
from amends.model.saga import uuid as uuid
from amends.model.split import Agreement, all_of, any_of, quorum, race, settle, vote, within

__version__ = "0.1.0"

# `random` and `uuid` are public too, by name: brought by `*`, they would hide the modules of the same name.
__all__ = [
    "Agreement",
    "AmendsError",
    "Ask",
    "Call",
    "Compensated",
    "Current",
    "DefinitionError",
    "Engine",
    "Failed",
    "Gathered",
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
    "current",
    "each",
    "now",
    "quorum",
    "race",
    "receive",
    "saga",
    "scatter",
    "settle",
    "sleep",
    "sleep_until",
    "step",
    "vote",
    "within",
]
