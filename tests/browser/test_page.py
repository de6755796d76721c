"""The page as a person uses it, in Chromium, on the real stack."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

from speech_experiment_schemas.metrics import Call
from speech_experiment_schemas.runs import RunConfigured, RunStarted, RunTagged
from tests.browser.conftest import PATIENCE_MS, Person
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, queryable

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import Route, expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)

ATTACK = "<img src=x onerror=alert(1)><script>alert(2)</script>"
LIVE_SECONDS = 1.5


@pytest.fixture
async def admin(stack: RunningStack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as client:
        yield client


def point(step: int, **values: float) -> Call:
    return step, int(time.time() * 1e6), None, values


async def train(admin: httpx.AsyncClient, name: str, *, steps: int = 200, finish: bool = True) -> Producer:
    """A run whose loss falls, and is queryable."""
    producer = Producer().open("runs", "metrics").start(name)
    producer.say(RunConfigured(config={"encoder": {"layers": 12}, "note": ATTACK}))
    producer.log(
        *(point(step, train_loss=4 / (1 + step / 50), val_wer=0.5 / (1 + step / 90)) for step in range(steps))
    )
    if finish:
        producer.finish()
    await queryable(admin, await producer.send(admin))
    return producer


def runs_named(name: str, **more: str) -> str:
    return "/runs?" + urlencode({"filter": f"name = '{name}'", **more})


async def test_a_wrong_key_is_told_so_and_the_right_one_opens_the_page(stranger: Person) -> None:
    await stranger.sign_in("stk_" + "a" * 43)
    await expect(stranger.page.get_by_role("alert")).to_contain_text("unknown or revoked")
    await expect(stranger.page.get_by_role("alert").locator("code").first).to_have_text("speech-tracker up")
    await stranger.picture("sign-in")
    await stranger.sign_in()
    await stranger.page.get_by_role("button", name="Sign out").click()
    await expect(stranger.page.get_by_label("API key")).to_be_visible()


async def test_no_script_can_read_the_session_and_no_key_is_kept(person: Person) -> None:
    kept = await person.page.evaluate(
        "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"
    )
    assert "tracker_session" not in kept
    assert "stk_" not in kept


async def test_a_wait_is_seen_and_what_no_run_has_is_said(person: Person, admin: httpx.AsyncClient) -> None:
    await train(admin, "waited for", steps=1)
    asked = asyncio.Event()

    async def hold(route: Route) -> None:
        await asked.wait()
        await route.fulfill(json={"values": []})

    await person.page.route("**/api/v1/values*", hold)
    await person.open("/")
    line = "() => getComputedStyle(document.querySelector('header.frame'), '::after').content"
    await person.page.wait_for_function(f"({line})() === '\"\"'")
    table = person.page.get_by_role("region", name="Experiments")
    before = await table.bounding_box()
    asked.set()
    await expect(person.page.locator(".facets")).to_have_text(
        "No run has a task, language, domain or tag yet."
    )
    await person.page.wait_for_function(f"({line})() === 'none'")
    assert await table.bounding_box() == before, "nothing moves when the answer comes"


async def test_a_chosen_theme_wins_over_the_system_but_not_on_paper(person: Person) -> None:
    colour = "getComputedStyle(document.body).color"
    light = await person.page.evaluate(colour)
    theme = person.page.get_by_role("button", name="Theme")
    for chosen in ("light", "dark"):
        await theme.click()
        await expect(theme).to_have_accessible_name(f"Theme: {chosen}")
    assert await person.page.evaluate(colour) != light
    await person.page.emulate_media(media="print")
    assert await person.page.evaluate(colour) == light


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_runs_stand_in_a_table_beside_their_curves(
    person: Person, admin: httpx.AsyncClient, theme: str
) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    names = [f"{uuid4().hex[:8]} run {i}" for i in range(3)]
    for name in names:
        await train(admin, name)
    await person.open("/runs")
    for name in names:
        await expect(person.page.get_by_role("row").filter(has_text=name)).to_be_visible()
    await expect(person.page.get_by_role("article", name="train_loss").locator("canvas")).to_be_visible()
    await person.picture(f"runs-{theme}")
    eye = person.page.get_by_role("button", name=f"Curves of {names[0]}")
    await eye.click()
    await expect(eye).to_have_attribute("aria-pressed", "false")
    await person.page.reload()
    await expect(eye).to_have_attribute("aria-pressed", "false")


async def test_a_click_on_a_head_sorts(person: Person, admin: httpx.AsyncClient) -> None:
    mark = uuid4().hex[:8]
    for name in ("b", "a", "c"):
        await train(admin, f"{name} {mark}", steps=3)
    await person.open("/runs?" + urlencode({"filter": f"name like '%{mark}'"}))
    rows = person.page.locator(".table .row a")
    await expect(rows).to_have_count(3)
    for wanted in ("abc", "cba"):
        await person.page.get_by_role("columnheader", name="Name").get_by_role("button").click()
        await expect(rows).to_have_text([f"{letter} {mark}" for letter in wanted])


async def test_a_wrong_filter_is_shown_at_its_place(person: Person) -> None:
    await person.open("/runs")
    box = person.page.get_by_role("combobox", name="Filter")
    await box.fill("task = 'asr' and lerning_rate < 3")
    await box.press("Enter")
    error = person.page.locator("#filter-error")
    await expect(error.locator("mark")).to_have_text("lerning_rate")
    await expect(error).to_contain_text("learning_rate")
    await person.picture("filter-error")


async def test_a_point_is_on_the_open_chart_at_once(person: Person, admin: httpx.AsyncClient) -> None:
    name = f"live {uuid4().hex[:8]}"
    producer = await train(admin, name, steps=20, finish=False)
    async with person.page.expect_response(lambda answer: f"/api/v1/live?run={producer.run}" in answer.url):
        await person.open(f"/runs/{producer.run}/charts")
    chart = person.page.get_by_role("article", name="train_loss").locator(".chart")
    await expect(chart).to_have_attribute("data-points", "20")
    producer.log(point(20, train_loss=0.5))
    await producer.send(admin)
    await expect(chart).to_have_attribute("data-points", "21", timeout=LIVE_SECONDS * 1000)


async def test_texts_of_users_stay_texts(person: Person, admin: httpx.AsyncClient) -> None:
    producer = Producer().open("runs", "metrics")
    producer.say(
        RunStarted(
            experiment=uuid4(), experiment_name=ATTACK, name=ATTACK, tags={ATTACK: ATTACK}, user=ATTACK
        )
    )
    producer.say(RunTagged(tags={"more": ATTACK}))
    producer.say(RunConfigured(config={ATTACK: ATTACK}))
    producer.log(point(1, **{ATTACK: 1.0}), point(2, **{ATTACK: 2.0})).finish()
    await queryable(admin, await producer.send(admin))
    for path in ("", "/charts", "/test-sets", "/artifacts", "/logs", "/events"):
        await person.open(f"/runs/{producer.run}{path}")
        await expect(person.page.get_by_role("heading", level=1)).to_contain_text(ATTACK)
    for path in (f"/runs?shown={producer.run}&columns=experiment,user,tags.more", "/", "/leaderboard"):
        await person.open(path)
        await person.page.wait_for_timeout(500)
        assert await person.page.locator("img").count() == 0


@pytest.mark.parametrize("tab", ["Overview", "Charts", "Test sets", "Artifacts", "Logs", "Events"])
async def test_every_part_of_a_run_has_an_address(person: Person, admin: httpx.AsyncClient, tab: str) -> None:
    name = f"parts {uuid4().hex[:8]}"
    producer = await train(admin, name, steps=20)
    await person.open(f"/runs/{producer.run}")
    await person.page.get_by_role("link", name=tab, exact=True).click()
    await person.page.reload()
    await expect(person.page.get_by_role("link", name=tab, exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    await person.page.wait_for_timeout(400)
    await person.picture(f"run-{re.sub(' ', '-', tab.lower())}")


async def test_a_zoom_asks_for_that_part_and_stays_in_the_address(
    person: Person, admin: httpx.AsyncClient
) -> None:
    producer = await train(admin, f"zoom {uuid4().hex[:8]}")
    await person.open(f"/runs/{producer.run}/charts?zoom=50,99")
    chart = person.page.get_by_role("article", name="train_loss").locator(".chart")
    await expect(chart).to_have_attribute("data-points", "50")
    await person.page.get_by_role("button", name="Whole axis").click()
    await expect(chart).to_have_attribute("data-points", "200")
