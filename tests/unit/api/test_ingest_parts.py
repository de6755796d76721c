import gzip
import zlib
from uuid import uuid4

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_api.compression import decompress
from speech_experiment_api.ingest import sift, turn_away
from speech_experiment_api.limits import RateLimit, Room
from speech_experiment_api.problems import Problem
from speech_experiment_schemas import Sealer
from speech_experiment_schemas.control import WorkspaceCreated
from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.runs import RunHeartbeat, RunNoted

LIMIT = 10_000


@given(st.binary(max_size=2_000))
def test_bodies_come_out_as_they_went_in(body: bytes) -> None:
    assert decompress(body, "", LIMIT) == body
    assert decompress(gzip.compress(body), "gzip", LIMIT) == body
    assert decompress(zstandard.compress(body), "zstd", LIMIT) == body


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_before_it_is_opened(encoding: str) -> None:
    bomb = b"\0" * 50_000_000
    body = gzip.compress(bomb) if encoding == "gzip" else zstandard.compress(bomb)
    with pytest.raises(Problem) as raised:
        decompress(body, encoding, LIMIT)
    assert raised.value.status == 413


def test_a_zstd_window_beyond_8_mib_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    body = compressor.compress(b"x" * 1_000) + compressor.flush()
    with pytest.raises(Problem) as raised:
        decompress(body, "zstd", LIMIT)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"plain", "gzip", 400),
        (b"plain", "zstd", 400),
        (gzip.compress(b"cut")[:-4], "gzip", 400),
        (gzip.compress(b"one") + gzip.compress(b"two"), "gzip", 400),
        (b"plain", "br", 415),
    ],
)
def test_bodies_that_cannot_be_opened(body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(Problem) as raised:
        decompress(body, encoding, LIMIT)
    assert raised.value.status == status


def test_deflate_without_gzip_is_not_gzip() -> None:
    with pytest.raises(Problem):
        decompress(zlib.compress(b"x"), "gzip", LIMIT)


def test_good_records_are_kept_in_order_and_bad_ones_named() -> None:
    run = ("run", uuid7())
    runs, control = Sealer(uuid7(), "runs"), Sealer(uuid7(), "control")
    first, second = runs.seal(RunHeartbeat(), run), runs.seal(RunNoted(notes="n"), run)
    forbidden = control.seal(WorkspaceCreated(name="w"), ("workspace", uuid7()))
    good, refused = sift([first, b"junk", second, forbidden])
    assert [record.value for record in good] == [first, second]
    assert {record.key for record in good} == {run[1].bytes}
    assert [(each.index, each.code) for each in refused] == [(1, "malformed"), (3, "forbidden")]


def test_records_about_another_workspaces_run_are_named_among_the_refused() -> None:
    ours, theirs = ("run", uuid7()), ("run", uuid7())
    sealer = Sealer(uuid7(), "runs")
    first, strange, last = (sealer.seal(RunHeartbeat(), subject) for subject in (ours, theirs, ours))
    good, refused = turn_away(*sift([b"junk", first, strange, b"junk", last]), {theirs[1].bytes})
    assert [record.value for record in good] == [first, last]
    assert [(each.index, each.code) for each in refused] == [
        (0, "malformed"),
        (2, "forbidden"),
        (3, "malformed"),
    ]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_over_its_rate_waits_and_others_do_not() -> None:
    clock, busy, quiet = Clock(), uuid4(), uuid4()
    rate = RateLimit(10, 1e9, clock)
    for _ in range(20):
        rate.admit(busy)
    with pytest.raises(Problem) as raised:
        rate.admit(busy)
    assert raised.value.status == 429
    assert int(raised.value.headers["Retry-After"]) >= 1
    rate.admit(quiet)
    clock.now += int(raised.value.headers["Retry-After"])
    rate.admit(busy)


def test_bytes_are_paid_back_over_time() -> None:
    clock, key = Clock(), uuid4()
    rate = RateLimit(1e9, 100, clock)
    rate.admit(key)
    rate.spend(key, 700)
    with pytest.raises(Problem):
        rate.admit(key)
    clock.now += 5.1
    rate.admit(key)


@given(st.lists(st.floats(0, 0.01), max_size=300))
def test_no_more_than_rate_and_burst_get_through(gaps: list[float]) -> None:
    clock, key, admitted = Clock(), uuid4(), 0
    rate = RateLimit(50, 1e9, clock)
    for gap in gaps:
        clock.now += gap
        try:
            rate.admit(key)
            admitted += 1
        except Problem:
            pass
    assert admitted <= 50 * (2 + clock.now) + 1


def test_room_is_bounded_and_given_back() -> None:
    room = Room(100)
    with room.taken(60), room.taken(40):
        with pytest.raises(Problem) as raised, room.taken(1):
            pass
        assert raised.value.status == 429
    with room.taken(1_000):
        pass  # alone, even what is larger than all the room
