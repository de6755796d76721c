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

    from .moments import AsOf

PAGE = 500
Row = dict[str, Any]


R = TypeVar("R", bound=Row)


class Frame(Sequence[R]):
    """Rows as dicts, in the order of the answer; a table when asked for one.

    vector  the positions in the log that the answer was read at; given back as `as_of`, the same answer
    """

    def __init__(self, rows: list[R], vector: str | None = None) -> None:
        self.rows = rows
        self.vector = vector

    @overload
    def __getitem__(self, index: int) -> R: ...

    @overload
    def __getitem__(self, index: slice) -> Frame[R]: ...

    def __getitem__(self, index: int | slice) -> R | Frame[R]:
        return Frame(self.rows[index], self.vector) if isinstance(index, slice) else self.rows[index]

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
    """A run as the server knows it: a dict of its fields, and the way to its curves.

    vector  the positions in the log that it was read at
    as_of   the vector again when it was asked for as of an earlier moment: its curves, metrics and
            artifacts then come as they were; None: they come as they are
    """

    def __init__(self, row: Row, api: ApiClient, vector: str | None = None, as_of: str | None = None) -> None:
        super().__init__(row)
        self.api = api
        self.vector = vector
        self.as_of = as_of

    @property
    def id(self) -> UUID:
        return UUID(self["id"])

    def curve(
        self,
        key: str,
        *,
        points: int | None = 0,
        axis: str = "step",
        as_of: AsOf = None,
        **options: Any,
    ) -> Frame[Row]:
        """The points of one metric, as rows with step, value and time; all of them unless `points` says less.

        as_of  another moment than the record's own: see Client.get_run

        Raises TrackerError when the run has no such metric.
        """
        moment = self.as_of if as_of is None else as_of
        curves = curves_of(self.api, self.id, [key], points=points, axis=axis, as_of=moment, **options)
        if key not in curves:
            raise TrackerError(f"run {self.id} has no metric {key!r}", "see run['metrics'] for the names")
        return curves[key]

    def metrics(self) -> Frame[Row]:
        """The summaries of the run's metrics: last, min, max, mean, count and the steps they were at."""
        answer = self._get("metrics")
        rows = [row | _numbers({name: row[name] for name in _SUMMARY}) for row in answer["metrics"]]
        return Frame(rows, answer.get("vector"))

    def artifacts(self) -> Frame[Row]:
        """The run's artifacts, newest last."""
        answer = self._get("artifacts")
        return Frame(answer["artifacts"], answer.get("vector"))

    def events(self, *, stream: str | None = None, points: bool = False) -> Iterator[Row]:
        """The run's events as the log has them, by the broker's time: who sent what, and where it stands.

        stream  only of this topic: runs, metrics or artifacts
        points  with all points of metrics; else how many
        """
        return events_of(self.api, self.id, stream=stream, points=points, as_of=self.as_of)

    def newest_checkpoint(self) -> Row | None:
        """The newest artifact of type checkpoint."""
        found = [row for row in self.artifacts() if row.get("type") == "checkpoint"]
        return max(found, key=lambda row: str(row.get("created_at") or "")) if found else None

    def _get(self, what: str) -> Any:
        return self.api.get(f"/api/v1/runs/{self.id}/{what}", {"as_of": self.as_of})


def search_runs(
    api: ApiClient,
    filter: str | None = None,  # noqa: A002 - the word of the API
    order_by: str | None = None,
    limit: int | None = 50,
    as_of: AsOf = None,
) -> Frame[RunRecord]:
    """Runs that a filter takes, page by page up to the limit; None: all of them."""
    rows: list[RunRecord] = []
    vector: str | None = None
    query: dict[str, Any] = {"filter": filter, "order_by": order_by, "as_of": sent(as_of)}
    while limit is None or len(rows) < limit:
        query["limit"] = PAGE if limit is None else min(PAGE, limit - len(rows))
        page = api.get("/api/v1/runs", query)
        vector = vector or page.get("vector")
        rows += [RunRecord(row, api, vector, vector if as_of else None) for row in page["runs"]]
        query["cursor"] = page.get("next_cursor")
        if not query["cursor"]:
            break
    return Frame(rows, vector)


