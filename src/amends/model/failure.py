"""An exception as it is kept in a journal: bounded, and without anything that could be run."""

from __future__ import annotations

import traceback
from typing import Any

import msgspec

from amends.errors import NotStorable
from amends.model.codec import shape_of
from amends.model.records import NULL, Failure, Raw

MOST_MESSAGE = 1_000
MOST_TRACEBACK = 4_096
MOST_NOTES = 10
MOST_DATA = 16_384


def failure_of(error: BaseException) -> Failure:
    """What is kept of an exception: its type, message, notes, the end of its traceback, and its data if that is plain."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
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
    """The traceback without marks under parts of lines: each mark costs as much as compiling the line."""
    told = traceback.TracebackException.from_exception(error, limit=-20)
    links: list[traceback.TracebackException | None] = [told]
    while links:
        link = links.pop()
        if link is not None:
            for frame in link.stack:
                frame.colno = None
            links += [link.__cause__, link.__context__, *(link.exceptions or ())]
    return told


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
