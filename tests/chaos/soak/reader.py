"""A reader of the soak: python -m tests.chaos.soak.reader SECONDS queries|live."""

from __future__ import annotations

import argparse
import random
import time

import speech_experiment_tracker as tracker
from speech_experiment_tracker.errors import TrackerError

_PAUSE = 0.5
_WINDOW_SECONDS = 60.0


def query(seconds: float) -> None:
    """What a dashboard asks: the newest runs, one of them in full, its curves and its artifacts."""
    client, dice, end = tracker.Client(), random.Random(0), time.monotonic() + seconds
    while time.monotonic() < end:
        runs = client.search_runs("language in ('en', 'de')", order_by="created_at desc", limit=50)
        if runs:
            run = client.get_run(dice.choice(runs)["id"])
            for key in ("train/0", "train/1"):
                if key in run["metrics"]:
                    run.curve(key, points=2000)
            run.artifacts()
        client.search_runs("wer['test-clean'] < 0.1", limit=20)
        time.sleep(_PAUSE)


def live(seconds: float) -> None:
    """A viewer that follows the newest run for a minute, then the next."""
    client, end = tracker.Client(), time.monotonic() + seconds
    while time.monotonic() < end:
        runs = client.search_runs(order_by="created_at desc", limit=1)
        window_end = min(end, time.monotonic() + _WINDOW_SECONDS)
        lines = client.api().lines("/api/v1/live", {"run": [run["id"] for run in runs]})
        for _ in lines:  # heartbeats come every ten seconds
            if time.monotonic() > window_end:
                break
        lines.close()  # type: ignore[attr-defined]
        time.sleep(_PAUSE)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("seconds", type=float)
    parser.add_argument("role", choices=["queries", "live"])
    given = parser.parse_args()
    work = {"queries": query, "live": live}[given.role]
    end = time.monotonic() + given.seconds
    while (left := end - time.monotonic()) > 0:
        try:
            work(left)
        except TrackerError as error:
            print(f"{given.role}: {error}", flush=True)
            time.sleep(_PAUSE)


if __name__ == "__main__":
    main()
