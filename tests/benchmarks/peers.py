"""Peers, each in a virtual environment of its own: their dependencies conflict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "bench-results"
CLIENT = ("caller", "killed", "process")
TIMEOUT_S = 1_800
"""For one that hangs: TensorBoard alone needs ten minutes to read 20 runs of 100,000 points on a busy machine."""


@dataclass(frozen=True)
class Peer:
    """A subject to install, and the measures that it can take part in."""

    name: str
    packages: tuple[str, ...]
    measures: tuple[str, ...] = CLIENT


PEERS = {
    peer.name: peer
    for peer in (
        Peer("trackio", ("trackio",), (*CLIENT, "curve", "catalogue", "ingest", "idle", "page")),
        Peer("tensorboardx", ("tensorboardX", "tensorboard"), (*CLIENT, "curve", "idle", "page")),
        Peer("wandb", ("wandb",)),
        Peer("mlflow", ("mlflow",), (*CLIENT, "curve", "catalogue", "ingest", "idle", "page")),
        Peer("aim", ("aim",)),
        Peer("neptune", ("neptune-scale",)),
    )
}
BEST = ("trackio", "tensorboardx", "wandb", "mlflow")


def install(peer: Peer) -> Path:
    """The peer's interpreter, its environment made on first use; raises RuntimeError with pip's last words."""
    folder = RESULTS / "peers" / peer.name
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text() == "\n".join(peer.packages):
        return python
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *peer.packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{peer.name} could not be installed: {done.stderr.strip()[-400:]}")
    stamp.write_text("\n".join(peer.packages))
    return python


def version(peer: Peer, python: Path) -> str:
    """Name and version of the peer's main package, as installed."""
    script = f"from importlib.metadata import version; print(version({peer.packages[0]!r}))"
    found = subprocess.run([str(python), "-c", script], capture_output=True, text=True, check=False)
    return f"{peer.name} {found.stdout.strip()}"


def measure(
    python: Path | str,
    subject: str,
    name: str,
    quick: bool,
    env: dict[str, str] | None = None,
) -> dict[str, float]:
    """The figures of one measure; those of the caller are medians of several processes, unless quick."""
    times = 3 if name in CLIENT and not quick else 1
    rounds = [_measure_once(python, subject, name, quick, env) for _ in range(times)]
    return {figure: median(one[figure] for one in rounds) for figure in rounds[0]}


def _measure_once(
    python: Path | str,
    subject: str,
    name: str,
    quick: bool,
    env: dict[str, str] | None,
) -> dict[str, float]:
    """The figures of one measure, run in a process of the subject's interpreter and a fresh folder.

    Raises RuntimeError with the end of its output when it failed or gave nothing.
    """
    with tempfile.TemporaryDirectory(prefix=f"bench-{subject}-", ignore_cleanup_errors=True) as folder:
        command = [str(python), "-m", "tests.benchmarks.subjects", subject, name, folder]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"}
        environment |= {"BENCH_PYTHON": str(own_python()), **(env or {})}
        try:
            done = subprocess.run(
                [*command, *(["--quick"] if quick else [])],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{subject} {name} took more than {TIMEOUT_S} s") from None
    return _figures(subject, name, done)


def _figures(subject: str, name: str, done: subprocess.CompletedProcess[str]) -> dict[str, float]:
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("RESULT "):
            figures: dict[str, float] = json.loads(line.removeprefix("RESULT "))
            return figures
    words = (done.stderr or done.stdout).strip()[-600:]
    raise RuntimeError(f"{subject} {name} ended with {done.returncode}: {words}")


def own_python() -> Path:
    """The interpreter that we are measured with."""
    return Path(sys.executable)
