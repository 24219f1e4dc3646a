"""The mutants themselves: each still applies, each rule has one, and a few are tried with every run of the suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.mutant import ROOT, SRC, Mutant
from tests.mutants.roll import MUTANTS, QUICK, SURVIVORS, WORDS, doubles, named
from tests.mutants.trial import tried


def test_each_still_applies_exactly_once_and_compiles() -> None:
    for mutant in MUTANTS:
        path = SRC / "amends" / mutant.file
        text = path.read_text()
        mutated = mutant.applied(text)
        assert mutated != text, mutant.name
        compile(mutated, f"{path}, {mutant.name}", "exec")


def test_each_names_tests_that_are_there() -> None:
    for mutant in MUTANTS:
        assert mutant.by, mutant.name
        for test in mutant.by:
            file, _, name = test.partition("::")
            assert (ROOT / file).exists(), mutant.name
            assert name.partition("[")[0] in (ROOT / file).read_text(), mutant.name


def test_every_word_of_the_design_has_mutants() -> None:
    assert {mutant.word for mutant in MUTANTS} == set(WORDS)
    assert not doubles() and len(MUTANTS) >= 50
    assert set(SURVIVORS) <= {mutant.name for mutant in MUTANTS} and not set(SURVIVORS) & set(QUICK)


def test_a_mutant_that_does_not_apply_is_loud() -> None:
    with pytest.raises(ValueError, match=r"0 times in model/x\.py, not once"):
        Mutant("gone", "Key: any", "model/x.py", "old", "new").applied("nothing")
    with pytest.raises(ValueError, match="2 times"):
        Mutant("twice", "Key: any", "model/x.py", "old", "new").applied("old old")


def test_the_tests_of_the_quick_ones_pass_without_them() -> None:
    tests = dict.fromkeys(test for name in QUICK for test in named(name).by)
    assert tried(SRC, None, tuple(tests)).end == "passed"


@pytest.mark.parametrize("name", QUICK)
def test_it_is_found(name: str) -> None:
    assert tried(SRC, named(name), named(name).by).end == "failed"


def test_only_the_copy_is_tested(tmp_path: Path) -> None:
    """The checkout is installed, so it would be imported by mistake."""
    from tests.mutants import witness

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(witness.COPY, str(tmp_path))
        with pytest.raises(pytest.UsageError, match="not from the copy"):
            witness.pytest_configure()
