"""What the records of a journal tell, whichever rule reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.model import records as r

if TYPE_CHECKING:
    from amends.model.records import Record

CALLS = frozenset({r.StepWanted, r.RetryWanted, r.CheckWanted, r.ChildWanted, r.UndoWanted, r.ChildUndoWanted})
"""Something is called."""

UNDOS = frozenset({r.UndoWanted, r.ChildUndoWanted})
"""An undo is called."""

BREAKS = frozenset({r.StepBroke, r.CheckBroke, r.UndoBroke, r.Checked})
"""A call came to its end, and gave no result."""

SETTLES = frozenset({r.UndoDone, r.ChildClosed, r.DeadLettered, r.ChildStuck})
"""Nothing remains to be undone, or only by a person."""


def is_result(record: Record) -> bool:
    """Whether it says that a step took effect."""
    kind = type(record)
    return kind is r.StepDone or kind is r.ChildDone or (isinstance(record, r.Checked) and record.happened)
