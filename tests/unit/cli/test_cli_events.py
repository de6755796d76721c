from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from rich.text import Text

from speech_experiment_api.events_json import logged_event
from speech_experiment_api.log_reader import LogRecord
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.envelope import encode_payload
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import ProducerClosed, ProducerOpened, SeqVoided
from speech_experiment_schemas.runs import (
    RunConfigured,
    RunEnvironment,
    RunFailed,
    RunFinished,
    RunHeartbeat,
    RunLinked,
    RunNoted,
    RunOutput,
    RunRenamed,
    RunResumed,
    RunStarted,
    RunTagged,
)
from speech_experiment_schemas.stamps import stamp
from speech_experiment_tracker.cli.events import Teller, describe

RUN = uuid7()
CALLS = pack_calls([(3, 10, None, {"loss": math.nan, "acc": 0.5}), (9, 11, None, {"loss": 2.0})])


def event(payload: msgspec.Struct, count: int = 1, *, points: bool = False) -> dict[str, Any]:
    """As the server answers it."""
    stream = "metrics" if payload is CALLS else "artifacts" if isinstance(payload, ArtifactLogged) else "runs"
    return shown(Sealer(uuid7(), stream).seal(payload, ("run", RUN), count=count), points=points)


def shown(raw: bytes, *, points: bool = False) -> dict[str, Any]:
    record = LogRecord(
        "runs", 2, 17, 1_790_000_000_123, RUN.bytes, raw, tuple(stamp("key:0123456789", "default"))
    )
    logged = logged_event(record, points=points)
    assert logged is not None
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(logged))
    return found


def plain(markup: str) -> str:
    return Text.from_markup(markup).plain


LINES = {
    "started r1 in Conformer lang=en": RunStarted(
        experiment=RUN, experiment_name="Conformer", name="r1", tags={"lang": "en"}
    ),
    "resumed attempt 2 from step 40": RunResumed(attempt=2, from_step=40),
    "config model.dim=256, lr=0.1": RunConfigured(config={"model": {"dim": 256}, "lr": 0.1}),
    "tagged a=b without c": RunTagged(tags={"a": "b"}, removed=["c"]),
    "notes two lines": RunNoted(notes="two\nlines"),
    "renamed [better]": RunRenamed(name="[better]"),
    f"linked child_of {str(RUN)[-8:]}": RunLinked(kind="child_of", target=RUN),
    "environment node7, commit 0123456789, 1 packages": RunEnvironment(
        host="node7", git={"commit": "0123456789abcdef"}, packages={"torch": "2"}
    ),
    "stderr first … and 2 more lines": RunOutput(channel="stderr", first=0, lines=["first", "b", "c"]),
    "alive": RunHeartbeat(),
    "finished exit code 3": RunFinished(exit_code=3),
    "failed ValueError: diverged": RunFailed(error="ValueError: diverged"),
    "opened trainer rank 1 of 4, attempt 2 on h:7": ProducerOpened(
        rank=1, world_size=4, attempt=2, host="h", pid=7
    ),
    "closed lost full=2": ProducerClosed(reason="lost", problems={"full": 2}),
    "artifact a/b.pt checkpoint, 2.0 MB, step 5": ArtifactLogged(
        artifact=RUN, path="a/b.pt", type="checkpoint", size=2_000_000, sha256="ab" * 32, step=5
    ),
}


@pytest.mark.parametrize(("line", "payload"), LINES.items())
def test_every_event_is_a_line(line: str, payload: msgspec.Struct) -> None:
    assert plain(describe(event(payload))) == line


def test_metrics_are_condensed_unless_points_are_wanted() -> None:
    condensed = "metrics loss, acc: 3 points in 2 calls, steps 3–9"
    assert plain(describe(event(CALLS, 2))) == condensed
    head, first, second = map(plain, Teller().tell(event(CALLS, 2, points=True)))
    assert "metrics loss, acc" not in head.replace(condensed, "")
    assert first.split() == ["step", "3", "loss", "NaN", "acc", "0.5000"] or first.split()[-2:] == [
        "acc",
        "0.5",
    ]
    assert second.split() == ["step", "9", "loss", "2.0"]


def test_numbers_given_up_are_named() -> None:
    voided = event(SeqVoided(reason="dropped", detail="disk full"), 5)
    assert plain(describe(voided)) == "voided 0–4 dropped: disk full"


def test_what_this_release_does_not_know_is_named() -> None:
    raw = Sealer(uuid7(), "runs").seal_raw("future.thing", 3, encode_payload({}), ("run", RUN))
    assert plain(describe(shown(raw))) == "future.thing v3"


def test_a_line_has_place_time_actor_and_process() -> None:
    sealer, teller = Sealer(uuid7(), "runs"), Teller()
    opened = shown(sealer.seal(ProducerOpened(rank=2, attempt=3), ("run", RUN)))
    finished = shown(sealer.seal(RunFinished(), ("run", RUN)))
    teller.tell(opened)
    [line] = map(plain, teller.tell(finished))
    assert line.startswith("runs:2:17 ")
    assert ".123" in line
    assert "key …456789" in line
    assert "r2 a3" in line
    assert line.endswith("finished")
