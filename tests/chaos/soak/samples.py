"""What each process of the stack and of its clients holds: memory, open files, threads; and what lies on disk."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from speech_experiment_infra.state import stack_status

MB = 1e6
_TABLE_FILE = re.compile(r"/(base/\d+|global)/\d+(_fsm|_vm)?(\.\d+)?$")


@dataclass(frozen=True)
class Footprint:
    """One process with its descendants: sums of what they hold (memory in bytes)."""

    pid: int
    rss: int
    pss: int
    private: int
    """Anonymous memory alone: heaps and stacks, without files that are mapped."""
    descriptors: int
    """Without files of Postgres's tables: each backend keeps those that it met open, up to max_files_per_process."""
    threads: int


def footprint(pid: int, *, alone: bool = False) -> Footprint | None:
    """None when the process is gone; `alone` leaves out what it started."""
    try:
        top = psutil.Process(pid)
        family = [top] if alone else [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return None
    sums = [0] * 5
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            memory = _memory(process.pid)
            found = [memory[name] for name in ("Rss", "Pss", "Pss_Anon")]
            found += [_descriptors(process.pid), process.num_threads()]
            sums = [a + b for a, b in zip(sums, found, strict=True)]
    return Footprint(pid, *sums)


def _memory(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) * 1024 for name, rest in (line.split(":", 1) for line in lines)}


def _descriptors(pid: int) -> int:
    opened = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            opened += not _TABLE_FILE.search(str(link.readlink()))
    return opened


def servers(data: Path) -> dict[str, int]:
    """Name → process of everything that the supervisor runs, itself included."""
    status = stack_status(data)
    found = {name: child["pid"] for name, child in status["children"].items() if child["pid"]}
    return {"supervisor": status["pid"], **found} if status["pid"] else found


def drain(spool: Path) -> dict[str, int]:
    """The drain that serves a spool, when one runs."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if str(spool) in command and any(part.endswith("tracker.drain") for part in command):
            return {"drain": process.pid}
    return {}


def disk(folder: Path) -> dict[str, int]:
    """Bytes that each part of a folder takes on disk."""
    parts = [part for part in folder.iterdir() if part.is_dir()] if folder.is_dir() else []
    return {part.name: _bytes(part) for part in sorted(parts)}


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_blocks * 512
    return total
