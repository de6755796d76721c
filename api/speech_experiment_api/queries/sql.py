"""SQL text and its bound parameters. User text only ever travels as a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..versions import schema_name


@dataclass(frozen=True, slots=True)
class Tables:
    """The schemas of the live projections, and their versions, which cursors and ETags carry."""

    metadata: str
    metrics: str
    artifacts: str
    control: str
    versions: tuple[int, int, int, int]

    @classmethod
    def of(cls, live: Mapping[str, int]) -> Tables:
        """From {projection: version}; KeyError names a projection without a live version."""
        metadata, metrics, artifacts, control = (
            schema_name(name, live[name]) for name in ("metadata", "metrics", "artifacts", "control")
        )
        versions = (live["metadata"], live["metrics"], live["artifacts"], live["control"])
        return cls(metadata, metrics, artifacts, control, versions)


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
