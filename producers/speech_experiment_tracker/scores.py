"""Questions about scores: evaluations, systems × test sets, breakdowns, flips, alignments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .http import ApiClient
from .queries import Frame, Row, sent

if TYPE_CHECKING:
    from .moments import AsOf


def evaluations(api: ApiClient, as_of: AsOf, **query: Any) -> Frame[Row]:
    """Evaluations with their scores, the newest first."""
    answer = api.get("/api/v1/evaluations", {**query, "as_of": sent(as_of)})
    return Frame(answer["evaluations"], answer["vector"])


def scores(api: ApiClient, as_of: AsOf, **query: Any) -> Frame[Row]:
    """Systems by their scores, the best first; frames show a cell as test_set.rate and so on."""
    answer = api.get("/api/v1/scores", {**query, "as_of": sent(as_of)})
    return _board(answer["systems"], answer["vector"])


def replicates(api: ApiClient, as_of: AsOf, **query: Any) -> Frame[Row]:
    """Configurations by the scores of their seeds, the best first; frames show a cell as test_set.mean and so on."""
    answer = api.get("/api/v1/replicates", {**query, "as_of": sent(as_of)})
    return _board(answer["configurations"], answer["vector"])


def _board(rows: Sequence[Row], vector: str) -> Frame[Row]:
    """Each cell as a column."""
    shown = [{**row, **row["cells"]} for row in rows]
    for row in shown:
        row.pop("cells")
    return Frame(shown, vector)


def breakdown(
    api: ApiClient, evaluation_ids: Sequence[str], by: Sequence[str], as_of: AsOf, **query: Any
) -> Frame[Row]:
    """Groups of utterances with their rates; each factor is a column."""
    asked = {"evaluation": list(evaluation_ids), "by": list(by), **query}
    answer = api.get("/api/v1/breakdown", {**asked, "as_of": sent(as_of)})
    rows = [
        {**row["by"], **{name: value for name, value in row.items() if name != "by"}}
        for row in answer["groups"]
    ]
    return Frame(rows, answer["vector"])


def utterances(api: ApiClient, evaluation: str, as_of: AsOf, **query: Any) -> Frame[Row]:
    """Utterances of one evaluation, in the order asked for."""
    answer = api.get(f"/api/v1/evaluations/{evaluation}/utterances", {**query, "as_of": sent(as_of)})
    return Frame(answer["utterances"], answer["vector"])


def latency(api: ApiClient, evaluation_ids: Sequence[str], as_of: AsOf, **query: Any) -> Frame[Row]:
    """Decoding speed and streaming latency, a row for each evaluation."""
    answer = api.get("/api/v1/latency", {"evaluation": list(evaluation_ids), **query, "as_of": sent(as_of)})
    return Frame(answer["systems"], answer["vector"])


def marks(api: ApiClient, as_of: AsOf, **query: Any) -> Frame[Row]:
    """References that are marked as doubtful, the newest first."""
    answer = api.get("/api/v1/marks", {**query, "as_of": sent(as_of)})
    return Frame(answer["marks"], answer["vector"])


def flips(api: ApiClient, a: str, b: str, as_of: AsOf, **query: Any) -> Frame[Row]:
    """Utterances on which two systems differ, the largest change first."""
    answer = api.get("/api/v1/flips", {"a": a, "b": b, **query, "as_of": sent(as_of)})
    return Frame(answer["flips"], answer["vector"])


def confusions(api: ApiClient, evaluation: str, as_of: AsOf, **query: Any) -> Row:
    """What one system takes for what, and how its errors go with length."""
    answer: Row = api.get(f"/api/v1/evaluations/{evaluation}/confusions", {**query, "as_of": sent(as_of)})
    return answer


def significance(api: ApiClient, systems: Sequence[str], as_of: AsOf, **query: Any) -> Row:
    """Several systems on one test set: intervals, differences with their tests, ties with the best."""
    answer: Row = api.get("/api/v1/significance", {"system": list(systems), **query, "as_of": sent(as_of)})
    return answer


def power(api: ApiClient, systems: Sequence[str], delta: float, as_of: AsOf, **query: Any) -> Row:
    """What it takes to see a difference of rates, by a pilot of two systems."""
    asked = {"system": list(systems), "delta": delta, **query, "as_of": sent(as_of)}
    answer: Row = api.get("/api/v1/power", asked)
    return answer


def gate(api: ApiClient, candidate: str, against: str, as_of: AsOf, **query: Any) -> Row:
    """The checks of a release gate, and whether it is passed."""
    asked = {"candidate": candidate, "against": against, **query, "as_of": sent(as_of)}
    answer: Row = api.get("/api/v1/gate", asked)
    return answer


def alignment(
    api: ApiClient, evaluation_ids: Sequence[str], utterance: str, as_of: AsOf, **query: Any
) -> Row:
    """Several hypotheses aligned to one reference."""
    asked = {"evaluation": list(evaluation_ids), "utterance": utterance, **query, "as_of": sent(as_of)}
    answer: Row = api.get("/api/v1/alignment", asked)
    return answer
