"""Which blocks of a report's Markdown are panels, and what each of them may ask by a link."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from speech_experiment_api.report_panels import Asked, Panel, asks, panels_in

BODY = """# Decoders

```leaderboard
filter: task = 'asr' and tags.note = 'a: b'
SETS: test-clean, with%2Ccomma
```

    ```runs
    filter: this is code that shows how it is written
    ```

- in a list
  ```runs
  ```

````text
```chart
```
````

```chart wide
metrics: loss
```
~~~chart\r
metrics:val_wer\r
as_of: vAAA\r
~~~

```alignment
evaluations: e-1
"""


def test_fenced_blocks_at_the_left_edge_that_begin_with_a_kind_are_panels() -> None:
    found = panels_in(BODY)
    assert [each.kind for each in found] == ["leaderboard", "chart", "alignment"]
    board, chart, alignment = found
    assert board.filter == "task = 'asr' and tags.note = 'a: b'"
    assert board.listed("sets") == ("test-clean", "with,comma")
    assert (chart.listed("metrics"), chart.as_of) == (("val_wer",), "vAAA")
    assert alignment.listed("evaluations") == ("e-1",)


def may(panel: Panel, route: str, query: list[tuple[str, str]], identity: str = "") -> bool:
    return asks(panel, Asked(route, identity, QueryParams(query)))


BOARD = Panel("leaderboard", {"filter": "task = 'asr'", "sets": "a,b", "limit": "5"})
OWN = [("filter", "task = 'asr'"), ("test_set", "a"), ("limit", "5"), ("as_of", "now"), ("share", "s")]


@pytest.mark.parametrize(
    "query",
    [
        [("filter", "task = 'ASR'"), *OWN[1:]],
        OWN[1:],
        [*OWN, ("test_set", "c")],
        [OWN[0], *OWN[2:]],
        [*OWN[:2], ("limit", "6")],
        OWN[:2],
        [*OWN, ("profile", "cer")],
        [*OWN, ("cursor", "x")],
        [*OWN, ("limit", "9" * 5_000)],
    ],
)
def test_a_panel_asks_what_is_in_it_and_no_more(query: list[tuple[str, str]]) -> None:
    assert may(BOARD, "/scores", OWN)
    assert not may(BOARD, "/leaderboard", OWN)
    assert not may(BOARD, "/runs", OWN)
    assert not may(BOARD, "/scores", query)


def test_runs_are_shown_with_the_fields_of_their_columns() -> None:
    panel = Panel("runs", {"columns": "status, params.layers, wer['a']", "order": "name desc"})
    own = [("order_by", "name desc"), ("limit", "20")]
    assert may(panel, "/runs", [*own, ("fields", "config,name,test_sets")])
    assert not may(panel, "/runs", [*own, ("fields", "name,environment")])
    assert not may(panel, "/runs", own), "all that a list shows"
    usual = [("limit", "20"), ("fields", "name,status,experiment,created_at,duration")]
    assert may(Panel("runs", {}), "/runs", usual)
    assert not may(panel, "/runs", [*own, ("fields", "name"), ("filter", "name = 'other'")])


def test_a_chart_shows_its_metrics_of_its_runs() -> None:
    panel = Panel("chart", {"runs": "r-1, r-2", "metrics": "loss"})
    assert may(panel, "/runs", [("filter", "id in ('r-1', 'r-2')"), ("fields", "name"), ("limit", "2")])
    assert may(panel, "/curves", [("run", "r-1"), ("run", "r-2"), ("key", "loss"), ("points", "500")])
    assert not may(panel, "/curves", [("run", "r-3"), ("key", "loss")])
    assert not may(panel, "/curves", [("run", "r-1"), ("key", "val_wer")])
    assert not may(panel, "/curves", [("key", "loss")])
    assert not may(panel, "/live", [("run", "r-1")]), "which tells of all metrics, and the output"


def test_an_utterance_is_shown_and_no_other() -> None:
    panel = Panel("alignment", {"evaluations": "e-1,e-2", "utterance": "u"})
    own = [("evaluation", "e-2"), ("utterance", "u")]
    assert may(panel, "/alignment", own)
    assert may(panel, "/evaluations/{id}/recording", [("utterance", "u")], "e-1")
    assert not may(panel, "/evaluations/{id}/recording", [("utterance", "u")], "e-3")
    assert not may(panel, "/alignment", [own[0], ("utterance", "v")])
    matrix = Panel("matrix", {"evaluations": "e-1", "by": "speaker,condition.snr"})
    groups = [("evaluation", "e-1"), ("by", "speaker"), ("by", "condition.snr"), ("limit", "1000")]
    assert may(matrix, "/breakdown", groups)
    assert not may(matrix, "/breakdown", [*groups, ("by", "language")])
