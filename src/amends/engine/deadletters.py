"""What operators can do about dead letters; every act is named, durable and in the run's journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from amends.engine.papers import LetterPaper
from amends.errors import DefinitionError, NotStorable, UnknownRun
from amends.model import door, records
from amends.model.records import Fact, Raw
from amends.model.turn import encode_fact
from amends.stores.port import Act, Letter, LetterQuery

if TYPE_CHECKING:
    from collections.abc import Callable

    from amends.engine.crew import Crew


class DeadLetters:
    """The dead letters of all runs of a store. `by` is who acts; the user of the operating system if it is not given.

    Each act raises `UnknownRun` when there is no such letter, `LetterSettled` when somebody was faster, and
    `DefinitionError` when the act does not fit the letter. An act is carried out by whichever worker drives the run.
    """

    def __init__(self, crew: Crew) -> None:
        self._crew = crew

    async def list(
        self,
        *,
        open: bool | None = True,
        run_id: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Letter]:
        """The letters, oldest first: those that wait (`open=True`), those acted upon (False), or both (None)."""
        door.one_of(open, "list(open=...)", True, False, None)
        door.count(limit, "list(limit=...)", 0)
        door.count(offset, "list(offset=...)", 0)
        return await self._crew.store.letters(LetterQuery(open=open, run_id=run_id, limit=limit, offset=offset))

    async def show(self, letter_id: str) -> Letter:
        """One letter, with its context as JSON in `body`."""
        run_id, number = _parse(letter_id)
        for letter in await self._crew.store.letters(LetterQuery(open=None, run_id=run_id, limit=10_000)):
            if letter.no == number:
                return letter
        raise UnknownRun(f"there is no dead letter {letter_id!r}. `amends dlq list` lists those that wait.")

    async def retry(self, letter_id: str, *, by: str | None = None, note: str = "") -> None:
        """Put it back to work: the undo or the check is tried again, a parked run is taken up again."""
        at, by = self._crew.now(), who(by)
        await self._act(letter_id, "retry", "retried", by, note, lambda no: records.Retried(at, no, by))

    async def resolve(self, letter_id: str, *, note: str, by: str | None = None) -> None:
        """Say that a person has done by hand what the letter asks for."""
        at, by = self._crew.now(), who(by)
        _need(note, "resolve", "what was done")
        await self._act(letter_id, "resolve", "resolved", by, note, lambda no: records.Resolved(at, no, by, note))

    async def abandon(self, letter_id: str, *, note: str, by: str | None = None) -> None:
        """Leave the effect in the world; the run will end `abandoned` and list it."""
        at, by = self._crew.now(), who(by)
        _need(note, "abandon", "why")
        await self._act(letter_id, "abandon", "abandoned", by, note, lambda no: records.Abandoned(at, no, by, note))

    async def answer(
        self, letter_id: str, *, happened: bool, result: bytes | None = None, note: str = "", by: str | None = None
    ) -> None:
        """Say whether a step in doubt took effect; `result` is what it returned, as JSON. What happened is then undone."""
        at, by = self._crew.now(), who(by)
        door.one_of(happened, "answer(happened=...)", True, False)
        if result is not None:
            try:
                msgspec.json.decode(result)
            except msgspec.DecodeError as error:
                raise NotStorable(f"the result is not JSON: {error}", cure="Quote strings: '\"ch_17\"'.") from error
        raw = records.NULL if result is None else Raw(result)
        await self._act(
            letter_id, "answer", "answered", by, note, lambda no: records.Answered(at, no, by, happened, raw, note)
        )

    async def _act(self, letter_id: str, act: str, acted: str, by: str, note: str, fact: Callable[[int], Fact]) -> None:
        door.note(note, f"{act}(note=...)")
        letter = await self.show(letter_id)
        if not letter.acted:  # else the store says who was faster
            fits(letter, act, acted)
        body = encode_fact(fact(letter.no))
        done = Act(letter.no, acted, by, note, self._crew.now())
        await self._crew.line.write(self._crew.store.post(letter.run_id, body, done))
        self._crew.poke(letter.run_id)


def fits(letter: Letter, act: str, acted: str) -> None:
    """Raises `DefinitionError`, with what can be done instead, for an act that changes nothing about a letter."""
    possible = msgspec.json.decode(letter.body, type=LetterPaper).acts
    if act not in possible:
        can = ", ".join(possible) or "nothing but restoring the file from a backup"
        nothing = act == "retry" and possible
        why = f": step {letter.step!r} has no check, nor an undo that could be tried without its result" if nothing else ""
        raise DefinitionError(f"a letter about {letter.kind!r} cannot be {acted}{why}; what can be done: {can}.")


def _parse(letter_id: str) -> tuple[str, int]:
    run_id, mark, number = letter_id.rpartition("#")
    if not mark or not number.isdecimal():
        raise UnknownRun(f"{letter_id!r} is no dead letter's id; they read RUN#NUMBER, for instance order-17#1.")
    return run_id, int(number)


def _need(note: str, act: str, what: str) -> None:
    door.text(note, f"{act}(note=...)", f"{what}, for the next person who reads the story")


def who(by: str | None) -> str:
    """Who acts: the one who is named, or else the user of the operating system."""
    if by is not None:
        door.note(by, "by")
    return by or _me()


def _me() -> str:
    import getpass  # only when it is asked for: it is slow to import

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
