"""One example payload for every event type, and the tool that freezes it: python -m tests.unit.schemas.examples.

It writes only what is missing. A golden file that exists is what a log somewhere holds: never rewritten.
"""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from uuid import UUID

import msgspec

import speech_experiment_schemas as schemas
from speech_experiment_schemas import (
    artifacts,
    control,
    evaluations,
    experiments,
    measurements,
    metrics,
    producers,
    runs,
    test_sets,
)
from speech_experiment_schemas.catalogue import type_of
from speech_experiment_schemas.envelope import Envelope, encode, encode_payload

GOLDEN = Path(schemas.__file__).parent / "golden"
RUN = UUID("01930000-0000-7000-8000-00000000000a")
EXPERIMENT = UUID("7ada8581-ad53-5e69-b64c-1e65e094a9be")
PRODUCER = UUID("01930000-0000-7000-8000-00000000000b")

DIARIZATION = measurements.MeasurementDefinition(
    task="diarization",
    tool="pyannote.metrics",
    version="4.2.0",
    settings={"collar": 0.5, "skip_overlap": False, "uem": "given"},
)

EXAMPLES: list[msgspec.Struct] = [
    producers.ProducerOpened(rank=1, world_size=8, attempt=2, host="node07", pid=4242, client="python/0.1.0"),
    producers.ProducerClosed(reason="lost", problems={"metrics_dropped": 3}),
    producers.SeqVoided(reason="refused", digest="ab" * 32, detail="data.name: too long"),
    experiments.ExperimentCreated(
        name="Conformer ASR", task="asr", description="Ünïcode", tags={"team": "a"}
    ),
    experiments.ExperimentUpdated(description="longer", tags={"team": ""}),
    experiments.ExperimentRenamed(name="Conformer ASR, large"),
    experiments.ExperimentArchived(),
    experiments.ExperimentLinked(kind="fine_tuned_from", target=RUN),
    runs.RunStarted(
        experiment=EXPERIMENT,
        experiment_name="Conformer ASR",
        name="conformer_12l",
        tags={"language": "en"},
        notes="first",
        user="ana",
    ),
    runs.RunResumed(attempt=2, from_step=5_000),
    runs.RunConfigured(
        config={"encoder": {"layers": 12, "dropout": 0.1}, "lr": nan, "langs": ["en", None, True]}
    ),
    runs.RunTagged(tags={"stage": "draft"}, removed=["old"]),
    runs.RunNoted(notes="# notes"),
    runs.RunRenamed(name="conformer_12l_b"),
    runs.RunLinked(kind="child_of", target=EXPERIMENT),
    runs.RunEnvironment(
        host="node07",
        command=["python", "train.py", "--lr", "1e-3"],
        cwd="/home/ana/asr",
        python="3.11.7",
        git={"commit": "0" * 40, "dirty": True},
        packages={"torch": "2.15.0"},
        container={"image": "asr:1"},
        hardware={"cores": 8, "gpus": [{"name": "H200", "memory_bytes": 1 << 37}]},
    ),
    runs.RunOutput(channel="stderr", first=17, lines=["epoch 1", "loss 2.3"]),
    runs.RunHeartbeat(problems={"upload_retried": 1}),
    runs.RunFinished(exit_code=0),
    runs.RunFailed(error="CUDA out of memory", traceback="Traceback …", exit_code=1),
    metrics.pack_calls(
        [
            (1, 1_763_900_000_000_000, 0.5, {"train_loss": 2.5, "lr": 1e-3}),
            (2, 1_763_900_000_500_000, None, {"train_loss": nan}),
            (None, 1_763_900_001_000_000, None, {"test-clean_wer": inf}),
        ]
    ),
    artifacts.ArtifactLogged(
        artifact=PRODUCER,
        path="checkpoints/epoch10.pt",
        type="checkpoint",
        size=1_234,
        sha256="cd" * 32,
        step=100,
        epoch=10.0,
        metadata={"val_wer": 0.12},
    ),
    measurements.MeasurementLogged(
        measurement=PRODUCER,
        test_set="callhome-part2",
        name="eend 8 kHz",
        definition=DIARIZATION,
        identity=measurements.definition_identity(DIARIZATION),
        values={"der": 0.0812, "jer": None, "missed": 12.5},
        intervals={"der": measurements.Bounds(0.07, 0.095, 0.95, "bootstrap of recordings")},
        items=measurements.Items(
            kind="recording", total=2, ids=["iaaa", "iaab"], columns={"total": [61.5, None]}
        ),
        artifacts={"hypothesis": "measurements/callhome-part2/diarization.rttm"},
        decoding={"threshold": 0.5},
        checkpoint="epoch10.pt",
    ),
    test_sets.TestSetRegistered(
        test_set="LibriSpeech test-clean", language="en", domain="read_speech", corpus="librispeech"
    ),
    test_sets.TestSetUtterances(
        test_set="LibriSpeech test-clean",
        upload=PRODUCER,
        first=0,
        ids=["1272-0000", "1272-0001"],
        references=["HE WAS A MAN", "ÜBER ALLES"],
        speakers=["1272", ""],
        languages=["en", "de"],
        audio=["s3://corpora/librispeech/1272-0000.flac", ""],
        starts=metrics.pack("d", [0.0, nan]),
        durations=metrics.pack("d", [2.5, nan]),
        conditions={"noise": ["babble", ""], "snr": ["10", ""]},
    ),
    test_sets.TestSetRevised(
        test_set="LibriSpeech test-clean", upload=PRODUCER, count=2, digest="0123456789abcdef" * 4
    ),
    test_sets.ReferenceCorrected(
        test_set="LibriSpeech test-clean", ids=["1272-0000"], references=["HE IS A MAN"], reason="heard again"
    ),
    test_sets.ReferenceMarked(
        test_set="LibriSpeech test-clean", ids=["1272-0001"], doubtful=True, note="cut off at the end"
    ),
    evaluations.EvaluationStarted(
        test_set="LibriSpeech test-clean",
        name="beam 10",
        revision=1,
        decoding={"beam": 10, "lm": 0.5},
        checkpoint="checkpoints/epoch10.pt",
        timing={"device": "H200", "batch_size": 1, "includes_io": False},
    ),
    evaluations.Hypotheses(
        first=0,
        ids=["1272-0000", "1272-0001"],
        texts=["he was a man", ""],
        references=["HE WAS A MAN", None],
        speakers=["1272", ""],
        conditions={"snr": ["10", ""]},
        durations=metrics.pack("d", [2.5, nan]),
        decode_seconds=metrics.pack("d", [0.1, nan]),
        nbest=[[evaluations.Alternative("he was man", -3.5)], []],
        confidences=[metrics.pack("f", [0.5, 1.0, 0.25, 1.0]), b""],
        token_times=[metrics.pack("f", [0.0, 0.5, 0.5, 1.0]), b""],
        attention=["attention/1272-0000.png", ""],
    ),
    evaluations.EvaluationFinished(count=2, digest="fedcba9876543210" * 4),
    evaluations.ProfileApplied(profile="house", definition={"normaliser": "basic"}),
    control.WorkspaceCreated(name="default", title="Speech group"),
    control.MemberAdded(workspace="default", name="Ana", email="ana@example.org", role="editor"),
    control.MemberRemoved(workspace="default"),
    control.KeyCreated(workspace="default", role="admin", sha256="ef" * 32, label="laptop", hint="x4Zq"),
    control.KeyRevoked(reason="lost laptop"),
    control.ShareCreated(
        workspace="default",
        name="Leaderboard",
        path="/leaderboard?filter=task+%3D+%27asr%27",
        as_of="vAAAA",
        expires=1_790_000_000_000_000,
        sha256="ab" * 32,
        hint="wxyz",
    ),
    control.ShareRevoked(reason="the paper is out"),
    control.ReportSaved(
        workspace="default",
        revision=2,
        title="Which decoder for far-field speech",
        body="The wider beam wins:\n\n```leaderboard\nfilter: task = 'asr'\n```\n",
        as_of="vAAAA",
    ),
    control.SubjectDeleted(reason="wrong data"),
    control.SubjectRestored(),
]


