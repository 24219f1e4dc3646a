"""An exception as it is kept in a journal: bounded, and without anything that could be run."""

from __future__ import annotations

import linecache
import traceback
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from amends.errors import NotStorable
from amends.model.codec import shape_of
from amends.model.home import home_of
from amends.model.records import NULL, Failure, Raw

if TYPE_CHECKING:
    from types import FrameType, TracebackType

Place: TypeAlias = tuple[str, int, str]
"""A file, a line of it, and the function that the line is in."""

MOST_MESSAGE = 1_000
MOST_TRACEBACK = 4_096
MOST_FRAMES = 20
MOST_NOTES = 10
MOST_DATA = 16_384


def failure_of(error: BaseException) -> Failure:
    """What is kept of an exception: its type, message, notes, the end of its traceback, and its data if that is plain."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{home_of(kind)}.{kind.__qualname__}"
    notes = getattr(error, "__notes__", ())
    return Failure(
        name,
        _clean(_text(error))[:MOST_MESSAGE],
        tuple(_clean(_text(note))[:MOST_MESSAGE] for note in notes[:MOST_NOTES]) if isinstance(notes, (list, tuple)) else (),
        _traceback(error),
        _data(error),
    )


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception as broken:  # a __str__ of the user's that fails must not hide the error it belongs to
        return f"(its message cannot be read: {type(broken).__name__})"


def _traceback(error: BaseException) -> str:
    """The end of the traceback, without the values of its variables."""
    if error.__traceback__ is None:
        return ""
    try:
        text = "".join(_told(error).format())
    except Exception as broken:  # an error with attributes that lie must not hide that it happened
        return f"(its traceback cannot be read: {type(broken).__name__})"
    return text.encode("utf-8", "replace")[-MOST_TRACEBACK:].decode("utf-8", "ignore")


def _told(error: BaseException) -> traceback.TracebackException:
    """The traceback, each part of it with its frames as `_Frames` tells them."""
    told = traceback.TracebackException.from_exception(error, limit=0)
    links: list[tuple[traceback.TracebackException | None, BaseException | None]] = [(told, error)]
    while links:
        link, raised = links.pop()
        if link is not None and raised is not None:
            link.stack = _frames(_way(raised.__traceback__))
            links += [(link.__cause__, raised.__cause__), (link.__context__, raised.__context__)]
            links += zip(link.exceptions or (), getattr(raised, "exceptions", ()), strict=False)
    return told


class _Frames(traceback.StackSummary):
    """Frames whose text is made once, and without marks under parts of lines.

    An error that is raised again and again comes the same way. To look its lines up is to ask the disk each time whether
    a file has changed; and each mark costs as much as compiling its line.
    """

    def __init__(self, way: tuple[Place, ...]) -> None:
        super().__init__(traceback.FrameSummary(*place) for place in way)
        self._text = super().format()

    def format(self, **_: object) -> list[str]:
        """See `traceback.StackSummary`."""
        return self._text


_frames = lru_cache(maxsize=256)(_Frames)


def _way(frames: TracebackType | None) -> tuple[Place, ...]:
    """The last places that an error came by."""
    return tuple(_place(frame, line) for frame, line in deque(traceback.walk_tb(frames), maxlen=MOST_FRAMES))


def _place(frame: FrameType, line: int) -> Place:
    code = frame.f_code
    linecache.lazycache(code.co_filename, frame.f_globals)  # a module within an archive is read by its loader
    return code.co_filename, line, code.co_name


def _data(error: BaseException) -> Raw:
    """The error's arguments and public attributes, each as far as it is plain JSON data, and not too much in all."""
    kept: dict[str, Raw] = {}
    room = MOST_DATA
    for name, value in _values(error).items():
        try:
            raw = shape_of(Any).encode(value)
        except NotStorable:
            continue
        room -= len(raw)
        if room >= 0:
            kept[name] = Raw(raw)
    return Raw(msgspec.json.encode(kept, order="sorted")) if kept else NULL


def _values(error: BaseException) -> dict[str, Any]:
    try:
        values = {"args": list(error.args)} if error.args else {}
        return values | {name: value for name, value in vars(error).items() if not name.startswith("_")}
    except Exception:  # an error with attributes that lie has no data to tell
        return {}


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
