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

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FORBIDDEN = re.compile(r"(?i)(manager|handler|service|helper|util|^base|process)")


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in SOURCES:
        yield path, ast.parse(path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_file_has_one_idea(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    tree = ast.parse(text)
    doc = ast.get_docstring(tree) or ""
    assert doc and doc.splitlines()[0].rstrip().endswith((".", ":")), "one sentence on top of each module"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            code = [child for child in node.body if not _is_doc(child)]
            lines = (node.end_lineno or 0) - (code[0].lineno if code else node.lineno) + 1
            assert lines <= 40, f"{node.name} has {lines} lines"
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            assert not FORBIDDEN.search(node.name), node.name
        if isinstance(node, ast.ClassDef):
            public = [each.name for each in node.body if _is_public(each)]
            assert len(set(public)) <= 14 if node.name.endswith("Store") else len(set(public)) <= 12, node.name


def _is_doc(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_public(node: ast.stmt) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not node.name.startswith("_")


def test_a_wide_except_says_why() -> None:
    for path in SOURCES:
        for line in path.read_text().splitlines():
            if re.search(r"except (Base)?Exception\b|except:", line) and not re.search(r"as \w+:$", line):
                assert "#" in line, f"{path}: {line.strip()}"
            elif re.search(r"except (Base)?Exception\b", line):
                assert "#" in line or "BaseException as" in line, f"{path}: {line.strip()}"


def test_nothing_is_left_undone() -> None:
    for path in SOURCES:
        assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", path.read_text()), path


def test_few_public_names() -> None:
    assert len(amends.__all__) <= 40
    assert sorted(amends.__all__) == amends.__all__


def test_docs_cite_no_line_numbers() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert not re.search(r"\.py:\d+", path.read_text()), path


def test_no_import_cycles_even_for_types() -> None:
    graph: dict[str, set[str]] = {}
    for path, tree in trees():
        name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        graph[name] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("amends."):
                graph[name].add(node.module or "")
                graph[name].update(f"{node.module}.{alias.name}" for alias in node.names)
    for imports in graph.values():
        imports.intersection_update(graph)
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above[above.index(name) :], name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_importing_amends_is_light() -> None:
    code = "import sys; before = set(sys.modules); import amends; print('\\n'.join(sorted(set(sys.modules) - before)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = [
        name for name in loaded if name.split(".")[0] in {"click", "rich", "pydantic", "attrs", "attr", "http", "sqlite3"}
    ]
    assert heavy == []
