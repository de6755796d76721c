"""What the scorer reads and writes: tasks, lists, hypotheses, scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from speech_experiment_projections.scores import (
    OWN,
    Correction,
    Flags,
    Patch,
    Seconds,
    Totals,
    list_digest,
    pack_columns,
    unpack_columns,
)
from speech_experiment_projections.scoring.profiles import Profile
from speech_experiment_projections.texts import to_json
from speech_experiment_projections.utterances import (
    References,
    own_references,
    pack,
    pack_factors,
    recognised_of,
    references_of,
    unpack,
    unpack_factors,
)
from speech_experiment_schemas.evaluations import Hypotheses
from speech_experiment_schemas.test_sets import TestSetUtterances

from .scoring_work import Earlier, Material, Scored
from .sql import statement
from .tables import Table

_hypotheses = msgspec.msgpack.Decoder(Hypotheses)
_utterances = msgspec.msgpack.Decoder(TestSetUtterances)

_EVALUATIONS = """
select id, run_id, workspace, test_set, revision, language from {schema}.evaluations where id = any($1::uuid[])
"""
_NUMBERS = "select number, upload, language from {schema}.test_set_revisions where test_set = $1 and base = $2 order by number"
_CORRECTIONS = (
    "select number, utterance, reference from {schema}.corrections where test_set = $1 and base = $2"
)
_UPLOAD = 'select data from {schema}.utterance_batches where test_set = $1 and upload = $2 order by partition, "offset"'
_BATCHES = """
select evaluation, data from {schema}.hypothesis_batches where evaluation = any($1::uuid[])
order by evaluation, first, partition, "offset"
"""
_SOME_BATCHES = """
select first, data from {schema}.hypothesis_batches where evaluation = $1
and exists (select from unnest($2::bigint[]) r (row) where r.row >= first and r.row < first + rows)
"""
_LIST = "select ids, texts, factors, audio from {schema}.lists where owner = $1 and base = $2"
_COLUMNS = """
select evaluation, data from {schema}.score_columns
where evaluation = any($1::uuid[]) and profile = $2 and base = $3
"""
_DONE = """
select evaluation, number, audio_seconds, decode_seconds, flags::text from {schema}.scores
where evaluation = any($1::uuid[]) and profile = $2 and base = $3
"""
_PATCHES = """
select evaluation, number, position, hits, substitutions, deletions, insertions, counted
from {schema}.score_patches where evaluation = any($1::uuid[]) and profile = $2 and base = $3
"""
_REMOVE = """
delete from {schema}.tasks t using unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::int[])
as n (evaluation, base, profile, partition, changes)
where (t.evaluation, t.base, t.profile, t.partition, t.changes) = (n.evaluation, n.base, n.profile, n.partition, n.changes)
"""
_FAIL = """
update {schema}.tasks t set failures = failures + 1, taken_at = now() - interval '110 seconds'
from unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::int[]) as n (evaluation, base, profile, partition, changes)
where (t.evaluation, t.base, t.profile, t.partition) = (n.evaluation, n.base, n.profile, n.partition)
"""
_NAME = "select test_set_name from {schema}.evaluations where test_set = $1 and completed is not null limit 1"
_FORGET = "delete from {schema}.results where run_id = any($1::uuid[]) and test_set = $2"
_RESULTS = """
insert into {schema}.results select r.* from {schema}.results_of($1::uuid[], null, null) r where r.test_set = $2
on conflict do nothing
"""
_LISTS = Table(
    "lists",
    {
        "owner": "uuid",
        "base": "int",
        "utterances": "int",
        "ids": "bytea",
        "texts": "bytea",
        "factors": "bytea",
        "audio": "bytea",
    },
    ("owner", "base"),
)
_SCORE_COLUMNS = Table(
    "score_columns",
    {"evaluation": "uuid", "base": "int", "profile": "bytea", "data": "bytea"},
    ("evaluation", "profile", "base"),
)
_SCORE_PATCHES = Table(
    "score_patches",
    {
        "evaluation": "uuid",
        "base": "int",
        "profile": "bytea",
        "number": "int",
        "position": "int",
        "hits": "int",
        "substitutions": "int",
        "deletions": "int",
        "insertions": "int",
        "counted": "boolean",
    },
    ("evaluation", "profile", "base", "number", "position"),
)
_SCORES = Table(
    "scores",
    {
        "evaluation": "uuid",
        "number": "int",
        "base": "int",
        "profile": "bytea",
        "profile_name": "text",
        "workspace": "text",
        "run_id": "uuid",
        "test_set": "uuid",
        "hits": "bigint",
        "substitutions": "bigint",
        "deletions": "bigint",
        "insertions": "bigint",
        "utterances": "int",
        "covered": "int",
        "counted": "int",
        "wrong": "int",
        "empty_references": "int",
        "speakers": "int",
        "mean_of_utterances": "double precision",
        "mean_of_speakers": "double precision",
        "audio_seconds": "double precision",
        "decode_seconds": "double precision",
        "digest": "text",
        "rate": "double precision",
        "refused": "text",
        "flags": "jsonb",
    },
    ("evaluation", "profile", "number"),
)
_IDENTITIES = Table(
    "identities",
    {"identity": "bytea", "name": "text", "definition": "jsonb", "unit": "text", "statement": "jsonb"},
    ("identity",),
)
_SUMS = Totals.__struct_fields__


class Task(NamedTuple):
    """A row of `tasks` as it was when it was taken; rows: how many hypotheses its evaluation has."""

    evaluation: UUID
    base: int
    profile: str
    test_set: UUID
    workspace: str
    partition: int
    changes: int
    failures: int
    rows: int

    @staticmethod
    async def remove(connection: Any, schema: str, tasks: Sequence[Task]) -> None:
        """Takes them away, unless something was added to them."""
        await connection.execute(statement(_REMOVE, schema), *_keys(tasks))

    @staticmethod
    async def fail(connection: Any, schema: str, tasks: Sequence[Task]) -> None:
        """Leaves them for another attempt, soon."""
        await connection.execute(statement(_FAIL, schema), *_keys(tasks))


def _keys(tasks: Sequence[Task]) -> list[list[Any]]:
    rows = [(each.evaluation, each.base, each.profile, each.partition, each.changes) for each in tasks]
    return list(map(list, zip(*rows, strict=True)))


class Source:
    """Reads what tasks on one list of one test set need, for many at once; remembers the list that it read last."""

    def __init__(self, schema: str, test_set: UUID) -> None:
        self._schema = schema
        self.test_set = test_set
        self._list: tuple[tuple[UUID, int], References, int] | None = None

    async def materials(
        self, connection: Any, tasks: Sequence[Task], profile: Profile, definition: str
    ) -> list[Material]:
        """All that scores are made of; what an earlier task has counted is not read again."""
        ids = [task.evaluation for task in tasks]
        first = tasks[0]
        evaluations = {row["id"]: row for row in await self._all(connection, _EVALUATIONS, ids)}
        revisions = [row["number"] for row in await self._all(connection, _NUMBERS, *self._place(first))]
        corrections = (
            [Correction(*row) for row in await self._all(connection, _CORRECTIONS, *self._place(first))]
            if first.base != OWN
            else []
        )
        done = await self._done(connection, tasks, profile)
        batches = await self._batches(connection, [each for each in ids if each not in done])
        materials = []
        for task in tasks:
            evaluation = evaluations[task.evaluation]
            given = batches.get(task.evaluation, [])
            references, digest = await self._references(connection, task, evaluation["language"], given)
            earlier = done.get(task.evaluation)
            material = Material(
                task.evaluation,
                evaluation["run_id"],
                evaluation["workspace"],
                evaluation["test_set"],
                task.base,
                profile,
                definition,
                evaluation["language"],
                _numbers(task, revisions, evaluation["revision"]),
                references,
                digest,
                corrections,
                recognised_of(given) if earlier is None else None,
                await self._with_texts(connection, task, earlier, references, corrections)
                if earlier
                else None,
            )
            materials.append(material)
        return materials

    async def numbers(self, connection: Any, task: Task, pinned: int | None) -> list[int]:
        """The revisions of the task's list, or the one that the evaluation is to be scored on."""
        rows = await self._all(connection, _NUMBERS, *self._place(task))
        return _numbers(task, [row["number"] for row in rows], pinned)

    def _place(self, task: Task) -> tuple[UUID, int]:
        return self.test_set, task.base

    async def _references(
        self, connection: Any, task: Task, language: str | None, batches: Sequence[Hypotheses]
    ) -> tuple[References, int]:
        """The task's list, and its digest."""
        owner = task.evaluation if task.base == OWN else self.test_set
        if self._list is None or self._list[0] != (owner, task.base):
            found = await self._all(connection, _LIST, owner, task.base)
            made = _list(found[0]) if found else await self._make(connection, owner, task, language, batches)
            self._list = (owner, task.base), made, list_digest(made)
        return self._list[1], self._list[2]

    async def _make(
        self, connection: Any, owner: UUID, task: Task, language: str | None, batches: Sequence[Hypotheses]
    ) -> References:
        """Puts a list into columns, for all who ask after."""
        if task.base == OWN:
            made = own_references(batches, language)
        else:
            first = (await self._all(connection, _NUMBERS, *self._place(task)))[0]
            rows = await self._all(connection, _UPLOAD, self.test_set, first["upload"])
            made = references_of((_utterances.decode(row["data"]) for row in rows), first["language"])
        times = (made.starts.tobytes(), made.durations.tobytes())
        row = (pack(made.ids), pack(made.texts), pack_factors(made), pack((made.audio, *times)))
        await _LISTS.add(connection, self._schema, [(owner, task.base, len(made), *row)])
        return made

    async def _done(self, connection: Any, tasks: Sequence[Task], profile: Profile) -> dict[UUID, Earlier]:
        """What is there of evaluations that were counted on their list, without texts."""
        base = tasks[0].base
        place = ([task.evaluation for task in tasks], profile.identity, base)
        packed = {row["evaluation"]: row["data"] for row in await self._all(connection, _COLUMNS, *place)}
        if not packed:
            return {}
        scores: dict[UUID, dict[int, Any]] = defaultdict(dict)
        for row in await self._all(connection, _DONE, *place):
            scores[row["evaluation"]][row["number"]] = row
        patches: dict[UUID, list[Patch]] = defaultdict(list)
        for evaluation, number, position, *counts, kept in await self._all(connection, _PATCHES, *place):
            patches[evaluation].append(Patch(number, position, tuple(counts), kept))
        found = {}
        for evaluation, data in packed.items():
            if (first := scores[evaluation].get(base)) is not None:
                seconds = Seconds(first["audio_seconds"], first["decode_seconds"])
                flags = msgspec.json.decode(first["flags"], type=Flags)
                numbers = frozenset(scores[evaluation])
                columns = unpack_columns(data)
                found[evaluation] = Earlier(columns, seconds, flags, patches[evaluation], numbers, {})
        return found

    async def _with_texts(
        self,
        connection: Any,
        task: Task,
        earlier: Earlier,
        references: References,
        corrections: Sequence[Correction],
    ) -> Earlier:
        """With the hypotheses of the utterances that were corrected since."""
        known = {(patch.number, references.ids[patch.position]) for patch in earlier.patches}
        wanted = {each.utterance for each in corrections if (each.number, each.utterance) not in known}
        positions = (
            [position for position, name in enumerate(references.ids) if name in wanted] if wanted else []
        )
        texts = await self._texts(connection, task.evaluation, earlier.columns.rows[positions].tolist())
        return earlier._replace(texts=texts)

    async def _texts(self, connection: Any, evaluation: UUID, rows: Sequence[int]) -> Mapping[int, str]:
        """row → hypothesis, of a few rows."""
        wanted = [row for row in rows if row >= 0]
        texts: dict[int, str] = {}
        if wanted:
            for found in await self._all(connection, _SOME_BATCHES, evaluation, wanted):
                batch = _hypotheses.decode(found["data"])
                texts |= {found["first"] + place: text for place, text in enumerate(batch.texts)}
        return texts

    async def _batches(self, connection: Any, evaluations: Sequence[UUID]) -> dict[UUID, list[Hypotheses]]:
        found: dict[UUID, list[Hypotheses]] = defaultdict(list)
        if evaluations:
            for row in await self._all(connection, _BATCHES, list(evaluations)):
                found[row["evaluation"]].append(_hypotheses.decode(row["data"]))
        return found

    async def _all(self, connection: Any, query: str, *values: Any) -> list[Any]:
        rows: list[Any] = await connection.fetch(statement(query, self._schema), *values)
        return rows


