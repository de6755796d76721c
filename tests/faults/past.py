"""Past answers asked again by their vectors, through another gateway, while the log grows and workers die."""

from __future__ import annotations

import asyncio
import random
import signal
from dataclasses import dataclass, field
from urllib.parse import urlencode

from .cluster import PROJECTIONS, Cluster
from .oracle import Verdict
from .rounds import Rounds
from .servers import judged

_SEARCHES: tuple[dict[str, str], ...] = (
    {"order_by": "created desc", "limit": "20"},
    {"filter": "language = 'en' and params.layers >= 50", "order_by": "name"},
    {"filter": "metrics.hand/loss.mean < 0.1 or not tags.language = 'de'", "limit": "10"},
    {"group_by": "tags.language", "aggregate": "params.layers"},
)


@dataclass
class Asked:
    """Questions with their vectors and first answers."""

    cluster: Cluster
    dice: random.Random
    answers: list[tuple[str, dict[str, str], str, bytes]] = field(default_factory=list)

    def ask(self) -> None:
        """One search, and all that there is to ask about one of the newest runs."""
        self._keep("/api/v1/runs", dict(self.dice.choice(_SEARCHES)))
        self._keep("/api/v1/experiments", {})
        runs = self.cluster.get("/api/v1/runs?order_by=created+desc&limit=5")["runs"]
        if runs:
            run = f"/api/v1/runs/{self.dice.choice(runs)['id']}"
            self._keep(run, {})
            self._keep(f"{run}/metrics", {})
            self._keep(f"{run}/curves", {"key": "hand/loss"})

    def _keep(self, path: str, query: dict[str, str]) -> None:
        status, body, vector = self._get(path, query)
        if status == 200:  # a run that is not projected by every projection yet may have no curve
            self.answers.append((path, query, vector, body))

    def _get(self, path: str, query: dict[str, str]) -> tuple[int, bytes, str]:
        status, body, headers = self.cluster.exchange(f"{path}?{urlencode(query)}")
        return status, body, headers.get("X-Tracker-Vector", "")

    def again(self, count: int, verdict: Verdict) -> None:
        """Asks some of them once more; every byte must be the same."""
        for path, query, vector, body in self.dice.sample(self.answers, min(count, len(self.answers))):
            status, found, _ = self._get(path, {**query, "as_of": vector})
            if (status, found) != (200, body):
                verdict.blame(
                    "changed", f"{path} {query} as of {vector}: {body[:300]!r}, again {found[:300]!r}"
                )


async def past_under_load(cluster: Cluster, dice: random.Random, times: int) -> Verdict:
    """So many turns of load, questions, a killed worker now and then, and old questions asked again."""
    rounds, asked, again = Rounds(dice), Asked(cluster, dice), Verdict()
    cluster.start_all()
    await rounds.send(cluster.settings, 3)
    await asyncio.to_thread(cluster.wait_quiet)
    for turn in range(times):
        sending = asyncio.create_task(rounds.send(cluster.settings))
        await asyncio.to_thread(asked.ask)
        await sending
        if turn % 10 == 5:
            victim = dice.choice(cluster.of(dice.choice(PROJECTIONS)))
            victim.signal(signal.SIGKILL)
        cluster.tend()
        await asyncio.to_thread(asked.again, 5, again)
    verdict = await judged(cluster, rounds, questions=len(asked.answers))
    asked.again(len(asked.answers), verdict)
    return again + verdict
