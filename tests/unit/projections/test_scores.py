"""Scores are a pure function of texts and profile: batches, order and time of corrections change nothing."""

from __future__ import annotations

import random
from collections.abc import Sequence
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections import evaluations, test_sets
from speech_experiment_projections.evaluations import Evaluation
from speech_experiment_projections.recorded import Recorded
from speech_experiment_projections.refusal import Refused
from speech_experiment_projections.scores import (
    Correction,
    Patch,
    Prepared,
    Summing,
    Totals,
    count_corrections,
    count_list,
    pack_columns,
    patched,
    placed,
    unpack_columns,
)
from speech_experiment_projections.scoring.built_in import PROFILES
from speech_experiment_projections.scoring.profiles import NotScoredError
from speech_experiment_projections.utterances import (
    References,
    own_references,
    pack_factors,
    recognised_of,
    references_of,
    unpack_factors,
)
from speech_experiment_schemas import Sealer, decode
from speech_experiment_schemas import test_sets as said
from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.evaluations import (
    EvaluationFinished,
    EvaluationStarted,
    Hypotheses,
    hypotheses_digest,
)
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import pack
from speech_experiment_schemas.test_sets import ReferenceCorrected, ReferenceMarked, list_digest

WORDS = "one two three four five six".split()
texts = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
lists = st.dictionaries(st.sampled_from("abcdefghij"), texts, min_size=1)
BASIC = PROFILES["basic-wer"]


def utterances(references: dict[str, str], upload: UUID, size: int) -> list[said.TestSetUtterances]:
    """A list in batches of a size."""
    ids = list(references)
    return [
        said.TestSetUtterances(
            test_set="set",
            upload=upload,
            first=start,
            ids=ids[start : start + size],
            references=[references[name] for name in ids[start : start + size]],
            speakers=[f"speaker {name < 'e'}" for name in ids[start : start + size]],
            durations=pack("d", [2.0] * len(ids[start : start + size])),
        )
        for start in range(0, len(ids), size)
    ]


def hypotheses(given: dict[str, str], size: int) -> list[Hypotheses]:
    ids = list(given)
    return [
        Hypotheses(
            first=start,
            ids=ids[start : start + size],
            texts=[given[name] for name in ids[start : start + size]],
            decode_seconds=pack("d", [0.5] * len(ids[start : start + size])),
        )
        for start in range(0, len(ids), size)
    ]


def recorded(payload: object, subject: tuple[str, UUID], offset: int, run: UUID | None = None) -> Recorded:
    record = Sealer(uuid7(), "evaluations").seal(payload, subject, run=run)  # type: ignore[arg-type]
    return Recorded(decode(record), payload, 0, offset, offset, "key:1", "team", ((0, 1),))  # type: ignore[arg-type]


def fold(payloads: Sequence[said.TestSetEvent]) -> test_sets.TestSet:
    state: test_sets.TestSet | None = None
    for offset, payload in enumerate(payloads):
        state = test_sets.evolve(state, recorded(payload, ("test_set", uuid7()), offset))
        assert test_sets.load(test_sets.dump(state)) == state
    assert state is not None
    return state


@given(lists, st.integers(1, 4), st.randoms(use_true_random=False))
def test_a_list_counts_once_all_of_it_is_there_in_any_order(
    references: dict[str, str], size: int, dice: random.Random
) -> None:
    upload = uuid7()
    batches = utterances(references, upload, size)
    digest = digest_text(sum(map(list_digest, batches)))
    events: list[said.TestSetEvent] = [
        *batches,
        said.TestSetRevised(test_set="set", upload=upload, count=len(references), digest=digest),
    ]
    dice.shuffle(events)
    assert fold(events[:-1] or events).revision == (0 if len(events) > 1 else 1)
    whole = fold(events)
    assert (whole.revision, whole.base, whole.rows, whole.uploads) == (1, 1, len(references), {})
    again = utterances(references, other := uuid7(), max(1, size - 1))
    twice = [
        *events,
        *again,
        said.TestSetRevised(test_set="set", upload=other, count=len(references), digest=digest),
    ]
    assert fold(twice).revision == 1
    corrected = ReferenceCorrected(test_set="set", ids=["a"], references=["seven"])
    assert fold([*events, corrected]).revision == 2
    marked = ReferenceMarked(test_set="set", ids=["a"], doubtful=True, note="cut off")
    assert fold([*events, marked, corrected, marked]).revision == 2


def test_there_is_nothing_to_correct_without_a_list() -> None:
    with pytest.raises(Refused, match="no utterances"):
        fold([ReferenceCorrected(test_set="set", ids=["a"], references=["b"])])
    with pytest.raises(Refused, match="could be marked"):
        fold([ReferenceMarked(test_set="set", ids=["a"], doubtful=True)])


@given(lists, st.integers(1, 4), st.randoms(use_true_random=False))
def test_an_evaluation_is_whole_when_all_of_it_is_there(
    given: dict[str, str], size: int, dice: random.Random
) -> None:
    batches = hypotheses(given, size)
    digest = digest_text(sum(map(hypotheses_digest, batches)))
    events = [
        EvaluationStarted(test_set="set"),
        *batches,
        EvaluationFinished(count=len(given), digest=digest),
    ]
    dice.shuffle(events)
    run, identity = uuid7(), uuid7()
    state: Evaluation | None = None
    states = []
    for offset, payload in enumerate(events):
        state = evaluations.evolve(state, recorded(payload, ("evaluation", identity), offset, run))
        assert evaluations.load(evaluations.dump(state)) == state
        states.append(state.state)
    assert states[-1] == "complete"
    assert "complete" not in states[:-1]
    with pytest.raises(Refused):
        evaluations.evolve(state, recorded(events[0], ("evaluation", identity), 99, uuid7()))


