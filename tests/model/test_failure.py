"""An exception as a journal keeps it."""

from __future__ import annotations

import linecache
import os
import re
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
import pytest

from amends.model.failure import failure_of


class Broken(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_an_exception_is_kept_bounded_with_its_data() -> None:
    error = ValueError("x" * 5000, {"code": 7})
    error.add_note("a note")
    kept = failure_of(error)
    assert kept.type == "ValueError" and len(kept.message) == 1000 and kept.notes == ("a note",)
    assert msgspec.json.decode(kept.data)["args"][1] == {"code": 7}
    assert "cannot be read" in failure_of(Broken()).message
    assert bytes(failure_of(ValueError(object())).data) == b"null"
    try:
        raise KeyError("\ud800")
    except KeyError as raised:
        msgspec.json.encode(failure_of(raised))


def test_a_kept_exception_reads_as_what_it_is() -> None:
    kept = failure_of(ValueError("no", {"code": 7}))
    assert repr(kept) == f"Failure('ValueError', {kept.message!r}, data={bytes(kept.data).decode()})"
    assert repr(failure_of(ValueError(object()))).endswith(")") and "Raw object" not in repr(failure_of(ValueError(object())))


class Lying(Exception):
    """Its attributes and notes are not what they should be."""

    @property
    def __dict__(self) -> Any:
        raise RuntimeError


class Declined(Exception):
    def __init__(self, code: int) -> None:
        super().__init__("declined", object())
        self.code = code
        self.response = object()
        self._private = 1


def test_of_an_error_all_data_is_kept_that_is_plain_and_small() -> None:
    assert bytes(failure_of(Declined(51)).data) == b'{"code":51}'
    assert bytes(failure_of(ValueError("x" * 100_000)).data) == b"null"


def test_an_error_that_lies_is_still_told() -> None:
    error = ValueError("x")
    error.__notes__ = 5  # type: ignore[assignment]
    assert failure_of(error).notes == ()
    error.__notes__ = [Broken()]  # type: ignore[list-item]
    assert "cannot be read" in failure_of(error).notes[0]
    assert failure_of(Lying("a")).message == "a"


def test_of_a_long_traceback_the_end_is_kept_and_no_values() -> None:
    unseen = "a local value"
    try:
        raise ValueError("é" * 9000 + "the end")
    except ValueError as error:
        kept = failure_of(error)
    assert len(kept.traceback.encode()) <= 4096 and kept.traceback.rstrip().endswith("the end")
    try:
        raise ValueError("short")
    except ValueError as error:
        assert "raise ValueError" in failure_of(error).traceback and unseen not in failure_of(error).traceback


def plain() -> NoReturn:
    raise ValueError("plain")


def chained() -> NoReturn:
    try:
        plain()
    except ValueError as error:
        raise KeyError("chained") from error


def while_handling() -> NoReturn:
    try:
        plain()
    except ValueError:
        raise KeyError("another")  # noqa: B904  (it is this that is tried)


def hidden() -> NoReturn:
    try:
        plain()
    except ValueError:
        raise KeyError("alone") from None


def grouped() -> NoReturn:
    several: list[Exception] = []
    for each in (plain, chained):
        try:
            each()
        except Exception as error:
            several.append(error)
    raise ExceptionGroup("several", several)


def deep(left: int = 10) -> NoReturn:
    if left == 0:
        raise ValueError("deep")
    deep(left - 1)


MARKS = re.compile(r"[ |]*[~^]+\n")
RAISED = [plain, chained, while_handling, hidden, grouped, deep]


def caught(raises: Callable[[], NoReturn]) -> Exception:
    try:
        raises()
    except Exception as error:
        return error


@pytest.mark.parametrize("raises", RAISED)
def test_a_traceback_reads_as_python_tells_it_but_for_its_marks(raises: Callable[[], NoReturn]) -> None:
    error = caught(raises)
    told = "".join(traceback.TracebackException.from_exception(error).format())
    unmarked = "".join(line for line in told.splitlines(keepends=True) if not MARKS.fullmatch(line))
    assert failure_of(error).traceback == failure_of(error).traceback == unmarked


@pytest.mark.parametrize("raises", RAISED)
def test_an_error_that_comes_again_asks_the_disk_for_nothing(
    raises: Callable[[], NoReturn], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = failure_of(caught(raises)).traceback

    def asked(*_: object) -> NoReturn:
        raise AssertionError("the disk is asked")

    for owner, name in ((os, "stat"), (linecache, "checkcache"), (linecache, "updatecache")):
        monkeypatch.setattr(owner, name, asked)
    again = failure_of(caught(raises)).traceback
    monkeypatch.undo()
    assert again == first


def test_of_many_frames_the_last_are_kept() -> None:
    frames = failure_of(caught(lambda: ways(40))).traceback.count("  File ")
    assert frames == 20


def ways(left: int) -> NoReturn:
    """Its two lines take turns, so that no frame repeats the one before."""
    if left == 0:
        raise ValueError("many")
    if left % 2:
        ways(left - 1)
    ways(left - 1)


def test_the_lines_of_a_module_within_an_archive_are_told() -> None:
    names: dict[str, Any] = {"__name__": "within", "__loader__": Loader()}
    exec(compile("def fails():\n    raise ValueError('in an archive')\n", "archive.zip/within.py", "exec"), names)
    assert "    raise ValueError('in an archive')" in failure_of(caught(names["fails"])).traceback


class Loader:
    """Knows a source that no file holds."""

    def get_source(self, name: str) -> str:
        return "def fails():\n    raise ValueError('in an archive')\n"
