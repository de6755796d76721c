"""From the spool to a gateway: order, retries with the same bytes, refusals, deaths."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from speech_experiment_schemas.catalogue import decode_payload
from speech_experiment_schemas.envelope import digest
from speech_experiment_schemas.producers import SeqVoided
from speech_experiment_schemas.runs import RunEnvironment, RunNoted
from speech_experiment_tracker.drain.care import Carer
from speech_experiment_tracker.drain.couriers import Courier
from speech_experiment_tracker.drain.environments import Environments
from speech_experiment_tracker.drain.office import Office
from speech_experiment_tracker.drain.targets import Target, save_target
from speech_experiment_tracker.spool.page import read_ack
from speech_experiment_tracker.spool.producers import Producer
from speech_experiment_tracker.transports.base import DeliveryError
from speech_experiment_tracker.transports.http import HttpTransport

from .gateway import Gateway
from .spools import calls_of, has_no_holes, lane_of, make_producer


def until(condition: Callable[[], object], office: Office, seconds: float = 10.0) -> None:
    """Visits the office until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, office.problems()
        office.visit()
        time.sleep(0.01)


def log_calls(producer: Producer, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        producer.metrics.log_checked(("loss",), (float(number),), number, None, 1)


def test_a_finished_run_is_delivered_in_order_and_its_folder_removed(
    tmp_path: Path, gateway: Gateway
) -> None:
    producer = make_producer(tmp_path)
    log_calls(producer, 100)
    producer.emit(RunNoted(notes="one"))
    producer.close("finished")
    producer.release()
    office = Office(tmp_path, Target(gateway.url))
    until(lambda: not producer.place.folder.exists(), office)
    office.close()
    metrics = [record for record in gateway.records if record.stream == "metrics"]
    assert has_no_holes(metrics)
    assert [step for step, *_ in calls_of(metrics)] == list(range(100))
    assert len(metrics) == 3  # opened, one coalesced record, closed
    chain = [digest(record) for record in metrics]
    assert [record.prev for record in metrics] == [b"", *chain[:-1]]


def test_a_live_run_is_delivered_while_it_goes_on(tmp_path: Path, gateway: Gateway) -> None:
    producer = make_producer(tmp_path)
    office = Office(tmp_path, Target(gateway.url))
    for number in range(3):
        log_calls(producer, 1, number)
        until(lambda: read_ack(producer.place, "metrics").seq == producer.metrics.seq, office)
    assert read_ack(producer.place, "metrics").positions == [(0, 9)]
    producer.close("finished")
    until(lambda: read_ack(producer.place, "metrics").closed, office)
    assert producer.place.page.exists()  # its writer still looks at the acknowledgements
    producer.release()
    until(lambda: not producer.place.page.exists(), office)
    office.close()


def test_a_repeated_batch_has_the_same_bytes_and_busy_servers_are_obeyed(
    tmp_path: Path, gateway: Gateway
) -> None:
    producer = make_producer(tmp_path)
    log_calls(producer, 10)
    sent: list[bytes] = []
    lane = lane_of(producer)
    transport = HttpTransport(gateway.url)
    gateway.answers = [(429, {"Retry-After": "0.3"}), (503, {})]
    courier = Courier(transport)
    start = time.monotonic()
    while not gateway.records:
        courier.round([(lane, False)])
        sent += [sealed.record for sealed in lane.journal.waiting]
        time.sleep(0.005)
    assert time.monotonic() - start > 0.3
    assert len(set(sent)) == 2  # opened and the calls, however often they went out
    assert gateway.raw == list(dict.fromkeys(sent))
    producer.release()


def test_a_courier_that_dies_before_the_answer_sends_the_same_bytes_again(
    tmp_path: Path, gateway: Gateway
) -> None:
    producer = make_producer(tmp_path)
    log_calls(producer, 5)
    first = lane_of(producer)
    Courier(HttpTransport(gateway.url)).round([(first, False)])  # delivered and acknowledged
    log_calls(producer, 5, 5)
    first.advance(dead=False)
    first.journal.book.sync()
    lost = [sealed.record for sealed in first.journal.waiting]
    first.close()
    again = lane_of(producer)
    assert [sealed.record for sealed in again.journal.waiting] == lost
    log_calls(producer, 5, 10)
    Courier(HttpTransport(gateway.url)).round([(again, False)])
    assert [step for step, *_ in calls_of(gateway.records)] == list(range(15))
    assert has_no_holes(gateway.records)
    again.close()
    producer.release()


def test_a_refused_record_is_voided_in_its_own_place(tmp_path: Path, gateway: Gateway) -> None:
    gateway.refuse = lambda envelope: envelope.type == "run.noted" and b"bad" in bytes(envelope.data)
    producer = make_producer(tmp_path)
    for notes in ("fine", "bad", "fine again"):
        producer.emit(RunNoted(notes=notes))
    lane = lane_of(producer, "runs")
    courier = Courier(HttpTransport(gateway.url))
    while lane.advance(dead=False) or lane.journal.waiting:
        courier.round([(lane, False)])
    records = sorted(gateway.records, key=lambda record: record.seq)
    assert [record.type for record in records] == ["producer.opened", "run.noted", "seq.voided", "run.noted"]
    assert has_no_holes(records)
    void = decode_payload(records[2])
    assert isinstance(void, SeqVoided)
    assert void.reason == "refused"
    assert void.detail == "forbidden: data is not wanted here"
    assert records[2].prev == digest(records[1])
    assert lane.problems == {"refused": 1}
    lane.close()
    producer.release()


def test_a_refused_key_keeps_everything_until_it_is_renewed(tmp_path: Path, gateway: Gateway) -> None:
    producer = make_producer(tmp_path)
    log_calls(producer, 5)
    gateway.answers = [(401, {})]
    lane = lane_of(producer)
    courier = Courier(HttpTransport(gateway.url))
    courier.round([(lane, False)])
    assert "401" in courier.problem
    assert lane.journal.waiting
    time.sleep(0.1)
    courier.round([(lane, False)])
    assert courier.problem == ""
    assert not lane.journal.waiting
    lane.close()
    producer.release()


def test_a_newer_key_of_the_same_server_is_taken_over(tmp_path: Path, gateway: Gateway) -> None:
    gateway.key = "new"
    producer = make_producer(tmp_path, target=save_target(tmp_path, Target(gateway.url, "old")))
    log_calls(producer, 5)
    office = Office(tmp_path)
    until(lambda: any("401" in problem for problem in office.problems()), office)
    save_target(tmp_path, Target(gateway.url, "new"))
    until(lambda: gateway.records, office)
    office.close()
    producer.release()


def test_a_batch_that_is_too_large_is_halved(tmp_path: Path, gateway: Gateway) -> None:
    producer = make_producer(tmp_path)
    for number in range(4):
        producer.emit(RunNoted(notes=str(number)))
    gateway.answers = [(413, {}), (413, {})]
    lane = lane_of(producer, "runs")
    courier = Courier(HttpTransport(gateway.url))
    for _ in range(20):
        courier.round([(lane, False)])
    assert has_no_holes(gateway.records)
    assert len(gateway.records) == 5
    lane.close()
    producer.release()


def test_a_server_that_is_away_loses_nothing(tmp_path: Path, gateway: Gateway) -> None:
    transport = HttpTransport("http://127.0.0.1:1", timeout=1)
    with pytest.raises(DeliveryError) as caught:
        transport.send([b""])
    assert caught.value.kind == "unreachable"


def test_a_killed_writer_is_closed_as_lost(tmp_path: Path, gateway: Gateway) -> None:
    producer = make_producer(tmp_path)
    log_calls(producer, 5)
    producer.emit(RunNoted(notes="last words"))
    producer.release()  # as the kernel does for a process that was killed
    office = Office(tmp_path, Target(gateway.url))
    until(lambda: not producer.place.page.exists(), office)
    office.close()
    closed = [decode_payload(record) for record in gateway.records if record.type == "producer.closed"]
    assert [each.reason for each in closed] == ["lost", "lost"]  # type: ignore[union-attr]


def test_two_offices_never_deliver_the_same_folder(tmp_path: Path, gateway: Gateway) -> None:
    producer = make_producer(tmp_path)
    log_calls(producer, 5)
    first, second = Office(tmp_path, Target(gateway.url)), Office(tmp_path, Target(gateway.url))
    until(lambda: gateway.records, first)
    second.visit()
    assert producer.place in first.producers
    assert producer.place not in second.producers
    first.close()
    producer.close("finished")
    producer.release()
    until(lambda: not producer.place.page.exists(), second)
    second.close()
    assert has_no_holes([record for record in gateway.records if record.stream == "metrics"])


def test_a_backlog_travels_in_large_records(tmp_path: Path, gateway: Gateway) -> None:
    producer = make_producer(tmp_path)
    keys = tuple(f"k{n}" for n in range(20))
    for number in range(30_000):
        producer.metrics.log_checked(keys, [0.5] * 20, number, None, 1)
    producer.close("finished")
    producer.release()
    office = Office(tmp_path, Target(gateway.url))
    start = time.monotonic()
    until(lambda: not producer.place.page.exists(), office, 30)
    office.close()
    records = [record for record in gateway.records if record.type == "metrics.logged"]
    assert sum(record.count for record in records) == 30_000
    assert len(records) <= 12
    assert max(len(record.data) for record in records) < 900_000
    assert time.monotonic() - start < 10


def test_a_run_that_is_delivered_before_its_environment_is_known_gets_it_all_the_same(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer: list[tuple[bool, RunEnvironment | None]] = [(False, None)]
    monkeypatch.setattr(Environments, "get", lambda self, meta: answer[0])
    producer = make_producer(tmp_path, target=save_target(tmp_path, Target(gateway.url)), capture=True)
    log_calls(producer, 1)
    producer.close("finished")
    producer.release()
    carer = Carer(tmp_path)
    deadline = time.monotonic() + 20
    while carer.visit() and time.monotonic() < deadline:
        carer.care()
        if not any(each.meta.role == "trainer" for each in carer.producers.values()):
            answer[0] = (True, RunEnvironment(host="node"))
        time.sleep(0.02)
    carer.close()
    assert [record.type for record in gateway.records].count("run.environment") == 1


def test_while_a_server_is_away_the_environment_of_a_dead_run_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Environments, "get", lambda self, meta: (True, RunEnvironment(host="node")))
    producer = make_producer(
        tmp_path, target=save_target(tmp_path, Target("http://127.0.0.1:1")), capture=True
    )
    log_calls(producer, 1)
    carer = Carer(tmp_path)
    for visit in range(30):
        carer.visit()
        carer.care()
        if visit == 3:
            producer.close("finished")
            producer.release()
        time.sleep(0.02)
    assert [each.meta.role for each in carer.producers.values()] == ["trainer", "drain"]
    carer.close()
