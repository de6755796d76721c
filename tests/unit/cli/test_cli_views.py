import time
from typing import Any

import pytest

from speech_experiment_tracker.cli.compare import comparison
from speech_experiment_tracker.cli.runs import result_columns, results_of
from speech_experiment_tracker.cli.server import parse_events, quoted
from speech_experiment_tracker.cli.status import concerns
from speech_experiment_tracker.cli.tail import describe
from speech_experiment_tracker.cli.verify import exit_code


def _run(name: str, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": f"id-{name}",
        "name": name,
        "status": "finished",
        "duration": 1.0,
        "git_commit": None,
        "num_params": None,
        "config": {},
        "tags": {},
        "metrics": {},
        "test_sets": {},
    }
    return base | changes


def test_results_are_shown_once_under_their_test_set() -> None:
    run = _run(
        "a",
        metrics={"clean_wer": 0.1, "loss": 2.0, "wer": 0.2},
        test_sets={"clean": {"wer": 0.1}, "": {"wer": 0.2}},
    )
    assert results_of(run) == {"wer[clean]": 0.1, "wer": 0.2, "loss": 2.0}


def test_columns_are_those_asked_for_then_test_sets_then_the_common_ones() -> None:
    runs = [
        _run("a", metrics={"loss": 1.0, "lr": 0.1}, test_sets={"clean": {"wer": 0.1}}),
        _run("b", metrics={"loss": 1.0}),
    ]
    assert result_columns(runs, "metrics.lr > 0", 3) == ["lr", "wer[clean]", "loss"]
    assert result_columns(runs, "", 1) == ["wer[clean]"]


def test_a_comparison_shows_what_differs_and_all_results() -> None:
    first = _run("a", config={"model": {"layers": 12, "dim": 256}}, metrics={"loss": 1.0})
    second = _run("b", config={"model": {"layers": 16, "dim": 256}, "seed": 1}, metrics={"loss": 1.0})
    found = comparison([first, second])
    assert found["config"] == {"model.layers": [12, 16], "seed": [None, 1]}
    assert found["results"] == {"loss": [1.0, 1.0]}
    assert "model.dim" in comparison([first, second], everything=True)["config"]


def test_a_number_and_a_text_differ() -> None:
    found = comparison([_run("a", config={"x": 1}), _run("b", config={"x": True})])
    assert found["config"] == {"x": [1, True]}


def test_server_sent_events_are_read_line_by_line() -> None:
    lines = [
        ": hello\n",
        "\n",
        "id: runs:0:5\n",
        "event: status\n",
        'data: {"status": "finished"}\n',
        "\n",
        "data: 1\n",
    ]
    [event] = parse_events(lines)
    assert (event.name, event.data, event.id) == ("status", {"status": "finished"}, "runs:0:5")


def test_texts_of_the_filter_language_are_quoted() -> None:
    assert quoted("it's") == "'it''s'"


def test_points_of_a_step_share_a_line() -> None:
    curves = {
        "loss": {"step": [1, 2], "value": [2.0, 1.5], "time": [0, 1]},
        "acc": {"step": [2], "value": [0.5], "time": [1]},
        "wer": {"step": [None], "value": ["NaN"], "time": [1]},
    }
    shown = describe("points", {"curves": curves})
    assert len(shown) == 2
    assert "step" in shown[0]
    assert "loss" in shown[0]
    assert "acc" in shown[0]
    assert "result" in shown[1]


def test_output_of_a_run_cannot_smuggle_markup() -> None:
    assert describe("log", {"channel": "stdout", "lines": ["[red]x"]}) == ["[dim]\\[red]x[/dim]"]


@pytest.mark.parametrize(
    ("deliveries", "code"),
    [
        ([], 0),
        ([{"missing": 0, "complete": True}], 0),
        ([{"missing": 0, "complete": True}, {"missing": 0, "complete": False}], 2),
        ([{"missing": 3, "complete": False}, {"missing": 0, "complete": False}], 1),
    ],
)
def test_exit_codes_of_verify(deliveries: list[dict[str, Any]], code: int) -> None:
    assert exit_code(deliveries) == code


def _report(**changes: Any) -> dict[str, Any]:
    spool: dict[str, Any] = {"drain": None, "drain_alive": False, "producers": [], "done": []}
    server: dict[str, Any] = {"checks": {"postgres": "ok"}, "projections": [], "workers": []}
    return {
        "spool": spool | changes.get("spool", {}),
        "server": server | changes.get("server", {}),
        "stack": changes.get("stack"),
    }


def _producer(**changes: Any) -> dict[str, Any]:
    return {
        "run": "x" * 36,
        "closed": False,
        "online": True,
        "alive": False,
        "problems": {},
        "at": time.time(),
    } | changes


@pytest.mark.parametrize(
    ("report", "word"),
    [
        (_report(spool={"drain": {"problems": ["the server answered 401"]}, "drain_alive": True}), "401"),
        (_report(spool={"producers": [_producer(online=False)]}), "sync"),
        (_report(spool={"producers": [_producer()]}), "no drain"),
        (_report(spool={"done": [_producer(problems={"dropped": 3})]}), "3 × dropped"),
        (_report(server={"checks": {"postgres": "no answer"}}), "postgres"),
        (_report(server={"error": "no answer from x", "hint": "", "known": True}), "no answer"),
        (_report(server={"projections": [{"name": "metrics", "dead_letters": 2}]}), "2 dead letters"),
        (_report(stack={"status": "killed", "children": {}}), "killed"),
        (
            _report(
                stack={
                    "status": "ready",
                    "data_dir": "/d",
                    "children": {"api": {"pid": None, "restarts": 4, "last_exit": "signal 9 (SIGKILL)"}},
                }
            ),
            "SIGKILL",
        ),
    ],
)
def test_what_needs_attention_is_said(report: dict[str, Any], word: str) -> None:
    assert word in " ".join(concerns(report))


def test_a_quiet_machine_has_nothing_to_say() -> None:
    assert concerns(_report()) == []
    assert concerns(_report(spool={"done": [_producer(problems={"dropped": 3}, at=0.0)]})) == []
    offline = _report(server={"error": "no server is known", "hint": "", "known": False})
    assert concerns(offline) == []
