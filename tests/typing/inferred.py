"""What a merge or a lambda returns, where only the values that it is given say so."""

from __future__ import annotations

from typing import assert_type

from amends import each, merges, saga, scatter, step


@step(no_undo="it only looks")
async def look(sku: str) -> list[str]:
    return [sku]


@step(no_undo="it only counts")
async def count(sku: str) -> dict[str, int]:
    return {sku: 1}


@step(no_undo="it only counts")
async def length(sku: str) -> int:
    return len(sku)


@saga
async def infer(sku: str) -> None:
    assert_type(await scatter([look], sku).merge(merges.union()), list[merges.Found[str]])
    assert_type(await scatter([look], sku).merge(merges.ranked()), list[merges.Ranked[str]])
    assert_type(await scatter([look], sku).merge(merges.first("look")), merges.Found[list[str]])
    assert_type(await scatter([count], sku).merge(merges.majority()), dict[str, merges.Found[int]])
    assert_type(await each(look, [sku], limit=1).reduce(lambda total, names: total + len(names), 0), int)
    assert_type(await each(length, [sku], limit=1).reduce(lambda total, number: total + number, 0), int)
