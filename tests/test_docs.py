"""Every example in the README and the docs is executed, from top to bottom of its page.

The `python` blocks of a page are one module, so that its steps and sagas are found by name; each block stands on the lines
where it stands in the page, so that a traceback names the page's own lines. A ``console run`` block is executed after them
in the same directory: each line that begins with `$ `, and every other line of it must occur in what was printed, whatever
the width of its columns.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amends.ops.cli import main
from amends.testing.explorer.faults import KINDS
from amends.testing.explorer.rules import NAMES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<tag>[^\n`]*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
SECONDS = 300

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(text: str, tag: str) -> Iterator[tuple[int, str]]:
    """The number of the first line of each block with this tag, and its text."""
    for block in BLOCK.finditer(text):
        if block["tag"].strip() == tag:
            yield text.count("\n", 0, block.start("code")) + 1, block["code"]


def module_of(text: str) -> str:
    """The page's examples as one module in which every line has the number that it has in the page."""
    lines = [""] * (text.count("\n") + 1)
    for first, code in blocks(text, "python"):
        body = code.splitlines()
        lines[first - 1 : first - 1 + len(body)] = body
    return "\n".join(lines)


def execute(page: str, text: str, place: Path) -> None:
    """Run a page's examples in a directory; fails with the page, the line and what was said."""
    environment = {**os.environ, "PYTHONWARNINGS": "error", "NO_COLOR": "1", "COLUMNS": "100"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    module = place / f"{page.removesuffix('.md').replace('-', '_')}.py"
    module.write_text(module_of(text))
    if any(blocks(text, "python")):
        _run([sys.executable, module.name], place, environment, f"{page} (the lines of {module.name} are the page's)")
    for first, code in blocks(text, "console run"):
        said = ""
        for number, line in enumerate(code.splitlines(), start=first):
            where = f"{page}:{number}: {line}"
            if line.startswith("$ "):
                said = _run(shlex.split(line[2:]), place, environment, where)
            elif line.strip():
                assert squeezed(line) in squeezed(said), f"{where}\nis not in what was printed:\n{said}"


def squeezed(text: str) -> str:
    """Each line with single blanks: how wide a column is depends on the durations in it."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def _run(command: list[str], place: Path, environment: dict[str, str], where: str) -> str:
    done = subprocess.run(
        command,
        cwd=place,
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{where}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@each_page
def test_examples_run(page: Path, tmp_path: Path) -> None:
    execute(page.name, page.read_text(), tmp_path)


def test_a_broken_example_is_found_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r'broken\.py", line 4(?s:.*)ZeroDivisionError'):
        execute("broken.md", "# Words\n\n```python\n1 / 0\n```\n", tmp_path)


def test_a_broken_command_is_found_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"broken\.md:2: \$ amends nonsense"):
        execute("broken.md", "```console run\n$ amends nonsense\n```\n", tmp_path)
    with pytest.raises(AssertionError, match=r"broken\.md:3: another version"):
        execute("broken.md", "```console run\n$ amends --version\nanother version\n```\n", tmp_path)


@each_page
def test_each_block_has_a_known_tag(page: Path) -> None:
    known = {"", "python", "console", "console run", "text", "sql", "toml"}
    assert {block["tag"].strip() for block in BLOCK.finditer(page.read_text())} <= known
    assert len(re.findall(r"^```", page.read_text(), re.MULTILINE)) == 2 * len(BLOCK.findall(page.read_text()))


@each_page
def test_commands_in_the_docs_exist(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"`amends (\w+)", text) + re.findall(r"^\$ amends (\w+)", text, re.MULTILINE):
        assert name in main.commands, f"amends {name}"
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for name in re.findall(r"`make (\w+)", text) + re.findall(r"^\$ make (\w+)", text, re.MULTILINE):
        assert name in targets, f"make {name}"


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_fault_and_every_rule_of_the_explorer_has_its_line() -> None:
    text = (ROOT / "docs" / "explore.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|$", text, re.MULTILINE))
    assert set(told) == {*KINDS, *NAMES}
    assert {name: rule.sentence for name, rule in NAMES.items()}.items() <= told.items()


def test_every_rule_of_the_explorer_has_its_paragraph() -> None:
    """Stories name it: `docs/explore.md#RULE`."""
    text = (ROOT / "docs" / "explore.md").read_text()
    for name, rule in NAMES.items():
        paragraph = text.partition(f"### `{name}`\n\n")[2].partition("\n\n")[0]
        assert paragraph.startswith(f"{rule.sentence}\n*What usually breaks it:* "), name
        assert "\n*What to change:* " in paragraph, name
