"""The half hour of the soak that belongs to the suite; `make soak MINUTES=120` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.soak.__main__ import soak
from tests.faults.fixtures import SEED

pytestmark = pytest.mark.chaos


def test_half_an_hour_of_load_leaves_memory_flat_and_nothing_missing(tmp_path: Path) -> None:
    assert soak(tmp_path, 30, SEED) == []
