"""An evaluation in depth: which errors recur, and where."""

from __future__ import annotations

import pytest

from tests.browser.conftest import PATIENCE_MS, Person, Scored

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_confusion_leads_to_its_utterances(person: Person, scored: Scored, theme: str) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(f"/evaluations/{scored.evaluations[1]}")
    await person.page.get_by_role("link", name="Error profile").click()
    taken = person.page.get_by_role("region", name="Taken for another", exact=True)
    await expect(taken.get_by_role("button", name="the → a")).to_be_visible()
    lengths = person.page.get_by_role("region", name="By length")
    await expect(lengths.get_by_role("row").filter(has_text="6-10")).to_contain_text("%")
    await person.picture(f"error-profile-{theme}")
    await taken.get_by_role("button", name="the → a").click()
    await expect(person.page.locator(".count")).to_have_text("1 utterance")
    await person.page.reload()
    await expect(person.page.get_by_role("region", name="Alignment").get_by_role("heading")).to_contain_text(
        "a-1"
    )
    await person.page.get_by_role("button", name="the → a ×").click()
    put_in = person.page.get_by_role("region", name="Put in", exact=True)
    await put_in.get_by_role("button", name="or", exact=True).click()
    await expect(person.page.get_by_role("grid", name="Utterances").locator(".row")).to_contain_text(["b-1"])
