"""Readers of transcript files: what they find, and what they say of files that are not what they should be."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_tracker import formats
from speech_experiment_tracker.formats import FormatError, Utterance

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def texts(utterances: list[Utterance]) -> dict[str, str | None]:
    return {each.id: each.reference for each in utterances}


DATA = {
    "text": "s1-u1 hello world\ns1-u2\ns2-u3 a  b\n",
    "segments": "s1-u1 rec1 0.5 2.25\ns1-u2 rec1 3 4.5\ns2-u3 rec2 0 -1\n",
    "wav.scp": "rec1 /audio/rec1.wav\nrec2 sph2pipe -f wav rec2.sph |\n",
    "utt2spk": "s1-u1 s1\ns1-u2 s1\ns2-u3 s2\n",
    "utt2dur": "s1-u1 1.75 \ns1-u2 1.5\t\ns2-u3 9.5\n",
    "spk2gender": "s1 f\ns2 m\n",
    "utt2lang": "s1-u1 en\ns1-u2 en\ns2-u3 de\n",
}


def data_dir(write: Write, **changes: str) -> Path:
    for name, content in (
        DATA | {key.replace("_scp", ".scp"): value for key, value in changes.items()}
    ).items():
        path = write(f"data/{name}", content)
    return path.parent


def test_a_kaldi_data_folder(write: Write) -> None:
    first, empty, third = formats.read(data_dir(write))
    assert first.row() == {
        "id": "s1-u1",
        "reference": "hello world",
        "speaker": "s1",
        "audio": "/audio/rec1.wav",
        "start": 0.5,
        "duration": 1.75,
        "language": "en",
        "conditions": {"gender": "f"},
    }
    assert empty.reference == ""
    assert (third.audio, third.start, third.duration) == ("sph2pipe -f wav rec2.sph |", 0.0, 9.5)
    assert third.place.endswith("data/text:3")


def test_a_data_folder_needs_nothing_but_text(write: Write) -> None:
    write("data/text", "u1 a b\n")
    (only,) = formats.read_data_dir(write("data/utt2spk", "u1 s1\n").parent)
    assert (only.id, only.speaker, only.audio, only.duration) == ("u1", "s1", None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"segments": "s1-u1 rec1 2.5 0.5\n" + DATA["segments"][19:]},
            r"data/segments:1: end: 0.5 lies before the start 2.5",
        ),
        (
            {"segments": "s1-u1 rec1 -2 0.5\ns1-u2 rec1 3 4.5\ns2-u3 rec2 0 1\n"},
            r"data/segments:1: start: -2 is negative",
        ),
        (
            {"segments": "s1-u1 rec1 x 2\ns1-u2 rec1 3 4.5\ns2-u3 rec2 0 1\n"},
            r"data/segments:1: start: 'x' is not a number",
        ),
        (
            {"segments": "s1-u1 rec1 1\ns1-u2 rec1 3 4.5\ns2-u3 rec2 0 1\n"},
            r"data/segments:1: 3 fields, expected 4",
        ),
        ({"utt2spk": "s1-u1 s1\ns2-u3 s2\n"}, r"data/text:2: utterance 's1-u2' has no line in .*utt2spk"),
        (
            {"utt2spk": DATA["utt2spk"] + "s9-u9 s9\n"},
            r"data/utt2spk:4: utterance 's9-u9' has no line in .*text",
        ),
        (
            {"text": DATA["text"] + "s1-u1 again\n"},
            r"data/text:4: 's1-u1' stands there twice, first at .*data/text:1",
        ),
        ({"utt2dur": "s1-u1 -3\n"}, r"data/utt2dur:1: duration: -3 is negative"),
        ({"wav_scp": "rec1 a.wav\n"}, r"data/text:3: recording 'rec2' has no line in wav.scp"),
    ],
)
def test_a_broken_data_folder_says_where(write: Write, changes: dict[str, str], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        formats.read(data_dir(write, **changes))


def test_trn(write: Write) -> None:
    path = write(
        "ref.trn", ";; comment\nhello world (s1-u1)\n(s1-u2)\n{ a / b } (uh) (None-3)\nx y (plain)\n"
    )
    found = formats.read(path)
    assert texts(found) == {"s1-u1": "hello world", "s1-u2": "", "None-3": "{ a / b } (uh)", "plain": "x y"}
    assert [each.speaker for each in found] == ["s1", "s1", None, None]


def test_stm_and_ctm(write: Write) -> None:
    path = write(
        "a.stm",
        ";; LABEL\nrec 1 anna 0.0 2.50 <o,f0,female> hello world\nrec 1 bob 2.5 3 ignore_time_segment_in_scoring\nrec 1 bob 3 4\n",
    )
    first, ignored, silent = formats.read(path)
    assert (first.reference, first.conditions, first.duration) == (
        "hello world",
        {"labels": "o,f0,female"},
        2.5,
    )
    assert ignored.conditions == {"ignored": "yes"}
    assert silent.reference == ""
    words = formats.read_ctm(
        write("a.ctm", "rec 1 0.1 0.2 hello 0.9\nrec 1 0.3 0.2 world\nrec 1 0.5 0.2 x NA\n")
    )
    assert [(each.word, each.confidence) for each in words] == [("hello", 0.9), ("world", None), ("x", None)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ref.trn", "hello world\n", r"ref.trn:1: no \(speaker-utterance\) at the end"),
        ("ref.trn", "a (x)\nb (x)\n", r"ref.trn:2: utterance 'x' stands there twice, first at .*ref.trn:1"),
        ("ref.trn", "\n", r"ref.trn: has no utterance"),
        ("a.stm", "rec 1 bob 3\n", r"a.stm:1: 4 fields, expected at least 5"),
        ("a.stm", "rec 1 bob 3 2 x\n", r"a.stm:1: end: 2 lies before the start 3"),
        ("a.stm", "rec 1 bob -3 2 x\n", r"a.stm:1: start: -3 is negative"),
        ("m.jsonl", '{"text": "a"}\n', r"m.jsonl:1: id: missing, and no audio file"),
        ("m.jsonl", '{"id": "a"}\n', r"m.jsonl:1: no text; the fields are id"),
        ("m.jsonl", '{"id": "a", "text": 3}\n', r"m.jsonl:1: reference: '3' is not text"),
        ("m.jsonl", '{"id": "a", "text": "x"}\n{"id": \n', r"m.jsonl:2: not JSON"),
        ("m.jsonl", '{"id": "a", "text": "x"}\n3\n', r"m.jsonl:2: '3' is not an object"),
        ("m.jsonl", '{"id": "a", "text": "x", "duration": -2}\n', r"m.jsonl:1: duration: -2 is negative"),
        ("m.json", '[{"id": "a", "text": "x"}, 3]', r"m.json: item 2: '3' is not an object"),
        ("t.csv", "id,text\na,b,c\n", r"t.csv:2: not as many fields"),
        ("t.csv", "id,words\na,b\n", r"t.csv:2: no text; the fields are id, words"),
        ("a.ctm", "rec 1 0 1 x\n", r"a.ctm: a ctm has words with times, but no utterances"),
        ("text", b"u1 caf\xe9\n", r"text:1: byte 0xe9 at column 7 is not UTF-8"),
        ("text", "u1 a\n".encode("utf-16"), r"text:1: the text is UTF-16"),
        ("text", b"RIFF\0\0\0\0WAVE", r"text: is not text but an audio file"),
        ("text", b"u1 \0\1\2", r"text: is not text but binary"),
        ("text.gz", gzip.compress(b"u1 a\n")[:-9], r"text.gz: broken gzip file"),
    ],
)
def test_a_wrong_file_says_where(write: Write, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        formats.read(write(name, content))
    assert caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        formats.read_text(tmp_path / "nowhere")
    with pytest.raises(FormatError, match="is a folder"):
        formats.read_text(tmp_path)


def test_nemo_and_open_asr_manifests(write: Write) -> None:
    nemo = write(
        "test_manifest.json",
        '{"audio_filepath": "a.wav", "duration": 2.5, "text": "hello", "offset": 1.5, "speaker": 7, "snr": 5}\n'
        '{"audio_filepath": "a.wav", "duration": 2.5, "text": "", "offset": 4, "lang": "en", "conditions": {"room": "r1"}}\n',
    )
    first, second = formats.read(nemo)
    assert (first.id, first.speaker, first.start, first.conditions) == ("a.wav#1.5", "7", 1.5, {"snr": "5"})
    assert (second.reference, second.language, second.conditions) == ("", "en", {"room": "r1"})
    results = write(
        "MODEL_openai.jsonl",
        '{"audio_filepath": "sample_0", "duration": 2.5, "time": 0.5, "text": "hello", "pred_text": "hallo"}\n'
        '{"audio_filepath": "sample_1", "duration": 2.5, "time": -1, "text": "hello", "pred_text": ""}\n',
    )
    one, other = formats.read(results, "hypothesis")
    assert (one.reference, one.hypothesis, one.decode_seconds) == ("hello", "hallo", 0.5)
    assert (other.hypothesis, other.decode_seconds) == ("", None)


def test_what_plain_scripts_write(write: Write) -> None:
    path = write("utterances.json", '[\n{"utterance_id": "a", "wer": 0.5, "hyp": "x", "ref": "x y"}\n]\n')
    (only,) = formats.read(path)
    assert (only.id, only.reference, only.hypothesis) == ("a", "x y", "x")


def test_lhotse_without_lhotse(write: Write) -> None:
    supervision = {
        "id": "s1",
        "recording_id": "r1",
        "start": 1.0,
        "duration": 2.0,
        "channel": 0,
        "text": "hello",
        "speaker": "anna",
        "language": "en",
        "gender": "F",
        "custom": {"snr": 5},
    }
    recording = {
        "id": "r1",
        "sources": [{"type": "file", "channels": [0], "source": "r1.wav"}],
        "sampling_rate": 16000,
    }
    cuts = [
        {
            "id": "c1",
            "start": 10.0,
            "duration": 5.0,
            "channel": 0,
            "supervisions": [supervision],
            "recording": recording,
            "type": "MonoCut",
        },
        {
            "id": "c2",
            "start": 0.0,
            "duration": 5.0,
            "channel": 0,
            "supervisions": [],
            "recording": recording,
            "type": "MonoCut",
        },
    ]
    lines = b"\n".join(map(msgspec.json.encode, cuts))
    first, silent = formats.read(write("cuts.jsonl.gz", gzip.compress(lines)))
    assert first.row() == {
        "id": "s1", "reference": "hello", "speaker": "anna", "audio": "r1.wav", "start": 11.0, "duration": 2.0,
        "language": "en", "conditions": {"snr": "5", "gender": "F"},
    }  # fmt: skip
    assert (silent.id, silent.reference) == ("c2", None)
    (alone,) = formats.read(write("supervisions.jsonl", msgspec.json.encode(supervision)), "hypothesis")
    assert (alone.hypothesis, alone.audio, alone.start) == ("hello", "r1", 1.0)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames(frame: Callable[[dict[str, Any]], Any]) -> None:
    table = frame(
        {"utt_id": ["a", "b"], "text": ["x", ""], "duration": [1.5, None], "accent": ["scots", None]}
    )
    first, second = formats.read_frame(table)
    assert (first.id, first.reference, first.duration, first.conditions) == (
        "a",
        "x",
        1.5,
        {"accent": "scots"},
    )
    assert (second.reference, second.duration, second.conditions) == ("", None, {})
    with pytest.raises(FormatError, match="row 1: utterance 'a' stands there twice, first at row 0"):
        formats.read_frame(frame({"id": ["a", "a"], "text": ["x", "y"]}))
    with pytest.raises(FormatError, match="list is no pandas or polars frame"):
        formats.read_frame([1])


def test_tables_and_plain_lines(write: Write) -> None:
    table = write("t.csv", 'id,text,speaker\na,"x, y",s1\nb,,\n')
    assert texts(formats.read(table)) == {"a": "x, y", "b": ""}
    lines = write("ref.txt", "hello world\n\nthe cat\n\n")
    assert texts(formats.read(lines)) == {"line 1": "hello world", "line 2": "", "line 3": "the cat"}


def test_a_transcript_of_a_megabyte(write: Write) -> None:
    long = "word " * 200_000
    for name, content in (
        ("text", f"u1 {long}\n"),
        ("a.trn", f"{long} (s-u1)\n"),
        ("m.jsonl", msgspec.json.encode({"id": "u1", "text": long})),
        ("t.csv", f"id,text\nu1,{long}\n"),
    ):
        (only,) = formats.read(write(name, content))
        assert len((only.reference or "").split()) == 200_000


names = st.sampled_from(
    "id text pred_text supervisions recording_id recording sources start duration custom speaker".split()
)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.one_of(st.binary(max_size=200), st.dictionaries(names, json, max_size=6).map(msgspec.json.encode)))
def test_any_bytes_are_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "file"
    path.write_bytes(content)
    kinds = ("text", "lines", "trn", "stm", "manifest", "lhotse", "table", None)
    assert all(said.startswith(str(path)) for said in map(partial(_said, path), kinds) if said)


def _said(path: Path, kind: formats.Format | None) -> str:
    """What is wrong with a file as one of a format, if anything."""
    try:
        formats.read(path, format=kind)
    except FormatError as error:
        return error.message
    return ""
