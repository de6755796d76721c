"""Charts and tables as files: what is in them, and that they say what they were made from."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import PATIENCE_MS, Person, Scored, board_of

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

if TYPE_CHECKING:
    from playwright.async_api import Locator

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)


async def exported(person: Person, place: Locator, name: str, kind: str, folder: Path) -> bytes:
    await place.get_by_label(f"Export {name}").click()
    async with person.page.expect_download() as started:
        await place.get_by_role("button", name=kind).click()
    download = await started.value
    assert re.fullmatch(r"[\w.-]+", download.suggested_filename)
    path = folder / download.suggested_filename
    await download.save_as(path)
    return path.read_bytes()


def sheet_of(content: bytes) -> tuple[str, list[dict[str, str]]]:
    about, table = content.decode().split("\r\n", 1)
    return about, list(csv.DictReader(table.splitlines()))


async def test_a_leaderboard_is_exported_for_programs_and_for_papers(
    person: Person, scored: Scored, tmp_path: Path
) -> None:
    await person.open(board_of(scored))
    view = person.page.get_by_role("main")
    await person.page.locator("tbody th a").first.wait_for()
    about, rows = sheet_of(await exported(person, view, "Leaderboard", "CSV", tmp_path))
    assert re.match(
        r"# Leaderboard; profile basic-wer; .*; vector v[\w-]+; exported 20\d\d-\S+Z; http", about
    )
    assert [row["System"] for row in rows] == [scored.good, scored.bad]
    shown = await person.page.locator("tbody td.number > a").all_inner_texts()
    assert [f"{float(row[scored.test_set]) * 100:.2f} %" for row in rows] == shown
    paper = (await exported(person, view, "Leaderboard", "LaTeX", tmp_path)).decode()
    assert paper.startswith("% Leaderboard; profile basic-wer")
    assert f"{shown[0].replace(' %', '')}\\,\\%" in paper
    assert "\\toprule" in paper
    assert paper.count("\\\\\n") == 3


async def test_a_breakdown_and_a_comparison_are_exported(
    person: Person, scored: Scored, tmp_path: Path
) -> None:
    good, bad = scored.evaluations
    await person.open(f"/evaluations/{bad}?by=condition.snr")
    card = person.page.get_by_role("region", name="Breakdown")
    await card.locator("tbody tr").first.wait_for()
    about, rows = sheet_of(await exported(person, card, "Breakdown", "CSV", tmp_path))
    assert f"evaluation {bad}" in about
    assert {row["snr"] for row in rows} == {"0", "10"}
    await person.open(f"/compare?evaluations={good},{bad}")
    _, rows = sheet_of(await exported(person, person.page.get_by_role("main"), "Comparison", "CSV", tmp_path))
    assert [row["System"] for row in rows] == [scored.good, scored.bad]
    _, rows = sheet_of(
        await exported(person, person.page.get_by_role("main"), "Utterances that differ", "CSV", tmp_path)
    )
    assert any("<img src=x" in row["Reference"] for row in rows)


async def test_a_chart_is_exported_as_it_is_drawn(person: Person, scored: Scored, tmp_path: Path) -> None:
    names = f"name in ('{scored.good}', '{scored.bad}')"
    await person.page.goto(f"{person.url}/runs?filter={names}&zoom=10,19")
    panel = person.page.get_by_role("article", name="train_loss")
    await panel.locator("canvas").wait_for()
    about, rows = sheet_of(await exported(person, panel, "train_loss", "CSV", tmp_path))
    assert "vector v" in about
    assert sorted({(row["run"], int(row["step"])) for row in rows}) == sorted(
        (name, step) for name in (scored.good, scored.bad) for step in range(10, 20)
    )
    assert {float(row["train_loss"]) for row in rows if row["run"] == scored.good} == {
        12 / (1 + step) for step in range(10, 20)
    }
    drawing = (await exported(person, panel, "train_loss", "SVG", tmp_path)).decode()
    assert drawing.startswith("<svg")
    assert scored.good in drawing
    image = await exported(person, panel, "train_loss", "PNG", tmp_path)
    assert image.startswith(b"\x89PNG")
    assert int.from_bytes(image[16:20]) == 1440
    _, rows = sheet_of(await exported(person, person.page.get_by_role("main"), "Runs", "CSV", tmp_path))
    assert {row["Name"] for row in rows} == {scored.good, scored.bad}
