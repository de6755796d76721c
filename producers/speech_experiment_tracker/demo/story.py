"""The demo from beginning to end: three experiments, and what the server says of them afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..client import Client
from ..errors import TrackerError
from ..http import ApiClient
from ..queries import search_runs
from . import robustness
from .archive import recordings_dir
from .classifier import Hyperparameters
from .conditions import versions
from .crash import Resumed, proof, train_and_kill
from .digits import spoken_digits
from .sweep import EXPERIMENT as DECODING
from .sweep import Decoded, decode_all
from .training import DESCRIPTION, KILLED_UNITS, TASK, TEST_SET, train_all
from .training import EXPERIMENT as TRAINING
from .utterances import Utterance, test_utterances

_VISIBLE_WITHIN_S = 20.0
_TEST_SETS = ("librivox", "cards", "phrases")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server answered about the runs of one demo: rows of search, and systems by their scores, best first."""

    classifiers: list[dict[str, Any]]
    decodings: list[dict[str, Any]]
    seconds: float
    resumed: Resumed
    systems: list[dict[str, Any]] = field(default_factory=list)
    noise: list[dict[str, Any]] = field(default_factory=list)
    """Error rates of the systems by noise, with intervals."""
    significance: list[dict[str, Any]] = field(default_factory=list)
    """Whether the systems differ, of each test set."""


def run_demo(console: Console) -> Outcome:
    """Runs both experiments through the SDK and prints the server's leaderboards.

    Raises TrackerError without a server, without the demo's packages or recordings, and when the
    server's numbers are not those that were measured.
    """
    started = time.monotonic()
    _need_packages()
    client = Client()
    api = _server(client)
    recordings = recordings_dir(lambda line: console.print(f"· {line}"))
    tags = {"demo": f"{time.time_ns() // 1_000_000:x}", "language": "en"}
    digits, utterances = spoken_digits(recordings), test_utterances(recordings)
    measured = _classifiers(client, tags, digits, console)
    resumed = _killed_and_resumed(recordings, tags, console)
    measured[resumed.run_id] = resumed.accuracy
    decoded = _decodings(utterances, tags, console)
    measured |= {each.run_id: each.results["wer"] for each in decoded}
    systems, sets = _robustness(client, utterances, tags, console)
    outcome = replace(
        _ask(api, tags["demo"], measured, started, resumed),
        systems=systems,
        noise=robustness.by_noise(client, systems, sets),
        significance=robustness.compared(client, systems, sets),
    )
    _print(console, outcome, len(digits), utterances)
    console.print(f"mlp-{KILLED_UNITS} {proof(api, resumed, Hyperparameters(KILLED_UNITS).steps)}")
    console.print(f"[dim]{_delivery(api, measured)}; {outcome.seconds:.0f} s in all[/dim]")
    best, second = (run["id"][-8:] for run in outcome.decodings[:2])
    console.print(
        f"[dim]Look closer: speech-tracker show {best} · speech-tracker compare {best} {second}[/dim]"
    )
    return outcome


def _need_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("pocketsphinx", "jiwer", "numpy") if find_spec(name) is None]
    if not missing:
        return
    hint = "pip install 'speech-experiment-tracker[demo]'"
    if "pocketsphinx" in missing:
        hint += (
            "; where pocketsphinx has no wheel for your Python: pip install pocketsphinx, with a C compiler"
        )
    raise TrackerError(f"the demo needs {', '.join(missing)}", hint)


def _server(client: Client) -> ApiClient:
    if client.config.mode != "online" or client.config.url is None:
        hint = "start one with `speech-tracker up`, or set SPEECH_TRACKER_URL and SPEECH_TRACKER_API_KEY"
        raise TrackerError("the demo needs a server for its leaderboard", hint)
    api = ApiClient(client.config.url, client.config.api_key)
    api.get("/api/v1/runs", {"limit": 1})
    return api


def _classifiers(
    client: Client, tags: dict[str, str], digits: Sequence[Any], console: Console
) -> dict[str, float]:
    console.print(f"\n[bold]1. {TRAINING}[/bold]  {len(digits)} spoken words, two speakers")
    experiment = client.create_experiment(
        TRAINING,
        task=TASK,
        description=DESCRIPTION,
    )
    with console.status("training"):
        found = train_all(experiment, digits, {**tags, "domain": "digits"})
    console.print(f"  {len(found)} classifiers trained")
    return found


