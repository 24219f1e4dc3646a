"""A clean shop for each test of the engine."""

from __future__ import annotations

import pytest

from tests.model import shop


@pytest.fixture(autouse=True)
def clean_shop() -> None:
    shop.log.clear()
