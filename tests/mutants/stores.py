"""Mutants of the stores: fences, leases, claims, mail, checksums, and what is said to be durable."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

PROMISES = ("tests/stores/test_conformance.py",)
WRITES = ("tests/stores/test_sqlite.py",)
WORKERS = ("tests/stores/test_workers.py",)
DAMAGE = ("tests/stores/test_damage.py",)
LEASES = ("tests/stores/test_lease.py",)

ACKNOWLEDGED = """            self._beat(connection)
        connection.execute("COMMIT")
"""


def promise(name: str) -> tuple[str, ...]:
    """The check of this name, for both stores."""
    return tuple(f"{PROMISES[0]}::test_promise[check_{name}-in_{store}]" for store in ("memory", "sqlite"))


MEMORY = [
    Mutant(
        "memory does not fence",
        "Lease: every append carries the epoch, and a zombie's write is refused",
        "stores/memory.py",
        "if run is None or (run.epoch, run.owner) != (change.epoch, self._worker):",
        "if run is None:",
        promise("an_old_epoch_writes_nothing"),
    ),
    Mutant(
        "memory takes an older epoch of the same worker",
        "Lease: an epoch that is over is refused, also when its worker has the run again",
        "stores/memory.py",
        "(run.epoch, run.owner) != (change.epoch, self._worker)",
        "run.owner != self._worker",
        promise("an_epoch_of_before_is_over_for_its_own_worker_too"),
    ),
    Mutant(
        "memory takes a turn that does not follow",
        "Journal: a journal has no gap, and no turn twice",
        "stores/memory.py",
        "if change.turn.seq != len(turns) + 1:",
        "if False:",
        promise("a_gap_is_never_written"),
    ),
    Mutant(
        "memory claims what others drive",
        "Lease: nothing is taken from a worker that lives",
        "stores/memory.py",
        "return run.owner not in self.shelf.alive",
        "return True",
        promise("no_run_is_taken_twice"),
    ),
    Mutant(
        "memory claims before the time",
        "Cancel: a parked run is taken up when its time has come, and not before",
        "stores/memory.py",
        "return run.next_at is not None and run.next_at <= now",
        "return run.next_at is not None",
        promise("a_released_run_waits_for_its_time"),
    ),
    Mutant(
        "memory keeps the epoch at a claim",
        "Lease: the epoch grows with every new driver",
        "stores/memory.py",
        "replace(run, owner=self._worker, epoch=run.epoch + 1)",
        "replace(run, owner=self._worker)",
        promise("an_old_epoch_writes_nothing"),
    ),
    Mutant(
        "memory lets two people act on one letter",
        "Letters: two operators cannot act twice on one letter",
        "stores/memory.py",
        "if letter.acted is not None:",
        "if False:",
        promise("a_letter_is_acted_upon_once"),
    ),
    Mutant(
        "memory misses mail of a run that is given up",
        "Journal: a run that is given up while newer mail waits is claimable at once",
        "stores/memory.py",
        "unseen = change.release and max(waiting, default=0) > change.seen_mail",
        "unseen = False",
        promise("mail_wakes_a_run_and_is_taken_once"),
    ),
    Mutant(
        "memory takes mail for a closed run",
        "Letters: a closed run takes no more messages",
        "stores/memory.py",
        "if run.state in CLOSED:",
        "if False:",
        promise("a_closed_run_takes_no_mail"),
    ),
]

SQLITE = [
    Mutant(
        "an append is not fenced by the epoch",
        "Lease: every append carries the epoch in the same statement",
        "stores/pen.py",
        "AND runs.epoch = new.column2 AND",
        "AND new.column2 > 0 AND",
        (f"{WRITES[0]}::test_one_that_is_refused_does_not_fail_its_neighbours",),
    ),
    Mutant(
        "an append is not fenced by the worker",
        "Lease: only the worker that drives a run writes to it",
        "stores/pen.py",
        "AND runs.owner = ?",
        "AND '' < ?",
        WORKERS,
    ),
    Mutant(
        "a row is not fenced by the epoch",
        "Lease: an epoch that is over cannot give up a run either",
        "stores/pen.py",
        "WHERE id = :id AND epoch = :epoch AND owner = :me",
        "WHERE id = :id AND 0 < :epoch AND owner = :me",
        promise("an_epoch_of_before_is_over_for_its_own_worker_too"),
    ),
    Mutant(
        "a row is not fenced by the worker",
        "Lease: a worker cannot change the row of a run that another drives",
        "stores/pen.py",
        "WHERE id = :id AND epoch = :epoch AND owner = :me",
        "WHERE id = :id AND epoch = :epoch AND '' < :me",
        PROMISES,
    ),
    Mutant(
        "a turn that does not follow is written",
        "Journal: a journal has no gap, and no turn twice",
        "stores/pen.py",
        "AND (new.column3 = 1 OR EXISTS",
        "AND (1 OR EXISTS",
        promise("a_gap_is_never_written"),
    ),
    Mutant(
        "mail of a run that is given up is missed",
        "Journal: a run that is given up while newer mail waits is claimable at once",
        "stores/pen.py",
        "if newest is not None and newest > change.seen_mail and newest not in change.mail:",
        "if False:",
        promise("mail_wakes_a_run_and_is_taken_once"),
    ),
    Mutant(
        "mail that a turn took in is not taken out",
        "Journal: a turn and the mail that it took in are one transaction",
        "stores/pen.py",
        'db.execute("DELETE FROM mail WHERE no = ?", (number,))',
        "pass",
        promise("mail_wakes_a_run_and_is_taken_once"),
    ),
    Mutant(
        "mail does not wake a run",
        "Journal: a run that nobody drives is claimable at once when it has mail",
        "stores/pen.py",
        'db.execute("UPDATE runs SET next_at = 0 WHERE no = ?", (no,))',
        "pass",
        promise("mail_wakes_a_run_and_is_taken_once"),
    ),
    Mutant(
        "two people act on one letter",
        "Letters: two operators cannot act twice on one letter",
        "stores/sqlite.py",
        "if letter[0] is not None:",
        "if False:",
        promise("a_letter_is_acted_upon_once"),
    ),
    Mutant(
        "an id is taken twice",
        "Journal: an id names one run",
        "stores/sqlite.py",
        "            if no is None:\n                return _known(row_of(db, run.id))\n",
        "            if no is None:\n                return run\n",
        promise("a_run_is_created_once"),
    ),
    Mutant(
        "a lost end is not noticed",
        "Store: a journal that has lost its end is damaged",
        "stores/view.py",
        "if len(turns) < row[0]:",
        "if False:",
        DAMAGE,
    ),
    Mutant(
        "checksums are not verified",
        "Store: a flipped bit is a clear error",
        "stores/port.py",
        "if turn.seq != number or turn.sum != total:",
        "if turn.seq != number:",
        (f"{DAMAGE[0]}::test_every_flipped_bit_of_a_turn_is_found",),
    ),
    Mutant(
        "the chain is not continued",
        "Store: a checksum covers every turn in front of it",
        "stores/port.py",
        "return blake2b(body, digest_size=8, key=before).digest()",
        "return blake2b(body, digest_size=8).digest()",
        PROMISES,
    ),
    Mutant(
        "the chain does not cover the row",
        "Store: the chain begins with what never changes in the row of a run",
        "stores/port.py",
        "run.saga.encode(), run.seed, run.input, *owner)",
        "run.saga.encode())",
        DAMAGE,
    ),
]

WRITER = [
    Mutant(
        "a write is acknowledged before its commit",
        "Journal: what is acknowledged is durable",
        "stores/writer.py",
        ACKNOWLEDGED,
        ACKNOWLEDGED.replace("        connection", "        self._tell(batch, settled)\n        connection"),
        WRITES,
    ),
    Mutant(
        "a commit does not wait for the disk",
        "Journal: every acknowledged turn survives a power cut",
        "stores/files.py",
        "PRAGMA synchronous={'FULL' if durability == 'full' else 'NORMAL'}",
        "PRAGMA synchronous=NORMAL",
        WRITES,
    ),
    Mutant(
        "each turn has a commit of its own",
        "Store: turns that wait share one commit",
        "stores/writer.py",
        "MOST_AT_ONCE = 1024",
        "MOST_AT_ONCE = 1",
        WRITES,
    ),
    Mutant(
        "a write that breaks fails its neighbours",
        "Store: one that cannot be written does not fail those that share its commit",
        "stores/writer.py",
        "            for waiting in batch:\n                self._write([waiting], False)",
        "            self._refuse(batch, error)",
        WRITES,
    ),
    Mutant(
        "half of a write that broke stays",
        "Store: all that one turn writes is written, or nothing",
        "stores/writer.py",
        'self._connection.execute("ROLLBACK")',
        'self._connection.execute("COMMIT")',
        WRITES,
    ),
    Mutant(
        "a transaction begins without its lock",
        "Store: BEGIN IMMEDIATE always",
        "stores/writer.py",
        "BEGIN IMMEDIATE",
        "BEGIN",
        WRITES,
    ),
]

ROSTER = [
    Mutant(
        "runs of living workers are claimed",
        "Lease: nothing is taken from a worker that lives",
        "stores/roster.py",
        " if self._watch.is_dead(worker, beat, born, clock)]",
        "]",
        promise("a_living_worker_keeps_its_runs"),
    ),
    Mutant(
        "two workers claim one run",
        "Lease: two workers never take the same run",
        "stores/roster.py",
        "FROM runs WHERE owner IS NULL AND saga = ?",
        "FROM runs WHERE saga = ?",
        promise("no_run_is_taken_twice"),
    ),
    Mutant(
        "the epoch stays at a claim",
        "Lease: the epoch grows with every new driver",
        "stores/roster.py",
        "SET owner = ?, epoch = epoch + 1 WHERE",
        "SET owner = ?, epoch = epoch WHERE",
        promise("a_released_run_waits_for_its_time"),
    ),
    Mutant(
        "runs are claimed before their time",
        "Cancel: a parked run is taken up when its time has come, and not before",
        "stores/roster.py",
        "saga = ? AND next_at <= ? ORDER BY",
        "saga = ? AND ? > 0 ORDER BY",
        promise("a_released_run_waits_for_its_time"),
    ),
    Mutant(
        "a closed store keeps its runs",
        "Cancel: the runs of a process that ends are taken up by others",
        "stores/roster.py",
        " THEN 0 ELSE next_at END",
        " THEN next_at ELSE next_at END",
        promise("closing_gives_the_runs_to_the_others"),
    ),
    Mutant(
        "a worker renews the lease of all others",
        "Lease: a worker shows that it lives itself, and nobody else",
        "stores/roster.py",
        "        db.execute(_BEAT, (self.worker, self._born))\n",
        '        db.execute(_BEAT, (self.worker, self._born))\n        db.execute("UPDATE workers SET beat = beat + 1")\n',
        (f"{WORKERS[0]}::test_a_worker_shows_that_it_lives_itself_and_nobody_else",),
    ),
    Mutant(
        "a living worker shows no sign",
        "Lease: a worker's counter is raised for as long as it lives",
        "stores/roster.py",
        "DO UPDATE SET beat = beat + 1",
        "DO UPDATE SET beat = beat",
        promise("a_living_worker_keeps_its_runs"),
    ),
    Mutant(
        "whoever looks shows a sign of life",
        "Lease: an engine that drives nothing writes nothing when it opens a store",
        "engine/engine.py",
        "lease=self._lease if drives else None",
        "lease=self._lease",
        ("tests/engine/test_engine.py::test_an_engine_that_drives_nothing_writes_nothing_by_looking",),
    ),
    Mutant(
        "whoever looks needs room on the disk",
        "Journal: to look at it, nothing need be writable, neither the file nor its folder",
        "stores/files.py",
        '            return _seen(path, "mode=ro&immutable=1", busy)\n',
        "            raise\n",
        ("tests/stores/test_view.py", "tests/ops/test_screen.py::test_looking_needs_no_room_on_the_disk"),
    ),
    Mutant(
        "whoever looks passes over a log that cannot be read",
        "Journal: rather nothing is told than what is no longer so",
        "stores/files.py",
        "            _check_log(path, error)\n",
        "",
        ("tests/stores/test_view.py::test_a_log_that_cannot_be_read_is_not_passed_over",),
    ),
    Mutant(
        "whoever has no lease takes runs over",
        "Lease: one without a lease owns nothing",
        "stores/memory.py",
        "        if not self._owns:\n            return []\n",
        "",
        promise("one_without_a_lease_owns_nothing"),
    ),
    Mutant(
        "the dead keep their runs",
        "Lease: a worker without a sign of life for the length of its lease may lose its runs",
        "stores/lease.py",
        "return now - before[1] >= self._lease",
        "return False",
        LEASES,
    ),
    Mutant(
        "the first silence is death",
        "Lease: a worker is given the whole length of its lease",
        "stores/lease.py",
        "return now - before[1] >= self._lease",
        "return True",
        LEASES,
    ),
    Mutant(
        "a pause of the observer is held against the others",
        "Lease: a clock that jumps and a machine that was paused stall nobody",
        "stores/lease.py",
        "return lived + min(now - last, self._most)",
        "return lived + now - last",
        LEASES,
    ),
    Mutant(
        "a killed process is waited for",
        "Lease: a process that has certainly ended is dead at once",
        "stores/lease.py",
        "if beat is None or is_gone(born):",
        "if beat is None:",
        (f"{WORKERS[0]}::test_the_runs_of_a_killed_process_are_taken_at_once",),
    ),
    Mutant(
        "a younger process of the same number is taken for it",
        "Lease: a process is known by its start too, since numbers are used again",
        "stores/lease.py",
        "return name != born",
        "return False",
        LEASES,
    ),
]
