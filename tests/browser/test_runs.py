"""The table of runs and its charts: completion, groups, views that come back, attempts, a phone."""

from __future__ import annotations

import re
import time
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

from speech_experiment_schemas.ids import uuid7
from speech_experiment_schemas.metrics import Call
from speech_experiment_schemas.producers import ProducerOpened
from speech_experiment_schemas.runs import RunConfigured, RunResumed, RunStarted
from tests.browser.conftest import PATIENCE_MS, Person, Scored, board_of
from tests.conftest import RunningStack
from tests.integration.gateway_tools import Producer, queryable

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)

PHONE = {"width": 390, "height": 780}


@pytest.fixture(scope="module")
async def trained(stack: RunningStack) -> str:
    """The mark of four runs: two models, each with two seeds, each with a curve and a last loss."""
    mark = uuid4().hex[:8]
    headers = {"Authorization": f"Bearer {stack.key}"}
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, headers=headers) as client:
        for number in range(4):
            producer = Producer().open("runs", "metrics")
            started = RunStarted(
                experiment=uuid7(), experiment_name=f"grouped {mark}", name=f"{mark} run {number}"
            )
            producer.say(started)
            producer.say(
                RunConfigured(config={"model": ["conformer", "zipformer"][number % 2], "layers": 4 + number})
            )
            producer.log(*(_point(step, number + 1 / (1 + step)) for step in range(40)))
            await queryable(client, await producer.finish().send(client))
    return mark


def _point(step: int, loss: float, later: int = 0) -> Call:
    return step, int((time.time() + step + later) * 1e6), None, {"train_loss": loss}


def runs_of(mark: str, **more: str) -> str:
    return "/runs?" + urlencode({"filter": f"name like '{mark}%'", **more})


async def test_the_filter_offers_what_may_come_next(person: Person, trained: str) -> None:
    await person.open("/runs")
    box = person.page.get_by_role("combobox", name="Filter")
    option = person.page.get_by_role("option")
    await box.press_sequentially("exper")
    await option.filter(has_text=re.compile("^experiment$")).click()
    await expect(box).to_have_value("experiment ")
    await expect(option.filter(has_text=re.compile("^contains$"))).to_be_visible()
    await box.press_sequentially(f"= 'grouped {trained[:4]}")
    await expect(option.first).to_have_text(f"'grouped {trained}'")
    await person.picture("completion")
    await box.press("ArrowDown")
    await box.press("Enter")
    await expect(box).to_have_value(f"experiment = 'grouped {trained}' ")
    await box.press("Enter")
    await expect(person.page.locator(".table .row")).to_have_count(4)


async def test_groups_have_their_mean_and_deviation(person: Person, trained: str) -> None:
    await person.open(runs_of(trained, group="params.model", columns="metrics.train_loss"))
    row = person.page.get_by_role("row").filter(has_text="zipformer")
    # The last losses of runs 1 and 3 are 1.025 and 3.025.
    await expect(row).to_contain_text("2.025 ± 1.414")
    chart = person.page.get_by_role("article", name="train_loss").locator(".chart")
    await expect(chart).to_have_attribute("data-bands", "2")
    await person.picture("groups")
    await row.get_by_role("link", name="2").click()
    await expect(person.page.locator(".table .row")).to_have_count(2)


async def test_a_saved_view_comes_back_with_columns_in_their_order(person: Person, trained: str) -> None:
    await person.open(runs_of(trained, columns="status,params.layers,duration"))
    await person.page.get_by_text("Columns", exact=True).click()
    await person.page.get_by_role("button", name="layers further left").click()
    await person.page.get_by_role("button", name="Pin Duration").click()
    heads = person.page.get_by_role("columnheader")
    wanted = ["Name", "Duration", "layers", "Status"]
    await expect(heads).to_have_text(wanted)
    await person.page.keyboard.press("Escape")
    await person.page.get_by_text("Views", exact=True).click()
    await person.page.get_by_label("Name of this view").fill(f"mine {trained}")
    await person.page.get_by_role("button", name="Save").click()
    await person.open("/runs")
    await person.page.get_by_text("Views", exact=True).click()
    await person.page.get_by_role("link", name=f"mine {trained}").click()
    await expect(heads).to_have_text(wanted)
    await expect(person.page.locator(".table .row")).to_have_count(4)


