from __future__ import annotations

from speech_experiment_consumers.rebuild.comparison import Difference, _query, findings
from speech_experiment_consumers.rebuild.parts import MOST, WORTH, processes, shares
from speech_experiment_consumers.rebuild.progress import Tally


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_progress_counts_from_where_the_version_stood() -> None:
    now = Clock()
    tally = Tally(now, lambda: now.now / 4)
    tally.aim(position=600, total=1_000)
    now.now += 2.0
    first = tally.wrote(100, 5_000)
    assert (first.records, first.position, first.total, first.percent) == (100, 700, 1_000, 70.0)
    assert (first.records_per_second, first.points_per_second, first.eta_seconds) == (50.0, 2_500.0, 6.0)
    assert (first.seconds, first.cpu_seconds) == (2.0, 0.5)


def test_rates_are_those_of_the_last_seconds_and_means_those_of_all() -> None:
    now = Clock()
    tally = Tally(now, now)
    tally.aim(0, 10_000)
    now.now += 1.0
    tally.wrote(1_000, 0)
    for _ in range(20):
        now.now += 1.0
        last = tally.wrote(10, 0)
    assert last.records_per_second == 10.0
    assert last.mean_records_per_second == 57.1


def test_a_log_that_grew_meanwhile_is_aimed_at_anew_and_all_of_it_is_done() -> None:
    now = Clock()
    tally = Tally(now, now)
    tally.aim(0, 100)
    now.now += 1.0
    assert tally.wrote(100, 0).percent == 100.0
    tally.aim(100, 150)
    now.now += 1.0
    assert round(tally.wrote(25, 0).percent) == 83
    last = tally.wrote(25, 0)
    assert (last.percent, last.eta_seconds, last.position) == (100.0, 0.0, 150)


def test_what_comes_between_two_rounds_is_no_time_of_reading() -> None:
    now = Clock()
    tally = Tally(now, now)
    tally.aim(0, 100)
    now.now += 2.0
    tally.wrote(100, 0)
    now.now += 50.0  # indices
    tally.aim(100, 100)
    last = tally.wrote(0, 0)
    assert (last.seconds, last.cpu_seconds, last.mean_records_per_second) == (2.0, 2.0, 50.0)


def test_a_log_of_nothing_is_done() -> None:
    tally = Tally()
    tally.aim(0, 0)
    assert tally.wrote(0, 0).percent == 100.0


def test_findings_count_by_table_and_keep_a_few_examples() -> None:
    differences = [Difference("runs", f"run {i}", 1, 0, "1", None) for i in range(9)]
    found = findings(1, [*differences, Difference("ledger", "x", 3, 3, "1", "2")], in_motion=2)
    assert (found.live, found.equal, found.in_motion) == (1, False, 2)
    assert found.tables["runs"].different == 9
    assert [each.key for each in found.tables["runs"].examples] == [f"run {i}" for i in range(5)]
    assert found.tables["ledger"].different == 1
    assert findings(1, [], 0).equal


def test_both_sides_are_digested_by_the_same_columns() -> None:
    query = _query("run_tags", "run_id", ["run_id", "key"], "metadata_v1", "metadata_v2")
    for schema in ("metadata_v1", "metadata_v2"):
        assert f'row("run_id", "key"), 0)) as digest\nfrom {schema}.run_tags' in query


def test_partitions_are_dealt_out_evenly_and_each_of_them_once() -> None:
    left = {0: 10, 1: 0, 2: 7, 3: 3, 4: 4, 5: 1}
    assert shares(left, 2) == [[0, 3], [2, 4, 5]]
    assert shares(left, 1) == [[0, 2, 4, 3, 5]]
    assert shares({0: 5, 1: 0}, 3) == [[0]]
    assert shares({}, 2) == []


def test_processes_are_taken_where_there_is_much_to_read_and_never_more_than_partitions_with_records() -> (
    None
):
    assert processes(0, {0: 1_000, 1: 1_000}) < 2
    assert processes(0, {0: 100 * WORTH}) == 1
    assert processes(0, dict.fromkeys(range(24), 10 * WORTH)) <= MOST
    assert processes(3, {0: 1, 1: 1, 2: 0}) == 2
    assert processes(3, {}) == 0
    assert processes(3, {0: 1, 1: 1}, laned=True) == 3
    assert processes(3, {0: 0}, laned=True) == 0
