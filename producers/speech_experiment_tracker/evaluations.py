"""Logging what a system recognised on a test set; the server scores it."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import msgspec

from speech_experiment_schemas.columns import digest_text
from speech_experiment_schemas.evaluations import (
    Alternative,
    EvaluationFinished,
    EvaluationStarted,
    Hypotheses,
    hypotheses_digest,
)
from speech_experiment_schemas.ids import birth_name, uuid7
from speech_experiment_schemas.metrics import pack

from .errors import TrackerError
from .guard import guarded
from .lifecycle import Lifecycle
from .rows import MAX_LINE, Columns, name_of, seconds, text
from .rows import conditions as _named
from .test_sets import TestSet

_TEXTS = ("texts", "references", "speakers", "languages", "attention")
_TIMES = ("durations", "decode_seconds", "first_partial", "final", "emission")
Texts = Mapping[str, str] | Sequence[str] | Iterable[tuple[str, str]] | PathLike[str]


class Evaluation:
    """The hypotheses of one system on one test set; made by Run.log_evaluation.

    What `log` returned from survives the process, as all that is logged; only an evaluation that was finished is
    scored. As a context manager it finishes at the end, unless an error came before.

    id  of the evaluation
    """

    def __init__(self, run: EvaluationMethods, test_set: str) -> None:
        self.id: UUID = uuid7()
        self.test_set = test_set
        self._run = run
        self._problems = run._problems
        self._lock = threading.Lock()
        self._columns = Columns(_TEXTS, _TIMES)
        self._more: dict[str, dict[int, Any]] = {}
        self._without: set[int] = set()
        self._gathering = 0
        self._rows = 0
        self._digest = 0
        self._finished = False

    @guarded
    def log(
        self,
        utterance_id: str,
        hypothesis: str,
        *,
        reference: str | None = None,
        speaker: str | None = None,
        language: str | None = None,
        conditions: Mapping[str, Any] | None = None,
        duration: float | None = None,
        decode_seconds: float | None = None,
        first_partial: float | None = None,
        final: float | None = None,
        emission: float | None = None,
        nbest: Sequence[Any] | None = None,
        confidences: Sequence[float] | None = None,
        token_times: Sequence[tuple[float, float]] | None = None,
        attention: str | None = None,
    ) -> None:
        """Logs the result of one utterance; an empty hypothesis is one, an utterance left out is missing.

        reference       where the test set is not registered
        duration        of the audio, where the test set does not know it; decode_seconds: of computing
        first_partial   seconds from the start of speech to the first partial result
        final           seconds from the end of speech to the final result
        emission        mean delay of a token behind its end in the audio, in seconds
        nbest           other hypotheses, the best first: texts, or (text, score)
        confidences     of each token; token_times: (start, end) of each token, in seconds
        attention       path of an artifact that shows the attention
        """
        name = name_of(utterance_id, "utterance_id")
        what = f"utterance {name!r}"
        texts = {"texts": text(hypothesis, f"hypothesis of {what}")}
        if reference is not None:
            texts["references"] = text(reference, f"reference of {what}")
        for column, value in (("speakers", speaker), ("languages", language), ("attention", attention)):
            if value is not None:
                texts[column] = text(str(value), f"{column.removesuffix('s')} of {what}", MAX_LINE)
        given = (duration, decode_seconds, first_partial, final, emission)
        times = {
            column: seconds(value, f"{column.replace('durations', 'duration')} of {what}")
            for column, value in zip(_TIMES, given, strict=True)
        }
        more = _more(nbest, confidences, token_times, what)
        with self._lock:
            self._add(name, texts, times, _named(conditions, what), more)
            if not self._gathering:
                self._flush()

    def _add(
        self,
        name: str,
        texts: dict[str, str],
        times: Mapping[str, float],
        conditions: Mapping[str, str],
        more: Mapping[str, Any],
    ) -> None:
        if self._finished:
            raise TrackerError(f"utterance {name!r} comes after the evaluation was finished", "log it before")
        place = len(self._columns)
        self._columns.add(name, texts, times, conditions)
        if "references" not in texts:
            self._without.add(place)
        for column, value in more.items():
            self._more.setdefault(column, {})[place] = value
            self._columns.size += 2 * len(value) if isinstance(value, bytes) else 200 * len(value)
        if self._columns.full:
            self._flush()

    def _flush(self) -> None:
        size = len(self._columns)
        if not size:
            return
        made = self._columns.made()
        made["texts"] = made["texts"] or [""] * size
        if len(self._without) < size:
            references = made["references"] or [""] * size
            made["references"] = [
                None if place in self._without else each for place, each in enumerate(references)
            ]
        for column, values in self._more.items():
            unknown: Any = [] if column == "nbest" else b""
            made[column] = [values.get(place, unknown) for place in range(size)]
        batch = Hypotheses(first=self._rows, **made)
        self._columns, self._more, self._without = Columns(_TEXTS, _TIMES), {}, set()
        self._say(batch)
        self._rows += size
        self._digest += hypotheses_digest(batch)

    def _say(self, payload: msgspec.Struct) -> None:
        if self._run._is_open("log_evaluation"):
            urgent = not isinstance(payload, Hypotheses)
            subject = ("evaluation", self.id)
            self._run._open().emit(payload, subject, stream="evaluations", urgent=urgent)

    @contextmanager
    def _gathered(self) -> Iterator[None]:
        """What is logged meanwhile goes out in batches, and all of it at the end."""
        with self._lock:
            self._gathering += 1
        try:
            yield
        finally:
            with self._lock:
                self._gathering -= 1
                self._flush()

    @guarded
    def log_all(
        self, hypotheses: Texts, references: Texts | None = None, ids: Sequence[str] | None = None
    ) -> None:
        """Logs many results: {id: hypothesis}, (id, hypothesis) pairs, lists in the order of `ids`, or a file."""
        with self._gathered():
            self._log_all(hypotheses, references, ids)

    def _log_all(self, hypotheses: Texts, references: Texts | None, ids: Sequence[str] | None) -> None:
        if isinstance(hypotheses, str | PathLike):
            self._log_file(hypotheses)
            return
        given = pairs(hypotheses, ids, "hypotheses")
        wanted = None if references is None else dict(pairs(references, ids, "references"))
        if wanted is not None and not isinstance(hypotheses, Mapping) and len(wanted) != len(given):
            raise TrackerError(
                f"{len(given):,} hypotheses, but {len(wanted):,} references",
                "give one reference for each hypothesis",
            )
        for name, hypothesis in given:
            self.log(name, hypothesis, reference=None if wanted is None else wanted.get(name))

    def _log_file(self, path: str | PathLike[str]) -> None:
        from .formats import read

        for each in read(path, "hypothesis"):
            if each.hypothesis is None:
                raise TrackerError(
                    f"{each.place}: utterance {each.id!r} has no hypothesis", "leave its line out"
                )
            self.log(
                each.id,
                each.hypothesis,
                reference=each.reference,
                speaker=each.speaker,
                language=each.language,
                conditions=each.conditions,
                duration=each.duration,
                decode_seconds=each.decode_seconds,
            )

    @guarded
    def finish(self) -> None:
        """All hypotheses are logged; a second call does nothing."""
        with self._lock:
            if self._finished:
                return
            self._flush()
            self._finished = True
            self._say(EvaluationFinished(count=self._rows, digest=digest_text(self._digest)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.finish()

    def __repr__(self) -> str:
        return f"<Evaluation on {self.test_set!r} {self.id}>"


class EvaluationMethods(Lifecycle):
    """The methods of a run that log evaluations."""

    def log_evaluation(
        self,
        test_set: TestSet | str,
        hypotheses: Texts | None = None,
        references: Texts | None = None,
        *,
        ids: Sequence[str] | None = None,
        name: str | None = None,
        revision: int | None = None,
        language: str | None = None,
        decoding: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        timing: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> Evaluation:
        """Logs what this run's system recognised on a test set, for the server to score.

            with run.log_evaluation(test_set="test-clean", decoding={"beam": 10}) as evaluation:
                for utterance in utterances:
                    evaluation.log(utterance.id, recognise(utterance))

        or at once, with hypotheses={id: text}.

        test_set    a registered set, or any name, with references of one's own
        hypotheses  {id: text}, (id, text) pairs, or a list in the order of `ids`; references likewise; or the path of
                    a file: Kaldi text, trn, stm, ctm, a manifest or a table
        revision    of the set: scores against that one alone, and not against corrected references
        decoding    beam, LM weight, …; checkpoint: name of the artifact that was decoded with
        timing      how decode times were taken: {"device": …, "batch_size": …, "includes_io": …}
        """
        set_name = test_set.name if isinstance(test_set, TestSet) else str(test_set)
        evaluation = Evaluation(self, birth_name(set_name))
        started = {
            "name": name,
            "revision": revision,
            "language": language,
            "decoding": decoding,
            "checkpoint": checkpoint,
            "timing": timing,
            "tags": tags,
        }
        self._start_evaluation(
            evaluation, {key: value for key, value in started.items() if value is not None}
        )
        if hypotheses is not None:
            evaluation.log_all(hypotheses, references, ids)
            evaluation.finish()
        return evaluation

    @guarded
    def _start_evaluation(self, evaluation: Evaluation, started: dict[str, Any]) -> None:
        from .tree import plain

        for field in ("decoding", "timing", "tags"):
            if field in started:
                started[field] = plain(started[field], lambda path, value: None)
        evaluation._say(EvaluationStarted(test_set=evaluation.test_set, **started))


def pairs(texts: Texts, ids: Sequence[str] | None, what: str) -> list[tuple[str, str]]:
    """(id, text) of whatever holds texts; raises TrackerError that names the place."""
    if isinstance(texts, PathLike):
        raise TrackerError(f"{what} are a path, {str(texts)!r}", "give texts, or a file that holds both")
    listed: list[Any] = list(texts.items()) if isinstance(texts, Mapping) else list(texts)
    if isinstance(texts, Mapping):
        return listed
    if ids is not None:
        if len(ids) != len(listed):
            raise TrackerError(f"{len(listed):,} {what}, but {len(ids):,} ids", "give one id for each")
        return list(zip(ids, listed, strict=True))
    for place, each in enumerate(listed):
        if isinstance(each, str) or not isinstance(each, Sequence) or len(each) != 2:
            raise TrackerError(
                f"{what}[{place}] is {type(each).__name__} {each!r:.60}",
                "give {id: text}, (id, text) pairs, or lists with ids=",
            )
    found: list[tuple[str, str]] = [(name, given) for name, given in listed]
    return found


def _more(
    nbest: Sequence[Any] | None,
    confidences: Sequence[float] | None,
    token_times: Sequence[tuple[float, float]] | None,
    what: str,
) -> dict[str, Any]:
    """Columns that few utterances have."""
    found: dict[str, Any] = {}
    try:
        if nbest is not None:
            found["nbest"] = [_alternative(each, what) for each in nbest]
        if confidences is not None:
            found["confidences"] = pack("f", array("f", map(float, confidences)))
        if token_times is not None:
            found["token_times"] = pack(
                "f", array("f", (float(t) for start, end in token_times for t in (start, end)))
            )
    except (TypeError, ValueError) as error:
        raise TrackerError(
            f"{what}: {error}", "nbest: texts or (text, score); confidences and times: numbers"
        ) from None
    return found


def _alternative(given: Any, what: str) -> Alternative:
    if isinstance(given, str):
        return Alternative(text(given, f"nbest of {what}"))
    alternative, score = given
    return Alternative(text(alternative, f"nbest of {what}"), None if score is None else float(score))
