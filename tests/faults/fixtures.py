"""A stack of three partitions to hurt, dice whose seed is printed, and a judge that keeps the figures."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator

import pytest

from .oracle import Verdict
from .report import REPORT, Row
from .stack import Stack, running_stack

SEED = int(os.environ.get("SPEECH_TRACKER_TEST_SEED", random.SystemRandom().randrange(2**32)))
Judged = Callable[[int, Verdict], None]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("faults"), partitions=3) as running:
        yield running


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    print(f"SPEECH_TRACKER_TEST_SEED={SEED}")
    return random.Random(f"{SEED}{request.node.name}")


@pytest.fixture
def judged(request: pytest.FixtureRequest) -> Iterator[Judged]:
    """(blows, verdict) → a row of the report; fails the test when the verdict is not clean.

    A test that ends without a verdict leaves a row that says so.
    """
    scenario = request.node.name.removeprefix("test_")
    start, said = time.monotonic(), False

    def judged(blows: int, verdict: Verdict) -> None:
        nonlocal said
        said = True
        REPORT.add(Row(scenario, blows, time.monotonic() - start, verdict))
        assert verdict.clean, verdict

    yield judged
    if not said:
        REPORT.add(Row(scenario, 0, time.monotonic() - start, None))
