"""The third experiment: two systems on clean, noisy and reverberant speech; the server scores and compares them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from ..errors import TrackerError
from .conditions import Version
from .decoding import DecodingPoint, Recogniser, recogniser_name
from .utterances import SAMPLE_RATE

if TYPE_CHECKING:
    from ..client import Client

EXPERIMENT = "Robustness: noise and rooms"
WIDE, NARROW = DecodingPoint(1e-36, 6.5), DecodingPoint(1e-24, 6.5)
LONGEST_S = 4.0
"""Of the recordings that are used: so the whole takes seconds."""
SCORED_WITHIN_S = 30.0
_CORPUS = "pocketsphinx 5.1.1 test recordings"
Sets = Mapping[str, Sequence[Version]]


def register(client: Client, sets: Sets) -> None:
    """Registers the test sets; the same ones again change nothing."""
    for name, versions in sets.items():
        rows = [
            {
                "id": each.id,
                "reference": each.reference,
                "speaker": each.speaker,
                **({} if each.altered else {"audio": each.source.as_uri()}),
                "duration": each.seconds(),
                "conditions": each.conditions,
            }
            for each in versions
        ]
        client.register_test_set(name, rows, language="en", corpus=_CORPUS)


def evaluate_all(sets: Sets, tags: dict[str, str], done: Callable[[str, float], None]) -> list[str]:
    """The ids of a run for each system, each in a process of its own; done takes name and real-time factor."""
    found = []
    with ProcessPoolExecutor(min(os.cpu_count() or 1, 2), mp_context=get_context("spawn")) as pool:
        work = {pool.submit(evaluate, point, sets, tags): point for point in (WIDE, NARROW)}
        for ended in as_completed(work):
            run, rtf = ended.result()
            found.append(run)
            done(work[ended].name, rtf)
    return found


def evaluate(point: DecodingPoint, sets: Sets, tags: dict[str, str]) -> tuple[str, float]:
    """(id of the run, real-time factor): logs what was recognised, when, and in what; and no score."""
    from ..client import Client

    recogniser = Recogniser(point)
    decoding = {**asdict(point), "word_beam": point.word_beam}
    audio = computing = 0.0
    with (
        Client()
        .create_experiment(EXPERIMENT, task="asr")
        .start_run(point.name, tags=tags, capture_output=False) as run
    ):
        run.log_config(
            {"model_type": "ptm-hmm", "recogniser": recogniser_name(), "sample_rate": SAMPLE_RATE}
            | {"decoding": decoding}
        )
        for name, versions in sets.items():
            timing = {"device": "cpu", "batch_size": 1, "includes_io": False}
            with run.log_evaluation(name, decoding=decoding, timing=timing) as evaluation:
                for each in versions:
                    found = recogniser.decode(each)
                    evaluation.log(
                        each.id, found.text, decode_seconds=found.decode_seconds, token_times=found.times
                    )
                    run.log_audio(
                        f"{name}/{each.id}.wav", each.wave(), SAMPLE_RATE, metadata={"utterance": each.id}
                    )
                    audio, computing = audio + each.seconds(), computing + found.decode_seconds
    return str(run.id), computing / audio


def wait_scored(client: Client, sets: Sets, runs: Sequence[str], demo: str) -> list[dict[str, Any]]:
    """The server's rows of these systems, the best first, once every cell is there. Raises TrackerError when it is late."""
    deadline = time.monotonic() + SCORED_WITHIN_S
    while True:
        rows = [*client.scores([*sets], filter=f"tags.demo = '{demo}'")]
        if {row["run_id"] for row in rows} >= set(runs) and all(
            row.get(name) for row in rows for name in sets
        ):
            return [dict(row) for row in rows]
        if time.monotonic() > deadline:
            raise TrackerError(
                f"the server has not scored {', '.join(sets)} within {SCORED_WITHIN_S:.0f} s",
                "see `speech-tracker status`",
            )
        time.sleep(0.1)


def by_noise(client: Client, systems: Sequence[Mapping[str, Any]], sets: Sets) -> list[dict[str, Any]]:
    """Error rates of every system under every condition, with intervals; run is its id."""
    return [
        {**group, "run": row["run_id"]}
        for row in systems
        for group in client.breakdown(
            [row[name]["evaluation"] for name in sets], "condition.noise", intervals=True
        )
    ]


def compared(client: Client, systems: Sequence[Mapping[str, Any]], sets: Sets) -> list[dict[str, Any]]:
    """Of every set the server's answer whether the systems differ there."""
    return [
        client.significance([row[name]["evaluation"] for row in systems], test_set=name, against="first")
        for name in sets
    ]
