"""Measures of tasks other than recognition, from files or rows; what the SDK and the CLI have in common.

The measures themselves are pure functions of speech_experiment_projections.scoring, imported when they are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import TrackerError

if TYPE_CHECKING:
    from speech_experiment_projections.scoring.diarization import Diarization
    from speech_experiment_projections.scoring.intelligibility import Intelligibility
    from speech_experiment_projections.scoring.listening import Listening
    from speech_experiment_projections.scoring.meetings import Meetings
    from speech_experiment_projections.scoring.spotting import Spotting
    from speech_experiment_projections.scoring.synthesis import Sound, Synthesis
    from speech_experiment_projections.scoring.verification import Verification

Row = TypeVar("Row")
Source = str | os.PathLike[str] | Iterable[Sequence[Any]]
"""A file, or rows with its fields."""
Audio = str | os.PathLike[str] | tuple[Any, int]
"""A file, or (mono samples from -1 to 1, rate in Hz)."""
_EXTRAS = {
    **dict.fromkeys(("numpy", "scipy", "pyannote"), "measures"),
    **dict.fromkeys(("regex", "rapidfuzz", "kaldialign", "whisper_normalizer", "opencc"), "scoring"),
    "meeteval": "meetings",
}


@contextmanager
def explained() -> Iterator[None]:
    """Turns what is wrong with files, rows and settings into TrackerError, and says which extra is missing."""
    try:
        yield
    except TrackerError:
        raise
    except ImportError as error:
        module = (error.name or str(error)).partition(".")[0]
        extra = _EXTRAS.get(module, "tts")
        raise TrackerError(
            f"{module} is not installed", f"pip install 'speech-experiment-tracker[{extra}]'"
        ) from error
    except (ValueError, TypeError) as error:
        raise TrackerError(str(error)) from error


def diarization(
    reference: Source, hypothesis: Source, regions: Source | None = None, **settings: Any
) -> Diarization:
    """Of RTTM files, or (recording, speaker, start, end) rows; regions of a UEM file, or (recording, start, end)."""
    from speech_experiment_projections.scoring.diarization import diarization
    from speech_experiment_projections.scoring.turns import Region, Turn, read_rttm, read_uem

    result = diarization(
        rows(reference, Turn, read_rttm),
        rows(hypothesis, Turn, read_rttm),
        regions=None if regions is None else rows(regions, Region, read_uem),
        **settings,
    )
    if result.pooled.der is None:
        raise TrackerError(
            "no speech of the reference is evaluated", "collar and regions must leave some of it"
        )
    return result


def meetings(
    reference: Source, hypothesis: Source, *, profile: str | None = None, **settings: Any
) -> Meetings:
    """Of STM or SegLST files (.json), or (session, speaker, start, end, words) rows.

    profile  name or file of the one that brings both texts into one spelling first; it counts words as meeteval aligns
             them
    """
    from speech_experiment_projections.scoring.meetings import meetings

    prepare = named = None
    if profile is not None:
        prepare, named = _prepared(profile)
    return meetings(_segments(reference), _segments(hypothesis), prepare=prepare, profile=named, **settings)


def _prepared(name: str) -> tuple[Callable[[str], str], str]:
    from .plain.chosen import profile_of

    profile = profile_of(name)
    if profile.has_choices:
        raise TrackerError(
            f"profile {name!r} has choices, which meeteval does not know", "take another profile"
        )
    return lambda text: " ".join(
        profile.prepare(text)
    ), f"{name}-{profile.version} {profile.identity.hex()[:16]}"


def _segments(source: Source) -> list[Any]:
    from speech_experiment_projections.scoring.meetings import Segment, read_seglst, read_stm

    if isinstance(source, str | os.PathLike) and Path(source).suffix == ".json":
        return read_seglst("".join(lines(source)), str(source))
    return rows(source, Segment, read_stm)


def verification(
    trials: Source,
    scores: str | os.PathLike[str] | Sequence[float],
    *,
    by_enrolled: bool = False,
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
    **settings: Any,
) -> Verification:
    """Of a trials and a scores file, or of labels (1 or True for the same speaker) and as many scores.

    by_enrolled  draws all trials of an enrolled speaker together; needs files
    """
    import numpy as np

    from speech_experiment_projections.scoring.trials import join_scores, read_trials
    from speech_experiment_projections.scoring.verification import Costs, verification

    costs = Costs(float(p_target), float(c_miss), float(c_fa))
    if isinstance(trials, str | os.PathLike):
        if not isinstance(scores, str | os.PathLike):
            raise TrackerError("trials are a file, but scores are none", "give two files, or two lists")
        joined = join_scores(read_trials(lines(trials), str(trials)), lines(scores), str(scores))
        groups = joined.enrolled if by_enrolled else None
        return verification(joined.scores, joined.targets, costs=costs, groups=groups, **settings)
    if isinstance(scores, str | os.PathLike) or by_enrolled:
        raise TrackerError("trials are no file", "give both as files, or labels and scores as lists")
    return verification(np.asarray(scores), np.asarray(trials), costs=costs, **settings)


def spotting(
    references: Source,
    hits: Source,
    *,
    threshold: float | None = None,
    false_alarms_per_hour: float | None = None,
    development: tuple[str, Source, Source, float] | None = None,
    **settings: Any,
) -> Spotting:
    """Of files `keyword recording start end [score]`, or such rows; hits also of a kwslist file (.xml).

    threshold              that hits are accepted from; without one their own decisions count
    development            (name, references, hits, seconds): the threshold is chosen on that set and applied here, the one
                           with the best term-weighted value there; or
    false_alarms_per_hour  the lowest one with at most so many false alarms there
    """
    from speech_experiment_projections.scoring.spotting import (
        BETA,
        Hit,
        Occurrence,
        best_threshold,
        read_hits,
        read_kwslist,
        read_occurrences,
        spotting,
        threshold_at,
    )

    def heard_in(source: Source) -> list[Hit]:
        if isinstance(source, str | os.PathLike) and Path(source).suffix == ".xml":
            return read_kwslist("".join(lines(source)), str(source))
        return rows(source, Hit, read_hits)

    found = heard_in(hits)
    tuned_on = None
    if development is not None and threshold is None:
        name, said, heard, seconds = development
        spoken, claimed = rows(said, Occurrence, read_occurrences), heard_in(heard)
        if not claimed:
            raise TrackerError(f"development set {name!r} has no hit", "it cannot choose a threshold")
        if false_alarms_per_hour is None:
            threshold = best_threshold(spoken, claimed, seconds=seconds, beta=settings.get("beta", BETA))
            tuned_on = f"{name}, best term-weighted value"
        else:
            threshold = threshold_at(
                spoken, claimed, seconds=seconds, false_alarms_per_hour=false_alarms_per_hour
            )
            tuned_on = f"{name}, at most {false_alarms_per_hour:g} false alarms an hour"
    elif development is not None:
        raise TrackerError(
            "a threshold and a development set are given", "give one of them: the set chooses a threshold"
        )
    elif false_alarms_per_hour is not None:
        raise TrackerError(
            "false_alarms_per_hour is given without a development set", "give the set that it is kept on"
        )
    elif threshold is None and any(hit.accepted is None for hit in found):
        raise TrackerError(
            "no threshold is given",
            "give one, a development set that chooses it, or hits with decisions (kwslist.xml)",
        )
    return spotting(
        rows(references, Occurrence, read_occurrences),
        found,
        threshold=threshold,
        tuned_on=tuned_on,
        **settings,
    )


def listening(ratings: Source, **settings: Any) -> Listening:
    """Of a CSV file, or (listener, item, system, score[, reference]) rows."""
    from speech_experiment_projections.scoring.listening import Rating, listening, read_ratings

    return listening(rows(ratings, Rating, read_ratings), **settings)


def synthesis(utterances: Iterable[tuple[str, Audio, Audio]], **settings: Any) -> Synthesis:
    """Of (id, recording, synthetic speech); settings as of scoring.synthesis.Analysis."""
    from speech_experiment_projections.scoring.synthesis import Analysis, synthesis

    return synthesis(
        ((str(name), sound(recording), sound(made)) for name, recording, made in utterances),
        Analysis(**settings),
    )


def intelligibility(
    spoken: Mapping[str, str],
    recognised: Mapping[str, str],
    *,
    recogniser: str,
    profile: str = "basic-wer",
    language: str | None = None,
) -> Intelligibility:
    """Of {utterance: text} given to the synthesis and {utterance: transcript} of a recogniser."""
    from speech_experiment_projections.scoring.intelligibility import intelligibility

    from .plain.chosen import profile_of

    return intelligibility(
        spoken, recognised, profile=profile_of(profile), recogniser=recogniser, language=language
    )


def sound(audio: Audio) -> Sound:
    """Mono samples; raises ValueError for a file with more channels."""
    from speech_experiment_projections.scoring.synthesis import Sound

    if not isinstance(audio, str | os.PathLike):
        return Sound(*audio)
    import soundfile

    try:
        samples, rate = soundfile.read(audio)
    except (OSError, RuntimeError) as error:
        raise TrackerError(f"audio {str(audio)!r} cannot be read: {error}", "give WAV or FLAC") from None
    if samples.ndim != 1:
        raise ValueError(f"{audio} has {samples.shape[1]} channels; mix them or take one")
    return Sound(samples, rate)


def paired_files(recordings: Path, synthetic: Path) -> list[tuple[str, Path, Path]]:
    """(name, recording, synthetic speech) of two folders, by the names of the files without their endings.

    Raises TrackerError where one has files that the other has not.
    """
    both = [_sounds(folder) for folder in (recordings, synthetic)]
    for found, other, folder in ((both[0], both[1], synthetic), (both[1], both[0], recordings)):
        missing = sorted(found.keys() - other.keys())
        if missing:
            raise TrackerError(
                f"{str(folder)!r} has no {missing[0]!r}"
                + (f" and {len(missing) - 1} others" if missing[1:] else ""),
                "both folders need the same names",
            )
    return [(name, both[0][name], both[1][name]) for name in sorted(both[0])]


def _sounds(folder: Path) -> dict[str, Path]:
    found = {path.stem: path for path in folder.glob("*") if path.suffix.lower() in (".wav", ".flac")}
    if not found:
        raise TrackerError(
            f"{str(folder)!r} has no WAV or FLAC files", "give a folder with one file an utterance"
        )
    return found


def rows(
    source: Source, kind: Callable[..., Row], read: Callable[[Iterable[str], str], list[Row]]
) -> list[Row]:
    """The rows of a file or of an iterable; raises ValueError that names the place and what belongs there."""
    if isinstance(source, str | os.PathLike):
        return read(lines(source), str(source))
    found = []
    for place, row in enumerate(source):
        try:
            if isinstance(row, str):
                raise TypeError
            found.append(kind(*row))
        except TypeError:
            raise ValueError(f"row {place} is {row!r:.60}; give ({_fields(kind)})") from None
    return found


def _fields(kind: Any) -> str:
    """Of a named tuple, those with a default in brackets."""
    names = [f"[{name}]" if name in kind._field_defaults else name for name in kind._fields]
    return ", ".join(names)


def lines(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a UTF-8 text file; raises TrackerError for another."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.readlines()
    except UnicodeDecodeError as error:
        raise TrackerError(f"{path} is not UTF-8 text: byte {error.start}", "convert it first") from None
    except OSError as error:
        raise TrackerError(f"{path} cannot be read: {error.strerror}", "give a file") from None
