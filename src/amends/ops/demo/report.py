"""What the demo shows at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rich.table import Table

from amends.ops import screen

if TYPE_CHECKING:
    from pathlib import Path

    from amends.ops.demo.audit import Audit


class Performance(Protocol):
    """What the report wants to know of the demo."""

    store: Path
    ledger: Path
    seed: int
    killed: int
    lost: int


def report(demo: Performance, found: Audit, seconds: float, *, as_json: bool) -> None:
    """Print what happened, the verdict, and what to try next."""
    if as_json:
        facts = {"seed": demo.seed, "kills": demo.killed, "lost_answers": demo.lost, "seconds": round(seconds, 1)}
        screen.show_json({**facts, **vars(found), "states": dict(found.states), "passed": not found.wrong})
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    rows = {
        "orders completed": found.states["completed"],
        "orders compensated": found.states["compensated"],
        "workers killed with -9": demo.killed,
        "calls taken over from a dead worker": found.recoveries,
        "answers lost by the world": demo.lost,
        "calls made again, with the same key": found.retries,
        "effects in the outside ledger": found.effects,
        "of which undos": found.undos,
        "dead letters ended by the operator": found.letters,
        "turns in the journal": found.turns,
        "seconds": f"{seconds:.0f}",
        "seed": demo.seed,
    }
    for name, value in rows.items():
        table.add_row(name, str(value))
    out = screen.out()
    out.print(table)
    for wrong in found.wrong[:20]:
        out.print(f"WRONG  {wrong}", markup=False)
    if found.wrong:
        out.print(f"FAIL: {len(found.wrong)} things are wrong", style="bold red")
        return
    out.print("PASS: each order is done or undone, each key took effect once, nothing is open", style="bold green")
    out.print("\nWhat to try next:", markup=False)
    for command in ("ps --limit 10", "show order-5", "why order-3", "dlq list --all"):
        out.print(f"  amends {command} --store {demo.store}", markup=False)
    out.print(f"  less {demo.ledger}", markup=False)
