import io
import tarfile
from pathlib import Path

import pytest

from speech_experiment_tracker.demo import archive
from speech_experiment_tracker.errors import TrackerError


def _pack(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as packed:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_another_archive_than_the_pinned_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _pack(tmp_path / "other.tar.gz", {"x": b"x"})
    monkeypatch.setenv(archive.ARCHIVE_VARIABLE, str(tmp_path / "other.tar.gz"))
    with pytest.raises(TrackerError, match="not the pinned"):
        archive.recordings_dir()


def test_a_missing_archive_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(archive.ARCHIVE_VARIABLE, str(tmp_path / "absent.tar.gz"))
    with pytest.raises(TrackerError, match=r"absent\.tar\.gz"):
        archive.recordings_dir()


def test_only_recordings_are_unpacked_and_none_outside(tmp_path: Path) -> None:
    prefix = "pocketsphinx-5.1.1/"
    inside = f"{prefix}test/data/"
    members = {
        f"{inside}cards/001.wav": b"audio",
        f"{inside}fuzzed.gram": b"no",
        f"{inside}cards/../../../../x": b"no",
        f"{prefix}src/main.c": b"no",
    }
    _pack(tmp_path / "some.tar.gz", members)
    archive._unpack(tmp_path / "some.tar.gz", tmp_path / "out")
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"some.tar.gz", "001.wav"}
    assert (tmp_path / "out/cards/001.wav").read_bytes() == b"audio"
