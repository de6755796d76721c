"""Two measurements on the same parts: which is lower, by the paired bootstrap over the parts that both have.

The definitions are equal, so that the parts are comparable; where a part is measured against another reference (its
seconds or words differ), nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .intervals import DRAWS, Comparison, compare_rates

Columns = Mapping[str, Sequence[float | None]]
_TICKS = 1_000_000
"""Seconds and decibels are drawn as whole millionths."""
_ERRORS = {
    "diarization": ("missed", "false_alarm", "confusion"),
    "meeting": ("substitutions", "deletions", "insertions"),
    "intelligibility": ("substitutions", "deletions", "insertions"),
    "synthesis": ("mcd",),
}
"""Columns that add up to the errors of a part, of tasks whose headline number is Σ errors / Σ size."""
_SIZES = {
    "diarization": ("total",),
    "meeting": ("words",),
    "intelligibility": ("hits", "substitutions", "deletions"),
    "synthesis": (),
}
"""Columns that add up to the size of a part; none: every part counts once."""


class Parts:
    """The parts of a measurement, by their ids: recordings, sessions or utterances; none where its columns are not there.

    Very many are in an artifact alone, and some tasks have none.
    """

    def __init__(self, task: str, ids: Sequence[str], columns: Columns) -> None:
        errors, sizes = _ERRORS.get(task, ()), _SIZES.get(task, ())
        if not errors or not columns.keys() >= {*errors, *sizes}:
            ids = []
        self._errors = dict(zip(ids, _added(errors, columns, len(ids)), strict=True))
        counted = _added(sizes, columns, len(ids)) if sizes else [_TICKS] * len(ids)
        self._sizes = dict(zip(ids, counted, strict=True))

    def compared_with(self, other: Parts, *, draws: int = DRAWS) -> tuple[Comparison, int] | None:
        """(difference of the headline number, common parts); a negative difference says that this one is lower.

        None with fewer than two common parts, and where parts are of other references.
        """
        common = [name for name in self._errors if name in other._errors]
        sizes = [self._sizes[name] for name in common]
        if len(common) < 2 or not any(sizes):
            return None
        if any(abs(size - other._sizes[name]) > 1 for name, size in zip(common, sizes, strict=True)):
            return None
        errors, others = ([each._errors[name] for name in common] for each in (self, other))
        return compare_rates(errors, others, sizes, draws=draws), len(common)


def _added(names: Sequence[str], columns: Columns, size: int) -> list[int]:
    """The sums of some columns, in ticks."""
    return [round(sum(columns[name][place] or 0.0 for name in names) * _TICKS) for place in range(size)]
