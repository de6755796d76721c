"""The store process against an unchanged ClickHouse client: protocol, tokens, errors, sudden death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from speech_experiment_infra.connections import clickhouse_client
from speech_experiment_infra.embedded.processes import free_ports, python
from speech_experiment_infra.settings import Settings
from speech_experiment_infra.store.__main__ import PASSWORD_VARIABLE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.stack

POINTS = (
    "create table points (run UInt64, step Int64, value Float64) engine = MergeTree order by (run, step) "
    "settings non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1"
)


@dataclass
class Store:
    """A store process that can be killed and started again on its folder."""

    path: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = python("speech_experiment_infra.store", "--path", str(self.path), "--port", str(self.port))
        self.process = subprocess.Popen(command, env={**os.environ, PASSWORD_VARIABLE: "secret"})
        deadline = time.monotonic() + 20
        while not self.answers():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=1):
                return True
        except OSError:
            return False

    def end(self, how: signal.Signals) -> int:
        assert self.process
        self.process.send_signal(how)
        return self.process.wait(20)

    def client(self, **options: Any) -> Client:
        url = f"http://default:secret@127.0.0.1:{self.port}/speech_experiments"
        return clickhouse_client(Settings(clickhouse_url=url), **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    running = Store(tmp_path_factory.mktemp("a store") / "data", free_ports(1)[0])
    running.start()
    yield running
    running.end(signal.SIGTERM)


@pytest.fixture
def client(store: Store) -> Client:
    made = store.client()
    made.command("drop table if exists points sync")
    made.command(POINTS)
    return made


def table(rows: int, run: int = 1) -> pa.Table:
    return pa.table(
        {
            "run": pa.array([run] * rows, pa.uint64()),
            "step": pa.array(range(rows), pa.int64()),
            "value": pa.array([float("nan")] + [0.5] * (rows - 1)),
        }
    )


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_rows_go_in_and_come_out_in_every_coding(store: Store, client: Client, compress: bool | str) -> None:
    coded = store.client(compress=compress)
    assert coded.insert_arrow("points", table(5000)).written_rows == 5000
    assert coded.insert("points", [[2, 7, 1.5]], column_names=["run", "step", "value"]).written_rows == 1
    assert coded.raw_insert("points", ["run", "step"], b"3,8\n", fmt="CSV").written_rows == 1
    assert coded.query("select run, count() from points group by run order by run").result_rows == [
        (1, 5000),
        (2, 1),
        (3, 1),
    ]
    assert coded.query_arrow("select * from points where run = 1").num_rows == 5000
    with coded.query_arrow_stream("select * from points where run = 1") as batches:
        assert sum(batch.num_rows for batch in batches) == 5000


def test_values_and_parameters_keep_their_types(client: Client) -> None:
    text = 'it\'s \\ a\t"test"\n – é'
    row = client.query(
        "select {text:String}, {list:Array(String)}, {number:UInt64}, {nothing:Nullable(Int8)}",
        parameters={"text": text, "list": ["a'b", text], "number": 2**64 - 1, "nothing": None},
    ).result_rows[0]
    assert row == (text, ["a'b", text], 2**64 - 1, None)
    long = "x" * 400_000
    form = client.query("select {long:String}", parameters={"long": long}).result_rows
    assert form == [(long,)]


def test_a_token_makes_a_repeated_insert_harmless(client: Client) -> None:
    token = {"insert_deduplication_token": "v1:0-99:g0", "async_insert": 0}
    for _ in range(3):
        client.insert_arrow("points", table(100), settings=token)
    assert client.command("select count() from points") == 100
    client.insert_arrow("points", table(100), settings=token | {"insert_deduplication_token": "v1:0-99:g1"})
    assert client.command("select count() from points") == 200


def test_settings_hold_for_one_request_only(client: Client) -> None:
    usual = client.command("select getSetting('max_threads')")
    assert client.command("select getSetting('max_threads')", settings={"max_threads": 1}) == 1
    client.command("set max_threads = 1")
    assert client.command("select getSetting('max_threads')") == usual


@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        ("select * from nowhere", 60, "UNKNOWN_TABLE"),
        ("selec 1", 62, "SYNTAX_ERROR"),
        ("select throwIf(1)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
    ],
)
def test_errors_carry_their_codes_and_leave_the_connection_usable(
    client: Client, sql: str, code: int, name: str
) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query(sql)
    assert (caught.value.code, caught.value.name) == (code, name)
    assert client.command("select 1") == 1


def test_damaged_rows_are_refused_and_nothing_is_written(client: Client) -> None:
    with pytest.raises(DatabaseError):
        client.raw_insert("points", ["run", "step", "value"], b"not arrow" * 100_000, fmt="Arrow")
    assert client.command("select count() from points") == 0


def test_a_wrong_password_is_refused(store: Store) -> None:
    with pytest.raises(DatabaseError, match="516"):
        store.client(password="wrong")


def test_queries_run_beside_inserts(store: Store, client: Client) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def insert(run: int) -> None:
        own = store.client()
        try:
            while not stop.is_set():
                own.insert_arrow("points", table(20_000, run))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=insert, args=(run,)) for run in range(3)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        assert client.command("select count() >= 0 from points") == 1
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert client.command("select count() % 20000 from points") == 0


def test_acknowledged_rows_survive_kill_9(store: Store, client: Client) -> None:
    client.insert_arrow("points", table(1234))
    assert store.end(signal.SIGKILL) == -signal.SIGKILL
    store.start()
    assert store.client().command("select count() from points") == 1234


def test_a_folder_has_one_owner(store: Store) -> None:
    command = python("speech_experiment_infra.store", "--path", str(store.path), "--port", "0")
    environment = {**os.environ, PASSWORD_VARIABLE: "x"}
    second = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 3
    assert "one owner" in second.stderr
    assert sys.executable in command


def test_it_stops_cleanly(store: Store) -> None:
    assert store.end(signal.SIGTERM) == 0
    store.start()
