"""Results that plain scripts write as JSON, read as evaluations: results/SET_utterances.json."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_NAME = re.compile(r"(?:.*/)?(?P<test_set>[^/]+)_utterances\.json\Z")
_ID = ("utterance_id", "id", "utt")
_HYPOTHESIS = ("hyp", "hypothesis", "pred_text")
_REFERENCE = ("ref", "reference")
_OPTIONAL = {"speaker": ("speaker", "speaker_id"), "duration": ("duration",), "language": ("language",)}


class Result(NamedTuple):
    """One utterance; optional: speaker, duration, language, as Evaluation.log takes them."""

    name: str
    hypothesis: str
    reference: str
    optional: dict[str, Any]


class Results(NamedTuple):
    """mean_wer: of the rates that the script gave with its utterances, None where it gave none."""

    test_set: str
    utterances: list[Result]
    mean_wer: float | None


def results_in(name: str, value: Any) -> Results | None:
    """The recognitions in a JSON of that name; None where it is something else."""
    found = _NAME.match(name)
    if found is None or not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return None
    rows = [_result(row) for row in value]
    utterances = [row for row in rows if row is not None]
    if not utterances or len(utterances) < len(rows):
        return None
    rates = [float(row["wer"]) for row in value if isinstance(row.get("wer"), int | float)]
    return Results(
        found["test_set"], utterances, sum(rates) / len(rates) if len(rates) == len(rows) else None
    )


def _result(row: Any) -> Result | None:
    if not isinstance(row, Mapping):
        return None
    name, hypothesis, reference = (_first(row, names) for names in (_ID, _HYPOTHESIS, _REFERENCE))
    if not isinstance(hypothesis, str) or not isinstance(reference, str) or not isinstance(name, str | int):
        return None
    given = {field: _first(row, names) for field, names in _OPTIONAL.items()}
    return Result(
        str(name),
        hypothesis,
        reference,
        {field: value for field, value in given.items() if value is not None},
    )


def _first(row: Mapping[Any, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if name in row), None)