def _numbers(task: Task, revisions: Sequence[int], pinned: int | None) -> list[int]:
    if task.base == OWN:
        return [OWN]
    return [number for number in revisions if pinned in (None, number)]


def _list(row: Any) -> References:
    factors, starts, durations = unpack_factors(row["factors"])
    audio = unpack(row["audio"], tuple[list[str], bytes, bytes])[0]
    ids, texts = unpack(row["ids"], list[str]), unpack(row["texts"], list[str])
    return References(ids, texts, factors, starts, durations, audio)


async def save_scored(connection: Any, schema: str, made: Sequence[Scored]) -> None:
    """Adds the rows that are new."""
    identities, columns, patches, rows = [], [], [], []
    for scored in made:
        material = scored.material
        profile = material.profile
        place = (material.evaluation, material.base, profile.identity)
        told = (profile.name, material.definition, profile.unit, profile.statement.decode())
        identities.append((profile.identity, *told))
        if scored.columns is not None:
            columns.append((*place, pack_columns(scored.columns)))
        patches += [
            (*place, each.number, each.position, *each.counts, each.counted) for each in scored.patches
        ]
        rows += [
            _row(material, number, totals, scored.flags[number], "" if totals else scored.refused)
            for number, totals in scored.totals.items()
        ]
    await _IDENTITIES.add(connection, schema, dict.fromkeys(identities))
    await _SCORE_COLUMNS.add(connection, schema, columns)
    await _SCORE_PATCHES.add(connection, schema, patches)
    await _SCORES.add(connection, schema, rows)


