"""The auditor finds what is wrong, and nothing where nothing is."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from amends.ops.demo import audit as audit_module
from tests.ops.books import Books, line, undo_line, wanted


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(tmp_path)


def test_nothing_is_wrong(books: Books) -> None:
    found = books.audited()
    assert found.wrong == []
    assert (found.effects, found.undos, found.letters, found.states["compensated"]) == (12, 4, 1, 2)
    assert found.examples == {"it needed the operator": "c"}


def test_what_was_cancelled_before_it_was_heard_of_leaves_no_line(books: Books) -> None:
    """Order b's parcel is in doubt, and cancelled by key: the world knows of neither."""
    books.turns["b"][3][1:] = [["RollbackBegan", "failed", {}], ["UndoWanted", 3, 1, "b/3/undo"]]
    books.turns["b"][4].insert(0, ["UndoDone", 0.0, 3, 1])
    found = books.audited()
    assert found.wrong == [] and found.cancelled == 1


def double_a_key(books: Books) -> None:
    books.lines.append(books.lines[0])


def use_a_key_twice(books: Books) -> None:
    books.lines[1] |= {"key": "a/1"}


def misuse_a_key(books: Books) -> None:
    books.lines.append(line("a", 2) | {"misuse": "the key was used for something else"})


def lose_a_refund(books: Books) -> None:
    books.lines.remove(undo_line("b", 2))


def lose_an_effect(books: Books) -> None:
    books.lines.remove(line("a", 4))


def undo_in_the_wrong_order(books: Books) -> None:
    first = books.lines.index(undo_line("b", 2))
    books.lines[first], books.lines[first + 1] = books.lines[first + 1], books.lines[first]


def undo_in_the_wrong_order_in_the_journal_too(books: Books) -> None:
    undo_in_the_wrong_order(books)
    books.turns["b"][5][0], books.turns["b"][6][0] = books.turns["b"][6][0], books.turns["b"][5][0]


def undo_the_wrong_thing(books: Books) -> None:
    books.lines[books.lines.index(undo_line("b", 2))] |= {"undoes": "b/1"}


def undo_what_never_was(books: Books) -> None:
    books.lines.append(undo_line("a", 3) | {"undoes": "a/9"})


def go_forward_after_the_rollback(books: Books) -> None:
    books.lines.append(line("b", 3))


def act_before_the_journal(books: Books) -> None:
    books.turns["a"][3][1] = wanted("a", 3)


def go_on_after_a_lost_answer_as_if_it_had_not_happened(books: Books) -> None:
    """The money was taken and is not given back; the journal calls the order net zero."""
    books.turns["b"][2][0] = ["StepBroke", 0.0, 2, 1, {}, "in_doubt", False]
    books.turns["b"][5][0] = ["Checked", 0.0, 2, 1, False, None]
    books.lines.remove(undo_line("b", 2))


def know_an_order_that_nobody_placed(books: Books) -> None:
    books.lines.append(line("x", 1))


def leave_a_run_open(books: Books) -> None:
    books.states["b"] = "compensating"
    books.turns["b"].pop()


def close_a_run_in_its_row_alone(books: Books) -> None:
    books.turns["b"][-1].pop()


def keep_an_effect(books: Books) -> None:
    books.states["b"] = "partly_compensated"


def never_place_an_order(books: Books) -> None:
    del books.states["b"]
    books.lines = [line for line in books.lines if line["order"] != "b"]


def flip_a_byte(books: Books) -> None:
    books.sql.append("UPDATE turns SET body = CAST(replace(body, 'b/1', 'B/1') AS BLOB) WHERE run = 2 AND seq = 1")


def change_an_input(books: Books) -> None:
    books.sql.append("UPDATE runs SET input = CAST('[]' AS BLOB) WHERE no = 1")


def drop_a_turn(books: Books) -> None:
    books.sql.append("DELETE FROM turns WHERE run = 1 AND seq = 2")


def open_a_letter(books: Books) -> None:
    books.sql.append("UPDATE letters SET acted = NULL")


def forget_who_acted(books: Books) -> None:
    books.sql.append("UPDATE letters SET by = NULL")


def leave_mail(books: Books) -> None:
    books.sql.append("INSERT INTO mail VALUES (1, 1, '', '')")


def go_on_driving(books: Books) -> None:
    books.sql.append("UPDATE runs SET owner = 'w' WHERE no = 1")


def lose_a_journal(books: Books) -> None:
    books.turns["a"] = []


PLANTED: dict[Callable[[Books], None], str] = {
    double_a_key: "key a/1 took effect 2 times",
    use_a_key_twice: "key a/1 took effect 2 times",
    misuse_a_key: "a: charge was asked under a key of something else",
    lose_a_refund: "b: the journal says that charge was undone; the world does not",
    lose_an_effect: "a: the journal says completed; in the world stands reserve, charge, ship",
    undo_in_the_wrong_order: "b: release before what came after it was undone",
    undo_in_the_wrong_order_in_the_journal_too: "b: the journal undid positions [1, 2], which is not in reverse",
    undo_the_wrong_thing: "b: reserve was undone by refund",
    undo_what_never_was: "a: unship of something that was not there",
    go_forward_after_the_rollback: "b: ship after the rollback began",
    act_before_the_journal: "a: confirm happened under key a/4, which the journal has for nothing",
    go_on_after_a_lost_answer_as_if_it_had_not_happened: "b: the journal says compensated; in the world stands charge",
    know_an_order_that_nobody_placed: "x: the world knows it, the journal does not",
    leave_a_run_open: "b: it is still compensating",
    close_a_run_in_its_row_alone: "b: it is compensated, and its last turn says nothing",
    keep_an_effect: "b: it ended partly_compensated",
    never_place_an_order: "3 orders were placed, the journal holds 2",
    flip_a_byte: "b: turn 1 is not what was written",
    change_an_input: "a: turn 1 is not what was written",
    drop_a_turn: "a: turn 2 is not what was written",
    open_a_letter: "1 dead letters are open",
    forget_who_acted: "1 dead letters were ended by nobody",
    leave_mail: "1 messages were not read",
    go_on_driving: "1 runs are still driven",
    lose_a_journal: "a: it has no journal",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_the_auditor_finds(plant: Callable[[Books], None], books: Books) -> None:
    plant(books)
    wrong = books.audited().wrong
    assert any(said.startswith(PLANTED[plant]) for said in wrong), wrong


def test_a_torn_ledger_is_wrong(books: Books) -> None:
    books.audited()
    ledger = books.folder / "world.ledger"
    ledger.write_text(ledger.read_text()[:-10])
    found = audit_module.audit(books.folder / "orders.db", ledger, 3)
    assert "the ledger's line 12 is not JSON" in found.wrong


def test_a_line_that_is_missing_from_the_ledger_is_wrong(books: Books) -> None:
    books.audited()
    ledger = books.folder / "world.ledger"
    ledger.write_text("".join(ledger.read_text().splitlines(keepends=True)[1:]))
    found = audit_module.audit(books.folder / "orders.db", ledger, 3)
    assert "the ledger's line 1 says that it is line 2" in found.wrong


def test_a_journal_that_is_no_database_is_wrong(books: Books) -> None:
    books.audited()
    (books.folder / "orders.db").write_bytes(b"\0" * 4096 + b"x" * 4096)
    found = audit_module.audit(books.folder / "orders.db", books.folder / "world.ledger", 3)
    assert found.wrong[0].startswith("the journal cannot be read")


def test_the_auditor_shares_nothing_with_the_engine() -> None:
    tree = ast.parse(Path(audit_module.__file__ or "").read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert names and not [name for name in names if name.startswith("amends")]
