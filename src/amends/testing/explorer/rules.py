"""The rules that hold in every world: each with its name, its sentence, what to change when it is broken, and its test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from amends.errors import Diverged
from amends.model import records as r
from amends.model.effect import Phase
from amends.model.records import CLOSED

if TYPE_CHECKING:
    from amends.model.effect import Effect as Step
    from amends.model.machine import Machine
    from amends.testing.explorer.ending import Ending
    from amends.testing.world import Effect

Test: TypeAlias = "Callable[[Ending], Iterator[str]]"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `test` says, of one ending, where it is broken."""

    name: str
    sentence: str
    cure: str
    test: Test


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that one world broke."""

    rule: str
    why: str


def judged(ending: Ending) -> list[Breach]:
    """Every rule that a world broke, and every expectation that it did not meet."""
    found = [Breach(rule.name, why) for rule in RULES for why in rule.test(ending)]
    for expectation in ending.scenario.expect:
        why = expectation.complaint(ending)
        if why is not None:
            found.append(Breach(expectation.name, why))
    return found


def _seen(name: str) -> Test:
    """The test of a rule that is watched while the world runs."""

    def test(ending: Ending) -> Iterator[str]:
        return (why for rule, why in ending.broken if rule == name)

    return test


def _ends(ending: Ending) -> Iterator[str]:
    if not ending.quiet:
        yield "it goes on for ever: something is asked for again and again"
    elif ending.row is None:
        yield "the run never began"
    elif ending.row.state not in (*CLOSED, "needs_attention"):
        yield f"nothing moves any more, and the run is still {ending.row.state}: {_waits_for(ending)}"


def _waits_for(ending: Ending) -> str:
    machine = ending.replayed
    if isinstance(machine, Diverged):
        return "its code diverged"
    flying = [effect for effect in machine.effects.values() if effect.busy]
    if flying:
        return "; ".join(f"step {effect.step.name} is {effect.phase.value}" for effect in flying)
    return f"its body waits for {machine.waits!r}"


def _replays(ending: Ending) -> Iterator[str]:
    yield from _seen("replays")(ending)
    if ending.row is not None and isinstance(ending.replayed, Diverged):
        yield str(ending.replayed)
    for letter in ending.letters:
        if letter.kind in ("diverged", "damaged"):
            yield f"the run was parked: {letter.error}"


def _one_outcome(ending: Ending) -> Iterator[str]:
    done: set[int] = set()
    ended = False
    for record in ending.records:
        if ended and not isinstance(record, (r.Told, r.Cancelled)):
            yield f"{type(record).__name__} was journaled after the end"
        ended = ended or isinstance(record, r.Ended)
        if isinstance(record, r.StepDone) or (isinstance(record, r.Checked) and record.happened):
            if record.pos in done:
                yield f"the step at {record.pos} has two results"
            done.add(record.pos)


def _undo_order(ending: Ending) -> Iterator[str]:
    undone = {record.pos for record in ending.records if isinstance(record, r.UndoWanted)}
    open_: set[int] = set()
    for record in ending.records:
        if isinstance(record, r.StepDone) and record.pos in undone:
            open_.add(record.pos)
        elif isinstance(record, (r.UndoDone, r.DeadLettered)):
            open_.discard(record.pos)
        elif isinstance(record, r.UndoWanted) and (later := {pos for pos in open_ if pos > record.pos}):
            yield f"the step at {record.pos} was undone before the one at {max(later)}, which was done after it"


def _nothing_left(ending: Ending) -> Iterator[str]:
    machine = ending.replayed if ending.row is not None else None
    if isinstance(machine, Diverged) or not _at_an_end(ending):
        return
    steps = {step.key: step for step in machine.effects.values()} if machine else {}
    of_step: dict[str | None, list[Effect]] = defaultdict(list)
    for effect in ending.effects:
        of_step[effect.behalf].append(effect)
    for behalf, effects in of_step.items():
        step = steps.get(behalf or "")
        for effect in effects:
            if not 0 <= effect.net <= 1:
                yield f"{effect}: it was undone more often than it was done"
            came_back = step is not None and step.phase is Phase.UNDONE and effect.late
            if effect.net and not came_back and (step is None or not _may_stand(step, ending, machine)):
                yield f"{effect}, though step {effect.step} is {step.phase.value if step else 'unknown to the run'}"
    for step in steps.values():
        effects = of_step.get(step.key, [])
        if step.phase is Phase.DONE and effects and not any(effect.net for effect in effects):
            yield f"step {step.step.name} counts as done, and what it did was undone: {effects[0]}"


def _stays_undone(ending: Ending) -> Iterator[str]:
    machine = ending.replayed if ending.row is not None else None
    if machine is None or isinstance(machine, Diverged) or not _at_an_end(ending):
        return
    undone = {step.key: step for step in machine.effects.values() if step.phase is Phase.UNDONE}
    for effect in ending.effects:
        if effect.net > 0 and effect.late and effect.behalf in undone and undone[effect.behalf].step.options.no_undo is None:
            yield f"{effect}, though step {effect.step} was undone"


def _may_stand(step: Step, ending: Ending, machine: Machine | None) -> bool:
    """Whether a step's effect may be in the world, as the run stands."""
    if step.phase is Phase.DONE:
        return machine is not None and machine.cause is None
    if step.step.options.no_undo is not None:
        return True
    if step.phase is Phase.LETTER:
        return any(letter.acted is None and ending.letter_body(letter).get("key") == step.key for letter in ending.letters)
    if step.phase is Phase.KEPT:
        on_purpose = step.step.options.on_rollback == "keep"
        return on_purpose and _is_listed(step, ending)
    if step.phase is Phase.ABANDONED:
        return _is_listed(step, ending)
    return step.phase is Phase.RESOLVED


