"""Why a run turned back: of a join that failed, the branches that did, each by its position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amends.ops.words import times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.ops.story.lines import Line, Story

ERRORS = {
    "BranchesFailed": ("all_of",),
    "AllFailed": ("any_of",),
    "QuorumImpossible": ("quorum", "scatter"),
    "TooFewInTime": ("within", "scatter"),
    "TooManyFailures": ("each",),
    "NoAgreement": ("vote",),
}
"""Which joins raise which error."""


def because(story: Story) -> str:
    """What turned the run back, in a sentence without its end."""
    if story.cause is None:
        return ""
    if story.why != "failed":
        return story.cause.message
    join = failed_join(story)
    if join is None:
        notes = f" ({'; '.join(story.cause.notes)})" if story.cause.notes else ""
        return f"{story.cause}{notes}"
    if join.fan is not None:
        kinds = ", ".join(f"{name} {times(kind.count)}" for name, kind in join.fan.kinds.items())
        return f"{headline(story)}: {story.cause.message.partition(': ')[0]}: {kinds}"
    broken = [f"{line.pos} {line.what}: {line.error or line.outcome}" for line in culprits(story)]
    more = f"; and {len(broken) - 3} more" if len(broken) > 3 else ""
    return f"{headline(story)}: {'; '.join(broken[:3]) + more or story.cause.message}"


def headline(story: Story) -> str:
    """Which join failed."""
    join = failed_join(story)
    return "" if join is None else f"{join.what} at {join.pos} failed"


def failed_join(story: Story) -> Line | None:
    """The join whose failure is the cause; None if it was something else."""
    join, cause = story.failed_join, story.cause
    if join is None or join.rule is None or cause is None:
        return None
    module, _, name = cause.type.rpartition(".")
    return join if module == "amends.errors" and join.rule.verb in ERRORS.get(name, ()) else None


def culprits(story: Story) -> list[Line]:
    """The branches that failed of the join whose failure is the cause, those of joins within it too."""
    join = failed_join(story)
    return [] if join is None else list(_failed(story, join))


def _failed(story: Story, join: Line) -> Iterator[Line]:
    for line in story.under(join):
        if line.ok is not False:
            continue
        if line.rule is None:
            yield line
        else:
            yield from _failed(story, line)
