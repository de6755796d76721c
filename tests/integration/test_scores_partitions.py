"""Scores on a topic of several partitions: workers that share it and die, lists and hypotheses that lie apart."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from rapidfuzz.distance import Levenshtein

from speech_experiment_infra.connections import postgres_pool
from speech_experiment_infra.settings import Settings
from speech_experiment_schemas import Sealer
from speech_experiment_schemas import test_sets as said
from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.evaluations import (
    EvaluationFinished,
    EvaluationStarted,
    Hypotheses,
    ProfileApplied,
    hypotheses_digest,
)
from speech_experiment_schemas.ids import partition_of, profile_id, uuid7
from speech_experiment_schemas.ids import test_set_id as id_of_set
from tests.integration.conftest import PARTITIONS
from tests.integration.metrics_log import Message, append, create_tables, read_log, start_worker, wait_for

pytestmark = pytest.mark.stack

VERSION = 82
WORDS = "one two three four five six".split()
IDS = [f"u{number}" for number in range(12)]
PRESENT = "kaldi-wer-present"
Key = tuple[UUID, int, str]
"""(evaluation, revision, profile)"""
Sums = tuple[int, int, int, int]
"""(errors, tokens, utterances, covered)"""


class Log:
    """What subjects say, each in its order; and what a plain loop makes of it."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.told: dict[bytes, list[bytes]] = defaultdict(list)
        self.revisions: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.evaluations: dict[UUID, tuple[str, dict[str, str], dict[str, str] | None, int | None]] = {}

    def say(self, payload: Any, subject: tuple[str, UUID], run: UUID | None = None) -> None:
        key = (run or subject[1]).bytes
        self.told[key].append(Sealer(uuid7(), "evaluations").seal(payload, subject, run=run))

    def text(self) -> str:
        return " ".join(self.dice.choices(WORDS, k=self.dice.randrange(6)))

    def register(self, name: str) -> None:
        """In two batches."""
        subject, upload = ("test_set", id_of_set("default", name)), uuid7()
        rows = {each: self.text() for each in self.dice.sample(IDS, 8)}
        ids = list(rows)
        batches = [
            said.TestSetUtterances(
                test_set=name, upload=upload, first=start, ids=part, references=[rows[each] for each in part]
            )
            for start in (0, 5)
            for part in (ids[start : start + 5],)
        ]
        digest = digest_text(sum(map(said.list_digest, batches)))
        closing = said.TestSetRevised(test_set=name, upload=upload, count=8, digest=digest)
        for payload in (said.TestSetRegistered(test_set=name), *batches, closing):
            self.say(payload, subject)
        self.revisions[name].append(rows)

    def correct(self, name: str) -> None:
        newest = self.revisions[name][-1]
        rows = {each: self.text() + " corrected" for each in self.dice.sample(sorted(newest), 2)}
        payload = said.ReferenceCorrected(test_set=name, ids=list(rows), references=list(rows.values()))
        self.say(payload, ("test_set", id_of_set("default", name)))
        self.revisions[name].append(newest | rows)

    def evaluate(self, name: str, *, own: bool, revision: int | None) -> None:
        evaluation, run = uuid7(), uuid7()
        texts = {each: self.text() for each in self.dice.sample(IDS, self.dice.randrange(1, 9))}
        references = {each: self.text() for each in texts} if own else None
        batches = [
            Hypotheses(
                first=first,
                ids=[each],
                texts=[text],
                references=[references[each]] if references else [],
            )
            for first, (each, text) in enumerate(texts.items())
        ]
        closing = EvaluationFinished(
            count=len(texts), digest=digest_text(sum(map(hypotheses_digest, batches)))
        )
        for payload in (EvaluationStarted(test_set=name, revision=revision), *batches, closing):
            self.say(payload, ("evaluation", evaluation), run)
        self.evaluations[evaluation] = name, texts, references, revision

    def apply(self, profile: str) -> None:
        self.say(ProfileApplied(profile=profile), ("profile", profile_id("default", profile)))

    def messages(self) -> list[Message]:
        """Every record twice, the subjects mixed, each subject's own in its order."""
        sequences = {key: list(records) for key, records in self.told.items()}
        sent: list[Message] = []
        again: list[Message] = []
        while sequences:
            key = self.dice.choice(list(sequences))
            sent.append((key, sequences[key].pop(0)))
            if not sequences[key]:
                del sequences[key]
            again.append(sent[-1])
            if self.dice.random() < 0.5:
                sent.append(again.pop(self.dice.randrange(len(again))))
        self.dice.shuffle(again)
        return sent + again

    def scores(self) -> dict[Key, Sums]:
        found = {}
        for evaluation, (name, texts, references, pinned) in self.evaluations.items():
            lists: Mapping[int, dict[str, str]] = (
                dict(enumerate(self.revisions[name], 1)) if references is None else {0: references}
            )
            for number, rows in lists.items():
                if pinned in (None, number):
                    for profile in ("basic-wer", PRESENT):
                        found[evaluation, number, profile] = sums(rows, texts, present=profile == PRESENT)
        return found