async def test_attempts_and_what_they_left_behind_are_shown_on_request(
    person: Person, stack: RunningStack
) -> None:
    first = Producer().open("runs", "metrics")
    first.say(RunStarted(experiment=uuid7(), experiment_name="resumed", name=f"resumed {uuid4().hex[:8]}"))
    first.log(*(_point(step, 5 / (1 + step)) for step in range(30)))
    async with httpx.AsyncClient(
        base_url=stack.url, timeout=60, headers={"Authorization": f"Bearer {stack.key}"}
    ) as client:
        await queryable(client, await first.send(client))
        second = Producer(first.run)
        for stream in ("runs", "metrics"):
            second.say(ProducerOpened(attempt=2), stream)
            second.say(RunResumed(attempt=2, from_step=19), stream)
        second.log(*(_point(step, 5 / (1 + step), later=100) for step in range(20, 40)))
        await queryable(client, await second.finish().send(client))
    await person.open(f"/runs/{first.run}/charts?attempts=all")
    chart = person.page.get_by_role("article", name="train_loss").locator(".chart")
    await expect(chart).to_have_attribute("data-tails", "1")
    await expect(chart).to_have_attribute("data-marks", "1")
    await person.picture("attempts")
    await person.page.get_by_role("checkbox", name="Attempts").uncheck()
    await expect(chart).to_have_attribute("data-tails", "0")
    await expect(chart).to_have_attribute("data-points", "40")


async def test_compared_runs_are_lines_over_parameters_and_scores(person: Person, trained: str) -> None:
    await person.open(runs_of(trained))
    await person.page.get_by_role("link", name="Compare shown").click()
    axes = person.page.get_by_role("region", name="Parallel coordinates")
    await expect(axes.locator("path")).to_have_count(4)
    await expect(axes.locator("text.title")).to_contain_text(["layers", "model"])
    await person.page.get_by_text("Axes", exact=True).click()
    await person.page.get_by_role("checkbox", name="layers").uncheck()
    await expect(axes.locator("text.title").filter(has_text="layers")).to_have_count(0)
    await person.picture("parallel")


async def test_no_view_is_cut_off_on_a_phone(person: Person, scored: Scored, trained: str) -> None:
    await person.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    good, bad = scored.evaluations
    views = {
        "home": ("/", ".card"),
        "runs": (runs_of(trained), "canvas"),
        "groups": (runs_of(trained, group="params.model"), ".table .row"),
        "board": (board_of(scored), "tbody a"),
        "significance": (f"{board_of(scored)}&tested={good},{bad}", ".significance tbody"),
        "matrices": (board_of(scored).replace("?", "?board=matrices&"), ".matrix tbody"),
        "keys": ("/operations?part=keys", "tbody tr"),
        "evaluation": (f"/evaluations/{bad}", ".table .row"),
        "compare-evaluations": (f"/compare?evaluations={good},{bad}", ".table .row, tbody"),
        "operations": ("/operations", "tbody tr"),
    }
    cut = []
    for name, (path, sign) in views.items():
        await person.open(path)
        await person.page.locator(sign).first.wait_for()
        wide = await person.page.evaluate(
            "Math.max(document.documentElement.scrollWidth, document.querySelector('main').scrollWidth)"
        )
        if wide > PHONE["width"]:
            cut.append(f"{name}: {wide} pixels wide")
        await person.picture(f"phone-{name}")
    assert not cut
    await person.open(runs_of(trained))
    for menu in ("Columns", "Group", "Views"):
        await person.page.get_by_text(menu, exact=True).click()
        await expect(person.page.locator(".menu[open] .choices")).to_be_in_viewport(ratio=0.5)
        box = await person.page.locator(".menu[open] .choices").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        await person.page.keyboard.press("Escape")
