"""A pytest plugin that makes sure that the copy is what is tested, and notes which test is running or has failed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import amends

COPY, NOTE = "AMENDS_COPY", "AMENDS_NOTE"


def pytest_configure() -> None:
    """Refuse to test anything but the copy."""
    if not Path(amends.__file__).is_relative_to(os.environ[COPY]):
        raise pytest.UsageError(f"amends was imported from {amends.__file__}, not from the copy in {os.environ[COPY]}")


def pytest_runtest_logstart(nodeid: str) -> None:
    """Note where a trial is, in case that it hangs."""
    _note("running", nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the test that found the defect."""
    if report.failed:
        _note("failed", report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot even be collected has found it too."""
    if report.failed:
        _note("failed", report.nodeid)


def _note(word: str, nodeid: str) -> None:
    note = Path(os.environ[NOTE])
    if not note.exists() or not note.read_text().startswith("failed"):
        note.write_text(f"{word} {nodeid}")