def sums(references: Mapping[str, str], texts: Mapping[str, str], *, present: bool) -> Sums:
    errors, tokens = 0, 0
    for each, reference in references.items():
        if each in texts or not present:
            errors += Levenshtein.distance(reference.split(), texts.get(each, "").split())
            tokens += len(reference.split())
    return errors, tokens, len(references), len(texts.keys() & references.keys())


def spread_names() -> Iterator[str]:
    """Names of sets, one in each partition."""
    numbers = iter(range(1_000))
    for partition in range(PARTITIONS):
        yield next(
            name
            for name in (f"apart-{number}" for number in numbers)
            if partition_of(id_of_set("default", name).bytes, PARTITIONS) == partition
        )


def build(dice: random.Random) -> Log:
    log = Log(dice)
    names = list(spread_names())
    for name in names:
        log.register(name)
        log.correct(name)
    log.register(names[0])
    log.correct(names[0])
    for number in range(24):
        log.evaluate(dice.choice(names), own=number % 6 == 5, revision=2 if number % 6 == 4 else None)
    log.apply(PRESENT)
    return log


async def test_workers_that_die_leave_the_scores_that_a_plain_loop_counts(
    wide: tuple[Settings, dict[str, str]],
) -> None:
    settings, environment = wide
    dice = random.Random(11)
    await create_tables(settings, VERSION, "scores")
    log = build(dice)
    deck = log.messages()
    apart = {
        (partition_of(id_of_set("default", name).bytes, PARTITIONS), partition_of(key, PARTITIONS))
        for name in log.revisions
        for key in log.told
    }
    assert len(apart) == PARTITIONS**2
    workers = [await start_worker(environment, VERSION, f"s{i}", "scores") for i in range(2)]
    try:
        for part in range(4):
            size = len(deck) // 4 + 1
            await append(settings, deck[part * size : (part + 1) * size], topic="evaluations")
            await asyncio.sleep(dice.uniform(1, 3))
            victim = part % 2
            workers[victim].send_signal(signal.SIGKILL if part < 3 else signal.SIGTERM)
            await workers[victim].wait()
            workers[victim] = await start_worker(environment, VERSION, f"s{victim}", "scores")
        records = len(await read_log(settings, topic="evaluations"))
        await wait_for(settings, VERSION, records, 180, projection="scores")
        found = await scores_of(settings)
    finally:
        for worker in workers:
            if worker.returncode is None:
                os.kill(worker.pid, signal.SIGTERM)
            await worker.wait()
    assert found == log.scores()


async def scores_of(settings: Settings, seconds: float = 180) -> dict[Key, Sums]:
    """Once no score is owed."""
    deadline = time.monotonic() + seconds
    async with postgres_pool(settings) as pool:
        while owed := await pool.fetchval(f"select count(*) from scores_v{VERSION}.tasks"):
            assert time.monotonic() < deadline, f"{owed} scores are owed"
            await asyncio.sleep(0.1)
        parked = await pool.fetchval(f"select count(*) from scores_v{VERSION}.dead_letters")
        assert parked == 0
        rows = await pool.fetch(
            "select evaluation, number, profile_name, substitutions + deletions + insertions as errors, "
            "hits + substitutions + deletions as tokens, utterances, covered "
            f"from scores_v{VERSION}.scores"
        )
    return {tuple(row)[:3]: tuple(row)[3:] for row in rows}  # type: ignore[misc]
