"""Scores: counting beside jiwer, intervals, and the server's boards, breakdowns, flips and re-scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from speech_experiment_projections.scoring.built_in import PROFILES
from speech_experiment_projections.scoring.intervals import rate_interval
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.evaluations import ProfileApplied
from speech_experiment_schemas.ids import profile_id, uuid7
from tests.benchmarks.ours import speech
from tests.benchmarks.ours.posting import Poster
from tests.benchmarks.ours.stack import Stack, running_stack
from tests.benchmarks.stats import milliseconds
from tests.benchmarks.web import Connection, HttpError

UTTERANCES = 100_000
SYSTEMS = 10
BOARD_RUNS, BOARD_SETS = 10_000, 10
SEEDS = 4
"""Runs of each configuration of the board."""
DRAWS = 10_000
TURNS = 30
BASIC, ENGLISH, AGAIN = "basic-present", "whisper-english", "whisper-english-present"
DEFINITIONS: dict[str, dict[str, str]] = {
    BASIC: {"missing": "present_only"},
    ENGLISH: {},
    AGAIN: {"normaliser": "english", "missing": "present_only"},
}
"""AGAIN has the same normaliser, which knows the words by then."""
_BATCH_BYTES = 4_000_000


def counting(quick: bool) -> dict[str, float]:
    """Utterances per second of one core: counts (ours, jiwer's), alignments; seconds of a bootstrap."""
    references = speech.texts(5_000 if quick else UTTERANCES)
    hypotheses = speech.heard(references, 0.1, 1)
    profile = PROFILES["basic-wer"]
    words = [[profile.prepare(text) for text in each] for each in (references, hypotheses)]
    counts = profile.count(*words)
    errors = counts[:, 1:].sum(axis=1)
    some = slice(0, len(references) // 10)
    beside = _jiwer(references[some], hypotheses[some])
    if beside != int(errors[some].sum()):
        raise RuntimeError(f"jiwer counts {beside} errors, we {int(errors[some].sum())}")
    # jiwer has no way to count without aligning: what it takes stands beside both.
    jiwer = len(references[some]) / _seconds(lambda: _jiwer(references[some], hypotheses[some]))
    return {
        "score_counts": len(references) / _seconds(lambda: profile.count(*words)),
        "score_counts@jiwer": jiwer,
        "score_alignments@jiwer": jiwer,
        "score_alignments": len(references) / _seconds(lambda: [*map(profile.align, *words)]),
        "bootstrap": _seconds(lambda: rate_interval(errors, counts[:, :3].sum(axis=1), draws=DRAWS)),
    }


def scoring(quick: bool) -> dict[str, float]:
    """counting; board, breakdown and flips over HTTP (ms, p50); re-scores of all that was evaluated (s)."""
    size, runs = (2_000, 100) if quick else (UTTERANCES, BOARD_RUNS)
    figures = counting(quick)
    with running_stack() as stack:
        figures |= large(stack, size)
        figures |= board(stack, runs)
    return figures


def large(stack: Stack, size: int) -> dict[str, float]:
    """Two systems' results on a set of many utterances compared; ten systems' results scored and scored again."""
    references = speech.texts(size)
    evaluations: list[UUID] = []
    connection = stack.connection()
    post(stack, speech.registered("large", references))
    start = time.monotonic()
    for number in range(SYSTEMS):
        heard = speech.heard(references, 0.05 + 0.01 * number, number)
        ids, records = speech.evaluated(f"system-{number}", [("large", heard)])
        post(stack, records)
        evaluations += ids
    wait_for_scores(connection, "large", "basic-wer", SYSTEMS, size)
    figures = {"score_first": time.monotonic() - start}
    one, other = evaluations[:2]
    by = [("evaluation", str(one)), ("by", "speaker"), ("by", "condition.snr")]
    figures["breakdown"] = _asked(connection, "/api/v1/breakdown", by)
    figures["flips"] = _asked(connection, "/api/v1/flips", [("a", str(one)), ("b", str(other))])
    figures["rescore_basic"] = _rescore(stack, connection, BASIC, size)
    figures["rescore_english"] = _rescore(stack, connection, ENGLISH, size)
    figures["rescore_english_warm"] = _rescore(stack, connection, AGAIN, size)
    return figures


def _rescore(stack: Stack, connection: Connection, profile: str, size: int) -> float:
    """Seconds from the event until every system is on the profile's board."""
    sealer = Sealer(uuid7(), "evaluations")
    start = time.monotonic()
    post(
        stack,
        [
            sealer.seal(
                ProfileApplied(profile=profile, definition=DEFINITIONS[profile]),
                ("profile", profile_id("default", profile)),
            )
        ],
    )
    wait_for_scores(connection, "large", profile, SYSTEMS, size)
    return time.monotonic() - start


def board(stack: Stack, runs: int) -> dict[str, float]:
    """Many systems on ten sets."""
    names = [f"set-{number}" for number in range(BOARD_SETS)]
    references = speech.texts(3)
    for name in names:
        post(stack, speech.registered(name, references))

    def records() -> Iterator[bytes]:
        for number in range(runs):
            results = [
                (name, speech.heard(references, 0.2, 10 * number + place)) for place, name in enumerate(names)
            ]
            config = {"model": number // SEEDS, "seed": number % SEEDS}
            yield from speech.evaluated(f"run-{number}", results, config)[1]

    start = time.monotonic()
    post(stack, records())
    connection = stack.connection()
    wait_for_scores(connection, names[-1], "basic-wer", runs, len(references))
    seconds = time.monotonic() - start
    question = [("test_set", name) for name in names]
    return {
        "score_board": _asked(connection, "/api/v1/scores", question),
        "replicates": _asked(connection, "/api/v1/replicates", question),
        "score_board_seed": seconds,
    }


def post(stack: Stack, records: Iterable[bytes]) -> None:
    """Sends records, in batches."""
    poster, size = Poster(stack.url, stack.key), 0
    waiting: list[bytes] = []
    for record in records:
        if size + len(record) > _BATCH_BYTES or len(waiting) == 1_000:
            poster.post(waiting)
            waiting, size = [], 0
        waiting.append(record)
        size += len(record)
    if waiting:
        poster.post(waiting)
    poster.close()


def wait_for_scores(connection: Connection, name: str, profile: str, systems: int, size: int) -> None:
    """Returns when that many systems are on the board; raises RuntimeError when late."""
    path = "/api/v1/scores?" + urlencode({"test_set": name, "profile": profile, "limit": 10})
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        found = _board_if_any(connection, path)
        sets = [each for each in found["test_sets"] if each["test_set"] == name]
        cells = [system["cells"][name] for system in found["systems"] if name in system["cells"]]
        if sets and sets[0]["systems"] == systems and all(cell["utterances"] == size for cell in cells):
            return
        time.sleep(0.2)
    raise RuntimeError(f"{systems} systems were not all scored on {name!r} by {profile} within 900 s")


def _board_if_any(connection: Connection, path: str) -> dict[str, Any]:
    """An empty one as long as the server does not know the profile, or anything that was scored."""
    try:
        found: dict[str, Any] = connection.json("GET", path)
    except HttpError as error:
        if error.status != 404:
            raise
        return {"test_sets": [], "systems": []}
    return found


def _asked(connection: Connection, path: str, question: list[tuple[str, str]]) -> float:
    """Milliseconds of an answer, p50; asked once before."""
    wanted = f"{path}?{urlencode(question)}"
    return median(milliseconds(lambda: connection.get(wanted), TURNS))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _jiwer(references: list[str], hypotheses: list[str]) -> int:
    import jiwer

    found = jiwer.process_words(references, hypotheses)
    return found.substitutions + found.deletions + found.insertions
