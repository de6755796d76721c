"""Hypotheses that are logged one by one: kept by kill -9, and one record for many."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_schemas import Envelope
from speech_experiment_schemas.evaluations import Alternative, Hypotheses, hypotheses_digest
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import pack
from speech_experiment_tracker.drain.hypotheses import joined
from speech_experiment_tracker.spool.places import PROCESSES, Place

from .spools import drained, has_no_holes, producer_in

SCRIPT = """
import os, signal
import speech_experiment_tracker as tracker
run = tracker.Client().start_run("system", capture_output=False)
evaluation = run.log_evaluation("test-clean", decoding={"beam": 4})
print(run.id, evaluation.id, flush=True)
evaluation.log_all({f"first-{n}": "by the list" for n in range(1500)})
for n in range(1200):
    more = {"reference": "one by one"} if n % 3 == 0 else {}
    evaluation.log(f"utt-{n}", f"hypothesis {n}", decode_seconds=n / 100, conditions={"snr": n % 5}, **more)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_every_hypothesis_that_was_logged_survives_kill_9(tmp_path: Path) -> None:
    spare = {name: value for name, value in os.environ.items() if not name.startswith("SPEECH_")}
    own = {
        "SPEECH_TRACKER_MODE": "offline",
        "SPEECH_TRACKER_SPOOL_DIR": str(tmp_path / "spool"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    told = subprocess.run([sys.executable, "-c", SCRIPT], env=spare | own, stdout=subprocess.PIPE, text=True)
    assert told.returncode == -signal.SIGKILL
    run, evaluation = map(UUID, told.stdout.split())
    (segment,) = (tmp_path / "spool" / PROCESSES).glob("*/*.evaluations-0001.seg")
    producer = UUID(segment.name.partition(".")[0])
    envelopes = drained(Place(segment.parent, str(producer)), run, producer, "evaluations")
    assert has_no_holes(envelopes)
    assert {each.subject for each in envelopes if each.type.startswith("evaluation")} == {
        ("evaluation", evaluation)
    }
    batches = batches_of(envelopes)
    assert [batch.first for batch in batches][:3] == [0, 1000, 2000]  # a segment's end is a record's too
    names = [f"first-{n}" for n in range(1500)] + [f"utt-{n}" for n in range(1200)]
    assert [name for batch in batches for name in batch.ids] == names
    last = joined(batches[2:])
    assert last.texts == [f"hypothesis {n}" for n in range(500, 1200)]
    assert last.references == ["one by one" if n % 3 == 0 else None for n in range(500, 1200)]
    assert last.decode_seconds == pack("d", [n / 100 for n in range(500, 1200)])


def batches_of(envelopes: list[Envelope]) -> list[Hypotheses]:
    decoder = msgspec.msgpack.Decoder(Hypotheses)
    return [decoder.decode(each.data) for each in envelopes if each.type == "evaluation.hypotheses"]


rows = st.fixed_dictionaries(
    {"texts": st.text(max_size=9)},
    optional={
        "references": st.text(max_size=9),
        "speakers": st.sampled_from(["ann", "bob"]),
        "nbest": st.lists(st.builds(Alternative, st.text(max_size=3)), min_size=1, max_size=2),
        "confidences": st.binary(min_size=4, max_size=4),
        "decode_seconds": st.floats(0, 9),
    },
)


@given(given=st.lists(rows, min_size=1, max_size=8), cut=st.integers(1, 8))
def test_batches_joined_are_as_if_made_at_once(given: list[dict[str, object]], cut: int) -> None:
    parts = [batch(given[start : start + cut], start) for start in range(0, len(given), cut)]
    whole = joined(parts)
    assert whole.texts == [row["texts"] for row in given]
    assert whole.references in ([], [row.get("references") for row in given])
    assert whole.speakers in ([], [row.get("speakers", "") for row in given])
    assert whole.nbest in ([], [row.get("nbest", []) for row in given])
    assert sum(map(hypotheses_digest, parts)) % 2**256 == hypotheses_digest(whole) % 2**256
    assert len(whole.decode_seconds) in (0, 8 * len(given))


def batch(given: list[dict[str, object]], first: int) -> Hypotheses:
    """The rows; columns that none of them knows are empty."""
    made: dict[str, object] = {}
    for name, unknown in (("references", None), ("speakers", ""), ("nbest", []), ("confidences", b"")):
        if any(name in row for row in given):
            made[name] = [row.get(name, unknown) for row in given]
    if any("decode_seconds" in row for row in given):
        made["decode_seconds"] = pack("d", [row.get("decode_seconds", float("nan")) for row in given])
    ids = [f"utt-{first + place}" for place in range(len(given))]
    return Hypotheses(first=first, ids=ids, texts=[row["texts"] for row in given], **made)  # type: ignore[arg-type]


def test_what_does_not_go_on_begins_another_record(tmp_path: Path) -> None:
    one, other = uuid7(), uuid7()
    with producer_in(tmp_path) as producer:
        for subject, first in ((one, 0), (one, 1), (other, 0), (other, 2), (one, 2)):
            payload = Hypotheses(first=first, ids=[f"utt-{first}"], texts=["text"])
            producer.emit(payload, ("evaluation", subject), stream="evaluations", urgent=False)
        envelopes = drained(producer.place, producer.run, producer.id, "evaluations")
    found = [(each.subject[1], each.count) for each in envelopes if each.type == "evaluation.hypotheses"]
    assert found == [(one, 2), (other, 1), (other, 1), (one, 1)]
