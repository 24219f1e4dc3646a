"""An exception as it is kept in a journal: bounded, and without anything that could be run."""

from __future__ import annotations

import traceback

from amends.errors import NotStorable
from amends.model.codec import shape_of
from amends.model.records import NULL, Failure, Raw

MOST_MESSAGE = 1_000
MOST_TRACEBACK = 4_096
MOST_NOTES = 10


def failure_of(error: BaseException) -> Failure:
    """What is kept of an exception: its type, message, notes, the end of its traceback, and its data if that is plain."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = "".join(traceback.format_exception(error, limit=-20)) if error.__traceback__ is not None else ""
    notes = [str(note) for note in getattr(error, "__notes__", ())][:MOST_NOTES]
    return Failure(
        name,
        _clean(_message(error))[:MOST_MESSAGE],
        tuple(_clean(note)[:MOST_MESSAGE] for note in notes),
        _clean(text)[-MOST_TRACEBACK:],
        _data(error),
    )


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # a __str__ of the user's that fails must not hide the error it belongs to
        return f"(its message cannot be read: {type(broken).__name__})"


def _data(error: BaseException) -> Raw:
    values = {"args": list(error.args), **{k: v for k, v in vars(error).items() if not k.startswith("_")}}
    if not error.args and len(values) == 1:
        return NULL
    try:
        return Raw(shape_of(dict).encode(values))
    except (NotStorable, RecursionError):
        return NULL


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
