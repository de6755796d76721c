"""Peers' ingest: the same load from four clients at a time; standard library only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Send = Callable[[int], int]
"""Sends the batch with that number and says how many points it had; returns when it was acknowledged."""


def four_clients(connect: Callable[[int], Send], seconds: float) -> dict[str, float]:
    """ingest: points per second acknowledged to four threads that send as fast as they can."""
    start = time.monotonic()
    points = [0] * 4
    problems: list[BaseException] = []

    def run(client: int) -> None:
        try:
            send, batch = connect(client), 0
            while time.monotonic() - start < seconds:
                points[client] += send(batch)
                batch += 1
        except BaseException as problem:
            problems.append(problem)
            raise

    threads = [threading.Thread(target=run, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return {"ingest": sum(points) / (time.monotonic() - start)}
