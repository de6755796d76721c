"""Operations: what an admin sees and does about the server, and what a viewer does not."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from speech_experiment_schemas.runs import RunFailed, RunStarted
from tests.browser.conftest import PATIENCE_MS, Person
from tests.integration.gateway_tools import Producer, queryable
from tests.integration.test_gateway_operations import park

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)


async def test_the_health_of_all_parts_is_seen(person: Person) -> None:
    await person.open("/operations")
    await expect(person.page.get_by_role("region", name="Projections").locator("tbody tr")).to_have_count(5)
    storage = person.page.locator(".card", has_text="Storage")
    await expect(storage).to_contain_text(re.compile(r"Postgres\d[\d.]* [kMG]B"))
    await expect(storage).to_contain_text(re.compile(r"metrics store\d[\d.]* [kMG]?B"))
    await person.picture("operations")


async def test_a_key_is_made_shown_once_and_revoked(person: Person, admin: httpx.AsyncClient) -> None:
    label = f"Ana {uuid4().hex[:8]} <img src=x onerror=alert(1)>"
    await person.open("/operations?part=keys")
    await person.page.get_by_label("Whose or what for").fill(label)
    await person.page.get_by_label("Role").select_option("viewer")
    await person.page.get_by_role("button", name="Make a key").click()
    made = person.page.get_by_role("status", name="The new key")
    key = await made.locator("code").inner_text()
    headers = {"Authorization": f"Bearer {key}"}
    assert (await admin.get("/api/v1/me", headers=headers)).json()["role"] == "viewer"
    row = person.page.get_by_role("region", name="Keys").get_by_role("row").filter(has_text=label)
    await row.get_by_role("button", name="Revoke").click()
    await person.picture("keys")
    await row.get_by_role("button", name="Revoke it").click()
    await expect(row).to_contain_text("revoked")
    assert (await admin.get("/api/v1/me", headers=headers)).status_code == 401
    await person.page.reload()
    await expect(row).to_contain_text("revoked")
    assert await person.page.get_by_text(key).count() == 0
    assert await person.page.locator("img").count() == 0


async def test_a_dead_letter_is_replayed(person: Person, admin: httpx.AsyncClient) -> None:
    run = await park(admin)
    await person.open("/operations?part=letters")
    rows = person.page.get_by_role("region", name="Dead letters").get_by_role("row").filter(has_text=run)
    await expect(rows).to_contain_text(["future.thing"])
    await rows.first.get_by_role("button", name="Replay").click()
    await expect(person.page.get_by_role("status")).to_contain_text("metadata has not taken future.thing")
    await expect(rows).to_have_count(2)
    await person.picture("dead-letters")


async def test_what_did_not_arrive_is_listed(person: Person, admin: httpx.AsyncClient) -> None:
    producer = Producer().open("runs").start(f"holes {uuid4().hex[:8]}")
    producer.finish()
    del producer.records[2]
    await queryable(admin, await producer.send(admin))
    await person.open("/operations?part=delivery")
    rows = person.page.get_by_role("region", name="Delivery problems").get_by_role("row")
    await expect(rows.filter(has=person.page.locator(f"a[href*='{producer.run}']"))).to_contain_text(
        "missing"
    )
    await person.picture("delivery")


async def test_a_viewer_sees_no_keys(stranger: Person, admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/keys", json={"role": "viewer"})).json()
    await stranger.sign_in(made["key"])
    await stranger.open("/operations")
    parts = stranger.page.get_by_role("navigation", name="Parts of operations")
    await expect(parts.get_by_role("link")).to_have_text(["Health", "Delivery"])
    await stranger.open("/operations?part=keys")
    await expect(stranger.page.get_by_role("alert")).to_contain_text(re.compile("admin", re.IGNORECASE))


async def test_home_counts_cancelled_runs_apart(person: Person, admin: httpx.AsyncClient) -> None:
    experiment, name = uuid4(), f"ended {uuid4().hex[:8]}"
    for ending in (RunFailed(error="x"), RunFailed(error="enough", status="cancelled")):
        producer = Producer().open("runs")
        producer.say(RunStarted(experiment=experiment, experiment_name=name, name="a run"))
        producer.say(ending)
        await queryable(admin, await producer.send(admin))
    await person.open("/")
    doing = person.page.get_by_role("row").filter(has_text=name).locator(".doing a")
    await expect(doing).to_have_text(["1 failed or lost", "1 cancelled"])
    await doing.last.click()
    await expect(person.page.get_by_role("grid", name="Runs").locator(".body .row")).to_have_count(1)
