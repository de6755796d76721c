"""A report in Chromium: written with panels from the views, saved, shared, and nothing in it is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PATIENCE_MS, Person, Scored, board_of
from tests.browser.test_accessible import axe, violations
from tests.browser.test_sharing import guest, make_link

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Browser

__all__ = ["axe"]
pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)

READ = re.compile(r"/reports/[0-9a-f-]{36}$")
"""Where a report is read."""
ATTACKS = """
<script>alert(1)</script> <img src=x onerror=alert(1)>

[click](javascript:alert(1)) ![see](https://evil.example/x.png) <javascript:alert(1)>

```runs
title: <img src=x onerror=alert(1)>
filter: name = '<script>alert(1)</script>'
```
"""


async def test_a_report_is_written_from_a_view_changed_and_shared(
    person: Person, scored: Scored, chromium: Browser, axe: Path
) -> None:
    page = person.page
    title = f"Decoders {scored.test_set} <img src=x onerror=alert(1)>"
    await person.open(board_of(scored))
    await page.get_by_label("Export Leaderboard").click()
    await page.get_by_role("button", name="Add to report…").click()
    dialog = page.get_by_role("dialog", name="Add to report")
    await dialog.get_by_role("combobox", name="Report").select_option("")
    await dialog.get_by_label("Title").fill(title)
    assert await violations(person, axe, "add-to-report") == []
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await dialog.get_by_role("link", name=title).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    board = page.get_by_role("region", name="Leaderboard", exact=True)
    await expect(board.locator("tbody th a")).to_have_text([scored.good, scored.bad])
    await expect(board).to_contain_text("live")

    await page.get_by_role("link", name="Edit").click()
    text = page.get_by_label("Text of the report, in Markdown")
    chart = f"```chart\nfilter: name = '{scored.good}'\nmetrics: train_loss\ncolour: red\n```\n"
    await text.fill(f"The **good** one wins.\n\n{await text.input_value()}\n\n{chart}{ATTACKS}")
    errors = page.get_by_role("list", name="What is wrong in panels")
    await expect(errors).to_contain_text("“colour”")
    await errors.get_by_role("button").first.click()
    assert await page.evaluate("getSelection().toString()") == "colour: red"
    await page.keyboard.press("Delete")
    await expect(errors).to_have_count(0)
    await (
        page.get_by_role("region", name="Leaderboard", exact=True)
        .get_by_role("button", name="Freeze")
        .click()
    )
    await expect(text).to_have_value(re.compile("as_of: v"))
    assert await violations(person, axe, "report-edit") == []
    await text.press("Control+s")
    await expect(page).to_have_url(READ)
    await page.reload()
    await expect(page.locator("canvas").first).to_be_visible()
    await expect(board).to_contain_text("frozen: 20")
    await expect(page.locator(".report-text strong").first).to_have_text("good")
    await expect(page.locator(".report-text")).to_contain_text("<script>alert(1)</script>")
    await expect(page.locator("main script, main img, main a[href^=javascript]")).to_have_count(0)
    assert await violations(person, axe, "report") == []
    await page.set_viewport_size({"width": 390, "height": 800})
    await person.picture("report-phone")
    await page.set_viewport_size({"width": 1440, "height": 860})

    link = await make_link(person)
    somebody = await guest(person, chromium)
    await somebody.page.goto(link)
    await expect(somebody.page.get_by_role("heading", level=1)).to_have_text(title)
    await expect(somebody.page.locator("tbody th a")).to_have_text([scored.good, scored.bad])
    await expect(somebody.page.locator("canvas").first).to_be_visible()
    await expect(somebody.page.get_by_role("alert")).to_have_count(0)
    await expect(somebody.page.get_by_role("link", name="Edit")).to_have_count(0)
    await somebody.picture("report-shared")
    await somebody.page.context.close()


async def test_what_is_not_saved_is_kept_and_another_change_is_a_conflict(
    person: Person, scored: Scored
) -> None:
    page = person.page
    mark = scored.test_set
    await person.open("/reports/new")
    await page.get_by_label("Title").fill(f"Draft {mark}")
    await page.get_by_label("Text of the report").fill("first")
    await page.get_by_role("button", name="Save").click()
    await expect(page).to_have_url(READ)
    await expect(page.locator(".report-text")).to_have_text("first")
    address = page.url
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("Text of the report").fill("mine")
    await page.get_by_role("link", name="Home").click()
    assert [each.partition(".")[0] for each in person.complaints] == ["dialog Your changes are not saved"]
    person.complaints.clear()
    await expect(page).to_have_url(f"{address}/edit")  # the question was answered with no

    other = {"title": f"Draft {mark}", "body": "theirs", "based_on": 1}
    path = address.replace("/reports/", "/api/v1/reports/")
    headers = {"Authorization": f"Bearer {person.key}"}
    answer = await page.request.put(path, data=other, headers=headers)
    assert answer.ok
    await page.keyboard.press("Control+s")
    await expect(page.get_by_role("alert")).to_contain_text("revision 2")
    await expect(page.get_by_label("Text of the report")).to_have_value("mine")
    await page.get_by_role("button", name="Save mine as revision 3").click()
    await expect(page).to_have_url(address)
    await expect(page.locator(".report-text")).to_have_text("mine")
    await page.locator("summary", has_text="Revisions").click()
    await page.get_by_role("link", name="Revision 2").click()
    await expect(page.locator(".report-text")).to_have_text("theirs")
    await expect(page.get_by_role("status").first).to_contain_text("revision 2 of 3")
    await page.keyboard.press("Control+k")
    await page.get_by_label("Search everything").fill(f"draft {mark}")
    await expect(page.get_by_role("option", name=f"Draft {mark}")).to_be_visible()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(address)
