"""The epoch of a broker that was killed is found in what it wrote."""

from __future__ import annotations

from pathlib import Path

from speech_experiment_infra.embedded.registration import registered_epoch

LINE = "2026-11-30T20:29:32.869 [x] INFO Y - [Y id={0}] Successfully registered broker {0} with broker epoch {1}\n"


def test_the_last_epoch_counts(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    assert registered_epoch(log, 1) is None
    log.write_text(
        "starting\n" + LINE.format(1, 510) + "serving\n" + LINE.format(1, 547) + LINE.format(2, 9) + "\xff\n"
    )
    assert registered_epoch(log, 1) == 547
    assert registered_epoch(log, 3) is None


def test_the_older_log_is_looked_at_where_the_newer_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "kafka.log.1").write_text(LINE.format(1, 12))
    (tmp_path / "kafka.log").write_text("serving\n")
    assert registered_epoch(tmp_path / "kafka.log", 1) == 12
