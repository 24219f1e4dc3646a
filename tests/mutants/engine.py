"""Mutants of the engine: turns, calls in flight, recovery, and what people see and do."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ENGINE = "tests/engine/test_engine.py"
FIRST = ("tests/engine/test_journal_first.py",)
RECOVERY = ("tests/engine/test_lost_answers_of_the_store.py", "tests/engine/test_engine.py")
FLIGHT = ("tests/engine/test_engine.py",)
PEOPLE = ("tests/engine/test_engine.py",)

BEGIN = """        crew.starting.add(row.id)
        try:
            there = await crew.store.create(row, first)
"""

TURNS = [
    Mutant(
        "decisions are performed before the commit",
        "Journal: an intent is durable before the call",
        "engine/runner.py",
        "        self._committing = True\n        self._crew.store.commit",
        "        self._committing = True\n        for wanted in decisions:\n            self._perform(wanted)\n"
        "        decisions = []\n        self._crew.store.commit",
        FIRST,
    ),
    Mutant(
        "the first step is called before the run is durable",
        "Journal: the first intent is durable before the call too",
        "engine/engine.py",
        BEGIN,
        "        crew.runners[row.id] = runner\n        runner.begun(decisions, turn)\n" + BEGIN,
        FIRST,
    ),
    Mutant(
        "two callers of one id drive it twice",
        "Journal: one driver for a run",
        "engine/engine.py",
        "if there.seed != row.seed:",
        "if False:",
        (f"{ENGINE}::test_two_callers_of_one_id_share_one_run",),
    ),
    Mutant(
        "a turn that was refused is performed",
        "Journal: what was not written is not acted upon",
        "engine/runner.py",
        "        if error is not None:\n            self._stumble(error)\n            return\n        if entry",
        "        if entry",
        RECOVERY,
    ),
    Mutant(
        "facts that lead to nothing are not journaled",
        "Journal: every fact is journaled, also one that changes nothing yet",
        "engine/runner.py",
        "            turn.append(fact)\n            turn.extend(decided)\n",
        "            turn.extend([fact, *decided] if decided else [])\n",
        RECOVERY,
    ),
    Mutant(
        "dead letters are not written down",
        "Letters: a dead letter is never swallowed",
        "engine/runner.py",
        "                if isinstance(decision, DeadLettered)\n",
        "                if False\n",
        (f"{ENGINE}::test_a_result_that_cannot_be_kept_needs_a_person_and_is_not_repeated",),
    ),
    Mutant(
        "mail that was taken in stays in the box",
        "Journal: mail is taken in once, also over a recovery",
        "engine/runner.py",
        "            mail=mail,\n",
        "            mail=(),\n",
        RECOVERY,
    ),
    Mutant(
        "mail is taken in again before it is written",
        "Journal: mail that is fetched twice is taken in once",
        "engine/runner.py",
        "if mail.no not in self._seen_mail and not (",
        "if not (",
        RECOVERY,
    ),
    Mutant(
        "mail that came while a run was parked is missed",
        "Journal: a run that is given up while newer mail waits is taken up at once",
        "engine/runner.py",
        "seen_mail=max(self._seen_mail, default=0)",
        "seen_mail=2**62",
        RECOVERY,
    ),
    Mutant(
        "a parked run is never woken",
        "Cancel: a run that was parked is taken up when its time comes",
        "engine/runner.py",
        "            next_at=until,\n",
        "            next_at=None,\n",
        RECOVERY,
    ),
    Mutant(
        "timers go off early",
        "Cancel: a timer goes off when its time has come, and not when another's has",
        "engine/runner.py",
        "if until <= now and not any(",
        "if not any(",
        RECOVERY,
    ),
    Mutant(
        "a closing engine goes on calling",
        "Cancel: the shutdown of a process is a pause, and nothing more is called",
        "engine/runner.py",
        "elif not self._crew.pausing:",
        "else:",
        RECOVERY,
    ),
    Mutant(
        "a jump of the wall clock moves the timers",
        "Lease: a jump of the wall clock stalls nobody",
        "engine/crew.py",
        "self._anchor = wall() - self.loop.time()",
        "self.now = wall  # type: ignore[method-assign]",
        (f"{ENGINE}::test_a_jump_of_the_wall_clock_stalls_nobody[3600.0]",),
    ),
]

CALLS = [
    Mutant(
        "the key holds the attempt",
        "Key: the key that a step is given is stable over its attempts",
        "engine/flight.py",
        'key = keys.undo_key(effect.key) if self._kind == "undo" else effect.key',
        'key = keys.undo_key(effect.key) if self._kind == "undo" else f"{effect.key}{self._attempt}"',
        FLIGHT,
    ),
    Mutant(
        "the key of an undo holds its attempt",
        "Key: the key that an undo is given is stable over its attempts",
        "engine/flight.py",
        'key = keys.undo_key(effect.key) if self._kind == "undo" else effect.key',
        'key = keys.undo_key(f"{effect.key}{self._attempt}") if self._kind == "undo" else effect.key',
        FLIGHT,
    ),
    Mutant(
        "a tolerant undo cannot cancel by key",
        "Outcomes: a tolerant undo gets the key and the arguments of its step",
        "engine/flight.py",
        "forward = Forward(effect.key, given, effect.in_doubt)",
        "forward = Forward(key, given, effect.in_doubt)",
        FLIGHT,
    ),
    Mutant(
        "an undo is not told of the doubt",
        "Outcomes: an undo and a check can tell that their step is in doubt",
        "engine/flight.py",
        "forward = Forward(effect.key, given, effect.in_doubt)",
        "forward = Forward(effect.key, given, False)",
        (f"{ENGINE}::test_an_interrupted_step_is_in_doubt_and_what_a_check_finds_is_undone",),
    ),
    Mutant(
        "an attempt has no time limit",
        "Outcomes: a call that passes its time limit is in doubt",
        "engine/flight.py",
        "if limit is not None:",
        "if False:",
        FLIGHT,
    ),
    Mutant(
        "a result that cannot be kept is let through",
        "Key: a result that cannot round-trip is refused with the name of its step",
        "engine/flight.py",
        'return self._broke(NotStorable(error.what, path=path, cure=error.cure), "unstorable")',
        "return self._broke(NotStorable(error.what, path=path, cure=error.cure))",
        (f"{ENGINE}::test_a_result_that_cannot_be_kept_needs_a_person_and_is_not_repeated",),
    ),
    Mutant(
        "the step's own error is not passed on",
        "Compensation: the error itself is the cause while it is the same process",
        "model/machine.py",
        "failed.__cause__ = self.live.pop(effect.pos, None)",
        "self.live.pop(effect.pos, None)",
        (f"{ENGINE}::test_a_refusal_is_compensated_with_the_steps_own_error_as_cause",),
    ),
]

RECOVERIES = [
    Mutant(
        "timers are lost on recovery",
        "Cancel: a sleep goes on while the process is down",
        "engine/recovery.py",
        "        runner.settle_in()",
        "        machine.timers.clear()\n        runner.settle_in()",
        RECOVERY,
    ),
    Mutant(
        "mail is lost on recovery",
        "Journal: mail that waits is taken in when the run is taken up",
        "engine/recovery.py",
        "        runner.take_mail(mail)\n",
        "",
        RECOVERY,
    ),
    Mutant(
        "a recovery is not told",
        "Journal: a run that is taken up goes on with what was in flight",
        "engine/runner.py",
        "if self.machine.in_flight() and not self.machine.stalled:",
        "if False:",
        RECOVERY,
    ),
    Mutant(
        "more runs are claimed than there is room for",
        "Lease: claim no more than free slots",
        "engine/recovery.py",
        "limit = min(BATCH, crew.slots() - len(self._coming))",
        "limit = BATCH",
        RECOVERY,
    ),
    Mutant(
        "a run that diverged is driven on by guess",
        "Versions: a run whose code diverged is parked, never rolled back by guess",
        "engine/recovery.py",
        "            machine.close()\n            await self._stall(row, turns, story, mail, diverged)\n            return\n",
        "            log.info(diverged)\n",
        (f"{ENGINE}::test_code_that_diverged_is_parked_and_goes_on_once_repaired",),
    ),
    Mutant(
        "a run that diverged gets a letter at each look",
        "Versions: a run that is parked for its code has one letter about it",
        "engine/recovery.py",
        "if waiting and not acts:",
        "if False:",
        RECOVERY,
    ),
    Mutant(
        "values that no longer fit stop the recovery",
        "Versions: values that the code no longer takes park the run with a diff",
        "engine/recovery.py",
        "            machine.saga.signature.decode(row_input)\n",
        "",
        (f"{ENGINE}::test_input_that_no_longer_fits_parks_the_run",),
    ),
]

OUTSIDE = [
    Mutant(
        "an id with another input joins the run",
        "Key: an id that is used again with another input is a conflict",
        "engine/engine.py",
        "if (there.saga, there.input) != (row.saga, row.input):",
        "if False:",
        (f"{ENGINE}::test_another_input_under_the_same_id_is_a_conflict_with_a_diff",),
    ),
    Mutant(
        "all stores have one namespace",
        "Key: a store has a namespace of its own, unless it is given one",
        "engine/engine.py",
        "namespace=self._namespace or identity",
        'namespace=self._namespace or ""',
        FLIGHT,
    ),
    Mutant(
        "a falsy value of a run is lost",
        "Key: falsy values of a run replay as themselves",
        "engine/handle.py",
        'value = shape.decode(paper.result) if state == "completed" else None',
        'value = (shape.decode(paper.result) or None) if state == "completed" else None',
        PEOPLE,
    ),
    Mutant(
        "a run that needs a person is called compensated",
        "Letters: a caller learns that a person has to decide",
        "engine/handle.py",
        '        if outcome.state == "needs_attention":\n            raise',
        "        if False:\n            raise",
        (f"{ENGINE}::test_a_result_that_cannot_be_kept_needs_a_person_and_is_not_repeated",),
    ),
    Mutant(
        "the caller is not told what was kept",
        "Compensation: the outcome of a run names the effects that were kept",
        "engine/papers.py",
        "kept=ended.kept if ended else ()",
        "kept=()",
        PEOPLE,
    ),
    Mutant(
        "the caller is not told the cause",
        "Compensation: the outcome of a run tells the original failure",
        "engine/papers.py",
        "cause=machine.cause,",
        "cause=None,",
        (f"{ENGINE}::test_a_refusal_is_compensated_with_the_steps_own_error_as_cause",),
    ),
    Mutant(
        "a letter has no context",
        "Letters: a dead letter holds input, result, error, attempts and key",
        "engine/papers.py",
        "    if effect is not None:\n        paper",
        "    if False:\n        paper",
        PEOPLE,
    ),
    Mutant(
        "any act fits any letter",
        "Letters: an act that does not fit the letter is refused",
        "engine/deadletters.py",
        "if act not in possible:",
        "if False:",
        PEOPLE,
    ),
    Mutant(
        "acts need no reason",
        "Letters: who, when and why is in the journal",
        "engine/deadletters.py",
        "if not note.strip():",
        "if False:",
        (f"{ENGINE}::test_letters_are_acted_upon_once",),
    ),
]
