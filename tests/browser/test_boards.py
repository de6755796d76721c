"""Beside the leaderboard: which differences are more than chance, and error rates by languages, domains and noise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.conftest import PATIENCE_MS, Person, Scored, board_of
from tests.browser.test_exports import exported, sheet_of

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_systems_of_a_set_are_tested_against_the_best_or_another(
    person: Person, scored: Scored, theme: str, tmp_path: Path
) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(board_of(scored))
    await person.page.get_by_role("button", name=f"Significance on {scored.test_set}").click()
    card = person.page.get_by_role("region", name="Significance", exact=True)
    await expect(card.get_by_role("heading")).to_have_text(f"Significance on {scored.test_set}")
    rows = card.get_by_role("region", name="Tested systems").locator("tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("the best")
    await expect(rows.last).to_contain_text(re.compile(r"[+−]\d\.\d\d"))
    await expect(card.locator(".warnings")).to_contain_text("single seed")
    await person.picture(f"significance-{theme}")
    about, table = sheet_of(await exported(person, card, "Significance", "CSV", tmp_path))
    assert about.startswith(f"# Significance on {scored.test_set}; profile basic-wer; against")
    assert {row["Evaluation"] for row in table} == set(scored.evaluations)
    await card.get_by_label("Against").select_option(scored.evaluations[0])
    await expect(person.page).to_have_url(re.compile(f"against={scored.evaluations[0]}"))
    await person.page.reload()
    await expect(rows.filter(has_text=scored.good)).to_contain_text(re.compile("the best|compared with"))
    await rows.filter(has_text=scored.bad).get_by_title("Utterance by utterance").click()
    await person.page.get_by_role("link", name="Significance").click()
    await expect(rows).to_have_count(2)


async def test_an_evaluation_is_tested_against_others_of_its_set(person: Person, scored: Scored) -> None:
    await person.open(f"/evaluations/{scored.evaluations[1]}?part=significance")
    rows = person.page.get_by_role("region", name="Tested systems").locator("tbody tr")
    await expect(rows.locator("th a")).to_have_count(2)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_cell_of_a_matrix_leads_to_its_utterances(
    person: Person, scored: Scored, theme: str, tmp_path: Path
) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(board_of(scored).replace("?", "?board=matrices&"))
    await person.page.get_by_label("Rows").select_option("speaker")
    await person.page.get_by_label("Columns").select_option("condition.snr")
    matrices = person.page.locator("table.matrix")
    await expect(matrices.first.get_by_role("columnheader")).to_have_text(["speaker \\ snr", "0", "10"])
    await expect(matrices).to_have_count(2)
    await person.page.get_by_text("2 systems", exact=True).click()
    await person.page.get_by_role("checkbox", name=scored.bad).uncheck()
    await expect(matrices).to_have_count(1)
    await person.page.get_by_role("checkbox", name=scored.bad).check()
    await expect(matrices).to_have_count(2)
    await person.page.get_by_text("2 systems", exact=True).click()
    await person.picture(f"matrices-{theme}")
    view = person.page.get_by_role("main")
    _, table = sheet_of(await exported(person, view, "Matrices", "CSV", tmp_path))
    assert {(row["speaker"], row["snr"]) for row in table} == {
        ("a", "0"), ("a", "10"), ("b", "0"), ("b", "10"), ("c", "0"), ("c", "10"),
    }  # fmt: skip
    assert {row["Evaluations"] for row in table} == set(scored.evaluations)
    await person.page.reload()
    await matrices.last.locator("tbody tr").nth(2).get_by_role("link").first.click()
    await expect(person.page.locator(".count")).to_have_text("60 utterances")
    await expect(person.page.get_by_role("button", name="speaker c ×")).to_be_visible()
