"""`speech-tracker measure`: other tasks than recognition, from files and without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import measuring
from ..errors import TrackerError
from .measured import shown

app = typer.Typer(add_completion=False, no_args_is_help=True)


def _file(help: str) -> Any:  # noqa: A002 - typer's word
    return typer.Argument(exists=True, dir_okay=False, help=help)


def _folder(help: str) -> Any:  # noqa: A002
    return typer.Argument(exists=True, file_okay=False, help=help)


@app.callback()
def _group() -> None:
    """Measures of other tasks than recognition, from files and without a server.

    Every result names its definition: numbers are comparable only where the definitions are the same. Runs log the same
    with run.log_diarization(…) and the like; `speech-tracker measurements` compares what they logged.

    Examples:

      speech-tracker measure diarization ref.rttm hyp.rttm --collar 0.5

      speech-tracker measure verification trials.txt scores.txt --p-target 0.05

      speech-tracker measure spotting said.txt hits.txt --seconds 36000 --dev dev dev-said.txt dev-hits.txt 18000
    """


@app.command()
@shown
def diarization(
    reference: Annotated[Path, _file("RTTM: who speaks when.")],
    hypothesis: Annotated[Path, _file("RTTM of the system.")],
    uem: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Evaluated regions.")] = None,
    collar: Annotated[
        float, typer.Option(min=0, help="Seconds, total width around each boundary: 0.5 is md-eval's 0.25.")
    ] = 0.0,
    skip_overlap: Annotated[bool, typer.Option(help="Leave out where several speakers speak.")] = False,
) -> Any:
    """DER and JER of RTTM files, by pyannote.metrics."""
    return measuring.diarization(reference, hypothesis, uem, collar=collar, skip_overlap=skip_overlap)


@app.command()
@shown
def meeting(
    reference: Annotated[Path, _file("STM, or SegLST (.json).")],
    hypothesis: Annotated[Path, _file("Of the system; STM, or SegLST (.json).")],
    measure: Annotated[
        Literal["cpwer", "orcwer", "tcpwer", "tcorcwer"],
        typer.Option(help="By speaker or by output stream; tc: words match within the collar."),
    ] = "cpwer",
    collar: Annotated[float | None, typer.Option(help="Seconds, of tcpwer and tcorcwer; 5 is usual.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Scoring profile that brings both texts into one spelling.")
    ] = None,
) -> Any:
    """Word error rates of several speakers, of STM or SegLST (.json) files, by meeteval."""
    return measuring.meetings(reference, hypothesis, measure=measure, collar=collar, profile=profile)


@app.command()
@shown
def verification(
    trials: Annotated[Path, _file("Lines `enrolled test target|nontarget` or `1|0 enrolled test`.")],
    scores: Annotated[Path, _file("Lines `enrolled test score`, one for each trial.")],
    p_target: Annotated[float, typer.Option(help="Prior of a target trial.")] = 0.01,
    c_miss: Annotated[float, typer.Option(help="Cost of a miss.")] = 1.0,
    c_fa: Annotated[float, typer.Option(help="Cost of a false alarm.")] = 1.0,
    eer: Annotated[
        Literal["rocch", "interpolated", "nearest", "kaldi"], typer.Option(help="How the crossing is found.")
    ] = "rocch",
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Scores are log-likelihood ratios: actual DCF and Cllr too.")
    ] = False,
    by_enrolled: Annotated[
        bool, typer.Option("--by-enrolled", help="Draw all trials of an enrolled speaker together.")
    ] = False,
) -> Any:
    """EER and minDCF, normalised and not, of trials and scores files as of Kaldi or VoxCeleb."""
    return measuring.verification(
        trials,
        scores,
        p_target=p_target,
        c_miss=c_miss,
        c_fa=c_fa,
        method=eer,
        calibrated=calibrated,
        by_enrolled=by_enrolled,
    )


@app.command()
@shown
def spotting(
    references: Annotated[Path, _file("Lines `keyword recording start end`.")],
    hits: Annotated[Path, _file("Lines `keyword recording start end score`, or kwslist.xml.")],
    seconds: Annotated[float, typer.Option(help="Of audio that was searched.")],
    threshold: Annotated[float | None, typer.Option(help="Hits are accepted from this score on.")] = None,
    false_alarms_per_hour: Annotated[
        float | None,
        typer.Option(help="At most so many on the development set, instead of its best term-weighted value."),
    ] = None,
    dev: Annotated[
        tuple[str, Path, Path, float] | None,
        typer.Option(
            help="Development set, which chooses the threshold: name, references, hits, seconds.",
            metavar="NAME REF HITS SECONDS",
        ),
    ] = None,
    beta: Annotated[float, typer.Option(help="Of the term-weighted values.")] = 999.9,
    trials: Annotated[float | None, typer.Option(help="Of P_FA; one a second if left out.")] = None,
) -> Any:
    """Rejections, false alarms an hour and term-weighted values, of lines `keyword recording start end` and a score.

    Hits may also be a kwslist file (.xml): without a threshold its own decisions count.
    """
    return measuring.spotting(
        references,
        hits,
        seconds=seconds,
        threshold=threshold,
        false_alarms_per_hour=false_alarms_per_hour,
        development=dev,
        beta=beta,
        trials=trials,
    )


@app.command()
@shown
def listening(
    ratings: Annotated[
        Path, _file("CSV with the columns listener, item, system, score and, for a CMOS, reference.")
    ],
    kind: Annotated[
        Literal["mos", "cmos"], typer.Option(help="Scores of a system, or beside another.")
    ] = "mos",
    scale: Annotated[
        tuple[float, float] | None, typer.Option(help="Lowest and highest score, e.g. 0 100 of MUSHRA.")
    ] = None,
) -> Any:
    """MOS or CMOS with intervals over listeners and items, of a CSV file with listener, item, system, score."""
    return measuring.listening(ratings, kind=kind, scale=scale)


@app.command()
@shown
def synthesis(
    recordings: Annotated[Path, _folder("WAV or FLAC, one file an utterance.")],
    synthetic: Annotated[Path, _folder("Synthetic speech under the same names.")],
    order: Annotated[int, typer.Option(min=1, help="Of the mel-cepstrum.")] = 24,
    c0: Annotated[bool, typer.Option("--c0", help="Loudness counts too.")] = False,
    dtw: Annotated[bool, typer.Option(help="Align frames by dynamic time warping, or one by one.")] = True,
    f0: Annotated[Literal["harvest", "dio"], typer.Option(help="Pitch tracker; dio is faster.")] = "harvest",
) -> Any:
    """Mel-cepstral distortion and F0 error of two folders with files of the same names."""
    return measuring.synthesis(
        measuring.paired_files(recordings, synthetic), order=order, c0=c0, warped=dtw, f0=f0
    )


@app.command()
@shown
def intelligibility(
    spoken: Annotated[Path, _file("Lines `utterance words…`: what the synthesis was given.")],
    recognised: Annotated[Path, _file("Lines `utterance words…`: transcripts of the speech.")],
    recogniser: Annotated[str, typer.Option(help="Name and version of what transcribed the speech.")],
    profile: Annotated[str, typer.Option(help="Scoring profile.")] = "basic-wer",
    language: Annotated[str | None, typer.Option(help="Of the texts: profiles may treat it apart.")] = None,
) -> Any:
    """Error rate of a recogniser on synthetic speech, of two files with lines `utterance words…`."""
    return measuring.intelligibility(
        _texts(spoken), _texts(recognised), recogniser=recogniser, profile=profile, language=language
    )


def _texts(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(measuring.lines(path), 1):
        name, _, text = line.strip().partition(" ")
        if name in found:
            raise TrackerError(f"{path}:{number}: gives utterance {name!r} a second time", "keep one")
        if name:
            found[name] = text
    return found
