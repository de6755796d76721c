"""A view, shared by a link: made in the dialog, opened without a key, frozen or live, until it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import httpx
import pytest

from tests.browser.conftest import PATIENCE_MS, Person, Scored, board_of
from tests.browser.test_accessible import axe, violations
from tests.integration.gateway_tools import Producer, queryable

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Browser

__all__ = ["axe"]
pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)


async def make_link(person: Person, *, frozen: bool = False) -> str:
    page = person.page
    await page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share this view")
    if frozen:
        await dialog.get_by_label("what is there now").check()
    await dialog.get_by_role("button", name="Make the link").click()
    link = await dialog.get_by_role("textbox", name="Link").input_value()
    await dialog.get_by_text("Links that are open").click()
    await expect(dialog.get_by_role("button", name="Take back").first).to_be_visible()
    await dialog.get_by_role("button", name="Close").click()
    await expect(dialog).to_have_count(0)
    return link


async def guest(person: Person, chromium: Browser) -> Person:
    """Somebody else's browser; what it complains about, its friend does."""
    context = await chromium.new_context(viewport={"width": 1440, "height": 860})
    somebody = Person(await context.new_page(), person.url, "")
    somebody.page.set_default_timeout(PATIENCE_MS)
    somebody.complaints = person.complaints
    return somebody


async def test_a_link_shows_its_view_to_whoever_has_it(
    person: Person, scored: Scored, chromium: Browser, axe: Path
) -> None:
    await person.open(board_of(scored))
    await person.page.locator("tbody th a").first.wait_for()
    await person.page.get_by_role("button", name="Share").click()
    assert await violations(person, axe, "share") == []
    await person.page.keyboard.press("Escape")
    link = await make_link(person)
    somebody = await guest(person, chromium)
    page = somebody.page
    await page.goto(link)
    await expect(page.locator("tbody th a")).to_have_text([scored.good, scored.bad])
    await expect(page.get_by_role("banner")).to_contain_text("Shared to read")
    await expect(page.get_by_role("navigation", name="Views")).to_have_count(0)
    for name in ("Search", "Share", "Sign out"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)
    assert await violations(somebody, axe, "shared") == []
    await page.reload()
    await expect(page.locator("tbody th a")).to_have_count(2)
    await page.locator("tbody th a").first.click()
    await expect(page.get_by_role("alert")).to_contain_text("This link shows one view")

    await person.page.get_by_role("button", name="Share").click()
    dialog = person.page.get_by_role("dialog", name="Share this view")
    await dialog.get_by_text("Links that are open").click()
    await dialog.get_by_role("button", name="Take back Leaderboard").first.click()
    await expect(dialog.get_by_role("button", name="Take back Leaderboard")).to_have_count(0)
    await page.goto("about:blank")
    await page.goto(link)
    await expect(page.get_by_role("alert")).to_contain_text("taken back")
    await somebody.picture("link-ended")
    assert await violations(somebody, axe, "link-ended") == []
    await page.context.close()


async def test_a_frozen_link_to_an_evaluation_shows_it_as_it_was(
    person: Person, scored: Scored, chromium: Browser
) -> None:
    await person.open(f"/evaluations/{scored.evaluations[1]}")
    await person.page.get_by_role("heading", level=1).wait_for()
    link = await make_link(person, frozen=True)
    somebody = await guest(person, chromium)
    await somebody.page.goto(link)
    await expect(somebody.page.get_by_role("heading", level=1)).to_contain_text(scored.bad)
    await expect(somebody.page.get_by_role("banner")).to_contain_text("as it was")
    await expect(somebody.page.locator(".steps").first).to_be_visible()
    await expect(somebody.page.get_by_role("alert")).to_have_count(0)
    await somebody.picture("shared-frozen")
    await somebody.page.context.close()


async def test_a_live_link_to_the_runs_shows_what_comes_later(
    person: Person, admin: httpx.AsyncClient, chromium: Browser
) -> None:
    name = uuid4().hex[:12]
    await ended_run(admin, f"{name} first")
    await person.open(f"/runs?filter=name%20like%20'{name}%25'&shown=none")
    await expect(person.page.get_by_role("grid", name="Runs").locator(".body .row")).to_have_count(1)
    somebody = await guest(person, chromium)
    await somebody.page.goto(await make_link(person))
    rows = somebody.page.get_by_role("grid", name="Runs").locator(".body .row")
    await expect(rows).to_have_count(1)
    await ended_run(admin, f"{name} later")
    await expect(rows).to_have_count(2)
    await somebody.page.context.close()


async def ended_run(admin: httpx.AsyncClient, name: str) -> None:
    await queryable(admin, await Producer().open("runs").start(name).finish().send(admin))


async def test_a_damaged_link_is_told_so(stranger: Person) -> None:
    await stranger.open("/shared#shr_nothing")
    await expect(stranger.page.get_by_role("alert")).to_contain_text("There is no such link")
    await stranger.open("/leaderboard?share=00000000-0000-7000-8000-000000000000")
    await expect(stranger.page.get_by_role("alert")).to_contain_text("This link has ended")
