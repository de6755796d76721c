"""Every view, by the rules of axe-core: readable, named and reachable by keyboard, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.conftest import PATIENCE_MS, ROOT, Person, Scored, board_of
from tests.integration.gateway_tools import Producer, queryable
from tests.integration.test_queries_http import TIME

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)

AXE = ROOT / "api/page/node_modules/axe-core/axe.min.js"
_RUN = "() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'], resultTypes: ['violations']})"
GRAVE = ("serious", "critical")


async def violations(person: Person, axe: Path, name: str) -> list[str]:
    """What axe calls serious or worse, in both themes: the rule, and the first elements that break it."""
    found = []
    await person.page.evaluate(axe.read_text())
    for theme in ("light", "dark"):
        # Without motion, so that no colour is seen halfway between two themes.
        await person.page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        await person.picture(f"accessible-{name}-{theme}")
        answer: dict[str, Any] = await person.page.evaluate(_RUN)
        found += [
            f"{theme} {each['id']}: {node['html'][:160]} {node['failureSummary']}"
            for each in answer["violations"]
            if each["impact"] in GRAVE
            for node in each["nodes"][:3]
        ]
    return found


@pytest.fixture
def axe() -> Path:
    if not AXE.exists():
        pytest.skip("needs what `make page` fetches")
    return AXE


async def test_the_sign_in_is_accessible(stranger: Person, axe: Path) -> None:
    await stranger.open("/")
    await stranger.page.get_by_label("API key").wait_for()
    assert await violations(stranger, axe, "sign-in") == []


async def test_every_view_is_accessible(
    person: Person, scored: Scored, admin: httpx.AsyncClient, axe: Path
) -> None:
    await short_names(admin)
    good, bad = scored.evaluations
    runs = await runs_of(person, scored)
    run = f"/runs/{runs[0]}"
    views = {  # with what stands there when all of it does
        "evaluation": (f"/evaluations/{bad}?by=condition.snr", "section[aria-label=Breakdown] tbody"),
        "compare-evaluations": (f"/compare?evaluations={good},{bad}", ".steps"),
        "compare-runs": (f"/compare?runs={','.join(runs)}", "canvas"),
        "evaluation-errors": (f"/evaluations/{bad}?part=errors", ".lengths tbody"),
        "board": (board_of(scored), ".differs"),
        "significance": (f"{board_of(scored)}&tested={good},{bad}", ".significance tbody"),
        "matrices": (board_of(scored).replace("?", "?board=matrices&"), ".matrix tbody"),
        "keys": ("/operations?part=keys", "tbody tr"),
        "board-logged": ("/leaderboard?board=logged", "tbody tr"),
        "home": ("/", ".card"),
        "runs": ("/runs", "canvas"),
        "compare-nothing": ("/compare", ".empty"),
        "operations": ("/operations", "tbody tr"),
        "past": ("/operations?as_of=2026-01-01", ".past"),
        "missing": ("/experiments/nothing", ".empty"),
        "run": (run, ".card tbody"),
        "run-charts": (f"{run}/charts", "canvas"),
        "run-test-sets": (f"{run}/test-sets", "tbody"),
        "run-artifacts": (f"{run}/artifacts", ".scrolled tbody tr"),
        "run-logs": (f"{run}/logs", ".tools"),
        "run-events": (f"{run}/events", "tbody"),
    }
    found: list[str] = []
    for name, (path, sign) in views.items():
        await person.open(path)
        await person.page.locator(sign).first.wait_for()
        found += [f"{name} {each}" for each in await violations(person, axe, name)]
    assert not found, "\n".join(found)


async def short_names(admin: httpx.AsyncClient) -> None:
    """A run whose name, a link, is shorter than the words beside it, with a result of a set."""
    producer = Producer().open("runs", "metrics").start("a")
    producer.log((1, TIME, None, {"short-test_wer": 0.1}))
    await queryable(admin, await producer.send(admin))


async def runs_of(person: Person, scored: Scored) -> list[str]:
    await person.open(board_of(scored))
    links = person.page.locator("tbody th a")
    await expect(links).to_have_count(2)
    found: list[str] = await links.evaluate_all("links => links.map(link => link.pathname.split('/')[2])")
    return found
