"""What is measured: us and the peers, one module each.

A module runs in an environment of its own (peers' dependencies conflict) as
`python -m tests.benchmarks.subjects NAME MEASURE FOLDER`, and imports nothing but the
standard library, its subject and the helpers beside it. It gives

SCRIPT                 the smallest whole script: import, start, log once, finish; argv[1] is a folder
Tracker                start, log and finish of one run, for the caller's time
recovered(folder)      how many of the logged steps can be read back after kill -9

and, where the subject has them, functions that take (folder, quick) and give figures:

curve      curve_full, curve_small (ms): a curve of 100,000 points over HTTP, whole and downsampled
catalogue  create_1k (s), search_1k (ms): runs with 20 params and 10 metrics created, then searched
ingest     ingest (points/s) over HTTP with four clients
idle       idle (GB), ready (s) of a server
page       page_usable (ms), page_scripts (kB), page_shift of its first view; page_curves_cold (ms): 20 runs with
           100,000 points drawn, from a typed address
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

CURVE_POINTS = 100_000
RUNS = 1_000
DRAWN = 20
PARAMS = {
    f"param_{i}": value
    for i, value in enumerate([12, 256, 4, 1e-3, "adam", 0.1, "conformer", 80, 160, 400] * 2)
}
METRICS = [f"metric_{i}" for i in range(10)]


class Tracker(Protocol):
    """One run of a subject, as a training loop sees it."""

    def __init__(self, folder: Path) -> None: ...

    def log(self, metrics: dict[str, float], step: int) -> None: ...

    def finish(self) -> None: ...


def params_of(run: int) -> dict[str, Any]:
    """The 20 parameters of a run: encoder_layers varies, to have something to search for."""
    return {**PARAMS, "param_0": 4 + run % 16}


def metrics_of(run: int) -> dict[str, float]:
    """The 10 metrics of a run, spread over 0 … 1 without ties."""
    return {key: ((run * 7919 + i * 104_729) % 1_000_003) / 1_000_003 for i, key in enumerate(METRICS)}


def curve_value(step: int) -> float:
    """A falling loss with some noise."""
    return 4.0 / (1 + step / 500) + ((step * 2_654_435_761) % 1000) / 5000
