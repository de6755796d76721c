"""The second experiment: one recogniser at several decoding points, a run for each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

from .decoding import DecodingPoint, Hypothesis, Recogniser, grid, recogniser_name
from .scoring import Score, score, score_sets
from .utterances import SAMPLE_RATE, Utterance

if TYPE_CHECKING:
    from ..run import Run

EXPERIMENT = "Decoding: beam and language weight"
_MOST_WORKERS = 4


@dataclass(frozen=True, slots=True)
class Decoded:
    """A finished run and what it measured: {metric name: value}."""

    run_id: str
    point: DecodingPoint
    results: dict[str, float]


def decode_all(
    utterances: Sequence[Utterance],
    tags: dict[str, str],
    done: Callable[[Decoded], None],
    points: Sequence[DecodingPoint] | None = None,
) -> list[Decoded]:
    """A run for each decoding point, in worker processes that log for themselves."""
    chosen = list(points or grid())
    workers = min(os.cpu_count() or 1, _MOST_WORKERS, len(chosen))
    found = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for ended in as_completed([pool.submit(decode_run, point, utterances, tags) for point in chosen]):
            found.append(ended.result())
            done(found[-1])
    return found


def decode_run(point: DecodingPoint, utterances: Sequence[Utterance], tags: dict[str, str]) -> Decoded:
    """One run: decodes utterance by utterance, logs progress, scores and what was recognised."""
    from ..client import Client

    experiment = Client().create_experiment(EXPERIMENT, task="asr")
    with experiment.start_run(point.name, tags=tags, capture_output=False) as run:
        run.log_config(_config(point, utterances))
        hypotheses = _decode(run, point, utterances)
        results = _results(utterances, hypotheses)
        run.log_metrics(results)
        run.log_json("results/utterances.json", _transcripts(utterances, hypotheses))
    return Decoded(str(run.id), point, results)


def _config(point: DecodingPoint, utterances: Sequence[Utterance]) -> dict[str, object]:
    return {
        "model_type": "ptm-hmm",
        "model": "en-us",
        "recogniser": recogniser_name(),
        "sample_rate": SAMPLE_RATE,
        "feature_type": "mfcc",
        "decoding": {**asdict(point), "word_beam": point.word_beam},
        "data": {
            "utterances": len(utterances),
            "seconds": round(sum(each.seconds() for each in utterances), 2),
            "source": "test recordings of pocketsphinx 5.1.1",
        },
        "scoring": {"tool": "jiwer", "costs": "levenshtein"},
    }


def _decode(run: Run, point: DecodingPoint, utterances: Sequence[Utterance]) -> list[Hypothesis]:
    """Logs after each utterance the errors so far and how fast it was (real-time factor)."""
    recogniser = Recogniser(point)
    found: list[Hypothesis] = []
    errors = 0
    for step, utterance in enumerate(utterances, 1):
        found.append(recogniser.decode(utterance))
        errors += score([utterance.reference], [found[-1].text]).errors
        speed = found[-1].decode_seconds / utterance.seconds()
        run.log_metrics({"errors_so_far": errors, "utterance_rtf": speed}, step=step)
    return found


def _results(utterances: Sequence[Utterance], hypotheses: Sequence[Hypothesis]) -> dict[str, float]:
    """Word error rates of each test set and pooled, and the real-time factor of all."""
    scores = score_sets(utterances, hypotheses)
    pooled = Score(
        *(
            sum(getattr(each, name) for each in scores.values())
            for name in ("words", "substitutions", "deletions", "insertions")
        )
    )
    audio = sum(utterance.seconds() for utterance in utterances)
    return {
        **{f"{test_set}_wer": found.wer for test_set, found in scores.items()},
        "wer": pooled.wer,
        "substitutions": pooled.substitutions,
        "deletions": pooled.deletions,
        "insertions": pooled.insertions,
        "rtf": sum(each.decode_seconds for each in hypotheses) / audio,
    }


def _transcripts(
    utterances: Sequence[Utterance], hypotheses: Sequence[Hypothesis]
) -> list[dict[str, object]]:
    return [
        {
            "utterance": utterance.id,
            "test_set": utterance.test_set,
            "reference": utterance.reference,
            "hypothesis": hypothesis.text,
            "seconds": utterance.seconds(),
            "decode_seconds": round(hypothesis.decode_seconds, 3),
        }
        for utterance, hypothesis in zip(utterances, hypotheses, strict=True)
    ]
