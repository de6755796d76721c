"""The table for people and the JSON file for the record."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import FIGURES, Figure, Results
from tests.benchmarks.peers import RESULTS


def number(value: float | None, unit: str = "") -> str:
    """Three significant digits, thousands with commas."""
    if value is None:
        return "–"
    text = f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def table(results: Results) -> Table:
    """Our value, goal and verdict, the best peer with the ratio, and the other peers."""
    peers = [name for name in results.values if name != "ours"]
    shown = Table(title="Ours beside the peers, medians of this run", title_justify="left")
    for title in ("figure", "ours", "goal", "", "best peer", "ratio", *peers):
        shown.add_column(title, justify="left" if title in ("figure", "best peer") else "right")
    for figure in FIGURES.values():
        if any(figure.name in values for values in results.values.values()):
            shown.add_row(*_row(results, figure, peers))
    return shown


def _row(results: Results, figure: Figure, peers: list[str]) -> list[str]:
    ours = results.values.get("ours", {}).get(figure.name)
    best = results.best_peer(figure)
    sign = "≤" if figure.better == "less" else "≥"
    verdict = "" if ours is None else "[green]pass[/]" if figure.reached(ours) else "[red]miss[/]"
    return [
        figure.title,
        number(ours, figure.unit),
        f"{sign} {number(figure.goal, figure.unit)}",
        verdict,
        f"{best[0]} {number(best[1], figure.unit)}" if best else "",
        _ratio(figure, ours, best[1]) if best and ours is not None else "",
        *(number(results.values[peer].get(figure.name)) for peer in peers),
    ]


def _ratio(figure: Figure, ours: float, peer: float) -> str:
    better, worse = (ours, peer) if figure.better == "less" else (peer, ours)
    if not better:
        return "∞" if worse else "1×"
    return f"{number(worse / better)}×"


def show(results: Results, console: Console) -> None:
    """Prints the table, further values and failures."""
    console.print(table(results))
    for subject, values in results.values.items():
        further = {name: value for name, value in values.items() if name not in FIGURES}
        if further:
            console.print(f"[dim]{subject}: {', '.join(f'{k} {number(v)}' for k, v in further.items())}[/]")
    for failure in results.failures:
        console.print(f"[red]not measured:[/] {failure}", highlight=False)


def save(results: Results, quick: bool) -> Path:
    """Writes bench-results/<time>.json and returns its path."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    content = {
        "at": now.isoformat(timespec="seconds"),
        "quick": quick,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "versions": results.versions,
        "values": results.values,
        "failures": results.failures,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
