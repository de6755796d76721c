"""Runs one measure of one subject and prints its figures as JSON in the last line."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

from tests.benchmarks.subjects import client


def main(name: str, measure: str, folder: Path, quick: bool) -> None:
    subject = import_module(f"tests.benchmarks.subjects.{name}")
    own = getattr(subject, measure, None)
    figures = own(folder, quick) if own else getattr(client, measure)(subject, folder, quick)
    print("\nRESULT " + json.dumps(figures), flush=True)


main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), "--quick" in sys.argv[4:])
