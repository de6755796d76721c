"""Scores on the page: the board, an evaluation word by word, systems side by side, and the past."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from tests.browser.conftest import MOST, PATIENCE_MS, REFERENCES, Person, Scored, board_of

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import Locator, expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)


def row_of(person: Person, name: str) -> Locator:
    return person.page.get_by_role("row").filter(has_text=name)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_board_has_every_number_with_its_evidence(
    person: Person, scored: Scored, theme: str
) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(board_of(scored))
    good, bad = row_of(person, scored.good), row_of(person, scored.bad)
    await expect(good).to_contain_text("99.1 % covered")
    await expect(bad.get_by_role("cell").nth(2)).to_have_attribute(
        "title", re.compile(r"errors in \d+ words")
    )
    await person.picture(f"board-{theme}")
    await person.page.get_by_role("checkbox", name="Intervals and ties").check()
    await expect(bad.get_by_role("cell").nth(2)).to_contain_text(re.compile(r"\d\.\d\d – \d"))
    await person.picture(f"board-intervals-{theme}")
    await bad.get_by_role("link", name="%").click()
    await expect(person.page).to_have_url(re.compile(f"/evaluations/{scored.evaluations[1]}"))
    await expect(person.page.get_by_role("heading", level=1)).to_contain_text(scored.test_set)


async def test_the_board_is_sorted_by_a_column(person: Person, scored: Scored) -> None:
    await person.open(board_of(scored))
    names = person.page.locator("tbody th a")
    await expect(names).to_have_count(2)
    head = person.page.get_by_role("columnheader", name=scored.test_set)
    for wanted in ("ascending", "descending"):
        await head.get_by_role("button").first.click()
        await expect(head).to_have_attribute("aria-sort", wanted)
    first = await names.first.text_content()
    await person.page.reload()
    await expect(names.first).to_have_text(first or "")


async def test_an_evaluation_is_explored_with_the_keyboard(person: Person, scored: Scored) -> None:
    await person.open(f"/evaluations/{scored.evaluations[1]}")
    await expect(person.page.locator(".count")).to_have_text(f"{len(REFERENCES) + MOST} utterances")
    table = person.page.get_by_role("grid", name="Utterances")
    alignment = person.page.get_by_role("region", name="Alignment")
    await person.page.get_by_role("searchbox", name="Utterances that contain").fill("CAT")
    await expect(person.page.locator(".count")).to_have_text("1 utterance")
    await expect(alignment.get_by_role("heading")).to_contain_text("a-1")
    await expect(alignment.locator("td.substitution")).to_have_text("aS (substitution)")
    await person.page.get_by_role("searchbox", name="Utterances that contain").fill("")
    await expect(person.page.locator(".count")).to_have_text(f"{len(REFERENCES) + MOST} utterances")
    await table.focus()
    for _ in range(2):
        await table.press("ArrowDown")
    await expect(person.page).to_have_url(re.compile("utterance="))
    shown = await table.locator(".row.active [role=gridcell]").nth(2).text_content()
    await expect(alignment.get_by_role("heading")).to_contain_text(shown or "?")
    await person.page.reload()
    await expect(alignment.get_by_role("heading")).to_contain_text(shown or "?")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_group_leads_to_its_utterances(person: Person, scored: Scored, theme: str) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(f"/evaluations/{scored.evaluations[1]}?by=condition.snr")
    groups = person.page.get_by_role("region", name="Groups", exact=True)
    await expect(groups.get_by_role("row")).to_have_count(3)
    await person.picture(f"evaluation-{theme}")
    await groups.get_by_role("button", name="10", exact=True).click()
    await expect(person.page.locator(".count")).to_have_text(f"{(len(REFERENCES) + MOST) // 2} utterances")
    await person.page.get_by_role("button", name="speaker", exact=True).click()
    matrix = person.page.get_by_role("region", name="Matrix")
    await expect(matrix.get_by_role("columnheader", name="speaker")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_two_systems_are_compared_word_by_word(person: Person, scored: Scored, theme: str) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(board_of(scored))
    for name in (scored.bad, scored.good):
        await person.page.get_by_role("checkbox", name=f"Choose {name}").check()
    await person.page.locator(".choice").get_by_role("link", name=scored.test_set).click()
    for side, name in (("A", scored.good), ("B", scored.bad)):
        await person.page.get_by_role("radio", name=f"{side}: {name}").check()
    await person.page.get_by_role("combobox", name="Show").select_option("Where A is better")
    rows = person.page.get_by_role("grid", name="Utterances that differ").locator(".row")
    await expect(rows.filter(has_text="a-1")).to_contain_text("A by 1")
    await rows.filter(has_text="a-1").click()
    alignment = person.page.get_by_role("region", name="Alignment")
    await expect(alignment.get_by_role("heading")).to_contain_text("a-1")
    lines = alignment.get_by_role("row")
    await expect(lines.filter(has_text=scored.good).locator("td.hit")).to_have_count(6)
    await expect(lines.filter(has_text=scored.bad).locator("td.substitution")).to_have_count(1)
    await person.picture(f"compare-evaluations-{theme}")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_runs_are_compared_by_what_differs(person: Person, scored: Scored, theme: str) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(board_of(scored))
    for name in (scored.good, scored.bad):
        await person.page.get_by_role("checkbox", name=f"Choose {name}").check()
    await person.page.get_by_role("link", name="configs and curves").click()
    parameters = person.page.get_by_role("region", name="Parameters").locator("tbody th")
    await expect(parameters).to_have_text(["layers"])
    chart = person.page.get_by_role("article", name="train_loss").locator(".chart")
    await expect(chart).to_have_attribute("data-points", "60")
    await person.picture(f"compare-runs-{theme}")
    await person.page.get_by_role("checkbox", name="Also the 2 parameters").check()
    await expect(parameters).to_have_text(["layers", "note", "same"])


async def test_what_was_recognised_stays_text(person: Person, scored: Scored) -> None:
    hostile = list(REFERENCES)[-1]
    good, bad = scored.evaluations
    for path in (f"/evaluations/{bad}", f"/compare?evaluations={good},{bad}"):
        await person.open(path)
        alignment = person.page.get_by_role("region", name="Alignment")
        await person.page.get_by_role("grid").locator(".row").filter(has_text=hostile).click()
        await expect(alignment.get_by_role("heading")).to_contain_text(hostile)
        assert await person.page.locator("img").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_past_is_plainly_marked_and_one_click_from_now(
    person: Person, scored: Scored, theme: str
) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(board_of(scored))
    await expect(row_of(person, scored.good)).to_be_visible()
    await person.page.get_by_role("button", name="Choose the moment").click()
    await person.page.get_by_label("As of").fill(
        await local_time(person, scored.before - timedelta(seconds=scored.before.second == 0))
    )
    await person.page.get_by_role("button", name="Show", exact=True).click()
    banner = person.page.locator(".past")
    await expect(banner).to_contain_text("This is the past")
    await expect(row_of(person, scored.good)).to_have_count(0)
    await person.page.get_by_role("link", name="Runs", exact=True).click()
    await expect(person.page).to_have_url(re.compile("/runs\\?as_of="))
    await expect(banner).to_be_visible()
    await expect(person.page.get_by_role("row").filter(has_text=scored.good)).to_have_count(0)
    await person.page.get_by_role("link", name="Operations").click()
    await expect(person.page.get_by_text("This has no past")).to_be_visible()
    await person.picture(f"past-{theme}")
    await banner.get_by_role("button", name="Back to now").click()
    await expect(banner).to_have_count(0)
    await person.page.get_by_role("link", name="Runs", exact=True).click()
    await expect(person.page.get_by_role("row").filter(has_text=scored.good)).to_be_visible()


async def local_time(person: Person, time: datetime) -> str:
    """As the control for times takes it: in the browser's zone."""
    script = "seconds => { const t = new Date(seconds * 1000); t.setMinutes(t.getMinutes() - t.getTimezoneOffset()); return t.toISOString().slice(0, 19); }"
    found: str = await person.page.evaluate(script, time.timestamp())
    return found
