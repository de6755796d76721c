"""A stack of three partitions to hurt, and dice whose seed is printed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from .stack import Stack, running_stack

SEED = int(os.environ.get("SPEECH_TRACKER_TEST_SEED", random.SystemRandom().randrange(2**32)))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("faults"), partitions=3) as running:
        yield running


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    print(f"SPEECH_TRACKER_TEST_SEED={SEED}")
    return random.Random(f"{SEED}{request.node.name}")
