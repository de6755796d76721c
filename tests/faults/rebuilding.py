"""Rebuilds of a live stack, and a reader that would notice if an answer ever lacked what was said to be there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import msgspec

from speech_experiment_schemas import Sealer
from speech_experiment_schemas.ids import experiment_id, uuid7
from speech_experiment_schemas.metrics import pack_calls
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunConfigured, RunStarted

from .deliveries import post
from .stack import Stack

ROOT = "/api/v1/rebuilds"


class Reader:
    """Writes, waits until it is queryable, and reads it back at once, again and again; `problems` stays empty.

    It also asks with the tag of the answer before, and follows a cursor that it was given long ago.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.problems: list[str] = []
        self.rounds = 0
        self._run, producer = uuid7(), uuid7()
        self._sealers = {stream: Sealer(producer, stream) for stream in ("runs", "metrics")}
        self._tag = ""
        self._cursor: str | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Reader]:
        self._begin()
        stop = threading.Event()
        thread = threading.Thread(target=self._read_until, args=(stop,))
        thread.start()
        try:
            yield self
        finally:
            stop.set()
            thread.join()

    def _begin(self) -> None:
        for number in range(2):
            name = f"read back {number}"
            run = self._run if number else uuid7()
            sealer = self._sealers["runs"] if number else Sealer(uuid7(), "runs")
            started = RunStarted(
                experiment=experiment_id("default", "reader"), experiment_name="reader", name=name
            )
            self._write([sealer.seal(each, ("run", run)) for each in (ProducerOpened(), started)])
        page = self.stack.get(f"/api/v1/runs?{self._question}")
        self._cursor = page["next_cursor"]

    @property
    def _question(self) -> str:
        return urlencode({"filter": "name in ('read back 0', 'read back 1')", "limit": 1})

    def _read_until(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._round(self.rounds)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                self.problems.append(f"round {self.rounds}: {error!r}")
                time.sleep(0.2)
            self.rounds += 1

    def _round(self, n: int) -> None:
        subject = ("run", self._run)
        points = pack_calls([(n, time.time_ns() // 1000, None, {"reader/n": float(n)})])
        self._write(
            [
                self._sealers["runs"].seal(RunConfigured(config={"reader": n}), subject),
                self._sealers["metrics"].seal(points, subject),
            ]
        )
        status, body, tag = self._tagged(f"/api/v1/runs/{self._run}")
        self._expect(status == 200, f"the run answered {status} to the tag of an older answer")
        found = json.loads(body) if status == 200 else {"config": {}}
        self._expect(found["config"].get("reader") == n, f"config {found['config']} lacks what was queryable")
        self._tag = tag
        query = urlencode({"key": "reader/n", "points": 0})
        curve = self.stack.get(f"/api/v1/runs/{self._run}/curves?{query}")["curves"]["reader/n"]
        self._expect(
            curve["step"] == list(range(n + 1)), f"the curve ends at {curve['step'][-3:]}, not at {n}"
        )
        page = self.stack.get(f"/api/v1/runs?{self._question}&{urlencode({'cursor': self._cursor})}")
        self._expect(len(page["runs"]) == 1, f"the old cursor gave {len(page['runs'])} runs")

    def _write(self, records: list[bytes]) -> None:
        """Returns when it is queryable."""
        status, reply = post(self.stack, records)
        self._expect(status == 200 and not reply.refused, f"ingest answered {status}, {reply.refused}")
        positions = ",".join(f"{topic}:{partition}:{offset}" for topic, partition, offset in reply.positions)
        self.stack.get(f"/api/v1/wait?{urlencode({'positions': positions, 'timeout': 60})}")

    def _tagged(self, path: str) -> tuple[int, bytes, str]:
        import urllib.error
        import urllib.request

        headers = {"Authorization": f"Bearer {self.stack.key}", "If-None-Match": self._tag or '"none"'}
        request = urllib.request.Request(f"http://127.0.0.1:{self.stack.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read(), answer.headers["ETag"]
        except urllib.error.HTTPError as error:
            return error.code, error.read(), self._tag

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.problems.append(f"round {self.rounds}: {otherwise}")


def ask(stack: Stack, path: str, body: Any = None) -> tuple[int, Any]:
    """POST of JSON: (status, answer)."""
    content = b"" if body is None else msgspec.json.encode(body)
    status, answer = stack.request(f"{ROOT}{path}", method="POST", body=content)
    return status, json.loads(answer)


def start(stack: Stack, projection: str, *, flip: bool = True) -> dict[str, Any]:
    status, job = ask(stack, "", {"projection": projection, "flip": flip})
    if status != 202:
        raise RuntimeError(f"{status}: {job}")
    found: dict[str, Any] = job
    return found


def look(stack: Stack, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stack.get(f"{ROOT}/{job['projection']}/{job['version']}")
    return found


def finish(stack: Stack, job: dict[str, Any], timeout: float = 240) -> dict[str, Any]:
    """The job once it is over."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, RuntimeError):
            job = look(stack, job)
        if job["over"]:
            return job
        time.sleep(0.1)
    raise TimeoutError(f"the rebuild is not over after {timeout} s: {job}")


def kill_job(stack: Stack, job: dict[str, Any], timeout: float = 60) -> bool:
    """kill -9 of the job's process; False when it was over before."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        job = look(stack, job)
        if job["over"]:
            return False
        if job["holder"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(job["holder"].rpartition(":")[2]), signal.SIGKILL)
                return True
        time.sleep(0.02)
    raise TimeoutError(f"no process took the job: {job}")


def versions(stack: Stack, projection: str) -> dict[int, str]:
    """version → state."""
    found = stack.get(ROOT)["versions"]
    return {each["version"]: each["state"] for each in found if each["projection"] == projection}