def scored(
    references: References, given: dict[str, str], corrections: Sequence[Correction], numbers: Sequence[int]
) -> dict[int, Totals]:
    """Everything in one go."""
    prepared = Prepared(BASIC)
    recognised = recognised_of(hypotheses(given, 3))
    counted = count_list(prepared, references, recognised)
    known, _ = placed(references.ids, corrections)
    texts = [None if counted.columns.rows[place] < 0 else given[each.utterance] for each, place in known]
    patches = count_corrections(prepared, references, known, texts)
    summing = Summing(references, counted.columns, counted.seconds, known, patches)
    return {number: summing.totals(number) for number in numbers}


@given(lists, lists, st.lists(st.tuples(st.sampled_from("abcdefghij"), texts), max_size=4))
def test_a_correction_gives_what_the_corrected_list_gives(
    references: dict[str, str], given: dict[str, str], changes: list[tuple[str, str]]
) -> None:
    corrections = [Correction(number, name, text) for number, (name, text) in enumerate(changes, 2)]
    made = references_of(utterances(references, uuid7(), 3), "en")
    totals = scored(made, given, corrections, range(1, len(changes) + 2))
    now = dict(references)
    for number in range(1, len(changes) + 2):
        for each in corrections:
            if each.number == number and each.utterance in now:
                now[each.utterance] = each.text
        fresh = references_of(utterances(now, uuid7(), 4), "en")
        assert totals[number] == scored(fresh, given, [], [1])[1]


@given(lists, lists)
def test_missing_repeated_and_unknown_hypotheses_are_told_apart(
    references: dict[str, str], given: dict[str, str]
) -> None:
    made = references_of(utterances(references, uuid7(), 3), None)
    recognised = recognised_of(hypotheses(given, 2))
    doubled = recognised._replace(
        ids=recognised.ids * 2, texts=recognised.texts + ["other"] * len(recognised.ids)
    )
    counted = count_list(Prepared(BASIC), made, doubled)
    once = count_list(Prepared(BASIC), made, recognised)
    assert np.array_equal(counted.columns.counts, once.columns.counts)
    shared = references.keys() & given.keys()
    assert counted.flags.repeated == len(shared)
    assert once.flags.unknown == len(given.keys() - references.keys())
    missing = once.columns.rows < 0
    assert int(missing.sum()) == len(references) - len(shared)
    words = sum(len(references[name].split()) for name in references.keys() - shared)
    assert once.columns.counts[missing].sum() == words


def test_an_empty_hypothesis_is_not_a_missing_one_where_the_profile_tells_them_apart() -> None:
    made = references_of(utterances({"a": "one two", "b": "three"}, uuid7(), 5), None)
    present = Prepared(PROFILES["kaldi-wer-present"])
    empty = count_list(present, made, recognised_of(hypotheses({"a": "one two", "b": ""}, 5)))
    missing = count_list(present, made, recognised_of(hypotheses({"a": "one two"}, 5)))
    assert Summing(made, empty.columns, empty.seconds).totals(1).rate == pytest.approx(1 / 3)
    assert Summing(made, missing.columns, missing.seconds).totals(1).rate == 0.0
    with pytest.raises(NotScoredError):
        count_list(Prepared(PROFILES["sclite-wer"]), made, recognised_of(hypotheses({"a": "one"}, 5)))


def test_references_of_ones_own_make_the_list() -> None:
    batch = Hypotheses(
        first=0,
        ids=["a", "b", "a", "c"],
        texts=["one", "two", "six", "x"],
        references=["one", "too", "one", None],
    )
    made = own_references([batch], "en")
    assert (made.ids, made.texts) == (["a", "b"], ["one", "too"])
    counted = count_list(Prepared(BASIC), made, recognised_of([batch]))
    assert counted.columns.counts.sum(axis=0).tolist() == [1, 1, 0, 0]
    assert (counted.flags.repeated, counted.flags.unknown) == (1, 1)


@given(lists, lists, st.lists(st.tuples(st.integers(2, 5), st.integers(0, 9)), max_size=5))
def test_columns_come_back_from_their_bytes(
    references: dict[str, str], given: dict[str, str], places: list[tuple[int, int]]
) -> None:
    made = references_of(utterances(references, uuid7(), 3), "en")
    columns = count_list(Prepared(BASIC), made, recognised_of(hypotheses(given, 3))).columns
    for one, other in zip(columns, unpack_columns(pack_columns(columns)), strict=True):
        assert np.array_equal(one, other)
    factors, starts, durations = unpack_factors(pack_factors(made))
    assert [factors["speaker"].names[code] for code in factors["speaker"].codes] == [
        f"speaker {name < 'e'}" for name in references
    ]
    assert np.isnan(starts).all()
    assert (durations == 2.0).all()
    patches = [Patch(number, place % len(made), (number, 0, 0, 0), True) for number, place in places]
    latest = patched(columns, patches, 4).counts
    for patch in sorted(patches):
        if patch.number <= 4 and patch.number == max(
            p.number for p in patches if p.position == patch.position and p.number <= 4
        ):
            assert latest[patch.position].tolist() == [patch.number, 0, 0, 0]
