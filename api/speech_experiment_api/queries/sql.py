"""SQL text and its bound parameters. User text only ever travels as a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..versions import schema_name

DESK = "pg_temp"
_PROJECTIONS = ("metadata", "metrics", "scores", "artifacts", "control")


@dataclass(frozen=True, slots=True)
class Tables:
    """The schemas of the live projections.

    versions  of them, which ETags carry
    results   relation of results on test sets, recognised from names or scored
    lines     theirs, which cursors carry: a version that was found equal to the last one continues its line
    """

    metadata: str
    metrics: str
    scores: str
    artifacts: str
    control: str
    results: str
    versions: tuple[int, ...]
    lines: tuple[int, ...]

    @classmethod
    def of(
        cls, live: Mapping[str, int], lines: Mapping[str, int] | None = None, *, scored: bool = False
    ) -> Tables:
        """From {projection: version}; KeyError names a projection without a live version.

        scored: whether there are scores, which then win over results recognised from names
        """
        metadata, metrics, scores, artifacts, control = (
            schema_name(name, live[name]) for name in _PROJECTIONS
        )
        versions = tuple(live[name] for name in _PROJECTIONS)
        return cls(
            metadata,
            metrics,
            scores,
            artifacts,
            control,
            _results(metrics, scores) if scored else f"{metrics}.test_set_results",
            versions,
            tuple((lines or live)[name] for name in _PROJECTIONS),
        )


def on_desk(live: Tables) -> Tables:
    """The same, of a session in whose temporary tables runs, metrics and results were laid out."""
    return replace(live, metadata=DESK, metrics=DESK, results=f"{DESK}.test_set_results")


def _results(metrics: str, scores: str) -> str:
    """Results that are scored, and those recognised from names where there is no score."""
    columns = 'run_id, key, test_set, metric, speaker, decoding, value, step, time, rule, partition, "offset"'
    same = "(y.run_id, y.test_set, y.metric, y.decoding, y.speaker) = (m.run_id, m.test_set, m.metric, m.decoding, m.speaker)"
    return (
        f"(select {columns} from {metrics}.test_set_results m where not exists "
        f"(select from {scores}.results y where {same}) union all select {columns} from {scores}.results)"
    )


@dataclass(slots=True)
class Binder:
    """Collects values and hands out their placeholders; the same value gets the same one."""

    values: list[object] = field(default_factory=list)
    _seen: dict[tuple[str, str, object], str] = field(default_factory=dict)

    def __call__(self, value: object, kind: str) -> str:
        """The placeholder of a value as the Postgres type `kind`: `$3::text`."""
        key = (kind, type(value).__name__, tuple(value) if isinstance(value, list) else value)
        if key not in self._seen:
            self.values.append(value)
            self._seen[key] = f"${len(self.values)}::{kind}"
        return self._seen[key]


def before(below: Mapping[int, int], alias: str, bind: Binder, column: str = "offset") -> str:
    """The condition on rows with a partition, and an offset in the column, that this lies before a position."""
    partitions, offsets = bind(list(below), "int[]"), bind(list(below.values()), "bigint[]")
    return (
        f"exists (select from unnest({partitions}, {offsets}) c (partition, following) "
        f'where c.partition = {alias}.partition and {alias}."{column}" < c.following)'
    )
