"""The logic of the page, by its own tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "api" / "page"
TIMEOUT_S = 120
OLDEST_NODE = 20


def _major(node: str) -> int:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.lstrip("v").split(".")[0])


def test_the_logic_of_the_page() -> None:
    node, vitest = shutil.which("node"), PAGE / "node_modules" / "vitest" / "vitest.mjs"
    if node is None or not vitest.exists() or _major(node) < OLDEST_NODE:
        pytest.skip(f"needs Node.js {OLDEST_NODE} or newer on the PATH, and what `make page` fetches")
    done = subprocess.run(
        [node, str(vitest), "run"], cwd=PAGE, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
