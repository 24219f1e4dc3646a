"""More mutants of joins and nested runs: those that the fault explorer is to find, each by a small saga of our own."""

from __future__ import annotations

from tests.mutants.mutant import Mutant


def explored(*names: str) -> tuple[str, ...]:
    """Sagas of our own in every world with one fault."""
    return tuple(f"tests/testing/test_own_joins.py::test_no_fault_breaks_a_rule[{name}]" for name in names)


DECISIONS = [
    Mutant(
        "a winner is decided anew on replay",
        "Joins: the order of arrival is in the journal as it was decided about",
        "engine/runner.py",
        "            turn.append(fact)\n            turn += decided",
        "            turn[:0] = [fact, *decided]",
        explored("either", "two of three"),
    ),
    Mutant(
        "losers are stopped before the decision is durable",
        "Joins: a decision is durable before a loser is touched",
        "engine/runner.py",
        "        self._committing = True\n",
        "        self._committing = True\n"
        "        [self._perform(each) for each in decisions if isinstance(each, records.StopWanted)]\n",
        explored("either, then fails"),
    ),
    Mutant(
        "losers are let go before the decision is written down",
        "Joins: a decision comes before what it leads to",
        "model/waiting.py",
        "        self._slate.out.append(JoinDecided(branch.pos, verdict is Verdict.MET, arrival, won))\n"
        "        branch.end = end = end or join.answer(count, verdict)\n"
        "        for part in branch.parts[: branch.begun]:\n"
        "            if part.index not in winners:\n"
        "                self._lose(part, join.losers)\n",
        "        branch.end = end = end or join.answer(count, verdict)\n"
        "        for part in branch.parts[: branch.begun]:\n"
        "            if part.index not in winners:\n"
        "                self._lose(part, join.losers)\n"
        "        self._slate.out.append(JoinDecided(branch.pos, verdict is Verdict.MET, arrival, won))\n",
        explored("either, then fails"),
    ),
    Mutant(
        "a quorum counts failures",
        "Joins: quorum counts successes",
        "model/join.py",
        "        if isinstance(end, Ok):\n            end = self._sort(index, end)\n",
        "        self._sort(index, end if isinstance(end, Ok) else Ok(end.error))\n",
        explored("two of three"),
    ),
    Mutant(
        "a vote ignores its key",
        "Joins: vote counts equal values",
        "model/split.py",
        "kind: Callable[[Any], Any] = key or _itself",
        "kind: Callable[[Any], Any] = _itself",
        explored("agree"),
    ),
    Mutant(
        "dissenters win",
        "Joins: what disagrees has lost",
        "model/join.py",
        "return frozenset(index for index, kind in self._kind_of.items() if kind == self._best)",
        "return frozenset(self._kind_of)",
        explored("agree"),
    ),
    Mutant(
        "a race is won by a success only",
        "Joins: the first completion wins a race, success or failure",
        "model/split.py",
        'return form("race", branches, Completing(1)',
        'return form("race", branches, Agreeing(1)',
        explored("fastest"),
    ),
    Mutant(
        "one too few is enough when the time is over",
        "Joins: within fails when too few have succeeded in time",
        "model/join.py",
        "self._succeeded >= self._rule.least else",
        "self._succeeded + 1 >= self._rule.least else",
        explored("in time or not at all"),
    ),
    Mutant(
        "a kept loser is undone when it ends",
        "Joins: losers='keep' lets them go on and stay",
        "model/effect.py",
        'return self.lost in ("keep", "cancel")',
        'return self.lost == "cancel"',
        explored("either is kept"),
    ),
    Mutant(
        "kept losers stay when the run rolls back",
        "Order: a run that rolls back undoes what lost, too",
        "model/effects.py",
        "        self._to_undo = sorted(self.values(), key=_stage)\n",
        "        self._to_undo = sorted((each for each in self.values() if each.lost is None), key=_stage)\n",
        explored("either is kept, then fails"),
    ),
    Mutant(
        "an interrupted loser in doubt is left alone",
        "Joins: losers='undo' undoes what may have happened",
        "model/effects.py",
        "            self._do(effect, effect.turn_back(losers))\n",
        '            self._do(effect, effect.turn_back("cancel"))\n',
        explored("either, then fails", "before the bell"),
    ),
    Mutant(
        "a run closes while a loser is open",
        "Joins: a run closes only when no loser is open",
        "model/machine.py",
        "        if self._effects.busy or not self._over or self._stuck:",
        "        if (self._effects.busy and self._returned is None) or not self._over or self._stuck:",
        explored("either is kept"),
    ),
    Mutant(
        "inner branches of a loser go on",
        "Joins: when a join loses, all that is in it has lost",
        "model/waiting.py",
        "        for part in branch.parts[: branch.begun]:\n            self._lose(part, losers)\n",
        "",
        explored("joins in joins"),
    ),
]

FAMILIES = [
    Mutant(
        "a nested run is not waited for while it unwinds",
        "Order: nested runs are undone before what came before them",
        "model/phase.py",
        "IN_ITS_OWN_RUN = frozenset({Phase.RUNNING, Phase.UNWINDING})",
        "IN_ITS_OWN_RUN = frozenset({Phase.RUNNING})",
        explored("fails around"),
    ),
    Mutant(
        "a nested run is undone from the front",
        "Nested sagas: undone as one unit, in its own order",
        "model/machine.py",
        "        self._effects.turn_back()\n",
        "        self._effects.turn_back()\n"
        '        self._effects._to_undo.sort(key=lambda each: -each.stage if why == "owner" else each.stage)\n',
        explored("fails around"),
    ),
    Mutant(
        "an owner does not tell its nested runs to go back",
        "Nested sagas: a loser's nested run is rolled back",
        "engine/family.py",
        "            case records.ChildUndoWanted(pos=pos):\n",
        "            case records.ChildUndoWanted(pos=pos) if machine.cause is not None:\n",
        explored("either pair"),
    ),
    Mutant(
        "what a nested run left is not listed",
        "Nested sagas: what a nested run left in the world is listed by its owner",
        "model/machine.py",
        "records.Held(Raw(self._returned), self._effects.kept())",
        "records.Held(Raw(self._returned), ())",
        explored("nests what stays"),
    ),
    Mutant(
        "only the next of kin are freed",
        "Nested sagas: what is nested in a closed run is closed, at any depth",
        "stores/memory.py",
        "            self._free(nested.id, at)\n",
        "",
        explored("nests in nested"),
    ),
    Mutant(
        "what was abandoned in a nested run is passed over",
        "Letters: a run is abandoned when a person abandons a part of it",
        "model/child.py",
        'if fact.state == "abandoned":',
        "if False:",
        explored("sends in a nested run, abandoned"),
    ),
    Mutant(
        "an item is known by its place",
        "Fan-out: an item is known by its key or its content, never by its place",
        "model/making.py",
        "key = keys.step_key(self.namespace, self.saga, ask.name, 0, ask.target.name, ask.identity)",
        'key = keys.step_key(self.namespace, self.saga, self.run_id, pos, ask.target.name, b"")',
        ("tests/engine/test_redrive.py",),
    ),
    Mutant(
        "a cancelled key is tried again",
        "Key: what was undone is wanted anew under a new key",
        "model/chunk.py",
        "if isinstance(error, StepFailed) and error.undone:",
        "if False:",
        ("tests/engine/test_redrive.py", *explored("each, again")),
    ),
]
