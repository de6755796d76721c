"""Load of a run's processes and GPUs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

FRESH = 1.0
"""Seconds for which a reading holds: many runs of one process are measured once."""

_GPU_FIELDS = {
    "utilization.gpu": ("utilization_percent", 1.0),
    "memory.used": ("memory_bytes", 1024.0 * 1024.0),
    "power.draw": ("power_watts", 1.0),
    "temperature.gpu": ("temperature_celsius", 1.0),
}


class Meter:
    """Reads CPU, memory and GPU load; the percentages are over the time since the last reading."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._processes: dict[int, Any] = {}
        self._gpus: dict[str, float] = {}
        self._asking: threading.Thread | None = None
        self._values: dict[str, float] = {}
        self._holds_until = 0.0

    def read(self) -> dict[str, float]:
        """Metrics by key, summed over the trees of processes; GPUs as last answered."""
        if time.monotonic() >= self._holds_until:
            self._values = self._load()
            self._holds_until = time.monotonic() + FRESH
            self._ask_gpus()
        return {**self._values, **self._gpus}

    def _load(self) -> dict[str, float]:
        import psutil

        processes = {}
        for pid in self._pids:
            with contextlib.suppress(psutil.Error):
                root = psutil.Process(pid)
                for process in [root, *root.children(recursive=True)]:
                    if process.pid != os.getpid():
                        processes[process.pid] = self._processes.get(process.pid, process)
        self._processes = processes
        cpu = memory = 0.0
        for process in processes.values():
            with contextlib.suppress(psutil.Error):
                cpu += process.cpu_percent()
                memory += process.memory_info().rss
        if not processes:
            return {}
        return {
            "system.cpu_percent": cpu,
            "system.memory_bytes": memory,
            "system.host_cpu_percent": psutil.cpu_percent(),
            "system.host_memory_percent": psutil.virtual_memory().percent,
        }

    def _ask_gpus(self) -> None:
        # The driver's tool can take seconds: its answer counts for the next reading.
        if (self._asking is None or not self._asking.is_alive()) and shutil.which("nvidia-smi"):
            self._asking = threading.Thread(target=self._read_gpus, daemon=True)
            self._asking.start()

    def _read_gpus(self) -> None:
        command = ["nvidia-smi", f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
            self._gpus = parse_gpus(answer.stdout)


class Meters:
    """One meter for each set of processes, as long as somebody keeps it."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[tuple[int, ...], Meter] = WeakValueDictionary()

    def of(self, pids: Sequence[int]) -> Meter:
        key = tuple(sorted(set(pids)))
        meter = self._known.get(key)
        if meter is None:
            meter = self._known[key] = Meter(key)
        return meter


def parse_gpus(table: str) -> dict[str, float]:
    """Metrics of every GPU from nvidia-smi's table; fields that a GPU does not tell are left out."""
    values = {}
    for index, line in enumerate(table.strip().splitlines()):
        for (name, scale), field in zip(_GPU_FIELDS.values(), line.split(","), strict=False):
            with contextlib.suppress(ValueError):
                values[f"system.gpu.{index}.{name}"] = float(field) * scale
    return values