FROZEN_AS_ONE = {"evaluation.hypotheses"}
"""Types that may cover several calls since after their bytes were frozen."""


def example_record(payload: msgspec.Struct) -> bytes:
    """A record with fixed ids, salt and times around an example."""
    entry = type_of(payload)
    stream = "runs" if len(entry.streams) > 1 else next(iter(entry.streams))
    kind = "run" if entry.subjects is None or "run" in entry.subjects else sorted(entry.subjects)[0]
    return encode(
        Envelope(
            type=entry.name,
            v=entry.version,
            id=PRODUCER,
            subject=(kind, RUN),
            producer=PRODUCER,
            stream=stream,
            seq=7,
            count=3 if entry.counted and entry.name not in FROZEN_AS_ONE else 1,
            ts=1_763_900_000_000_000,
            salt=bytes(range(16)),
            prev=b"\x11" * 32,
            data=encode_payload(payload),
        )
    )


def golden_path(name: str, version: int) -> Path:
    return GOLDEN / f"{name}.v{version}.msgpack"


def freeze() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for payload in EXAMPLES:
        entry = type_of(payload)
        path = golden_path(entry.name, entry.version)
        if not path.exists():
            path.write_bytes(example_record(payload))
            print("froze", path.name)


if __name__ == "__main__":
    freeze()