def get_run(api: ApiClient, run: UUID | str, as_of: AsOf = None) -> RunRecord:
    """All that is known of a run; raises TrackerError (status 404) for one that is not known."""
    row = api.get(f"/api/v1/runs/{run}", {"as_of": sent(as_of)})
    vector = row.pop("vector", None)
    return RunRecord(row, api, vector, vector if as_of else None)


def curves_of(
    api: ApiClient,
    run: UUID | str,
    keys: list[str],
    *,
    points: int | None = 2000,
    axis: str = "step",
    as_of: AsOf = None,
    **options: Any,
) -> dict[str, Frame[Row]]:
    """Curves by key, as rows; points 0 or None: every point."""
    query = {"key": keys, "points": points or 0, "axis": axis, "as_of": sent(as_of), **options}
    answer = api.get(f"/api/v1/runs/{run}/curves", query)
    curves: dict[str, dict[str, Any]] = answer["curves"]
    return {key: Frame(_rows(columns), answer.get("vector")) for key, columns in curves.items()}


def events_of(
    api: ApiClient,
    run: UUID | str,
    *,
    stream: str | None = None,
    points: bool = False,
    as_of: AsOf = None,
) -> Iterator[Row]:
    """A run's events page by page, none kept."""
    query: dict[str, Any] = {"stream": stream, "points": points, "as_of": sent(as_of), "limit": PAGE}
    while True:
        page = api.get(f"/api/v1/runs/{run}/events", query)
        yield from page["events"]
        query["cursor"] = page["next_cursor"]
        if query["cursor"] is None:
            return


def leaderboard(
    api: ApiClient,
    metric: str = "wer",
    test_sets: Sequence[str] = (),
    filter: str | None = None,  # noqa: A002 - the word of the API
    limit: int = 100,
    as_of: AsOf = None,
) -> Frame[Row]:
    """Runs and decodings by a metric on test sets, the best first; results under the metric's name."""
    query = {"metric": metric, "test_set": [*test_sets], "filter": filter, "limit": limit}
    answer = api.get("/api/v1/leaderboard", {**query, "as_of": sent(as_of)})
    return Frame([_standing(row, metric) for row in answer["rows"]], answer.get("vector"))


def measurements(
    api: ApiClient,
    task: str | None,
    test_set: str | None,
    run: str | None,
    definition: str | None,
    limit: int,
    as_of: AsOf,
) -> Frame[Row]:
    """Measurements, the newest first; numbers and intervals by their names."""
    query = {"task": task, "test_set": test_set, "run": run, "definition": definition, "limit": limit}
    answer = api.get("/api/v1/measurements", {**query, "as_of": sent(as_of)})
    return Frame([_measured(row) for row in answer["measurements"]], answer.get("vector"))


def compare_measurements(
    api: ApiClient, task: str, test_set: str, definition: str | None, as_of: AsOf
) -> Frame[Row]:
    """The newest measurement of each system, the best first."""
    query = {"task": task, "test_set": test_set, "definition": definition, "as_of": sent(as_of)}
    answer = api.get("/api/v1/measurements/comparison", query)
    return Frame([_measured(row) for row in answer["measurements"]], answer.get("vector"))


def _measured(row: Row) -> Row:
    return {**row, "values": _numbers(row["values"])}


def _standing(row: Row, metric: str) -> Row:
    """The row with its results as {metric: {test set: number}}, which frames show as wer.test-clean."""
    last = {name: row[name] for name in ("mean", "missing")}
    first = {name: value for name, value in row.items() if name not in (*last, "values")}
    return first | {metric: _numbers(row["values"])} | _numbers(last)


def sent(as_of: AsOf) -> str | None:
    """As the server takes it."""
    from . import moments

    return moments.as_of(as_of)


_SUMMARY = ("last", "min", "max", "mean", "best")
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def _rows(columns: dict[str, Any]) -> list[Row]:
    """Columns of equal length as rows; the names of NaN and infinities as the numbers."""
    lists = {name: values for name, values in columns.items() if isinstance(values, list)}
    if not lists:
        return []
    values = [[_number(each) for each in column] for column in lists.values()]
    return [dict(zip(lists, row, strict=True)) for row in zip(*values, strict=True)]


def _number(value: Any) -> Any:
    return _SPECIAL.get(value, value) if isinstance(value, str) else value


def _numbers(row: Row) -> Row:
    return {name: _number(value) for name, value in row.items()}


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
