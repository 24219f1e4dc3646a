"""Any facts in any order: what is legal never breaks an invariant, what is illegal is refused and changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from amends.errors import IllegalFact
from amends.model import records as r
from amends.model.machine import Machine
from amends.model.phase import BUSY, Phase
from amends.model.records import CLOSED, Fact
from tests.model import forks, shop
from tests.model.worlds import World

CALLS = [shop.order("a", "ok"), shop.three("raise"), shop.rooms("x"), shop.wires(3), shop.keeps(), shop.patient()]
CALLS += [forks.pair(), forks.redundant(), forks.redundant_cancelled(True), forks.nested(), forks.strict_around_mild()]
CALLS += [forks.leg_between(), forks.leg_and_step(), forks.any_leg(), forks.package_then_step(), forks.first_off("undo")]
CALLS += [forks.any_leg_losers("keep"), forks.any_leg_losers("cancel"), forks.any_leg_then_step(), forks.legs_and_joins()]
RESULTS = {"charge": b'{"id":"c","cents":1}', "look": b"0", "bare": b"null"}


def legal(machine: Machine) -> list[Any]:
    """Makers of every kind of fact that can have happened now, each from an instant."""
    makers: list[Any] = [lambda at: r.Told(at, "Approval", r.Raw(b'{"by":"ann","ok":true}'), "ann")]
    makers.append(lambda at: r.Cancelled(at, "ann", ""))
    makers += [lambda at, pos=pos: r.TimeUp(at, pos) for pos in machine.timers]
    makers += of_nested_runs(machine)
    for effect in machine.effects.in_flight():
        pos = effect.pos
        raw = r.Raw(RESULTS.get(effect.step.name, b'"x"'))
        error = r.Failure("Down", "")
        if effect.phase is Phase.CALLING:
            n = effect.attempt
            makers.append(lambda at, pos=pos, n=n, raw=raw: r.StepDone(at, pos, n, raw))
            for outcome in ("failed", "in_doubt", "unstorable"):
                for again in (True, False):
                    makers.append(
                        lambda at, pos=pos, n=n, o=outcome, g=again, e=error: r.StepBroke(at, pos, n, e, o, g)  # type: ignore[arg-type]
                    )
        elif effect.phase is Phase.CHECKING:
            n = effect.tries
            makers.append(lambda at, pos=pos, n=n, raw=raw: r.Checked(at, pos, n, True, raw))
            makers.append(lambda at, pos=pos, n=n: r.Checked(at, pos, n, False, r.NULL))
            makers.append(lambda at, pos=pos, n=n, e=error: r.CheckBroke(at, pos, n, e, False))
        else:
            n = effect.tries
            makers.append(lambda at, pos=pos, n=n: r.UndoDone(at, pos, n))
            makers.append(lambda at, pos=pos, n=n, e=error: r.UndoBroke(at, pos, n, e, True))
    for number, letter in machine.letters.items():
        raw = r.Raw(RESULTS.get(machine.effects[letter.pos].step.name, b'"x"'))
        makers.append(lambda at, n=number: r.Retried(at, n, "ann"))
        makers.append(lambda at, n=number: r.Resolved(at, n, "ann", "done"))
        makers.append(lambda at, n=number: r.Abandoned(at, n, "ann", "no"))
        makers.append(lambda at, n=number, raw=raw: r.Answered(at, n, "ann", True, raw, ""))
        makers.append(lambda at, n=number: r.Answered(at, n, "ann", False, r.NULL, ""))
    return makers


def of_nested_runs(machine: Machine) -> list[Any]:
    """What the runs nested in it, and the run that it is nested in, can tell it."""
    makers: list[Any] = []
    if machine.run_id == NESTED:
        makers.append(lambda at: r.Unwound(at, "x", "it rolls back"))
    for pos, effect in machine.effects.items():
        if effect.phase in (Phase.RUNNING, Phase.UNWINDING, Phase.STUCK):
            error, letters = r.Failure("Down", ""), (f"{machine.run_id}//{pos}#1",)
            makers.append(lambda at, pos=pos: r.ChildDone(at, pos, r.Raw(b'"x"')))
            makers.append(lambda at, pos=pos, said=letters: r.ChildStuck(at, pos, said))
            makers.append(lambda at, pos=pos: r.ChildStuck(at, pos, ()))
            for state in ("compensated", "abandoned"):
                makers.append(lambda at, pos=pos, state=state, e=error: r.ChildClosed(at, pos, state, e, ()))  # type: ignore[arg-type]
    return makers


def holds(world: World) -> None:
    """What is true of a run at any time."""
    machine = world.machine
    flat = [record for turn in world.turns for record in turn]
    ends = [record for record in flat if isinstance(record, r.Ended)]
    assert len(ends) <= 1
    if ends:
        assert machine.state in CLOSED and not machine.letters and not machine.effects.in_flight()
        for effect in machine.effects.values():
            assert effect.phase not in BUSY and effect.phase is not Phase.LETTER
            if machine.state == "compensated":
                assert effect.phase is not Phase.DONE and effect.phase is not Phase.KEPT
            if machine.state == "completed":
                assert effect.phase is not Phase.UNDOING
                assert effect.lost != "undo" or effect.phase is not Phase.DONE
    if machine.state == "held":
        assert not machine.letters and not machine.effects.busy and machine.returned is not None
        assert all(effect.lost != "undo" or effect.phase is not Phase.DONE for effect in machine.effects.values())
    stops = [(type(record), record.pos) for record in flat if isinstance(record, (r.StopWanted, r.ChildUndoWanted))]
    assert len(stops) == len(set(stops)), "each is interrupted, and taken back, once"
    decided = [record.pos for record in flat if isinstance(record, r.JoinDecided)]
    assert len(decided) == len(set(decided))
    waits_here = [effect for effect in machine.effects.values() if effect.busy]
    assert machine.effects.busy == bool(waits_here)
    nested = [effect.phase in (Phase.RUNNING, Phase.UNWINDING) for effect in waits_here]
    assert machine.effects.waits_for_runs() == (bool(nested) and all(nested))
    assert set(machine.effects.stuck()) == {letter for effect in machine.effects.values() for letter in effect.stuck}
    began = [index for index, record in enumerate(flat) if isinstance(record, r.RollbackBegan)]
    assert len(began) <= 1
    if began:
        assert not [record for record in flat[began[0] :] if isinstance(record, (r.StepWanted, r.RetryWanted))]
    wanted = [record.key for record in flat if isinstance(record, r.StepWanted)]
    assert len(wanted) == len(set(wanted))


NESTED = "x//1"
ILLEGAL: list[Fact] = [
    r.Started(0.0),
    r.StepDone(0.0, 1, 99, r.NULL),
    r.StepDone(0.0, 77, 1, r.NULL),
    r.UndoDone(0.0, 1, 99),
    r.Checked(0.0, 2, 99, False, r.NULL),
    r.TimeUp(0.0, 55),
    r.Retried(0.0, 44, "ann"),
]


def a_world(data: st.DataObject) -> World:
    owned = data.draw(st.booleans())
    world = World(data.draw(st.sampled_from(CALLS)), NESTED if owned else "run-1", sagas=forks.NESTED, owned=owned)
    world.start()
    return world


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_order_of_facts(data: st.DataObject) -> None:
    world = a_world(data)
    for _ in range(data.draw(st.integers(0, 25))):
        if world.machine.ended is not None:
            break
        if data.draw(st.booleans()) and data.draw(st.booleans()):
            world.crash()
        else:
            world.now += 1
            world.tell(data.draw(st.sampled_from(legal(world.machine)))(world.now))
        holds(world)
        before = (world.machine.state, dict(world.machine.timers), list(world.machine.letters))
        try:
            world.machine.receive(data.draw(st.sampled_from(ILLEGAL)))
            raise AssertionError("what cannot have happened was taken in")
        except IllegalFact:
            assert before == (world.machine.state, dict(world.machine.timers), list(world.machine.letters))
    world.crash()
    holds(world)
    world.machine.close()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_run_comes_to_an_end(data: st.DataObject) -> None:
    """Whatever happened, once the world answers and a person resolves what is left, the run closes."""
    world = a_world(data)
    for _ in range(data.draw(st.integers(0, 12))):
        if world.machine.ended is None:
            world.now += 1
            world.tell(data.draw(st.sampled_from(legal(world.machine)))(world.now))
    for _ in range(60):
        machine = world.machine
        if machine.ended is not None:
            break
        flying = machine.effects.in_flight()
        if flying:
            pos, phase = flying[0].pos, flying[0].phase
            raw = r.Raw(RESULTS.get(flying[0].step.name, b'"x"'))
            done = {
                Phase.CALLING: r.StepDone(world.now, pos, flying[0].attempt, raw),
                Phase.CHECKING: r.Checked(world.now, pos, flying[0].tries, False, r.NULL),
                Phase.UNDOING: r.UndoDone(world.now, pos, flying[0].tries),
            }
            world.tell(done[phase])
        elif machine.effects.waits_for_runs() or list(machine.effects.stuck()):
            busy = [pos for pos, effect in machine.effects.items() if effect.busy or effect.stuck]
            world.tell(r.ChildClosed(world.now, busy[0], "compensated", r.Failure("Down", ""), ()))
        elif machine.state == "held":
            world.tell(r.Unwound(world.now, "x", "it rolls back"))
        elif machine.letters:
            world.tell(r.Resolved(world.now, min(machine.letters), "ann", "done"))
        else:
            world.time_up(min(machine.timers, key=lambda pos: machine.timers[pos]))
    assert world.machine.ended is not None
    holds(world)
