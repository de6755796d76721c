"""What people log, as plain values."""

from __future__ import annotations

import datetime
import enum
import io
import sys
import wave
from collections import OrderedDict, namedtuple
from math import inf, isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech_experiment_schemas.runs import RunOutput
from speech_experiment_tracker import TrackerError
from speech_experiment_tracker.artifacts import _local, _name_of
from speech_experiment_tracker.contents import copy, place_for, take
from speech_experiment_tracker.drain.environment import without_credentials
from speech_experiment_tracker.drain.system import parse_gpus
from speech_experiment_tracker.ending import traceback_of
from speech_experiment_tracker.media import figure_bytes, json_bytes, png, wav_bytes
from speech_experiment_tracker.output import Capture, Lines
from speech_experiment_tracker.queries import Frame, flat
from speech_experiment_tracker.run import merge
from speech_experiment_tracker.spool.places import Place
from speech_experiment_tracker.tree import plain
from speech_experiment_tracker.values import microseconds, number, whole


class Scalar:
    """Like a 0-dim tensor."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value)


class Colour(enum.Enum):
    RED = "red"


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("given", "expected"),
    [(1, 1.0), (True, 1.0), (np.float32(0.5), 0.5), (np.array(2.5), 2.5), (Scalar(3), 3.0), (10**400, inf)],
)
def test_numbers_of_every_kind(given: Any, expected: float) -> None:
    assert number("x", given) == expected


def test_nan_stays_nan() -> None:
    assert isnan(number("x", np.float16("nan")))


@pytest.mark.parametrize("given", ["0.5", None, [1.0], object(), np.zeros(3), 1j])
def test_what_is_no_number_is_named(given: Any) -> None:
    with pytest.raises(TrackerError, match="metric 'loss' is"):
        number("loss", given)


@pytest.mark.parametrize(
    ("given", "expected"), [(3, 3), (np.int32(3), 3), (3.0, 3), (Scalar(4), 4), (None, None), (-5, -5)]
)
def test_steps_of_every_kind(given: Any, expected: int | None) -> None:
    assert whole("step", given) == expected


@pytest.mark.parametrize("given", [0.5, "3", float("nan"), 2**63, float("inf")])
def test_steps_that_are_none(given: Any) -> None:
    with pytest.raises(TrackerError, match="step"):
        whole("step", given)


def test_timestamps_are_seconds_or_datetimes() -> None:
    moment = datetime.datetime(2026, 11, 23, tzinfo=datetime.UTC)
    assert microseconds(moment) == microseconds(moment.timestamp()) == 1_795_392_000_000_000
    with pytest.raises(TrackerError, match="timestamp"):
        microseconds(-1)


def test_configs_become_plain_and_say_what_could_not() -> None:
    odd: list[str] = []
    config = {
        "a": {"b": (1, 2)},
        "colour": Colour.RED,
        "point": Point(1, 2),
        "path": Path("x/y"),
        "array": np.arange(3),
        "np": np.float64(0.5),
        "ordered": OrderedDict(z=1),
        "function": print,
        "big": 2**70,
        1: "one",
    }
    tree = plain(config, lambda path, value: odd.append(path))
    assert tree == {
        "a": {"b": [1, 2]},
        "colour": "red",
        "point": {"x": 1, "y": 2},
        "path": "x/y",
        "array": [0, 1, 2],
        "np": 0.5,
        "ordered": {"z": 1},
        "function": repr(print),
        "big": str(2**70),
        "1": "one",
    }
    assert odd == ["function"]


def test_a_config_that_contains_itself_ends() -> None:
    config: dict[str, Any] = {}
    config["self"] = config
    assert plain(config, lambda path, value: None)


def test_merging_is_deep_for_dicts_and_replaces_the_rest() -> None:
    tree = {"a": {"b": 1, "c": [1]}, "d": 1}
    merge(tree, {"a": {"c": [2], "e": {"f": 1}}, "d": {"g": 1}})
    assert tree == {"a": {"b": 1, "c": [2], "e": {"f": 1}}, "d": {"g": 1}}


def test_audio_becomes_16_bit_wav() -> None:
    for samples, channels in (
        ([0.0, 0.5, -1.0, 2.0], 1),
        (np.zeros((10, 2)), 2),
        (np.array([1, -2], np.int16), 1),
    ):
        with wave.open(io.BytesIO(wav_bytes(samples, 16_000))) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (channels, 2, 16_000)
            frames = np.frombuffer(file.readframes(100), "<i2")
            if channels == 1 and isinstance(samples, list):
                assert frames.tolist() == [0, 16384, -32767, 32767]


def test_pixels_become_png() -> None:
    assert png([[0, 255], [1, 2]]).startswith(b"\x89PNG")
    assert figure_bytes("a.png", np.ones((2, 2, 3))).startswith(b"\x89PNG")
    with pytest.raises(TrackerError, match="matplotlib"):
        figure_bytes("a.png", object())


def test_json_takes_what_numpy_gives() -> None:
    assert json_bytes({"wer": np.float32(0.5), "curve": np.arange(2), "who": {"b", "a"}}).startswith(
        b'{\n  "wer": 0.5'
    )


def test_small_files_are_copied_and_large_ones_linked(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(b"x")
    with large.open("wb") as file:
        file.truncate(17 << 20)
    copied, linked = place_for(Place(tmp_path, "p"), 1), place_for(Place(tmp_path, "p"), 2)
    assert take(small, copied) is not None
    assert take(large, linked) is not None
    assert copied.stat().st_nlink == 1
    assert linked.stat().st_ino == large.stat().st_ino
    with pytest.raises(TrackerError, match="cannot be read"):
        take(tmp_path / "nothing", place_for(Place(tmp_path, "p"), 3))
    assert copy(small, place_for(Place(tmp_path, "p"), 4)).size == 1


def test_names_and_places_of_uris() -> None:
    assert _local("file:///data/a%20b.wav") == Path("/data/a b.wav")
    assert _name_of("s3://bucket/speech/a.flac") == "a.flac"


def captured(*writes: str) -> list[str]:
    said: list[RunOutput] = []

    def emit(output: RunOutput) -> bool:
        said.append(output)
        return True

    lines = Lines("stdout", emit, lambda: None)
    for text in writes:
        lines.write(text)
    lines.flush(end=True)
    assert [line for output in said for line in output.lines][: said[0].first] == []
    return [line for output in said for line in output.lines]


def test_lines_are_put_together_and_rewritten_ones_show_their_last_state() -> None:
    assert captured("a", "b\nc", "\n") == ["ab", "c"]
    assert captured("\r10%", "\r20%", "\r30%\n", "done") == ["30%", "done"]
    assert captured("1%\r", "2%\r", "3%\r") == ["3%"]
    assert captured("x" * 20_000 + "\n") == ["x" * 10_000]


def test_capturing_never_breaks_printing_and_is_undone(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout

    def refuse(output: RunOutput) -> bool:
        raise RuntimeError("no")

    capture = Capture(refuse, lambda: None)
    print("still", "printed")
    with pytest.raises(RuntimeError):
        capture.close()
    assert sys.stdout is before
    assert capsys.readouterr().out == "still printed\n"


def test_tracebacks_are_cut_at_their_front() -> None:
    try:
        raise ValueError("x" * 200_000 + "end")
    except ValueError as error:
        line, text = traceback_of(error)
    assert len(line) == 2_000
    assert len(text) == 100_000
    assert text.endswith("end\n")


def test_gpu_tables_with_fields_that_are_not_told() -> None:
    assert parse_gpus("97, 1024, 300.5, 60\n0, 10, [N/A], 30\n") == {
        "system.gpu.0.utilization_percent": 97.0,
        "system.gpu.0.memory_bytes": 1024.0 * 1024 * 1024,
        "system.gpu.0.power_watts": 300.5,
        "system.gpu.0.temperature_celsius": 60.0,
        "system.gpu.1.utilization_percent": 0.0,
        "system.gpu.1.memory_bytes": 10.0 * 1024 * 1024,
        "system.gpu.1.temperature_celsius": 30.0,
    }


def test_remotes_are_shown_without_credentials() -> None:
    assert without_credentials("https://user:secret@example.org/a.git") == "https://example.org/a.git"
    assert without_credentials("git@example.org:a.git") == "git@example.org:a.git"


def test_frames_are_rows_and_tables() -> None:
    rows: list[dict[str, Any]] = [{"a": {"b": 1}, "c": [1]}, {"a": {"d": 2}}]
    frame = Frame(rows)
    assert flat(frame[0]) == {"a.b": 1, "c": [1]}
    assert frame.column("a.b") == [1, None]
    assert list(frame.to_pandas().columns) == ["a.b", "c", "a.d"]
    assert frame.to_polars().columns == ["a.b", "c", "a.d"]
    assert len(frame[:1]) == 1
