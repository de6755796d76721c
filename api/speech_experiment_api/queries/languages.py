"""Languages of test sets, and means in which each language counts the same, however many sets it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .reading import Reading
from .scored import descriptions, revisions
from .sql import Binder


class Registered(NamedTuple):
    """A registered test set at the vector: its newest revision, and its language, None where nobody said it."""

    number: int
    language: str | None


class ByLanguage(NamedTuple):
    """Of one system. means: language → mean of its rates on the language's sets; macro: the mean of these."""

    means: dict[str, float]
    macro: float | None
    missing: int


async def registered_sets(read: Reading) -> dict[str, Registered]:
    """By name."""
    bind = Binder()
    sql = (
        f"select t.name, v.number, coalesce(d.language, n.language) as language from {revisions(read, bind)} v "
        f"join {read.tables.scores}.test_set_revisions n on n.test_set = v.test_set and n.number = v.number "
        f"join {read.tables.scores}.test_sets t on t.id = v.test_set "
        f"left join {descriptions(read, bind)} d on d.test_set = v.test_set "
        f"where t.workspace = {bind(read.actor.workspace, 'text')}"
    )
    found = await read.fetch(sql, *bind.values)
    return {row["name"]: Registered(row["number"], row["language"] or None) for row in found}


def by_language(rates: Mapping[str, float | None], languages: Mapping[str, str | None]) -> ByLanguage:
    """rates: of a system by test set; languages: of all test sets shown. Sets of unknown language are left out."""
    means = {}
    known = sorted({language for language in languages.values() if language})
    for language in known:
        found = [rate for name, rate in rates.items() if rate is not None and languages.get(name) == language]
        if found:
            means[language] = sum(found) / len(found)
    macro = sum(means.values()) / len(means) if means else None
    return ByLanguage(means, macro, len(known) - len(means))


def columns_of(found: ByLanguage) -> dict[str, Any]:
    """As a system of the board tells it."""
    return {
        "by_language": found.means,
        "macro_over_languages": found.macro,
        "missing_languages": found.missing,
    }
