"""One paragraph: what a run waits for, why, and what a person can do."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from amends.model import records as r
from amends.model.chunk import NAME as CHUNK
from amends.ops import diff
from amends.ops.mail import posted
from amends.ops.story import because
from amends.ops.waiting import waits_for
from amends.ops.words import plain, sentence, span, state_words, times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from amends.ops.story import Story
    from amends.stores.port import Letter, Run

FEW_LETTERS = 3
"""Letters whose commands are written out, and runs that are named for one reason."""

CLOSING = {
    "completed": "completed",
    "compensated": "was rolled back",
    "partly_compensated": "was rolled back in part",
    "abandoned": "was closed by a person who abandoned an effect",
}


@dataclass(frozen=True)
class Why:
    """The paragraph, and the commands that a person can give."""

    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """All that is known about a run at one moment.

    `letters` are its own and those of runs nested in it, of which there are `more`; `mail` is posted and not yet taken up;
    `gone`: its driver has died; `root` is the run that it is nested in, at any depth, or its own id.
    """

    run: Run
    story: Story
    letters: Sequence[Letter]
    mail: Sequence[r.Fact]
    gone: bool
    now: float
    root: str
    more: int = 0

    @property
    def driven(self) -> bool:
        """Whether somebody drives the run."""
        return self.run.owner is not None and not self.gone


def explain(look: Look) -> Why:
    """Why a run stands where it stands."""
    if look.run.state in r.CLOSED:
        return Why(_closed(look))
    if look.run.state == "held":
        return Why(_held(look), (f"amends why {shlex.quote(look.root)}",))
    said, commands = [f"Run {look.run.id} of saga {look.run.saga}{_within(look)} {_stands(look)}."], list[str]()
    if look.story.cause is not None:
        said.append(f"It is rolled back, because: {sentence(because(look.story))}")
    said += _letters(look)
    commands += [command for letter in look.letters[:FEW_LETTERS] for command in acts(letter)]
    if len(look.letters) + look.more > FEW_LETTERS:
        commands.append("amends dlq list")
    if not look.letters or look.run.state != "needs_attention":
        waits, more = waits_for(look.story, look.run, look.now)
        said.append(waits or _idle(look))
        commands.extend(more)
    said.append(posted(look.mail, look.story))
    if not look.driven and (look.mail or not look.letters):
        said.append(_nobody(look))
        commands.append("amends worker MODULE")
    elif look.driven:
        said.append(f"Worker {look.run.owner} drives it.")
    return Why(_joined(said), tuple(dict.fromkeys(commands)))


def _joined(said: list[str]) -> str:
    """Sentences one after the other; what follows a diff begins a line of its own."""
    text = ""
    for part in filter(None, said):
        text += part if not text or text.endswith("\n") else f" {part}"
    return text.strip()


def _within(look: Look) -> str:
    return f", nested in run {look.root}," if look.run.parent is not None else ""


def _held(look: Look) -> str:
    """A nested run that is done, as far as it goes."""
    return (
        f"Run {look.run.id} of saga {look.run.saga} has its value and does nothing more. "
        f"Until run {look.root} closes, which it is nested in, what it did can be undone with that."
    )


def _idle(look: Look) -> str:
    if not look.story.turns:
        return "It has not begun: no worker has taken it up yet."
    waited = look.story.letters or any(line.stuck for line in look.story.steps.values())
    return "A person has acted; it goes on when a worker takes it up." if waited and not look.mail else ""


def _closed(look: Look) -> str:
    run, story = look.run, look.story
    took = f" after {span((run.closed_at or run.created_at) - run.created_at)}"
    how = CLOSING.get(run.state, state_words(run.state))
    said = f"Run {run.id} of saga {run.saga} {how}{took}; it waits for nothing."
    if story.cause is not None:
        said += f" The reason: {sentence(because(story))}"
    if story.kept:
        said += " Left in the world: " + ", ".join(f"{kept.step} ({plain(kept.why)})" for kept in story.kept) + "."
    elif story.cause is not None:
        said += " Nothing of it is left in the world."
    return said


def _stands(look: Look) -> str:
    if look.run.state != "needs_attention":
        return "is rolling back" if look.run.state == "compensating" else "is running"
    count = len(look.letters) + look.more
    return (
        f"waits for a person, about {'one thing' if count == 1 else f'{count} things'}"
        if count
        else "was waiting for a person"
    )


def _letters(look: Look) -> list[str]:
    """What each letter is about; of nested runs that need a person for the same, it is said once."""
    about: dict[str, list[str]] = {}
    for letter in look.letters:
        about.setdefault(_letter(letter), []).append(letter.run_id)
    said: list[str] = []
    for text, runs in about.items():
        nested = [run for run in runs if run != look.run.id]
        others = f" and {len(nested) - FEW_LETTERS} more" if len(nested) > FEW_LETTERS else ""
        where = f"In run{'s' * (len(nested) > 1)} {', '.join(nested[:FEW_LETTERS])}{others}, nested in it: " if nested else ""
        said.append(where + text)
    return said


def _letter(letter: Letter) -> str:
    paper = msgspec.json.decode(letter.body)
    error, step = sentence(letter.error), letter.step
    tries = times(paper.get("attempts", 0) or 1)
    return {
        "undo_failed": f"The undo of step {step!r} was tried {tries} and does not succeed, so what the step did is still "
        f"in the world; last: {error} Mend the cause and retry, or undo it by hand and resolve it.",
        "in_doubt": f"Nobody knows whether step {step!r} took effect: it was called {tries} and no answer can be trusted; "
        f"last: {error} Look it up by its key {paper.get('key', '')} and answer.",
        "unstorable": f"Step {step!r} took effect, but what it returned cannot be kept: {error} It is not called again. "
        "Answer with a result that can be kept, or undo it by hand and resolve it.",
        "diverged": f"Nothing was called and nothing was undone: the code no longer does what the journal says it did.\n"
        f"{diff.lines(letter.error)}\n",
        "damaged": f"Its journal is damaged: {error}",
    }[letter.kind]


def acts(letter: Letter) -> list[str]:
    """The commands that a person can give about a letter; the first only looks."""
    at = shlex.quote(letter.id)
    written = {
        "retry": f"amends dlq retry {at}",
        "answer": f"amends dlq answer {at} happened|did-not-happen [--result JSON]",
        "resolve": f"amends dlq resolve {at} --note 'what was done by hand'",
        "abandon": f"amends dlq abandon {at} --note 'why it may stay'",
    }
    return [f"amends dlq show {at}", *(written[act] for act in msgspec.json.decode(letter.body)["acts"])]


def _nobody(look: Look) -> str:
    died = f"The worker that drove it, {look.run.owner}, has died" if look.gone else "Nobody drives it now"
    saga = look.run.saga.removesuffix(CHUNK)
    return f"{died}; a worker that knows saga {saga!r} takes it up when there is something to do."
