"""Every error of the tree is the same error in another process, and as a copy."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Iterator
from typing import Any

import pytest

from amends import errors
from amends.model.join import Failed, Joined, Ok
from amends.model.records import NULL, Failure, Kept

FAILURE = Failure("ValueError", "x", data=NULL)
STEP_FAILED = errors.StepFailed("s", error_type="T", error_message="m", error_data=[1], attempts=2, in_doubt=True, pos=3)
MADE: dict[type[errors.AmendsError], Any] = {
    errors.NotStorable: errors.NotStorable("a set", path=("order", 1), cure="Sort it."),
    errors.IdempotencyConflict: errors.IdempotencyConflict("a", "- 1\n+ 2"),
    errors.Compensated: errors.Compensated("a", FAILURE, (Kept(1, "s", "why"),)),
    errors.NeedsAttention: errors.NeedsAttention("a", ("a#1",), FAILURE),
    errors.StepFailed: STEP_FAILED,
    errors.Diverged: errors.Diverged("a", 1, "this", "that"),
    errors.Overloaded: errors.Overloaded(3),
    errors.RuleBroken: errors.RuleBroken("a story"),
}


def tree(root: type[errors.AmendsError] = errors.AmendsError) -> Iterator[type[errors.AmendsError]]:
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from tree(kind)


def made(kind: type[errors.AmendsError]) -> list[Any]:
    if issubclass(kind, errors.JoinFailed):
        joined = Joined((Ok(1), Failed(STEP_FAILED), None), (1, 0))
        return [kind("too few", [STEP_FAILED, ValueError("x")], joined), kind("too few", [], Joined((), ()))]
    return [MADE[kind] if kind in MADE else kind("what happened")]


@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, *(range(pickle.HIGHEST_PROTOCOL + 1))],
    ids=["copy", "deepcopy", *map(str, range(pickle.HIGHEST_PROTOCOL + 1))],
)
@pytest.mark.parametrize("kind", sorted(set(tree()), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_is_the_same_error_again(kind: type[errors.AmendsError], again: Any) -> None:
    for error in made(kind):
        error.add_note("noted")
        twin = pickle.loads(pickle.dumps(error, again)) if isinstance(again, int) else again(error)
        assert type(twin) is kind and twin is not error
        assert str(twin) == str(error) and told(twin) == told(error)


def told(error: BaseException) -> Any:
    inner = [told(each) for each in error.exceptions] if isinstance(error, BaseExceptionGroup) else [shown(error.args)]
    return inner, {name: shown(value) for name, value in vars(error).items()}


def shown(value: object) -> str:
    return re.sub(" at 0x[0-9a-f]+", "", repr(value))
