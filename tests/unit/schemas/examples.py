"""One example payload for every event type, and the tool that freezes it: python -m tests.unit.schemas.examples.

It writes only what is missing. A golden file that exists is what a log somewhere holds: never rewritten.
"""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from uuid import UUID

import msgspec

import speech_experiment_schemas as schemas
from speech_experiment_schemas import artifacts, control, experiments, metrics, producers, runs
from speech_experiment_schemas.catalogue import type_of
from speech_experiment_schemas.envelope import Envelope, encode, encode_payload

GOLDEN = Path(schemas.__file__).parent / "golden"
RUN = UUID("01930000-0000-7000-8000-00000000000a")
EXPERIMENT = UUID("7ada8581-ad53-5e69-b64c-1e65e094a9be")
PRODUCER = UUID("01930000-0000-7000-8000-00000000000b")

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
    control.WorkspaceCreated(name="default", title="Speech group"),
    control.MemberAdded(workspace="default", name="Ana", email="ana@example.org", role="editor"),
    control.MemberRemoved(workspace="default"),
    control.KeyCreated(workspace="default", role="admin", sha256="ef" * 32, label="laptop", hint="x4Zq"),
    control.KeyRevoked(reason="lost laptop"),
    control.SubjectDeleted(reason="wrong data"),
    control.SubjectRestored(),
]


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
            count=3 if entry.counted else 1,
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
