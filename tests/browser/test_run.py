"""A run in depth: how it was at each of its events, and what it logged."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np
import pytest

from speech_experiment_schemas.runs import RunConfigured, RunStarted, RunTagged
from speech_experiment_tracker import Client
from tests.browser.conftest import PATIENCE_MS, RATE, Person, tones
from tests.browser.test_page import ATTACK
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, queryable

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)

_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30" onload="alert(1)">'
    '<script>alert(2)</script><circle r="9" cx="20" cy="15"/></svg>'
)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_slider_shows_a_run_as_it_was(person: Person, admin: httpx.AsyncClient, theme: str) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    producer = Producer().open("runs")
    producer.say(RunStarted(experiment=uuid4(), experiment_name="times", name=f"times {uuid4().hex[:8]}"))
    await queryable(admin, await producer.send(admin))
    producer.say(RunConfigured(config={"layers": 12}))
    await queryable(admin, await producer.send(admin))
    producer.say(RunTagged(tags={"verdict": ATTACK}))
    producer.finish()
    await queryable(admin, await producer.send(admin))
    await person.open(f"/runs/{producer.run}")
    await person.page.get_by_role("button", name="Go through its time…").click()
    slider = person.page.get_by_role("slider", name="As it was")
    await expect(slider).to_have_attribute("aria-valuetext", "now, with all of its events")
    title, cards = person.page.get_by_role("heading", level=1), person.page.locator(".cards")
    await expect(title).to_contain_text("finished")
    await slider.press("Home")
    await expect(title).not_to_contain_text("finished")
    await expect(cards).not_to_contain_text("layers")
    await expect(person.page.locator(".past")).to_contain_text("This is the past")
    await expect(person.page).to_have_url(re.compile("as_of=v"))
    while "configured" not in (told := await slider.get_attribute("aria-valuetext") or "configured"):
        await slider.press("ArrowRight")
        await expect(slider).not_to_have_attribute("aria-valuetext", told)
    await expect(cards).to_contain_text("layers")
    await expect(cards).not_to_contain_text("verdict")
    await person.picture(f"slider-{theme}")
    told = await slider.get_attribute("aria-valuetext") or "?"
    await person.page.reload()
    await expect(slider).to_have_attribute("aria-valuetext", told)
    await expect(cards).to_contain_text("layers")
    await expect(cards).not_to_contain_text("verdict")
    await person.page.get_by_role("group", name="Time of the run").get_by_role("button", name="Now").click()
    await expect(cards).to_contain_text("verdict")
    await expect(person.page.locator(".past")).to_have_count(0)


async def test_artifacts_are_looked_at_and_never_run(
    person: Person, stack: RunningStack, tmp_path: Path
) -> None:
    client = Client(stack.url, stack.key, spool_dir=tmp_path / "spool", on_error="raise")
    run = client.start_run(f"shows {uuid4().hex[:8]}", capture_output=False)
    run.log_figure("attention.png", np.add.outer(np.arange(64), np.arange(96)) % 17 / 16)
    run.log_audio("heard.wav", tones(), RATE)
    run.log_json("decoding.json", {"beam": 10, "note": ATTACK})
    run.log_text("words.csv", f'word,count\n"{ATTACK}",3\nthe,40\n')
    run.log_text("page.html", f"<h1>{ATTACK}</h1>")
    run.log_text("shape.svg", _SVG)
    run.finish()
    assert run.flush("queryable", timeout=180)
    await person.open(f"/runs/{run.id}/artifacts")
    listed = person.page.get_by_role("region", name="Artifacts")
    preview = person.page.get_by_role("region", name="Preview")

    async def look_at(name: str) -> None:
        await listed.get_by_role("button", name=name).click()
        await expect(preview.get_by_role("heading")).to_contain_text(name)

    await look_at("attention.png")
    await expect(preview.get_by_role("img", name="attention.png")).to_have_js_property("naturalWidth", 96)
    await person.picture("preview-image")
    await look_at("heard.wav")
    await expect(preview.locator(".spectrogram")).to_have_attribute("data-drawn", "true")
    await look_at("decoding.json")
    await expect(preview.locator("pre")).to_contain_text('"beam": 10')
    await look_at("words.csv")
    await expect(preview.get_by_role("row").nth(1)).to_have_text(f"{ATTACK}3")
    await person.picture("preview-table")
    await look_at("page.html")
    await expect(preview.locator("pre")).to_have_text(f"<h1>{ATTACK}</h1>")
    await look_at("shape.svg")
    await expect(preview.get_by_role("img", name="shape.svg")).to_have_js_property("naturalWidth", 40)
    await person.page.reload()
    await expect(preview.get_by_role("img", name="shape.svg")).to_have_js_property("naturalWidth", 40)
