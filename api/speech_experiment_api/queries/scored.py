"""What questions about scores have in common: which evaluations, revisions and profile they see.

An answer sees what lies before its vector in the topic `evaluations`: evaluations that were whole, the newest
revision of each test set, the profile as it was applied last. The scores of all these are there, as no vector goes
beyond an event whose scores are still to come.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from speech_experiment_projections.scoring.profiles import DEFAULT

from ..params import plain
from ..problems import Problem
from ..routing import Param
from .reading import Reading
from .sql import Binder

PROFILE = Param("profile", f"scoring profile (default {DEFAULT}); `speech-tracker rescore` applies others")
_TOPIC = "evaluations"


class Seen(NamedTuple):
    """definition  of the profile, as it was applied; identity and unit: None while nothing is scored by it"""

    profile: str
    definition: str
    identity: bytes | None
    unit: str | None


async def seen(read: Reading) -> Seen:
    """The profile that is asked for, as it was at the vector; Problem 404 for one that was not applied."""
    name = plain(read.request.query_params.get("profile", DEFAULT))
    bind = Binder()
    schema = read.tables.scores
    sql = (
        f"select definition from {schema}.profiles p where p.workspace = {bind(read.actor.workspace, 'text')} "
        f"and p.name = {bind(name, 'text')} and {known(read, bind, 'p')} "
        'order by p.applied_at desc, p.partition desc, p."offset" desc limit 1'
    )
    found = await read.fetch(sql, *bind.values)
    if not found and name != DEFAULT:
        hint = f"apply it to the whole history with `speech-tracker rescore --profile {name}`"
        raise Problem(
            404,
            "not_found",
            f"nothing is scored by the profile {name!r} in this workspace; {hint}",
            field="profile",
        )
    definition = found[0]["definition"] if found else "{}"
    rows = await read.fetch(
        f"select identity, unit from {schema}.identities where name = $1 and definition = $2::jsonb "
        "order by made_at desc, identity limit 1",
        name,
        definition,
    )
    identity, unit = (rows[0]["identity"], rows[0]["unit"]) if rows else (None, None)
    return Seen(name, definition, identity, unit)


def known(read: Reading, bind: Binder, alias: str, column: str = "offset") -> str:
    """The condition that a row, by its partition and an offset, lies before the vector."""
    offsets = bind(list(read.vector.below(_TOPIC).values()), "bigint[]")
    return f'{alias}."{column}" < ({offsets})[{alias}.partition + 1]'


def revisions(read: Reading, bind: Binder) -> str:
    """A relation (test_set, number, base) of the newest revision of each set at the vector."""
    return (
        f"(select distinct on (v.test_set) v.test_set, v.number, v.base from {read.tables.scores}.test_set_revisions v "
        f"where {known(read, bind, 'v')} order by v.test_set, v.number desc)"
    )


def descriptions(read: Reading, bind: Binder) -> str:
    """A relation (test_set, language, domain, corpus, description) of what was said last of each set."""
    return (
        "(select distinct on (d.test_set) d.test_set, d.language, d.domain, d.corpus, d.description "
        f"from {read.tables.scores}.test_set_descriptions d where {known(read, bind, 'd')} "
        'order by d.test_set, d."offset" desc, d.partition desc)'
    )


def scores(read: Reading, bind: Binder, sight: Seen) -> str:
    """FROM and WHERE of the scores at the vector: s, with the evaluation e and the revision v it stands for.

    An evaluation on references of its own has revision 0; one that was not yet scored on the newest revision
    of a set does not exist, as the vector waits for it.
    """
    schema = read.tables.scores
    return (
        f"{schema}.evaluations e left join {revisions(read, bind)} v on v.test_set = e.test_set and not e.own "
        f"join {schema}.scores s on s.evaluation = e.id and s.profile = {bind(sight.identity, 'bytea')} "
        "and s.number = case when e.own then 0 else coalesce(e.revision, v.number) end "
        f"where e.workspace = {bind(read.actor.workspace, 'text')} and {known(read, bind, 'e', 'completed')}"
    )


def rate(errors: int | None, tokens: int | None) -> float | None:
    """Errors per token of reference."""
    return None if errors is None or not tokens else errors / tokens


def speed(decode: float | None, audio: float | None) -> dict[str, float | None]:
    """rtf: decoding time per audio time, by their sums; rtfx its inverse."""
    if not decode or not audio:
        return {"rtf": None, "rtfx": None}
    return {"rtf": decode / audio, "rtfx": audio / decode}


def measures(row: Any) -> dict[str, Any]:
    """What the sums of a row of `scores` come to."""
    hits, substitutions, deletions, insertions = (
        row[name] for name in ("hits", "substitutions", "deletions", "insertions")
    )
    tokens = None if hits is None else hits + substitutions + deletions
    errors = None if hits is None else substitutions + deletions + insertions
    return {
        "rate": rate(errors, tokens),
        "errors": errors,
        "tokens": tokens,
        "hits": hits,
        "substitutions": substitutions,
        "deletions": deletions,
        "insertions": insertions,
        "utterances": row["utterances"],
        "covered": row["covered"],
        "counted": row["counted"],
        "coverage": rate(row["covered"], row["utterances"]),
        "wrong": row["wrong"],
        "sentence_error_rate": rate(row["wrong"], row["counted"]),
        "empty_references": row["empty_references"],
        "speakers": row["speakers"],
        "mean_of_speakers": row["mean_of_speakers"],
        "mean_of_utterances": row["mean_of_utterances"],
        "audio_seconds": row["audio_seconds"],
        "decode_seconds": row["decode_seconds"],
        **speed(row["decode_seconds"], row["audio_seconds"]),
        "refused": row["refused"],
    }
