"""Every option that cannot be meant is refused when it is given, not when it is needed for the first time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from amends import DefinitionError, Retry, each, quorum, receive, saga, scatter, sleep, sleep_until, step, vote, within

NAN, INF, HUGE = float("nan"), float("inf"), 10**400
NO_SECONDS: list[Any] = [-1, NAN, INF, HUGE, True, "5", None, Decimal(1), [1], timedelta(seconds=-1)]
NO_COUNT: list[Any] = [0, -1, 1.0, 2.5, True, "2", None, NAN]
NO_ERRORS: list[Any] = [
    [ValueError],
    {ValueError},
    "ValueError",
    ValueError("x"),
    int,
    None,
    (ValueError, "KeyError"),
    (ValueError, (KeyError,)),
    ValueError | KeyError,
    iter([ValueError]),
]


@step(no_undo="it only looks")
async def look(name: str) -> str:
    return name


@step
async def act(name: str) -> str:
    return name


@saga
async def nest(name: str) -> str:
    return name


async def undo(result: str) -> None: ...


def wrong(option: str, values: list[Any]) -> list[tuple[str, Any]]:
    return [(option, value) for value in values]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *wrong("attempts", NO_COUNT),
        *wrong("first", NO_SECONDS),
        *wrong("most", NO_SECONDS),
        *wrong("factor", [*NO_SECONDS, 0.5]),
        *wrong("jitter", [*NO_SECONDS, 1.5]),
        *wrong("on", NO_ERRORS),
        *wrong("never", NO_ERRORS),
    ],
)
def test_of_retry(option: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"Retry\({option}=...\) is .*; give"):
        Retry(**{option: value})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *wrong("retry", [3, None, "3", Retry, {"attempts": 3}]),
        *wrong("timeout", [each for each in [0, timedelta(0), *NO_SECONDS] if each is not None]),
        *wrong("doubt", NO_ERRORS),
        *wrong("fails", NO_ERRORS),
        *wrong("idempotent", ["no", 0, 1, None, []]),
        *wrong("on_rollback", ["Keep", None, True]),
        *wrong("name", [5, "", "a\nb", "x" * 201, True]),
        *wrong("no_undo", [True, "", " ", 5, False]),
    ],
)
def test_of_step(option: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"@step\({option}=...\) is "):
        step(**{option: value})(undo)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *wrong("deadline", [each for each in [0, *NO_SECONDS] if each is not None]),
        *wrong("name", [5, "", "a\nb", "a//b"]),
    ],
)
def test_of_saga(option: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"@saga\({option}="):
        saga(**{option: value})(undo)


@pytest.mark.parametrize(
    ("option", "value"),
    [*wrong("retry", [3, "3"]), *wrong("timeout", [each for each in [0, *NO_SECONDS] if each is not None])],
)
def test_of_undo_and_using(option: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=rf"act\.undo\({option}="):
        act.undo(**{option: value})(undo)
    with pytest.raises(DefinitionError, match=rf"act\.using\({option}="):
        act.using(**{option: value})
    assert act.undoing is None


def generator(result: str) -> Any:
    yield


@pytest.mark.parametrize("function", [5, look, look.using, len, generator, type("Callable", (), {"__call__": undo})()])
def test_an_undo_and_a_check_are_functions_that_do_something_when_they_are_called(function: Any) -> None:
    if function == look.using:
        function = look
    for declare in (act.undo, act.check):
        with pytest.raises(DefinitionError, match="without @step"):
            declare(function)


def test_a_saga_is_detached_or_not_by_using() -> None:
    for value in (False, 1, None):
        with pytest.raises(DefinitionError, match="give True"):
            nest.using(detached=value)  # type: ignore[arg-type]


CALLS: list[Any] = [
    *[lambda value=value: sleep(value) for value in NO_SECONDS],
    *[lambda value=value: sleep_until(value) for value in (5, None, "tomorrow", timedelta(1))],
    *[lambda value=value: receive(str, timeout=value) for value in NO_SECONDS if value is not None],
    *[lambda value=value: receive(value) for value in (5, "text", None.__class__.__call__)],
    *[lambda value=value: within(value, look("a")) for value in [0, *NO_SECONDS]],
    *[lambda value=value: within(1, look("a"), at_least=value) for value in [-1, 2, True, 0.5, "1", None]],
    *[lambda value=value: within(1, look("a"), losers=value) for value in ["", "no", 5, False]],
    *[lambda value=value: quorum(value, look("a")) for value in NO_COUNT],
    *[lambda value=value: vote(look("a"), agree=value) for value in NO_COUNT],
    *[lambda value=value: vote(look("a"), agree=1, key=value) for value in (5, "key")],
    *[lambda value=value: scatter([look], "a", within=value) for value in [0, *NO_SECONDS] if value is not None],
    *[lambda value=value: scatter([look], "a", limit=value) for value in NO_COUNT if value is not None],
    *[lambda value=value: scatter([look], "a").merge(value) for value in (5, None, undo)],
    *[lambda value=value: each(look, ["a"], limit=value) for value in NO_COUNT],
    *[lambda value=value: each(look, ["a"], limit=1, tolerate=value) for value in [-1, NAN, INF, True, "5%", None]],
    *[lambda value=value: each(look, ["a"], limit=1, item_key=value) for value in (5, "id")],
    *[lambda value=value: each(look, ["a"], limit=1, losers=value) for value in ("", None, 5)],
    *[lambda value=value: each(look, ["a"], limit=1).reduce(value, 0) for value in (5, None, undo)],
]


@pytest.mark.parametrize("call", CALLS)
def test_of_what_a_body_awaits(call: Any) -> None:
    with pytest.raises(DefinitionError):
        call()


def test_durations_are_seconds_or_timedeltas() -> None:
    retry = Retry(first=timedelta(seconds=2), most=timedelta(seconds=3), jitter=0)
    assert [retry.pause(spent, "k") for spent in (1, 2, 5000)] == [2, 3, 3]
    assert act.using(timeout=timedelta(seconds=2)).options.timeout == 2


def test_exception_types_are_given_as_except_takes_them() -> None:
    assert Retry(on=ValueError).again(ValueError(), lost=False)
    assert Retry(on=(ValueError, KeyError), never=()).again(KeyError(), lost=False)
