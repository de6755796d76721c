"""Finding whatever has a name, by keys alone."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from tests.browser.conftest import PATIENCE_MS, Person, Scored
from tests.browser.test_accessible import axe, violations

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

__all__ = ["axe"]
pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)


async def test_words_and_arrow_keys_lead_to_a_run(person: Person, scored: Scored) -> None:
    page = person.page
    button = page.get_by_role("button", name="Search")
    await button.focus()
    await page.keyboard.press("Control+k")
    dialog = page.get_by_role("dialog", name="Search")
    box = dialog.get_by_role("combobox")
    await expect(box).to_be_focused()
    await expect(dialog.get_by_role("option").first).to_have_text("Home")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(button).to_be_focused()

    await page.keyboard.press("Control+k")
    mark = scored.good.split()[1]
    await page.keyboard.type(f"{mark} BAD")
    runs = dialog.get_by_role("group", name="Runs").get_by_role("option")
    await expect(runs).to_have_count(1)
    await expect(runs.locator("mark")).to_have_text(["bad", mark])
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    await expect(runs).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_contain_text(scored.bad)
    await expect(dialog).to_have_count(0)


async def test_enter_waits_for_what_was_typed(person: Person, scored: Scored) -> None:
    await person.page.get_by_role("button", name="Search").click()
    await person.page.keyboard.type(scored.test_set)
    await person.page.keyboard.press("Enter")
    await expect(person.page.get_by_role("heading", name="Leaderboard")).to_be_visible()
    await expect(person.page.get_by_role("combobox", name="Filter")).to_have_value(
        f"test_set = '{scored.test_set}'"
    )
    await expect(person.page.locator("tbody th a")).to_have_count(2)


async def test_what_is_typed_on_calls_off_what_was_asked_before(person: Person) -> None:
    page, mark = person.page, uuid4().hex
    await page.route(f"**/search?q={mark}&*", lambda _: None)  # never answered
    await page.keyboard.press("Control+k")
    dialog = page.get_by_role("dialog")
    async with page.expect_request(f"**/search?q={mark}&*"):
        await page.keyboard.insert_text(mark)
    async with page.expect_event("requestfailed", lambda request: f"q={mark}&" in request.url):
        await page.keyboard.insert_text("more")
    await expect(dialog.get_by_role("status")).to_have_text("Nothing has such a name.")


async def test_names_stay_texts_and_the_search_is_accessible(
    person: Person, scored: Scored, axe: Path
) -> None:
    attack = f"<img src=x onerror=alert(1)> {uuid4().hex[:8]}"
    client = scored.client
    run = client.create_experiment(attack).start_run(attack, capture_output=False)
    run.finish()
    assert run.flush("queryable", timeout=60)
    await person.open("/operations")
    await person.page.get_by_role("button", name="Search").wait_for()
    await person.page.keyboard.press("Control+k")
    await person.page.keyboard.type(attack[-8:])
    options = person.page.get_by_role("dialog").get_by_role("option")
    await expect(options.filter(has_text=attack)).to_have_count(2)
    assert await person.page.locator("img").count() == 0
    assert await violations(person, axe, "search") == []
