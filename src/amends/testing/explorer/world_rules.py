"""The rules about what a world holds in the end, compared with what its runs say of their steps."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from amends.model import records as r
from amends.model.phase import Phase
from amends.model.records import CLOSED
from amends.testing.explorer.breach import OURS, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amends.testing.explorer.deed import Deed
    from amends.testing.explorer.ending import Ending
    from amends.testing.world import Effect


def _nothing_left(ending: Ending) -> Iterator[str]:
    if not ending.at_an_end:
        return
    deeds = ending.deeds
    for behalf, effects in _by_behalf(ending).items():
        deed = deeds.get(behalf or "")
        for effect in effects:
            if not 0 <= effect.net <= 1:
                yield f"{effect}: it was undone more often than it was done"
            came_back = deed is not None and deed.phase is Phase.UNDONE and effect.late
            if effect.net and not came_back and (deed is None or not _may_stand(deed, ending)):
                yield f"{effect}, though {_why_not(effect, deed)}"
        if deed is not None and deed.phase is Phase.DONE and not deed.undone_by_owner and not any(e.net for e in effects):
            yield f"step {deed.name} counts as done, and what it did was undone: {effects[0]}"


def _why_not(effect: Effect, deed: Deed | None) -> str:
    """Why an effect should not be there; one of nobody is of a thread that a step began, or of whoever set the world up."""
    if deed is not None:
        return f"step {effect.step} is {deed.phase.value}"
    return (
        f"step {effect.step} is unknown to the run" if effect.step else "no step asked for it: current() is not known there"
    )


def _by_behalf(ending: Ending) -> dict[str | None, list[Effect]]:
    of_step: dict[str | None, list[Effect]] = defaultdict(list)
    for effect in ending.effects:
        if not effect.made_by_undo:
            of_step[effect.behalf].append(effect)
    return of_step


def _may_stand(deed: Deed, ending: Ending) -> bool:
    """Whether a step's effect may be in the world, as its run stands."""
    options = deed.effect.step.options
    if deed.phase is Phase.DONE:
        return deed.stands_with_its_run or deed.undone_by_owner
    if options.no_undo is not None:
        return True
    if deed.phase is Phase.LETTER:
        return any(letter.acted is None and ending.letter_body(letter).get("key") == deed.key for letter in ending.letters)
    if deed.phase is Phase.KEPT:
        return options.on_rollback == "keep" and deed.is_listed
    if deed.phase in (Phase.ABANDONED, Phase.LEFT):
        return deed.is_listed
    return deed.phase is Phase.RESOLVED


def _stays_undone(ending: Ending) -> Iterator[str]:
    if not ending.at_an_end:
        return
    for effect in ending.effects:
        deed = ending.deeds.get(effect.behalf or "")
        undone = deed is not None and deed.phase is Phase.UNDONE and deed.effect.step.options.no_undo is None
        if undone and effect.net > 0 and effect.late:
            yield f"{effect}, though step {effect.step} was undone"


def _kept_stays(ending: Ending) -> Iterator[str]:
    """A step with on_rollback='keep', and a branch that lost a join which keeps its losers, unless its run rolls back."""
    of_step = _by_behalf(ending)
    for deed in ending.deeds.values():
        always = deed.effect.step.options.on_rollback == "keep"
        if always or (deed.lost in ("keep", "cancel") and deed.stands_with_its_run):
            if deed.undone_after_done:
                yield f"step {deed.name} is to stay, and an undo of it was asked for"
            if deed.has_result and any(not effect.net for effect in of_step.get(deed.key, ())):
                yield f"step {deed.name} is to stay, and what it did was undone"


def _done_means_done(ending: Ending) -> Iterator[str]:
    if not ending.at_an_end:
        return
    there = {effect.behalf for effect in ending.effects}
    for deed in ending.deeds.values():
        if deed.phase is Phase.DONE and deed.key in ending.asked and deed.key not in there:
            yield f"step {deed.name} at {deed.pos} counts as done, and the world knows nothing of it"


def _keys_apart(ending: Ending) -> Iterator[str]:
    done: dict[str, str] = {}
    for account in ending.accounts.values():
        where = {record.pos: record.key for record in account.records if isinstance(record, r.StepWanted)}
        for pos in sorted({record.pos for record in account.records if isinstance(record, r.StepDone)}):
            place = f"{account.id} at {pos}"
            if done.setdefault(where[pos], place) != place:
                yield f"the steps of {done[where[pos]]} and of {place} took effect under one key"


def _letters_open(ending: Ending) -> Iterator[str]:
    waiting = [letter for letter in ending.letters if letter.acted is None]
    if ending.state in CLOSED and waiting:
        yield f"the run is {ending.state}, and dead letter {waiting[0].id} waits for a person"
    if ending.state == "needs_attention" and not waiting:
        yield "the run needs a person, and no dead letter says why"
    for account in ending.accounts.values():
        written = {(record.letter, record.kind) for record in account.records if isinstance(record, r.DeadLettered)}
        listed = {(letter.no, letter.kind) for letter in account.letters if letter.kind != "damaged"}
        for number, kind in sorted(written ^ listed):
            yield f"dead letter {account.id}#{number} ({kind}) is in the journal or in the list, not in both"


RULES: tuple[Rule, ...] = (
    Rule(
        "nothing_left",
        "A closed run is all done, or every effect is undone, kept on purpose, or named by a dead letter.",
        "Declare an undo that undoes what the step did; if the answer can be lost, let it take None "
        "(`T | None`) and cancel by current().forward.key.",
        _nothing_left,
    ),
    Rule(
        "stays_undone",
        "What was undone stays undone, also when a request arrives after its compensation.",
        "Undo by something that the service remembers: let it cancel the key (a request with a cancelled key is refused), "
        "and let the undo do the same whether the step answered or not.",
        _stays_undone,
    ),
    Rule(
        "kept_stays",
        "What is kept on purpose stays, and is never undone.",
        "Undo in an undo only what its own step did.",
        _kept_stays,
    ),
    Rule(
        "done_means_done",
        "A step that counts as done took effect.",
        "Send current().key with every call, which no other call has: two calls with one key are one to the service. "
        "And let a check answer only what the service says, and None when it knows nothing.",
        _done_means_done,
    ),
    Rule("keys_apart", "Two calls never take effect under one key.", OURS, _keys_apart),
    Rule(
        "letters_open",
        "A run that needs a person has a dead letter, and a closed run has none that waits.",
        OURS,
        _letters_open,
    ),
)
