"""Captures where a run runs: python -m … < what the producer says of itself > RunEnvironment as msgpack."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import socket
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import msgspec

from speech_experiment_schemas.runs import RunEnvironment

from .meta import Meta

MAX_DIFF = 200_000
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "SLURM_JOB_ID",
    "SLURM_NNODES",
    "WORLD_SIZE",
    "OMP_NUM_THREADS",
    "HOSTNAME",
)
_IMAGE_VARIABLES = ("CONTAINER_IMAGE", "DOCKER_IMAGE", "SINGULARITY_CONTAINER", "APPTAINER_CONTAINER")


def capture(meta: Meta) -> RunEnvironment:
    """Everything that can be found out; what cannot stays empty."""
    return RunEnvironment(
        host=meta.host or socket.gethostname(),
        command=[part[:2000] for part in meta.command[:500]],
        cwd=meta.cwd[:2000],
        python=platform.python_version(),
        git=git_state(meta.cwd),
        packages=packages(),
        container=container(),
        hardware=hardware(),
        environment={name: os.environ[name][:2000] for name in _VARIABLES if name in os.environ},
    )


def packages() -> dict[str, str]:
    """{distribution: version} of this interpreter."""
    found = {}
    for distribution in distributions():
        with contextlib.suppress(Exception):
            name = distribution.metadata["Name"]
            if name:
                found[name] = distribution.version
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def git_state(folder: str) -> dict[str, Any]:
    """{commit, branch, remote, dirty, diff, diff_truncated} of the working tree around a folder."""
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return {}
    diff = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-textconv") or ""
    changed = bool(_git(folder, "status", "--porcelain"))
    return {
        "commit": commit.strip(),
        "branch": (_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "").strip(),
        "remote": without_credentials((_git(folder, "remote", "get-url", "origin") or "").strip()),
        "dirty": changed,
        "diff": diff[:MAX_DIFF],
        "diff_truncated": len(diff) > MAX_DIFF,
    }


def _git(folder: str, *arguments: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", folder or ".", *arguments],
            capture_output=True,
            timeout=20,
            check=True,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace")


def without_credentials(url: str) -> str:
    """The address of a repository without user and password."""
    return re.sub(r"^([a-z+]+://)[^/@]*@", r"\1", url)


def container() -> dict[str, Any]:
    """{image, id} when in a container that tells."""
    found: dict[str, Any] = {}
    image = next((os.environ[name] for name in _IMAGE_VARIABLES if os.environ.get(name)), "")
    if image:
        found["image"] = image
    with contextlib.suppress(OSError):
        match = re.search(r"([0-9a-f]{64})", Path("/proc/self/mountinfo").read_text())
        if match and (Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()):
            found["id"] = match.group(1)
    return found


def hardware() -> dict[str, Any]:
    """{cpu, cores, memory_bytes, gpus, driver}"""
    found: dict[str, Any] = {"cpu": _cpu(), "cores": os.cpu_count() or 0}
    with contextlib.suppress(ValueError, OSError):
        found["memory_bytes"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        query = [
            "nvidia-smi",
            "--query-gpu=name,memory.total,driver_version",
            "--format=csv,noheader,nounits",
        ]
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        rows = [[part.strip() for part in line.split(",")] for line in answer.stdout.strip().splitlines()]
        found["gpus"] = [{"name": row[0], "memory_bytes": int(float(row[1]) * 1024**2)} for row in rows]
        found["driver"] = rows[0][2] if rows else ""
    return found


def _cpu() -> str:
    with contextlib.suppress(OSError):
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
        if match:
            return match.group(1)
    return platform.processor() or platform.machine()


def main() -> None:
    with contextlib.suppress(OSError):
        os.nice(10)
    meta = msgspec.json.decode(sys.stdin.buffer.read(), type=Meta)
    sys.stdout.buffer.write(msgspec.msgpack.encode(capture(meta)))


if __name__ == "__main__":
    main()
