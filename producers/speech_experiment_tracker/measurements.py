"""Logging diarization, meetings, verification, keyword spotting, listening tests and synthesis."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from speech_experiment_schemas.ids import birth_name, uuid7
from speech_experiment_schemas.measurements import MAX_ITEMS, Items, MeasurementLogged, definition_identity

from . import measuring
from .artifacts import ArtifactMethods
from .errors import TrackerError
from .guard import guarded
from .measuring import Audio, Source

if TYPE_CHECKING:
    from speech_experiment_projections.scoring.facts import Facts, Result

Given = str | os.PathLike[str] | Iterable[Any] | Mapping[str, Any] | bytes


class About(TypedDict, total=False):
    """What every measurement takes.

    name        tells several measurements on one set apart
    decoding    settings of the system; checkpoint: name of the artifact it was made with
    """

    name: str
    decoding: Mapping[str, Any]
    checkpoint: str


class MeasurementMethods(ArtifactMethods):
    """The methods of a run that measure a task other than recognition, and log what came out.

    They compute here and now, with the tools of the field (`pip install 'speech-experiment-tracker[measures]'`): call them when
    an evaluation is over, not within a training step. What was scored is kept beside the numbers, as artifacts.
    """

    @guarded
    def log_diarization(
        self,
        test_set: str,
        reference: Source,
        hypothesis: Source,
        *,
        regions: Source | None = None,
        collar: float = 0.0,
        skip_overlap: bool = False,
        **about: Unpack[About],
    ) -> None:
        """Logs DER and JER, by pyannote.metrics.

        reference, hypothesis  RTTM files, or (recording, speaker, start, end) rows
        regions                what is evaluated: a UEM file, or (recording, start, end) rows
        collar                 seconds, total width around each boundary: 0.5 is md-eval's 0.25
        """
        if self._is_open("log_diarization"):
            reference, hypothesis = _held(reference, "reference"), _held(hypothesis, "hypothesis")
            with measuring.explained():
                result = measuring.diarization(
                    reference, hypothesis, regions, collar=collar, skip_overlap=skip_overlap
                )
            self._log_result(test_set, result, {"hypothesis": hypothesis}, about)

    @guarded
    def log_meeting(
        self,
        test_set: str,
        reference: Source,
        hypothesis: Source,
        *,
        measure: Literal["cpwer", "orcwer", "tcpwer", "tcorcwer"] = "cpwer",
        collar: float | None = None,
        profile: str | None = None,
        **about: Unpack[About],
    ) -> None:
        """Logs a word error rate of several speakers, by meeteval.

        reference, hypothesis  STM or SegLST files, or (session, speaker, start, end, words) rows
        collar                 seconds, of the measures with times; 5 is usual
        profile                brings both texts into one spelling first; left out: as they are
        """
        if self._is_open("log_meeting"):
            reference, hypothesis = _held(reference, "reference"), _held(hypothesis, "hypothesis")
            with measuring.explained():
                result = measuring.meetings(
                    reference, hypothesis, measure=measure, collar=collar, profile=profile
                )
            self._log_result(test_set, result, {"hypothesis": hypothesis}, about)

    @guarded
    def log_verification(
        self,
        test_set: str,
        trials: Source,
        scores: str | os.PathLike[str] | Sequence[float],
        *,
        p_target: float = 0.01,
        c_miss: float = 1.0,
        c_fa: float = 1.0,
        eer: Literal["rocch", "interpolated", "nearest", "kaldi"] = "rocch",
        calibrated: bool = False,
        by_enrolled: bool = False,
        **about: Unpack[About],
    ) -> None:
        """Logs EER and minDCF, both normalised (Kaldi) and not (SpeechBrain), with bootstrap intervals.

        trials, scores  files as of Kaldi or VoxCeleb, or labels (1: same speaker) and as many scores
        calibrated      scores are natural log-likelihood ratios: actual DCF and Cllr too
        by_enrolled     draws all trials of an enrolled speaker together; needs files
        """
        if self._is_open("log_verification"):
            trials = _held(trials, "trials")
            with measuring.explained():
                result = measuring.verification(
                    trials,
                    scores,
                    p_target=p_target,
                    c_miss=c_miss,
                    c_fa=c_fa,
                    method=eer,
                    calibrated=calibrated,
                    by_enrolled=by_enrolled,
                )
            kept: dict[str, Given] = {"trials": trials, "scores": scores, "det": _json(result.det)}
            self._log_result(test_set, result, kept, about)

    @guarded
    def log_keyword_spotting(
        self,
        test_set: str,
        references: Source,
        hits: Source,
        *,
        seconds: float,
        threshold: float | None = None,
        false_alarms_per_hour: float | None = None,
        development: tuple[str, Source, Source, float] | None = None,
        beta: float = 999.9,
        trials: float | None = None,
        **about: Unpack[About],
    ) -> None:
        """Logs rejections, false alarms an hour, and term-weighted values.

        references, hits  files, or (keyword, recording, start, end[, score]) rows; hits also kwslist files (.xml)
        seconds           of audio that was searched
        threshold         that hits are accepted from; or
        development       set that chooses it (name, references, hits, seconds): the threshold with the best term-weighted
                          value there or, given false_alarms_per_hour, the lowest one with at most so many
        beta              weight of false alarms in the term-weighted values
        trials            of P_FA; one a second of audio if left out
        """
        if self._is_open("log_keyword_spotting"):
            references, hits = _held(references, "references"), _held(hits, "hits")
            with measuring.explained():
                result = measuring.spotting(
                    references,
                    hits,
                    seconds=seconds,
                    threshold=threshold,
                    false_alarms_per_hour=false_alarms_per_hour,
                    development=development,
                    beta=beta,
                    trials=trials,
                )
            self._log_result(test_set, result, {"hits": hits, "det": _json(result.det)}, about)

    @guarded
    def log_listening_test(
        self,
        test_set: str,
        ratings: Source,
        *,
        kind: Literal["mos", "cmos"] = "mos",
        scale: tuple[float, float] | None = None,
        **about: Unpack[About],
    ) -> None:
        """Logs MOS or CMOS with intervals over listeners and items.

        ratings  a CSV file with listener, item, system, score and, for a CMOS, reference; or such rows
        scale    lowest and highest score: 1 to 5 of a MOS, -3 to 3 of a CMOS if left out
        """
        if self._is_open("log_listening_test"):
            ratings = _held(ratings, "ratings")
            with measuring.explained():
                result = measuring.listening(ratings, kind=kind, scale=scale)
            self._log_result(test_set, result, {"ratings": ratings}, about)

    @guarded
    def log_synthesis(
        self,
        test_set: str,
        utterances: Iterable[tuple[str, Audio, Audio]] = (),
        *,
        spoken: Mapping[str, str] | None = None,
        recognised: Mapping[str, str] | None = None,
        recogniser: str = "",
        profile: str = "basic-wer",
        language: str | None = None,
        analysis: Mapping[str, Any] | None = None,
        **about: Unpack[About],
    ) -> None:
        """Logs mel-cepstral distortion and F0 error, and how well a recogniser understands the speech.

        utterances           (id, recording, synthetic speech), files or (samples, rate); needs the extra `tts`
        spoken, recognised   {id: text} given to the synthesis, and as transcribed by `recogniser`
        profile              of the error rate of the transcripts
        analysis             order, alpha, c0, frame_period, warped, f0: see scoring.synthesis.Analysis
        """
        if not self._is_open("log_synthesis"):
            return
        pairs = _held(utterances, "utterances")
        if (spoken is None) != (recognised is None):
            missing = "spoken" if spoken is None else "recognised"
            raise TrackerError(
                f"{missing} is missing", "intelligibility needs the texts and their transcripts"
            )
        if not pairs and spoken is None:
            raise TrackerError("nothing is given", "give utterances, or spoken and recognised texts")
        if pairs:
            with measuring.explained():
                distorted = measuring.synthesis(pairs, **dict(analysis or {}))
            self._log_result(test_set, distorted, {}, about)
        if spoken is not None and recognised is not None:
            with measuring.explained():
                understood = measuring.intelligibility(
                    spoken, recognised, recogniser=recogniser, profile=profile, language=language
                )
            self._log_result(test_set, understood, {"transcripts": _json(recognised)}, about)

    def _log_result(self, test_set: str, result: Result, kept: Mapping[str, Given], about: About) -> None:
        from speech_experiment_projections.scoring.facts import facts

        from .tree import plain

        _check_about(about)
        found = facts(result)
        identity, name = uuid7(), birth_name(str(test_set))
        folder = f"measurements/{name}/{found.definition.task}-{str(identity)[-8:]}"
        given = dict(kept)
        if len(found.items) > MAX_ITEMS:
            given["items"] = _json(found.items)
        event = MeasurementLogged(
            measurement=identity,
            test_set=name,
            name=about.get("name"),
            definition=found.definition,
            identity=definition_identity(found.definition),
            values=found.values,
            intervals=found.intervals,
            items=_items(found),
            artifacts={role: self._keep(f"{folder}/{role}", content) for role, content in given.items()},
            decoding=plain(dict(about.get("decoding") or {}), lambda path, value: None),
            checkpoint=about.get("checkpoint"),
        )
        self._open().emit(event, stream="evaluations")

    def _keep(self, name: str, content: Given) -> str:
        """Logs what was scored; the path of the artifact."""
        if isinstance(content, str | os.PathLike):
            path = f"{name}{Path(content).suffix}"
            self._log_file(Path(content), self._event(path, "measurement", None, None, None), False)
            return path
        path = f"{name}.json" if isinstance(content, bytes) else f"{name}.txt"
        data = content if isinstance(content, bytes) else _text(content)
        self._log_bytes(data, self._event(path, "measurement", None, None, None))
        return path


def _items(found: Facts) -> Items:
    size = len(found.items)
    if not 0 < size <= MAX_ITEMS:
        return Items(kind=found.item, total=size)
    names = next(iter(found.items.values()))
    columns = {name: [row[name] for row in found.items.values()] for name in names}
    return Items(kind=found.item, total=size, ids=list(found.items), columns=columns)


def _check_about(about: About) -> None:
    """Raises TrackerError for an argument that no measurement has."""
    unknown = sorted(set(about) - set(About.__annotations__))
    if unknown:
        raise TrackerError(
            f"there is no argument {unknown[0]!r}",
            f"beside its own it takes {', '.join(About.__annotations__)}",
        )
    decoding: object = about.get("decoding", {})
    if not isinstance(decoding, Mapping):
        raise TrackerError(f"decoding is {decoding!r:.60}", 'give a dict, such as {"beam": 10}')


def _held(source: Any, name: str) -> Any:
    """A list of what can be read once; raises TrackerError for what is neither a file nor rows."""
    if isinstance(source, str | os.PathLike):
        return source
    if not isinstance(source, Iterable):
        raise TrackerError(f"{name} is {source!r:.60}", "give a file, or rows")
    return list(source)


def _text(rows: Iterable[Any]) -> bytes:
    lines = [row if isinstance(row, tuple | list) else (row,) for row in rows]
    return "".join("\t".join(map(str, line)) + "\n" for line in lines).encode()


def _json(value: Any) -> bytes:
    from .media import json_bytes

    return json_bytes(value)
