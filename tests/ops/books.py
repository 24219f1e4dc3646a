"""A small ledger and a small journal, as the demo leaves them, to be altered by a test."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

from amends.ops.demo.audit import Audit, audit

STEPS = {1: "reserve", 2: "charge", 3: "ship", 4: "confirm"}
UNDOS = {1: "release", 2: "refund", 3: "unship"}

Turn = list[list[Any]]


def wanted(order: str, pos: int) -> list[Any]:
    return ["StepWanted", pos, STEPS[pos], f"{order}/{pos}", {"order": order}]


def line(order: str, pos: int) -> dict[str, Any]:
    return {"op": STEPS[pos], "order": order, "key": f"{order}/{pos}", "undoes": None}


def undo_line(order: str, pos: int) -> dict[str, Any]:
    return {"op": UNDOS[pos], "order": order, "key": f"{order}/{pos}/undo", "undoes": f"{order}/{pos}"}


@dataclass
class Books:
    """One order that was done (a), one that was undone (b), one whose refund needed a person (c)."""

    folder: Path
    states: dict[str, str] = field(default_factory=lambda: {"a": "completed", "b": "compensated", "c": "compensated"})
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    sql: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        done = [[["StepDone", 0.0, pos, 1, "x"], wanted("a", pos + 1)] for pos in (1, 2, 3)]
        self.turns["a"] = [
            [["Started", 0.0], wanted("a", 1)],
            *done,
            [["StepDone", 0.0, 4, 1, "x"], ["Ended", "completed", None, []]],
        ]
        self.lines += [line("a", pos) for pos in STEPS]
        for order in ("b", "c"):
            self.turns[order] = [
                [["Started", 0.0], wanted(order, 1)],
                [["StepDone", 0.0, 1, 1, "x"], wanted(order, 2)],
                [["StepDone", 0.0, 2, 1, "x"], wanted(order, 3)],
                [["StepBroke", 0.0, 3, 1, {}, "failed", False], ["RollbackBegan", "failed", {}]],
            ]
            self.lines += [line(order, 1), line(order, 2)]
        first, second = ["UndoWanted", 1, 1, "b/1/undo"], ["UndoWanted", 2, 1, "b/2/undo"]
        self.turns["b"] += [
            [second],
            [["UndoDone", 0.0, 2, 1], first],
            [["UndoDone", 0.0, 1, 1], ["Ended", "compensated", None, []]],
        ]
        self.lines += [undo_line("b", 2), undo_line("b", 1)]
        self.turns["c"] += [
            [["UndoWanted", 2, 1, "c/2/undo"]],
            [
                ["UndoBroke", 0.0, 2, 1, {}, False],
                ["DeadLettered", 1, 2, "undo_failed", {}],
                ["UndoWanted", 1, 1, "c/1/undo"],
            ],
            [["UndoDone", 0.0, 1, 1]],
            [["Retried", 0.0, 1, "ann"], ["UndoWanted", 2, 1, "c/2/undo"]],
            [["UndoDone", 0.0, 2, 1], ["Ended", "compensated", None, []]],
        ]
        self.lines += [undo_line("c", 1), undo_line("c", 2)]

    def audited(self, orders: int = 3) -> Audit:
        """Write the books, and what the auditor says of them."""
        store, ledger = self.folder / "orders.db", self.folder / "world.ledger"
        numbered = [{"seq": number, **line} for number, line in enumerate(self.lines, start=1)]
        ledger.write_text("".join(json.dumps(line) + "\n" for line in numbered))
        with sqlite3.connect(store) as db:
            db.executescript((files("amends.stores.migrations") / "0001.sql").read_text())
            for no, (order, state) in enumerate(self.states.items(), start=1):
                self._write_run(db, no, order, state)
            db.execute("INSERT INTO letters VALUES (3, 1, 'undo_failed', 'charge', '', 0, '', 'retried', 'ann', '', 0)")
            for statement in self.sql:
                assert db.execute(statement).rowcount == 1
        db.close()
        return audit(store, ledger, orders)

    def _write_run(self, db: sqlite3.Connection, no: int, order: str, state: str) -> None:
        run = (
            no,
            order,
            "place_order",
            b"{}",
            b"seed",
            0.0,
            state,
            None,
            1,
            None,
            None,
            0.0,
            None,
            None,
            len(self.turns[order]),
        )
        db.execute(f"INSERT INTO runs VALUES ({', '.join('?' * len(run))})", run)
        total = blake2b(b"\0".join((order.encode(), b"place_order", b"seed", b"{}")), digest_size=8).digest()
        for seq, turn in enumerate(self.turns[order], start=1):
            body = json.dumps(turn).encode()
            total = blake2b(body, digest_size=8, key=total).digest()
            db.execute("INSERT INTO turns VALUES (?, ?, ?, ?)", (no, seq, body, total))