def _killed_and_resumed(recordings: Path, tags: dict[str, str], console: Console) -> Resumed:
    with console.status("training, killing, resuming"):
        return train_and_kill(
            recordings, KILLED_UNITS, {**tags, "domain": "digits"}, lambda line: console.print(f"  {line}")
        )


def _decodings(utterances: Sequence[Utterance], tags: dict[str, str], console: Console) -> list[Decoded]:
    seconds = sum(utterance.seconds() for utterance in utterances)
    console.print(
        f"\n[bold]2. {DECODING}[/bold]  {len(utterances)} recorded utterances, {seconds:.0f} s, pocketsphinx"
    )

    def done(each: Decoded) -> None:
        results = each.results
        told = f"beam {each.point.beam:.0e}  language weight {each.point.lm_weight:g}"
        console.print(f"  {told:<36} WER {results['wer']:6.1%}  RTF {results['rtf']:.2f}")

    with console.status("decoding"):
        return decode_all(utterances, {**tags, "domain": "mixed"}, done)


def _robustness(
    client: Client, utterances: Sequence[Utterance], tags: dict[str, str], console: Console
) -> tuple[list[dict[str, Any]], robustness.Sets]:
    """(systems by their scores as the server has them, the sets they were evaluated on)"""
    sets = versions([each for each in utterances if each.seconds() <= robustness.LONGEST_S])
    count = sum(map(len, sets.values()))
    console.print(
        f"\n[bold]3. {robustness.EXPERIMENT}[/bold]  {count} utterances, clean, in babble, in a room; two systems"
    )

    def done(name: str, rtf: float) -> None:
        console.print(f"  {name:<36} recognised       RTF {rtf:.2f}")

    with console.status("recognising"):
        robustness.register(client, sets)
        runs = robustness.evaluate_all(sets, {**tags, "domain": "noise"}, done)
    with console.status("waiting for the scores"):
        return robustness.wait_scored(client, sets, runs, tags["demo"]), sets


def _ask(
    api: ApiClient, demo: str, measured: Mapping[str, float], started: float, resumed: Resumed
) -> Outcome:
    """The runs as the server has them, once it has all of them."""
    deadline = time.monotonic() + _VISIBLE_WITHIN_S
    while True:
        mine = f"tags.demo = '{demo}'"
        trained = search_runs(
            api, f"{mine} and experiment = '{TRAINING}'", f"metrics.{TEST_SET}_accuracy desc"
        )
        decoded = search_runs(api, f"{mine} and experiment = '{DECODING}'", "metrics.wer, metrics.rtf")
        outcome = Outcome([*trained], [*decoded], time.monotonic() - started, resumed)
        wrong = _differences(outcome, measured)
        if not wrong:
            return outcome
        if time.monotonic() > deadline:
            raise TrackerError(
                f"the server does not show what was measured: {wrong[0]}", "see `speech-tracker verify`"
            )
        time.sleep(0.1)


def _differences(outcome: Outcome, measured: Mapping[str, float]) -> list[str]:
    """Runs whose headline number on the server is missing or another one than was measured."""
    shown = {run["id"]: run["metrics"].get(f"{TEST_SET}_accuracy") for run in outcome.classifiers}
    shown |= {run["id"]: run["metrics"].get("wer") for run in outcome.decodings}
    ended = {run["id"] for run in (*outcome.classifiers, *outcome.decodings) if run["status"] == "finished"}
    return [
        f"run {run}: {shown.get(run)} instead of {value}"
        for run, value in measured.items()
        if run not in ended
        or shown.get(run) is None
        or not math.isclose(float(shown[run]), value, rel_tol=1e-12)
    ]


