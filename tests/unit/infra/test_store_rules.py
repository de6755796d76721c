"""Rules about stores that need no store: topics, migrations, file permissions, configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from speech_experiment_infra.embedded.kafka import _escaped
from speech_experiment_infra.embedded.users import may_enter
from speech_experiment_infra.migrate import FOLDER, PROJECTIONS, Script, _instance, _numbered
from speech_experiment_infra.settings import Settings
from speech_experiment_infra.topics import TopicState, topic_config, topic_faults

SAFE = topic_config(Settings(replication_factor=3))


def test_topics_made_by_us_on_a_cluster_cannot_lose_records() -> None:
    assert topic_faults(TopicState("runs", 24, 3, SAFE)) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "true"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1000000"),
        ("cleanup.policy", "compact,delete"),
        ("message.timestamp.type", "CreateTime"),
        ("max.message.bytes", "1000"),
    ],
)
def test_every_way_to_lose_records_is_named(setting: str, value: str) -> None:
    faults = topic_faults(TopicState("runs", 24, 3, SAFE | {setting: value}))
    assert len(faults) == 1
    assert value in faults[0] or "unclean" in faults[0] or "compacts" in faults[0]


def test_two_replicas_are_too_few() -> None:
    assert topic_faults(TopicState("runs", 24, 2, SAFE)) == ["runs: replication factor 2, needs 3 or more"]


def test_statements_are_split_without_their_comments() -> None:
    script = Script(
        "x", "-- first; not a statement\ncreate table a (b UInt8);\n\ncreate table c (d UInt8); -- end\n"
    )
    assert script.statements == ["create table a (b UInt8)", "create table c (d UInt8)"]


def test_numbered_files_are_in_order_and_unique() -> None:
    for store in ("postgres", "clickhouse"):
        numbers = [script.name.split("/")[1][:4] for script in _numbered(FOLDER, store)]
        assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("name", PROJECTIONS)
def test_templates_leave_no_placeholder(name: str) -> None:
    for path in FOLDER.glob(f"*/{name}.sql"):
        script = _instance(path, f"{name}_v2", 2)
        assert "{" not in script.sql.replace("'{}'", "")
        assert script.sha256 != _instance(path, f"{name}_v3", 3).sha256


def test_a_closed_folder_above_shuts_others_out(tmp_path: Path) -> None:
    stranger = 64999
    inside = tmp_path / "closed" / "data"
    inside.mkdir(parents=True)
    for folder in (*inside.parents, inside):
        if tmp_path in (folder, *folder.parents):
            folder.chmod(0o755)
    opened = may_enter(inside, stranger)
    inside.parent.chmod(0o700)
    assert not may_enter(inside, stranger)
    assert opened or not may_enter(tmp_path, stranger)


def test_properties_keep_backslashes_and_other_letters() -> None:
    assert _escaped("C:\\daten\\für") == "C:\\\\daten\\\\f\\xfcr" or "\\u" in _escaped("ü")
