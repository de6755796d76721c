"""Tasks other than recognition: what a run measured, with what its numbers mean, and beside other systems."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest

from speech_experiment_tracker import Client
from tests.browser.conftest import PATIENCE_MS, Person, Scored
from tests.browser.test_accessible import axe, violations
from tests.browser.test_exports import exported, sheet_of

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

__all__ = ["axe"]
pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)

REFERENCE = [("r1", "A", 0.0, 10.0), ("r2", "B", 0.0, 5.0), ("r3", "A", 0.0, 8.0)]
GOOD = [("r1", "x", 0.0, 9.0), ("r2", "y", 0.0, 5.0), ("r3", "x", 0.0, 8.0)]
POOR = [("r1", "x", 0.0, 5.0), ("r2", "y", 0.0, 5.0), ("r3", "x", 0.0, 2.0)]


async def test_measurements_are_seen_with_their_definition_and_beside_other_systems(
    person: Person, scored: Scored, axe: Path, tmp_path: Path
) -> None:
    mark = uuid4().hex[:8]
    test_set = f"meetings-{mark}"
    run = _measured(scored.client, mark, test_set)
    page = person.page
    await person.open(f"/runs/{run}/test-sets")
    strict = page.get_by_role("article", name=f"diarization on {test_set}").last
    await expect(strict).to_contain_text("collar 0, skip overlap no")
    await expect(strict.locator("dl")).to_contain_text(re.compile(r"DER4\.35 %\d+\.\d\d … \d+\.\d\d %"))
    await strict.get_by_text("3 recordings").click()
    await expect(strict.locator("tbody tr").first).to_contain_text("r1")
    assert await violations(person, axe, "run-measured") == []

    await strict.get_by_role("link", name=test_set).click()
    systems = page.get_by_role("region", name="Systems").locator("tbody tr")
    await expect(systems.locator("th a")).to_have_text([f"good {mark}", f"poor {mark}"])
    await expect(systems.first.locator(".best")).to_contain_text("4.35 %")
    await expect(page.get_by_role("main")).to_contain_text("2 definitions")
    assert await violations(person, axe, "board-measured") == []
    about, table = sheet_of(await exported(person, page.get_by_role("main"), "diarization", "CSV", tmp_path))
    assert about.startswith(f"# diarization on {test_set}; ")
    assert "collar 0, skip overlap no" in about
    assert [row["System"] for row in table] == [f"good {mark}", f"poor {mark}"]
    await page.get_by_label("Definition").select_option(label="collar 0.5 (1)")
    await expect(systems.locator("th a")).to_have_text([f"good {mark}"])
    await expect(page).to_have_title("Leaderboard · Speech experiments")

    await systems.locator("th a").click()
    await page.get_by_role("link", name="hypothesis").first.click()
    await expect(page).to_have_title(f"good {mark} · Artifacts · default · Speech experiments")
    await expect(page.locator(".preview")).to_contain_text("r1")


def _measured(client: Client, mark: str, test_set: str) -> str:
    """Two diarizers, the better one also with a collar; returns the id of that run."""
    for name, hypothesis in (("poor", POOR), ("good", GOOD)):
        run = client.start_run(f"{name} {mark}", capture_output=False)
        run.log_diarization(test_set, REFERENCE, hypothesis)
        if name == "good":
            run.log_diarization(test_set, REFERENCE, hypothesis, collar=0.5)
        run.finish()
        assert run.flush("queryable", timeout=60)
    return str(run.id)
