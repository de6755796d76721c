"""References and hypotheses lie in two partitions: in whatever order they are read, the scores are the same."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from speech_experiment_consumers.scorer import Scorer
from speech_experiment_consumers.scores_sink import ScoreRows
from speech_experiment_infra.settings import Settings
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused
from speech_experiment_schemas import Sealer, decode
from speech_experiment_schemas import test_sets as said
from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.evaluations import (
    EvaluationFinished,
    EvaluationStarted,
    Hypotheses,
    ProfileApplied,
    hypotheses_digest,
)
from speech_experiment_schemas.ids import uuid7
from tests.integration.test_queries_filters import MIGRATIONS, server  # noqa: F401

pytestmark = pytest.mark.stack

WORDS = "one two three four five six".split()
COMPARED = (
    "scores",
    "score_columns",
    "score_patches",
    "results",
    "test_set_revisions",
    "evaluations",
    "corrections",
    "reference_marks",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pool(server: Any) -> AsyncIterator[asyncpg.Pool]:
    await server.ensure_database()
    async with asyncpg.create_pool(server.dsn, min_size=1, max_size=3) as pool:
        yield pool


class Log:
    """The partitions of a random log."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.partitions: list[list[Recorded]] = [[], [], []]
        self._ids = [f"u{number}" for number in range(12)]

    def say(self, partition: int, payload: Any, subject: tuple[str, UUID], run: UUID | None = None) -> None:
        known = self.partitions[partition]
        record = decode(Sealer(uuid7(), "evaluations").seal(payload, subject, run=run))
        place = (partition, len(known), 1_000_000 + sum(map(len, self.partitions)))
        known.append(Recorded(record, payload, *place, "key:1", "team", ((0, 1),)))

    def text(self) -> str:
        return " ".join(self.dice.choices(WORDS, k=self.dice.randrange(6)))

    def register(self, name: str) -> None:
        """A list in two batches."""
        upload = uuid7()
        ids = self.dice.sample(self._ids, 8)
        batches = [
            said.TestSetUtterances(
                test_set=name,
                upload=upload,
                first=start,
                ids=ids[start : start + 5],
                references=[self.text() for _ in ids[start : start + 5]],
                speakers=[each[-1] for each in ids[start : start + 5]],
            )
            for start in (0, 5)
        ]
        digest = digest_text(sum(map(said.list_digest, batches)))
        closing = said.TestSetRevised(test_set=name, upload=upload, count=8, digest=digest)
        for payload in (said.TestSetRegistered(test_set=name), *batches, closing):
            self.say(0, payload, ("test_set", UUID(int=1)))

    def correct(self, name: str) -> None:
        ids = self.dice.sample(self._ids, 2)
        payload = said.ReferenceCorrected(test_set=name, ids=ids, references=[self.text(), self.text()])
        self.say(0, payload, ("test_set", UUID(int=1)))

    def mark(self, name: str) -> None:
        doubtful = self.dice.random() < 0.7
        payload = said.ReferenceMarked(
            test_set=name, ids=self.dice.sample(self._ids, 2), doubtful=doubtful, note=self.text()
        )
        self.say(0, payload, ("test_set", UUID(int=1)))

    def evaluate(self, name: str, *, own: bool, revision: int | None = None) -> None:
        subject, run = ("evaluation", uuid7()), uuid7()
        ids = self.dice.choices(self._ids, k=9)
        references = [self.text() for _ in ids] if own else []
        batch = Hypotheses(first=0, ids=ids, texts=[self.text() for _ in ids], references=references)
        beam = self.dice.choice([{}, {"beam": 5}])
        self.say(1, EvaluationStarted(test_set=name, decoding=beam, revision=revision), subject, run)
        self.say(1, batch, subject, run)
        digest = digest_text(hypotheses_digest(batch))
        self.say(1, EvaluationFinished(count=len(ids), digest=digest), subject, run)


def build(seed: int) -> Log:
    log = Log(seed)
    for name in ("a", "b"):
        log.register(name)
    for _ in range(3):
        log.correct("a")
    log.mark("a")
    log.register("a")
    log.correct("a")
    log.mark("a")
    for number in range(8):
        log.evaluate(log.dice.choice("abc"), own=number % 4 == 3, revision=2 if number == 2 else None)
    log.say(2, ProfileApplied(profile="kaldi-wer-present"), ("profile", UUID(int=2)))
    log.say(2, ProfileApplied(profile="sclite-wer"), ("profile", UUID(int=2)))
    return log


async def project(
    pool: asyncpg.Pool, schema: str, log: Log, dice: random.Random, *, scoring: float
) -> dict[str, list[str]]:
    """Reads the partitions in a random order, and scores now and then."""
    async with pool.acquire() as connection:
        await connection.execute(f"drop schema if exists {schema} cascade")
        for template in ("common", "scores"):
            sql = (MIGRATIONS / f"{template}.sql").read_text().replace("{schema}", schema)
            await connection.execute(sql)
    scorer = Scorer(Settings(), schema)
    left: list[list[Recorded]] = [list(partition) for partition in log.partitions]
    while any(left):
        partition = dice.choice([each for each in left if each])
        size = dice.randrange(1, 6)
        batch, partition[:] = partition[:size], partition[size:]
        await write(pool, schema, batch)
        if dice.random() < scoring:
            await scorer._once(pool)
    while await scorer._once(pool):
        pass
    async with pool.acquire() as connection:
        assert await connection.fetchval(f"select count(*) from {schema}.tasks") == 0
        return {table: await content(connection, schema, table) for table in COMPARED}


async def write(pool: asyncpg.Pool, schema: str, batch: Sequence[Recorded]) -> None:
    rows = ScoreRows(schema)
    async with pool.acquire() as connection, connection.transaction():
        await rows.load(connection, batch)
        for event in batch:
            try:
                rows.apply(event)
            except Refused:
                continue
        await rows.save(connection)


async def content(connection: Any, schema: str, table: str) -> list[str]:
    rows = await connection.fetch(f"select * from {schema}.{table}")
    return sorted(repr({name: value for name, value in row.items() if name != "made"}) for row in rows)


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_of_the_partitions_gives_the_same_scores(pool: asyncpg.Pool, seed: int) -> None:
    log = build(seed)
    one = await project(pool, "scores_v8", log, random.Random(seed), scoring=0.0)
    assert one["scores"]
    for other in range(3):
        again = await project(pool, "scores_v9", log, random.Random(100 * seed + other), scoring=0.5)
        assert again == one
