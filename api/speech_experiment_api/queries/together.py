"""Several evaluations on the same utterances: which ones are meant, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from speech_experiment_projections.scoring.report import Scores

from ..params import identity, plain
from ..problems import Problem, bad_request
from .evaluations import evaluation_at, scored_rows, with_score
from .packed import Scored, names_of, references_of, scored_utterances
from .reading import Reading
from .scored import Seen
from .sql import Binder

Places = NDArray[np.int64]
COMMON_ONLY = "compare the common utterances only with common=true (--common on the command line)"
"""What to do where systems are not on the same utterances."""


async def systems_of(read: Reading, sight: Seen, most: int) -> list[Scored]:
    """Those that the parameters `system` and `test_set` name, in their order.

    A system is an evaluation, or a run, which stands for its newest evaluation on the test set.

    Raises Problem 400 for too few or too many, 404 for what is not there or not scored by the profile.
    """
    parameters = read.request.query_params
    given = [identity(each, "system") for each in dict.fromkeys(parameters.getlist("system"))]
    if not 2 <= len(given) <= most:
        several = "two" if most == 2 else f"2 to {most}"
        raise bad_request(f"name {several} systems, got {len(given)}", "system")
    test_set = parameters.get("test_set")
    rows = [await _row(read, sight, each, test_set and plain(test_set)) for each in given]
    if len({row["id"] for row in rows}) < len(rows):
        raise bad_request("a system is named twice, as a run and as its evaluation", "system")
    return [await scored_utterances(read, row, sight) for row in rows]


async def _row(read: Reading, sight: Seen, wanted: UUID, test_set: str | None) -> Any:
    """The evaluation of that id, or the run's newest on the test set."""
    if test_set is not None:
        bind = Binder()
        on_set = f"e.run_id = {bind(wanted, 'uuid')} and e.test_set_name = {bind(test_set, 'text')}"
        newest = next(iter(await scored_rows(read, sight, bind, on_set)), None)
        if newest is not None:
            return with_score(newest)
    try:
        row = await evaluation_at(read, wanted, sight)
    except Problem as problem:
        raise problem if problem.status != 404 else _no_system(wanted, test_set, sight.profile) from None
    if test_set is not None and row["test_set_name"] != test_set:
        detail = f"the evaluation {wanted} is on {row['test_set_name']!r}, not on {test_set!r}"
        raise bad_request(detail, "test_set")
    return row


def _no_system(wanted: UUID, test_set: str | None, profile: str) -> Problem:
    where = "name a test_set to mean a run" if test_set is None else f"and no run with one on {test_set!r}"
    return Problem(
        404,
        "not_found",
        f"{wanted} is no evaluation in this workspace with a score by the profile {profile!r}, {where}: an evaluation has "
        "a score once it is complete and its test set has utterances",
        field="system",
    )


async def places_in(read: Reading, parts: Sequence[Scored], *, common: bool) -> list[Places]:
    """Of each evaluation the places in its list of the utterances that are compared, in the order of the first list.

    common  only utterances with the same reference in all, which all have a hypothesis for

    Raises Problem 409 where the references differ, and where nothing is common.
    """
    places = await shared_places(read, parts, common=common)
    if places is None:
        raise _differ(parts)
    if common:
        given = [part.columns.rows[each] >= 0 for part, each in zip(parts, places, strict=True)]
        kept = np.logical_and.reduce(given)
        places = [each[kept] for each in places]
    if not len(places[0]):
        detail = "the evaluations have no utterance with the same reference in common"
        raise Problem(409, "not_comparable", detail, field="system", extra={"differs": ["references"]})
    return places


async def shared_places(read: Reading, parts: Sequence[Scored], *, common: bool) -> list[Places] | None:
    """As places_in, without regard to hypotheses; None where the references differ and are not to be common."""
    first = parts[0]
    if all(part.place == first.place and part.row["number"] == first.row["number"] for part in parts):
        return [np.arange(len(first.columns.rows))] * len(parts)
    alike = len({part.row["digest"] for part in parts}) == 1
    if not alike and not common:
        return None
    lists = [{name: at for at, name in enumerate(await names_of(read, part.row))} for part in parts]
    shared = [name for name in lists[0] if all(name in each for each in lists[1:])]
    if not alike:
        texts = [
            await references_of(read, part.row, {places[name]: name for name in shared})
            for part, places in zip(parts, lists, strict=True)
        ]
        shared = [
            name
            for name in shared
            if len({text[places[name]] for text, places in zip(texts, lists, strict=True)}) == 1
        ]
    return [np.asarray([places[name] for name in shared], np.int64) for places in lists]


def _differ(parts: Sequence[Scored]) -> Problem:
    told = ", ".join(
        f"{part.row['run']!r} on {part.row['test_set_name']!r} "
        + ("with references of its own" if part.row["own"] else f"revision {part.row['number']}")
        for part in parts
    )
    detail = f"the references differ: {told}; {COMMON_ONLY}"
    return Problem(409, "not_comparable", detail, field="system", extra={"differs": ["references"]})


def scores_of(parts: Sequence[Scored], places: Sequence[Places]) -> list[Scores]:
    """The utterances at these places, with the speakers of the first list."""
    speakers = labels_of(parts[0], "speaker", places[0])
    return [
        Scores(part.columns.counts[each].astype(np.int64), part.columns.counted[each], speakers)
        for part, each in zip(parts, places, strict=True)
    ]


def labels_of(part: Scored, factor: str, places: Places) -> list[str]:
    """A factor of each utterance, "" where it is unknown; empty when it is known of none."""
    found = part.factors.get(factor)
    if found is None:
        return []
    return [found.names[code] for code in found.codes[places].tolist()]
