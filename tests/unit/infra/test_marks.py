"""A store is set up again when its data, or what it would be set up with, is another."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from speech_experiment_infra import marks
from speech_experiment_infra.marks import are_set_up, mark_set_up
from speech_experiment_infra.settings import Settings


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("postgres", "kafka", "store", "objects")]
    for each in made:
        each.mkdir()
    return made


def test_stores_are_set_up_once(folders: list[Path]) -> None:
    settings = Settings()
    assert not are_set_up(folders, settings)
    mark_set_up(folders, settings)
    assert are_set_up(folders, settings)


def test_a_store_that_lost_its_data_is_set_up_again(folders: list[Path]) -> None:
    settings = Settings()
    mark_set_up(folders, settings)
    shutil.rmtree(folders[1])
    folders[1].mkdir()
    assert not are_set_up(folders, settings)


def test_other_settings_and_another_release_set_up_again(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings()
    mark_set_up(folders, settings)
    assert not are_set_up(folders, msgspec.structs.replace(settings, partitions=settings.partitions + 1))
    monkeypatch.setattr(marks, "_MIGRATIONS", tmp_path)
    (tmp_path / "0001_new.sql").write_text("create table more ()")
    assert not are_set_up(folders, settings)


def test_stores_elsewhere_are_always_set_up() -> None:
    assert not are_set_up([], Settings())
