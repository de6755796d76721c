"""Answers of the server: runs, experiments, curves, as plain dicts and as frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload
from uuid import UUID

from .errors import TrackerError
from .http import ApiClient

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

PAGE = 500
Row = dict[str, Any]


R = TypeVar("R", bound=Row)


class Frame(Sequence[R]):
    """Rows as dicts, in the order of the answer; a table when asked for one."""

    def __init__(self, rows: list[R]) -> None:
        self.rows = rows

    @overload
    def __getitem__(self, index: int) -> R: ...

    @overload
    def __getitem__(self, index: slice) -> Frame[R]: ...

    def __getitem__(self, index: int | slice) -> R | Frame[R]:
        return Frame(self.rows[index]) if isinstance(index, slice) else self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    def column(self, name: str) -> list[Any]:
        """The values of one (dotted) name; None where a row has none."""
        return [flat(row).get(name) for row in self.rows]

    def to_pandas(self) -> pd.DataFrame:
        """A pandas frame; nested dicts become dotted columns (metrics.val_wer)."""
        pandas = _need("pandas")
        return pandas.DataFrame([flat(row) for row in self.rows])

    def to_polars(self) -> pl.DataFrame:
        """A polars frame; nested dicts become dotted columns."""
        polars = _need("polars")
        rows = [flat(row) for row in self.rows]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        data = {name: [row.get(name) for row in rows] for name in columns}
        return polars.DataFrame(data, strict=False)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Frame of {len(self.rows)} rows>"


class RunRecord(Row):
    """A run as the server knows it: a dict of its fields, and the way to its curves."""

    def __init__(self, row: Row, api: ApiClient) -> None:
        super().__init__(row)
        self.api = api

    @property
    def id(self) -> UUID:
        return UUID(self["id"])

    def curve(self, key: str, *, points: int | None = 0, axis: str = "step", **options: Any) -> Frame[Row]:
        """The points of one metric, as rows with step, value and time; all of them unless `points` says less.

        Raises TrackerError when the run has no such metric.
        """
        curves = curves_of(self.api, self.id, [key], points=points, axis=axis, **options)
        if key not in curves:
            raise TrackerError(f"run {self.id} has no metric {key!r}", "see run['metrics'] for the names")
        return curves[key]

    def artifacts(self) -> Frame[Row]:
        """The run's artifacts, newest last."""
        return Frame(self.api.get(f"/api/v1/runs/{self.id}/artifacts")["artifacts"])

    def newest_checkpoint(self) -> Row | None:
        """The newest artifact of type checkpoint."""
        found = [row for row in self.artifacts() if row.get("type") == "checkpoint"]
        return max(found, key=lambda row: str(row.get("created_at") or "")) if found else None


def search_runs(
    api: ApiClient,
    filter: str | None = None,  # noqa: A002 - the word of the API
    order_by: str | None = None,
    limit: int | None = 50,
    as_of: str | None = None,
) -> Frame[RunRecord]:
    """Runs that a filter takes, page by page up to the limit; None: all of them."""
    rows: list[RunRecord] = []
    cursor: str | None = None
    while limit is None or len(rows) < limit:
        size = PAGE if limit is None else min(PAGE, limit - len(rows))
        query = {"filter": filter, "order_by": order_by, "limit": size, "cursor": cursor, "as_of": as_of}
        page = api.get("/api/v1/runs", query)
        rows += [RunRecord(row, api) for row in page["runs"]]
        cursor = page.get("next_cursor")
        if not cursor:
            break
    return Frame(rows)


def get_run(api: ApiClient, run: UUID | str, as_of: str | None = None) -> RunRecord:
    """All that is known of a run; raises TrackerError (status 404) for one that is not known."""
    return RunRecord(api.get(f"/api/v1/runs/{run}", {"as_of": as_of}), api)


def curves_of(
    api: ApiClient,
    run: UUID | str,
    keys: list[str],
    *,
    points: int | None = 2000,
    axis: str = "step",
    **options: Any,
) -> dict[str, Frame[Row]]:
    """Curves by key, as rows; points 0 or None: every point."""
    query = {"key": keys, "points": points or 0, "axis": axis, **options}
    curves: dict[str, dict[str, Any]] = api.get(f"/api/v1/runs/{run}/curves", query)["curves"]
    return {key: Frame(_rows(columns)) for key, columns in curves.items()}


_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def _rows(columns: dict[str, Any]) -> list[Row]:
    """Columns of equal length as rows; the names of NaN and infinities as the numbers."""
    lists = {name: values for name, values in columns.items() if isinstance(values, list)}
    if not lists:
        return []
    values = [
        [_SPECIAL.get(each, each) if isinstance(each, str) else each for each in column]
        for column in lists.values()
    ]
    return [dict(zip(lists, row, strict=True)) for row in zip(*values, strict=True)]


def flat(row: Row, prefix: str = "") -> Row:
    """Nested dicts as dotted names."""
    found: Row = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found


def _need(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise TrackerError(
            f"{module} is not installed", "pip install 'speech-experiment-tracker[frames]'"
        ) from None
