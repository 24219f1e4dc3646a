"""A story as a tree: the branches of a join under it, what a nested run did under that, and of many alike only some."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from amends.ops.story.lines import Line, Story

FIRST, LAST, OUTSTANDING = 5, 5, 10
"""Of more lines in a row than these together, so many at either end are shown, and as many of those that stand out."""


@dataclass(frozen=True)
class Tale:
    """One story of a tree, and the id of its run."""

    run: str
    story: Story


@dataclass
class Node:
    """A line of a tale with what is under it; or, without a line, `hidden` ones that are alike."""

    tale: Tale
    line: Line | None
    under: list[Node] = field(default_factory=list)
    hidden: int = 0
    alike: str = ""


@dataclass(frozen=True)
class Row:
    """A node as it is drawn: `stem` leads to it, and `below` to what belongs to it."""

    node: Node
    stem: str
    below: str


@dataclass(frozen=True)
class Growth:
    """Grows trees. `nested` are the stories of nested runs that are to be told, too; `whole`: nothing is hidden."""

    nested: Mapping[str, Story]
    whole: bool = False

    def tree(self, run: str, story: Story) -> list[Node]:
        """The tree of a story."""
        return self._nodes(Tale(run, story), [line for line in story.lines if line.join is None])

    def _nodes(self, tale: Tale, lines: Sequence[Line]) -> list[Node]:
        shown = range(len(lines)) if self.whole else _shown(lines)
        nodes: list[Node] = []
        last = -1
        for index in [*shown, len(lines)]:
            if index - last > 1:
                nodes.append(_hidden(tale, lines[last + 1 : index]))
            if index < len(lines):
                nodes.append(self._node(tale, lines[index]))
            last = index
        return nodes

    def _node(self, tale: Tale, line: Line) -> Node:
        branches = tale.story.under(line)
        if line.fan is not None and not self.whole:
            branches = [branch for branch in branches if branch.stuck or branch.run in self.nested]
        under = self._nodes(tale, branches)
        within = self.nested.get(line.run)
        if within is not None:
            under += [node for node in self.tree(line.run, within) if node.line is None or node.line.kind != "end"]
        return Node(tale, line, under)


def _shown(lines: Sequence[Line]) -> list[int]:
    """Which of many lines are shown: those at the ends, and some of those that stand out."""
    if len(lines) <= FIRST + LAST + OUTSTANDING:
        return list(range(len(lines)))
    ends = {*range(FIRST), *range(len(lines) - LAST, len(lines))}
    outstanding = sorted(
        (index for index, line in enumerate(lines) if _rank(line) and index not in ends),
        key=lambda index: -_rank(lines[index]),
    )
    return sorted({*ends, *outstanding[:OUTSTANDING]})


def _rank(line: Line) -> int:
    """How much a line stands out: it is about the whole run or needs a person, it failed, it is at work."""
    if line.kind == "rollback" or line.letter or line.stuck:
        return 3
    return 2 if line.ok is False else 1 if line.at_work else 0


def _hidden(tale: Tale, lines: Sequence[Line]) -> Node:
    counts = Counter(_in_short(line) for line in lines)
    return Node(tale, None, [], len(lines), ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common(4)))


def _in_short(line: Line) -> str:
    if line.letter or line.stuck:
        return "waiting for a person"
    return line.outcome.partition(" on attempt ")[0].partition(" at +")[0] or line.what


def rows(nodes: Sequence[Node], lead: str = "", *, top: bool = True) -> Iterator[Row]:
    """A tree from top to bottom, with the lines that lead to each node."""
    for index, node in enumerate(nodes):
        last = index == len(nodes) - 1
        below = lead if top else lead + ("   " if last else "│  ")
        yield Row(node, lead if top else lead + ("└─ " if last else "├─ "), below)
        yield from rows(node.under, below, top=False)
