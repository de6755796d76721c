"""`python -m tests.benchmarks [NAMES…] [--quick] [--no-peers] [--peers a,b]`: measures, prints, saves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.benchmarks import peers as catalogue
from tests.benchmarks import report
from tests.benchmarks.figures import Results

console = Console(width=170, highlight=False)


@dataclass(frozen=True)
class Bench:
    """A name on the command line: what peers measure for it, and the module of ours that does."""

    peers: tuple[str, ...]
    ours: str


BENCHES = {
    "client": Bench(("caller", "killed", "process"), "client"),
    "curves": Bench(("curve",), "curves"),
    "catalogue": Bench(("catalogue",), "catalogue"),
    "search": Bench((), "catalogue"),
    "asof": Bench((), "asof"),
    "ingest": Bench(("ingest",), "ingest"),
    "latency": Bench((), "latency"),
    "rebuild": Bench((), "rebuild"),
    "resume": Bench((), "resume"),
    "scoring": Bench((), "scoring"),
    "page": Bench(("page",), "page"),
    "idle": Bench(("idle",), "idle"),
    "cluster": Bench((), "cluster"),
}


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"some of {', '.join(BENCHES)}; all without")
    ] = None,
    quick: Annotated[
        bool, typer.Option(help="seconds instead of minutes; values are only indicative")
    ] = False,
    no_peers: Annotated[bool, typer.Option("--no-peers", help="measure ourselves alone")] = False,
    no_ours: Annotated[bool, typer.Option("--no-ours", help="measure the peers alone")] = False,
    peers: Annotated[str, typer.Option(help="peers to measure, or all")] = ",".join(catalogue.BEST),
) -> None:
    """Measures us and our peers in one run, prints the table and saves it under bench-results/."""
    chosen = names or list(BENCHES)
    unknown = [name for name in chosen if name not in BENCHES]
    if unknown:
        raise typer.BadParameter(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHES)}")
    results = Results()
    rivals = {} if no_peers else _install(_picked(peers), results)
    for name in chosen:
        for peer, python in rivals.items():
            _measure_peer(peer, python, BENCHES[name], quick, results)
        if not no_ours:
            _measure_ours(name, quick, results)
    report.show(results, console)
    console.print(f"saved to {report.save(results, quick)}")


def _picked(peers: str) -> list[catalogue.Peer]:
    wanted = list(catalogue.PEERS) if peers == "all" else [name for name in peers.split(",") if name]
    unknown = [name for name in wanted if name not in catalogue.PEERS]
    if unknown:
        raise typer.BadParameter(f"no peer {unknown[0]!r}; there are {', '.join(catalogue.PEERS)}")
    return [catalogue.PEERS[name] for name in wanted]


def _install(peers: list[catalogue.Peer], results: Results) -> dict[catalogue.Peer, Path]:
    ready = {}
    for peer in peers:
        with console.status(f"installing {peer.name}"):
            try:
                ready[peer] = catalogue.install(peer)
            except RuntimeError as problem:
                results.failures.append(str(problem))
                continue
        results.versions.append(catalogue.version(peer, ready[peer]))
    return ready


def _measure_peer(peer: catalogue.Peer, python: Path, bench: Bench, quick: bool, results: Results) -> None:
    for name in bench.peers:
        if name in peer.measures:
            _record(results, peer.name, name, lambda n=name: catalogue.measure(python, peer.name, n, quick))  # type: ignore[misc]


def _measure_ours(name: str, quick: bool, results: Results) -> None:
    module = import_module(f"tests.benchmarks.ours.{BENCHES[name].ours}")
    _record(results, "ours", name, lambda: getattr(module, name)(quick))


def _record(results: Results, subject: str, name: str, work: Callable[[], dict[str, float]]) -> None:
    """Measures; a failure is noted and the rest goes on."""
    start = time.monotonic()
    try:
        with console.status(f"{subject}: {name}"):
            figures = work()
    except Exception as problem:  # noqa: BLE001 - one subject's failure must not end the others
        results.failures.append(f"{subject} {name}: {problem}")
        console.print(f"{subject:14} {name:10} failed: {str(problem)[:300]}")
        return
    results.add(subject, figures)
    values = ", ".join(f"{key} {report.number(value)}" for key, value in figures.items())
    console.print(f"{subject:14} {name:10} {time.monotonic() - start:4.0f} s  {values}")


if __name__ == "__main__":
    typer.run(main)
