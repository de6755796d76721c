"""Made-up speech results: texts of 12 words, and what systems with some errors made of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from uuid import UUID

from speech_experiment_schemas import Sealer
from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.evaluations import (
    EvaluationFinished,
    EvaluationStarted,
    Hypotheses,
    hypotheses_digest,
)
from speech_experiment_schemas.ids import experiment_id, test_set_id, uuid7
from speech_experiment_schemas.limits import Tree
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunConfigured, RunFinished, RunStarted
from speech_experiment_schemas.test_sets import (
    TestSetRegistered,
    TestSetRevised,
    TestSetUtterances,
    list_digest,
)
from tests.benchmarks.ours.records import EXPERIMENT

WORDS = 12
SPEAKERS = 500
_BATCH = 1_000
_VOCABULARY = [
    f"{first}{second}{third}" for first in "bdfgklmnprstvz" for second in "aeiou" for third in "lmnrst"
]


def texts(count: int, seed: int = 0) -> list[str]:
    dice = random.Random(seed)
    return [" ".join(dice.choices(_VOCABULARY, k=WORDS)) for _ in range(count)]


def heard(references: Sequence[str], rate: float, seed: int) -> list[str]:
    """The texts with errors, a third of each kind."""
    dice = random.Random(seed)
    return [_heard(reference, rate, dice) for reference in references]


def _heard(reference: str, rate: float, dice: random.Random) -> str:
    found: list[str] = []
    for word in reference.split():
        chance = dice.random() / rate
        if chance >= 1:
            found.append(word)
        elif chance < 1 / 3:
            found.append(dice.choice(_VOCABULARY))
        elif chance < 2 / 3:
            found += [word, dice.choice(_VOCABULARY)]
    return " ".join(found)


def registered(name: str, references: Sequence[str]) -> list[bytes]:
    """The events that register a set with speakers and one condition."""
    subject, sealer, upload = (
        ("test_set", test_set_id("default", name)),
        Sealer(uuid7(), "evaluations"),
        uuid7(),
    )
    batches = [
        TestSetUtterances(
            test_set=name,
            upload=upload,
            first=first,
            ids=[f"utt-{number:06}" for number in range(first, first + len(part))],
            references=list(part),
            speakers=[f"speaker-{number % SPEAKERS:03}" for number in range(first, first + len(part))],
            conditions={"snr": [str(5 * (number % 5)) for number in range(first, first + len(part))]},
        )
        for first, part in _parts(references)
    ]
    digest = digest_text(sum(map(list_digest, batches)))
    closing = TestSetRevised(test_set=name, upload=upload, count=len(references), digest=digest)
    told = (TestSetRegistered(test_set=name), *batches, closing)
    return [
        sealer.seal(ProducerOpened(client="benchmark"), ("producer", sealer.producer)),
        *(sealer.seal(payload, subject) for payload in told),
    ]


def evaluated(
    name: str, results: Sequence[tuple[str, Sequence[str]]], config: Tree | None = None
) -> tuple[list[UUID], list[bytes]]:
    """(evaluations, events) of one finished run on several sets: (set, hypotheses) of each."""
    run, producer = uuid7(), uuid7()
    runs, sealer = Sealer(producer, "runs"), Sealer(producer, "evaluations")
    experiment = experiment_id("default", EXPERIMENT)
    opened = ProducerOpened(client="benchmark")
    begun = RunStarted(experiment=experiment, experiment_name=EXPERIMENT, name=name)
    told = (opened, begun, RunConfigured(config=config or {}), RunFinished())
    records = [runs.seal(payload, ("run", run)) for payload in told]
    records.append(sealer.seal(opened, ("run", run)))
    ids = []
    for test_set, hypotheses in results:
        evaluation = uuid7()
        ids.append(evaluation)
        subject = ("evaluation", evaluation)
        records += [sealer.seal(payload, subject, run=run) for payload in _told(test_set, hypotheses)]
    return ids, records


def _told(
    test_set: str, hypotheses: Sequence[str]
) -> Iterator[EvaluationStarted | Hypotheses | EvaluationFinished]:
    digest = 0
    yield EvaluationStarted(test_set=test_set, decoding={"beam": 10})
    for first, part in _parts(hypotheses):
        ids = [f"utt-{number:06}" for number in range(first, first + len(part))]
        batch = Hypotheses(first=first, ids=ids, texts=list(part))
        digest += hypotheses_digest(batch)
        yield batch
    yield EvaluationFinished(count=len(hypotheses), digest=digest_text(digest))


def _parts(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    for first in range(0, len(texts), _BATCH):
        yield first, texts[first : first + _BATCH]
