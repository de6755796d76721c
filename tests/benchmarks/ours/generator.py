"""The load: a process whose threads post records of many runs, as fast as allowed, and count them.

Run as `python -m tests.benchmarks.ours.generator LOAD`, LOAD being the JSON of a Load. It prints
one line of JSON, a Sent, when it is done. While it runs it shares a Board with its parent.
"""

from __future__ import annotations

import mmap
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

import msgspec

from tests.benchmarks.ours.posting import Poster
from tests.benchmarks.ours.records import SyntheticRun, Template

GROWTH = (100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 50_000)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send.

    points   per record; 0: as the drain does, doubled after each acknowledgement up to 50,000
    rate     points/s at most, over all connections; 0: no limit
    window   points that may be sent but not yet queryable; 0: no limit. The board says how far readers are
    """

    url: str
    key: str
    board: str = ""
    seconds: float
    runs: int = 100
    keys: int = 20
    connections: int = 8
    points: int = 5_000
    rate: float = 0
    window: int = 0


class SentRun(msgspec.Struct, frozen=True):
    """What was acknowledged of a run: id, records of metrics, points, and the sum of their values."""

    run: str
    records: int
    points: int
    sum: float


class Sent(msgspec.Struct, frozen=True):
    """What was acknowledged in all, in how long, with how much CPU of the generator's."""

    runs: list[SentRun]
    seconds: float
    cpu_seconds: float
    waits: int
    requests: int


class Board:
    """Two numbers shared by processes: points acknowledged by the gateway, points queryable."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        if not path.exists():
            path.write_bytes(bytes(24))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 24)

    def _get(self, place: int) -> int:
        return int(struct.unpack_from("<q", self._map, 8 * place)[0])

    def _set(self, place: int, value: int) -> None:
        struct.pack_into("<q", self._map, 8 * place, value)

    @property
    def sent(self) -> int:
        return self._get(0)

    @sent.setter
    def sent(self, value: int) -> None:
        self._set(0, value)

    @property
    def queryable(self) -> int:
        return self._get(1)

    @queryable.setter
    def queryable(self, value: int) -> None:
        self._set(1, value)

    @property
    def stopped(self) -> bool:
        """Set by the parent to end the load early."""
        return self._get(2) != 0

    def stop(self) -> None:
        self._set(2, 1)


@dataclass
class Generator:
    """The threads of a load and what they share."""

    load: Load

    def __post_init__(self) -> None:
        self.board = Board(Path(self.load.board))
        self.runs = [SyntheticRun(f"load-{i:03}") for i in range(self.load.runs)]
        self._lock = threading.Lock()
        self._problems: list[BaseException] = []
        self.requests = 0
        self.waits = 0

    def open(self) -> None:
        """Opens all runs, before the clock starts."""
        poster = Poster(self.load.url, self.load.key)
        for run in self.runs:
            poster.post(run.opening())
        poster.close()

    def send(self) -> float:
        """Sends for as long as the load says, and returns the seconds taken."""
        start = time.monotonic()
        threads = [
            threading.Thread(target=self._guarded, args=(i, start + self.load.seconds))
            for i in range(self.load.connections)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._problems:
            raise self._problems[0]
        return time.monotonic() - start

    def close(self) -> None:
        poster = Poster(self.load.url, self.load.key)
        for run in self.runs:
            poster.post(run.closing())
        poster.close()

    def _guarded(self, connection: int, deadline: float) -> None:
        try:
            self._work(connection, deadline)
        except BaseException as problem:  # noqa: BLE001 - raised again by send
            self._problems.append(problem)
            self.board.stop()

    def _work(self, connection: int, deadline: float) -> None:
        poster = Poster(self.load.url, self.load.key)
        runs = self.runs[connection :: self.load.connections]
        due = time.monotonic()
        for turn, template in enumerate(self._templates(connection)):
            if time.monotonic() >= deadline or self.board.stopped:
                break
            if self.load.rate:
                due += template.points * self.load.connections / self.load.rate
                time.sleep(max(0.0, due - time.monotonic()))
            self._wait_for_readers()
            poster.post([runs[turn % len(runs)].record(template)])
            with self._lock:
                self.board.sent += template.points
                self.requests += 1
        with self._lock:
            self.waits += poster.waits
        poster.close()

    def _templates(self, seed: int) -> Iterator[Template]:
        keys = [f"metric_{i:02}" for i in range(self.load.keys)]
        sizes = [self.load.points] if self.load.points else GROWTH
        templates = [Template(keys, size, seed) for size in sizes]
        return chain(templates, repeat(templates[-1]))

    def _wait_for_readers(self) -> None:
        while self.load.window and not self.board.stopped:
            if self.board.sent - self.board.queryable < self.load.window:
                return
            time.sleep(0.002)


def main(load: Load) -> Sent:
    generator = Generator(load)
    generator.open()
    cpu = time.process_time()
    seconds = generator.send()
    cpu = time.process_time() - cpu
    generator.close()
    runs = [SentRun(str(run.run), run.records, run.points, run.sum) for run in generator.runs]
    return Sent(runs, seconds, cpu, generator.waits, generator.requests)


if __name__ == "__main__":
    print(msgspec.json.encode(main(msgspec.json.decode(sys.argv[1], type=Load))).decode(), flush=True)