def _row(
    material: Material, number: int, totals: Totals | None, flags: Flags, refused: str
) -> tuple[Any, ...]:
    sums = [None if totals is None else getattr(totals, field) for field in _SUMS]
    return (
        material.evaluation,
        number,
        material.base,
        material.profile.identity,
        material.profile.name,
        material.workspace,
        material.run,
        material.test_set,
        *sums,
        None if totals is None else totals.rate,
        refused,
        to_json(msgspec.to_builtins(flags)),
    )


async def save_results(connection: Any, schema: str, test_set: UUID, runs: Sequence[UUID]) -> None:
    """Brings the results of runs on one test set level with their scores; one writer of a run at a time."""
    lock = "select pg_advisory_xact_lock(hashtextextended($1 || id::text, 1)) from (select unnest($2::uuid[]) as id order by 1) s"
    await connection.execute(lock, schema, list(runs))
    name = await connection.fetchval(statement(_NAME, schema), test_set)
    await connection.execute(statement(_FORGET, schema), list(runs), name)
    await connection.execute(statement(_RESULTS, schema), list(runs), name)


async def save_failure(
    connection: Any, schema: str, source: Source, task: Task, profile: Profile, reason: str
) -> None:
    """Rows that say that an evaluation could not be scored by this release."""
    evaluation = (await connection.fetch(statement(_EVALUATIONS, schema), [task.evaluation]))[0]
    numbers = await source.numbers(connection, task, evaluation["revision"])
    place = (profile.identity, profile.name, task.workspace, evaluation["run_id"], evaluation["test_set"])
    nothing = [None] * (len(_SUMS) + 1)
    told = (f"could not be scored: {reason}"[:2_000], "{}")
    rows = [(task.evaluation, number, task.base, *place, *nothing, *told) for number in numbers]
    await _SCORES.add(connection, schema, rows)