def _is_listed(step: Step, ending: Ending) -> bool:
    """Whether the run, once it is closed, says that the step's effect stays."""
    return ending.state not in CLOSED or any(kept.pos == step.pos for kept in ending.kept)


def _done_means_done(ending: Ending) -> Iterator[str]:
    machine = ending.replayed if ending.row is not None else None
    if machine is None or isinstance(machine, Diverged) or not _at_an_end(ending):
        return
    there = {effect.behalf for effect in ending.effects}
    for step in machine.effects.values():
        if step.phase is Phase.DONE and step.key in ending.asked and step.key not in there:
            yield f"step {step.step.name} at {step.pos} counts as done, and the world knows nothing of it"


def _letters_open(ending: Ending) -> Iterator[str]:
    waiting = [letter for letter in ending.letters if letter.acted is None]
    if ending.state in CLOSED and waiting:
        yield f"the run is {ending.state}, and dead letter {waiting[0].id} waits for a person"
    if ending.state == "needs_attention" and not waiting:
        yield "the run needs a person, and no dead letter says why"
    written = {(record.letter, record.kind) for record in ending.records if isinstance(record, r.DeadLettered)}
    listed = {(letter.no, letter.kind) for letter in ending.letters if letter.kind != "damaged"}
    for number, kind in sorted(written ^ listed):
        yield f"dead letter {number} ({kind}) is in the journal or in the list, not in both"


def _at_an_end(ending: Ending) -> bool:
    return ending.quiet and ending.row is not None and ending.row.state in (*CLOSED, "needs_attention")


RULES: tuple[Rule, ...] = (
    Rule(
        "ends",
        "Every world comes to an end: the run closes, or a dead letter asks for a person.",
        "Give calls a timeout=, receives a timeout=, and let every loop of the body end.",
        _ends,
    ),
    Rule(
        "one_effect",
        "A step takes effect at most once, however often it is called.",
        "Send current().key to the service with every call (never a key made of the time or of luck), or declare "
        "@step(idempotent=False) with a check.",
        _seen("one_effect"),
    ),
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
        "done_means_done",
        "A step that counts as done took effect.",
        "Let the check answer only what the service says, and None when it knows nothing.",
        _done_means_done,
    ),
    Rule(
        "undo_order",
        "What was done last is undone first.",
        "This is the engine's own rule: please report it.",
        _undo_order,
    ),
    Rule(
        "one_outcome",
        "A step has at most one result, and a run one end.",
        "This is the engine's own rule: please report it.",
        _one_outcome,
    ),
    Rule(
        "intent_first",
        "Nothing is called before its intent is durable.",
        "This is the engine's own rule: please report it.",
        _seen("intent_first"),
    ),
    Rule(
        "fenced",
        "Nothing is accepted from a worker that has lost its lease.",
        "This is the engine's own rule: please report it.",
        _seen("fenced"),
    ),
    Rule(
        "letters_open",
        "A run that needs a person has a dead letter, and a closed run has none that waits.",
        "This is the engine's own rule: please report it.",
        _letters_open,
    ),
    Rule(
        "replays",
        "The journal replays to the same decisions, in any process.",
        "Let the body depend on nothing but its arguments and what it awaits: use amends.now, amends.random and "
        "amends.uuid, and sort sets before you loop over them.",
        _replays,
    ),
    Rule(
        "no_foreign_error",
        "A saga body sees the errors of its steps, never those of the engine's own business.",
        "This is the engine's own rule: please report it.",
        _seen("no_foreign_error"),
    ),
    Rule(
        "no_stray_error",
        "No error is raised where nobody waits for it.",
        "Await what you start: a step that leaves a task behind leaves its errors behind too.",
        _seen("no_stray_error"),
    ),
)

NAMES = {rule.name: rule for rule in RULES}
