"""Gathering what `verify` shows: the ledger's answers, the server's comparisons, the spools of this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import TrackerError
from ..spool_proofs import SpoolProof, spool_proofs
from .output import errors
from .server import Server

Json = dict[str, Any]
_PAGE = 500
_BUSY, _FORBIDDEN, _UNKNOWN = 429, 403, 404
_MOST_ASKED = 100
"""Runs of a spool whose acknowledgements are compared with the log, one by one."""


@dataclass
class Proofs:
    """deliveries: the ledger's answers; verifications: the comparisons; findings: every difference."""

    deliveries: list[Json] = field(default_factory=list)
    verifications: list[Json] = field(default_factory=list)
    findings: list[Json] = field(default_factory=list)

    def take(self, verification: Json) -> None:
        self.verifications.append(verification)
        self.findings += verification["findings"]

    def as_json(self, *, one: bool) -> Json:
        if not one:
            return {
                "deliveries": self.deliveries,
                "verifications": self.verifications,
                "findings": self.findings,
            }
        delivery = self.deliveries[0] if self.deliveries else {}
        verification = self.verifications[0] if self.verifications else None
        return {**delivery, "verification": verification, "findings": self.findings}


class Asking:
    """Asks one server.

    timeout  seconds that each of its answers may take
    spools   to be compared; looked at first, so that what they call acknowledged must be in the answers
    """

    def __init__(self, server: Server, timeout: float, contents: bool, spools: Iterable[Path]) -> None:
        self._server = server
        self._timeout = timeout
        self._patience = min(timeout, 60.0)
        self._contents = "true" if contents else None
        self._spools = list(spools)
        self._proofs: list[SpoolProof] = []
        self._run: str | None = None

    def one(self, run: str, *, ledger: bool) -> Proofs:
        """A run that the server does not know may still lie in a spool; then there are no answers."""
        found, self._run = Proofs(), self._server.run_id(run)
        self._look()
        try:
            found.deliveries.append(self._server.get(f"/runs/{self._run}/delivery", timeout=self._patience))
        except TrackerError as error:
            if error.status != _UNKNOWN or not self._proofs:
                raise
        if not ledger:
            self._verify_run(found)
            self._compare_spools(found)
        return found

    def _look(self) -> None:
        self._proofs = [proof for spool in self._spools for proof in spool_proofs(spool, self._run)]

    def _verify_run(self, found: Proofs) -> None:
        try:
            found.take(self._ask(f"/runs/{self._run}/verification"))
        except TrackerError as error:
            if error.status != _UNKNOWN:
                raise

    def all(self, limit: int, *, ledger: bool) -> Proofs:
        found = Proofs()
        self._look()
        for page in self._pages("/delivery", limit, timeout=self._patience):
            found.deliveries += page["deliveries"]
        if not ledger:
            self._verify_all(found, limit)
            self._compare_spools(found)
        return found

    def _verify_all(self, found: Proofs, limit: int) -> None:
        elsewhere: dict[str, Json] = {}
        try:
            for page in self._pages("/verification", limit, timeout=self._timeout, contents=self._contents):
                for each in page["verifications"]:
                    found.take(each)
                elsewhere |= {finding["run"]: finding for finding in page["elsewhere"]}
                self._tell(len(found.verifications), len(found.deliveries))
        except TrackerError as error:
            if error.status != _FORBIDDEN:
                raise
            told = "only the ledger was asked: comparing all runs needs a key with the role admin"
            errors().print(f"[yellow]{told}[/yellow]")
        found.findings += elsewhere.values()

    @staticmethod
    def _tell(done: int, wanted: int) -> None:
        if wanted > _PAGE:
            errors().print(f"[dim]{done:,} of {wanted:,} runs compared[/dim]")

    def _pages(self, path: str, limit: int, **parameters: Any) -> Iterable[Json]:
        cursor, left = None, limit
        while left > 0:
            size = min(_PAGE, left)
            page = self._ask(path, limit=size, cursor=cursor, **parameters)
            yield page
            cursor, left = page["next_cursor"], left - size
            if cursor is None:
                return

    def _ask(self, path: str, **parameters: Any) -> Json:
        """The answer; while the server verifies for others, asks again."""
        end = time.monotonic() + self._timeout
        if "verification" in path:
            parameters = {"timeout": self._timeout, "contents": self._contents} | parameters
        while True:
            try:
                answer: Json = self._server.get(path, **parameters)
            except TrackerError as error:
                if error.status != _BUSY or time.monotonic() > end:
                    raise
                time.sleep(0.5)
            else:
                return answer

    def _compare_spools(self, found: Proofs) -> None:
        """Adds what spools still hold, and what they call acknowledged and the log does not have."""
        found.findings += [_waiting(proof) for proof in self._proofs if proof.logged > proof.acknowledged]
        claims: dict[str, list[SpoolProof]] = {}
        for proof in self._proofs:
            if proof.acknowledged:
                claims.setdefault(proof.run, []).append(proof)
        for run, of_run in list(claims.items())[:_MOST_ASKED]:
            verification = self._verification(found, run)
            if not (verification and verification["behind"]):
                received = _received(verification)
                lost = (_lost(proof, received.get((proof.producer, proof.stream), [])) for proof in of_run)
                found.findings += filter(None, lost)

    def _verification(self, found: Proofs, run: str) -> Json | None:
        """A run's own, with its streams; None when the server does not know the run."""
        known = next(
            (each for each in found.verifications if each["run_id"] == run and each["streams"]), None
        )
        try:
            known = known or self._ask(f"/runs/{run}/verification")
        except TrackerError as error:
            if error.status != _UNKNOWN:
                raise
        return known


def _received(verification: Json | None) -> dict[tuple[str, str], list[list[int]]]:
    """(producer, stream) → ranges of calls that the log has."""
    streams = verification["streams"] if verification else []
    return {(each["producer"], each["stream"]): each["received"] for each in streams}


def _waiting(proof: SpoolProof) -> Json:
    calls = proof.logged - proof.acknowledged
    return _finding(
        proof,
        "spool",
        "waiting",
        [[proof.acknowledged, proof.logged - 1]],
        f"{calls:,} calls wait in {proof.spool} to be delivered",
        f"speech-tracker sync {proof.spool}",
    )


def _lost(proof: SpoolProof, received: list[list[int]]) -> Json | None:
    """Calls that the spool says were acknowledged, and that the log does not have."""
    gaps, start = [], 0
    for first, last in received:
        if first > start:
            gaps.append([start, min(first, proof.acknowledged) - 1])
        start = max(start, last + 1)
        if start >= proof.acknowledged:
            break
    if start < proof.acknowledged:
        gaps.append([start, proof.acknowledged - 1])
    if not gaps:
        return None
    what = f"the spool {proof.spool} says that these calls were acknowledged, and the log does not have them"
    step = (
        "is this the server that they were sent to? If so its log has lost records: restore it from a backup"
    )
    return _finding(proof, "log", "missing", gaps, what, step)


def _finding(
    proof: SpoolProof, where: str, kind: str, calls: list[list[int]], what: str, next_step: str
) -> Json:
    return {
        "where": where,
        "kind": kind,
        "run": proof.run,
        "stream": proof.stream,
        "producer": proof.producer,
        "calls": calls,
        "what": what,
        "next_step": next_step,
    }
