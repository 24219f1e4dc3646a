"""The style of the house, as alarms: when one rings, find the missing noun."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import amends
from amends.stores.port import Store

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"
SOURCES = sorted(SRC.rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = {".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCES}

FORBIDDEN = re.compile(r"(?i)manager|handler|service|helper|util|process|(^|_)base(_|$)|^Base|Base$")
OTHERS = {"service", "Service", "call_exception_handler"}
"""Words of the world outside and of asyncio: the services that sagas use, and what an event loop must be able to do."""
PORT = {name for name in vars(Store) if not name.startswith("_")}
MOST_MODULES = 250
PUBLIC = sorted([*amends.__all__, "random", "uuid"])
"""What users import from amends; the last two by name only."""
HEAVY = {
    "aiohttp",
    "attr",
    "attrs",
    "click",
    "email",
    "http",
    "httpx",
    "pydantic",
    "requests",
    "rich",
    "socketserver",
    "sqlite3",
}

each_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SRC)))
Function = ast.FunctionDef | ast.AsyncFunctionDef


@each_source
def test_a_file_has_one_idea(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert doc.split("\n\n")[0].endswith((".", ":")), "one sentence on top of each module"


@each_source
def test_no_placeholder_of_sql_is_numbered(path: Path) -> None:
    """Python 3.12 warns of them where values come in a sequence, 3.14 refuses that: name them, or count on their order."""
    assert not re.search(r"[ (,='\"]\?\d", path.read_text())


@each_source
def test_a_function_is_read_at_a_glance(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, Function):
            assert length(node) <= 40, f"{node.name} has {length(node)} lines"


@each_source
def test_a_class_has_few_methods(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.ClassDef):
            public = {each.name for each in node.body if isinstance(each, Function) and not each.name.startswith("_")}
            own = public - PORT if public >= PORT else public  # a store has the port's methods, whose number the port bounds
            assert len(own) <= 12, f"{node.name}: {sorted(own)}"


@each_source
def test_names_say_what_a_thing_is(path: Path) -> None:
    assert not FORBIDDEN.search(path.parent.name if path.stem == "__init__" else path.stem)
    for node in nodes(path):
        if isinstance(node, Function | ast.ClassDef):
            assert node.name in OTHERS or not FORBIDDEN.search(node.name), node.name


@each_source
def test_a_wide_except_says_why(path: Path) -> None:
    lines = path.read_text().splitlines()
    for node in nodes(path):
        if isinstance(node, ast.ExceptHandler) and is_wide(node.type):
            assert "#" in lines[node.lineno - 1], lines[node.lineno - 1].strip()


@each_source
def test_nothing_is_left_undone(path: Path) -> None:
    assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", path.read_text())


def test_the_port_is_small() -> None:
    assert len(PORT) <= 12, sorted(PORT)


def test_few_public_names() -> None:
    assert len(PUBLIC) <= 40
    assert not sys.stdlib_module_names & set(amends.__all__), "brought by `*`, they hide the modules"
    assert sorted(amends.__all__) == amends.__all__
    loose = {
        name
        for name, value in vars(amends).items()
        if not name.startswith("_") and name not in PUBLIC and not isinstance(value, type(sys))
    }
    assert not loose, "imported into amends, but not public"


def test_public_names_are_grouped_on_top() -> None:
    drawn = re.search(r"::\n\n(.*?)\n\n", amends.__doc__ or "", re.DOTALL)
    assert drawn
    groups = [line.replace("what they give:", "").strip().partition("  ")[2] for line in drawn[1].splitlines()]
    assert sorted(" ".join(groups).split()) == PUBLIC


def test_docs_cite_no_line_numbers() -> None:
    for page in [*PAGES, ROOT / "CHANGELOG.md"]:
        assert not re.search(r"\.py:\d+|\blines? \d+", page.read_text()), page


def test_no_import_cycles_even_for_types() -> None:
    graph = {name: set(imports(path)) & MODULES.keys() for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above[above.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_importing_amends_is_light() -> None:
    code = "import sys; before = set(sys.modules); import amends; print('\\n'.join(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []
    assert len(loaded) <= MOST_MODULES, f"{len(loaded)} modules: {' '.join(loaded)}"


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text()))


def length(function: Function) -> int:
    """The lines of a function, its signature included and its documentation not."""
    first = function.body[0]
    doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - ((first.end_lineno or 0) - first.lineno + 1) if doc else lines


def is_wide(caught: ast.expr | None) -> bool:
    """Whether an `except` catches everything, alone or among others."""
    if isinstance(caught, ast.Tuple):
        return any(is_wide(each) for each in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))


def imports(path: Path) -> Iterator[str]:
    """What a module imports, under TYPE_CHECKING and inside functions too; relative imports are ruff's to refuse."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