def _print_noise(console: Console, outcome: Outcome) -> None:
    """What the server counted: nobody logged a score."""
    console.print(
        "\n[bold]Robustness, counted by the server[/bold] (WER, 95 % by the bootstrap over utterances)"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("condition")
    for system in outcome.systems:
        table.add_column(escape(system["run"]), justify="right")
    cells = {(row["condition.noise"], row["run"]): row for row in outcome.noise}
    for condition in dict.fromkeys(row["condition.noise"] for row in outcome.noise):
        table.add_row(condition, *(_rate(cells[condition, system["run_id"]]) for system in outcome.systems))
    console.print(table)


def _print_significance(console: Console, outcome: Outcome) -> None:
    first, second = (escape(each["run"]) for each in outcome.systems)
    console.print(
        f"\n[bold]Is {second} really another system than {first}?[/bold] (`significance`, by the server)"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("set", "difference", "95 %", "P(better)", "p", "MAPSSWE", ""):
        table.add_column(heading, justify="left" if heading in ("set", "") else "right")
    for answer in outcome.significance:
        found = answer["systems"][1]["difference"]
        low, high = (f"{100 * found['interval'][end]:+.1f}" for end in ("low", "high"))
        told = (f"{100 * found['difference']:+.1f}", f"{low} … {high}", f"{found['improvement']:.0%}")
        tests = (found["p_adjusted"], found["mapsswe"] and found["mapsswe"]["p"])
        verdict = "not shown to differ" if all(each["tied"] for each in answer["systems"]) else "different"
        ps = ("–" if p is None else f"{p:.2g}" for p in tests)
        table.add_row(escape(answer["test_set"]), *told, *ps, verdict)
    console.print(table)
    drawn = outcome.significance[0]["drawn"]
    console.print(
        f"[dim]points of WER; paired bootstrap over {drawn}, α = {outcome.significance[0]['alpha']:g}; one language, as the "
        "recogniser's package has models of US English alone[/dim]"
    )


def _rate(row: Mapping[str, Any]) -> str:
    interval = row["interval"]
    sure = f" [dim]{interval['low']:.1%} – {interval['high']:.1%}[/dim]" if interval else ""
    return f"{row['rate']:.1%}{sure}"


def _delivery(api: ApiClient, runs: Mapping[str, float]) -> str:
    """The ledger's answer about all runs of the demo."""
    answers = [api.get(f"/api/v1/runs/{UUID(run)}/delivery", {"timeout": 10}) for run in runs]
    calls = sum(answer["calls"] for answer in answers)
    verdicts = sorted({answer["verdict"] for answer in answers})
    return f"delivery of {len(answers)} runs, {calls:,} calls: {', '.join(verdicts)}"


def _print(console: Console, outcome: Outcome, words: int, utterances: Sequence[Utterance]) -> None:
    console.print(
        f"\n[bold]Leaderboard, as the server answers it[/bold] ({outcome.decodings[0]['experiment']})"
    )
    board = Table(box=None, pad_edge=False, header_style="dim")
    for heading in (
        "",
        "run",
        "beam",
        "LM weight",
        *(f"WER {name}" for name in _TEST_SETS),
        "WER pooled",
        "RTF",
    ):
        board.add_column(heading, justify="left" if heading in ("", "run") else "right")
    for place, run in enumerate(outcome.decodings, 1):
        decoding = run["config"]["decoding"]
        sets = [f"{run['test_sets'][name]['wer']:.1%}" for name in _TEST_SETS]
        pooled = f"[bold]{run['metrics']['wer']:.1%}[/bold]"
        cells = [f"{decoding['beam']:.0e}", f"{decoding['lm_weight']:g}", *sets, pooled]
        board.add_row(str(place), escape(run["name"]), *cells, f"{run['metrics']['rtf']:.2f}")
    console.print(board)
    _print_noise(console, outcome)
    _print_significance(console, outcome)
    held_out = outcome.classifiers[0]["config"]["data"]["valid_words"]
    console.print(
        f"\n[bold]Keyword classifiers[/bold] (accuracy on {held_out} of {words} words, utterances held out)"
    )
    sizes = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "run", "hidden units", "parameters", "accuracy"):
        sizes.add_column(heading, justify="left" if heading in ("", "run") else "right")
    for place, run in enumerate(outcome.classifiers, 1):
        accuracy = f"[bold]{run['metrics'][TEST_SET + '_accuracy']:.1%}[/bold]"
        sizes.add_row(
            str(place),
            escape(run["name"]),
            str(run["config"]["hidden_units"]),
            f"{run['num_params']:,}",
            accuracy,
        )
    console.print(sizes)
    console.print(
        f"[dim]{sum(len(each.reference.split()) for each in utterances)} reference words: small samples[/dim]"
    )
