"""An evaluation in depth: which errors recur, and where; what an utterance sounds like."""

from __future__ import annotations

import httpx
import pytest

from tests.browser.conftest import PATIENCE_MS, TIMES, Person, Scored

pytest.importorskip("playwright", reason="the page is tested with playwright: pip install playwright")
from playwright.async_api import expect

pytestmark = pytest.mark.stack
expect.set_options(timeout=PATIENCE_MS)

_LOUDEST = """canvas => {
  const {width, height} = canvas, {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [0.05, 0.3, 0.55, 0.8].map(place => {
    const x = Math.round(place * width), light = y => data[4 * (y * width + x)] + data[4 * (y * width + x) + 1];
    return [...Array(height).keys()].reduce((best, y) => light(y) > light(best) ? y : best, 0);
  });
}"""
"""Rows of the canvas that are the loudest, at some times."""
_CORRECT = """async wanted => (await fetch("/api/v1/corrections", {
  method: "POST", headers: {"X-Tracker-Page": "1", "Content-Type": "application/json"}, body: JSON.stringify(wanted),
})).status"""
FOLD_PX = 720
"""Height of the window of a small laptop."""
_ATTACK = "<img src=x onerror=alert(1)>"


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


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_an_utterance_is_heard_from_the_word_that_is_clicked(
    person: Person, scored: Scored, theme: str
) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(f"/evaluations/{scored.evaluations[1]}?utterance=a-1")
    sound = person.page.get_by_role("region", name="Sound")
    await expect(sound.get_by_role("img", name="Spectrogram of Audio of a-1")).to_have_attribute(
        "data-drawn", "true"
    )
    player = await sound.locator("audio").bounding_box()
    assert player is not None
    assert player["y"] + player["height"] <= FOLD_PX, "it is heard without scrolling"
    shades = await sound.locator(".spectrogram").evaluate(_LOUDEST)
    assert shades == sorted(shades, reverse=True), "the tones rise, so the loudest row of each column goes up"
    assert shades[0] > shades[-1]
    alignment = person.page.get_by_role("region", name="Alignment")
    await alignment.get_by_role("button", name="on", exact=True).click()
    audio = sound.locator("audio")
    assert await audio.evaluate("audio => audio.currentTime") >= TIMES["a-1"][3][0]
    for place in (alignment, sound):  # it goes on to the last word, and ends
        await expect(place.get_by_role("button", name="mat")).to_have_attribute("aria-current", "true")
    await expect(audio).to_have_js_property("ended", True)
    await person.picture(f"sound-{theme}")


async def test_what_cannot_be_heard_says_where_it_lies(person: Person, scored: Scored) -> None:
    await person.open(f"/evaluations/{scored.evaluations[1]}?utterance=a-2")
    silent = person.page.locator(".silent")
    await expect(silent).to_contain_text("a researcher's disk, which the server does not read")
    await expect(silent).to_contain_text("file:///corpus/a-2.flac")
    await expect(person.page.get_by_role("region", name="Sound")).to_have_count(0)


async def test_a_doubtful_reference_is_marked_found_and_dismissed(person: Person, scored: Scored) -> None:
    await person.open(f"/evaluations/{scored.evaluations[1]}?utterance=c-118")
    await person.page.get_by_role("button", name="Mark as doubtful…").click()
    dialog = person.page.get_by_role("dialog", name="The reference is doubtful: c-118")
    await dialog.get_by_label("What is doubtful").fill(f"cut off {_ATTACK}")
    await person.picture("mark")
    await dialog.get_by_role("button", name="Mark it").click()
    await expect(person.page.locator(".panels > .marked")).to_contain_text(f"cut off {_ATTACK}")
    await person.page.get_by_role("checkbox", name="Only the 1 whose reference").check()
    await expect(person.page.locator(".count")).to_have_text("1 utterance")
    await person.page.reload()
    await expect(person.page.get_by_role("grid", name="Utterances").locator(".row")).to_contain_text(
        ["c-118"]
    )
    await person.picture("marked")
    await person.page.get_by_role("button", name="Dismiss the mark…").click()
    await person.page.get_by_role("button", name="Dismiss it").click()
    await expect(person.page.locator(".panels > .marked")).to_have_count(0)
    await expect(person.page.locator(".count")).to_have_text("0 utterances")
    assert await person.page.locator("img").count() == 0


async def test_a_corrected_reference_scores_every_system_again(person: Person, scored: Scored) -> None:
    await person.open(f"/evaluations/{scored.evaluations[1]}?utterance=c-119")
    await person.page.get_by_role("button", name="Correct the reference…").click()
    dialog = person.page.get_by_role("dialog", name="Reference of c-119")
    await expect(dialog.locator(".was")).to_have_text("number 119")
    await dialog.get_by_label("It should say").fill(f"number 19 {_ATTACK}")
    await dialog.get_by_label("Why").fill(f"heard again {_ATTACK}")
    await person.picture("correction")
    await dialog.get_by_role("button", name="Correct it").click()
    told = person.page.locator(".corrected")
    await expect(told).to_contain_text("every system scored again: WER here 1.96 % → 2.35 %")
    await expect(
        person.page.get_by_role("region", name="Alignment").locator("td.substitution")
    ).to_contain_text("119")
    await person.picture("corrected")
    await person.open(f"/evaluations/{scored.evaluations[0]}?utterance=c-119")
    await expect(person.page.locator(".evaluation > header")).to_contain_text("revision 2 of the set")
    await expect(
        person.page.get_by_role("region", name="Alignment").locator("td.substitution")
    ).to_contain_text("119")
    assert await person.page.locator("img").count() == 0


async def test_a_viewer_may_look_and_listen_and_correct_nothing(
    stranger: Person, admin: httpx.AsyncClient, scored: Scored
) -> None:
    made = (await admin.post("/api/v1/keys", json={"role": "viewer"})).json()
    await stranger.sign_in(made["key"])
    await stranger.page.get_by_role("button", name="Sign out").wait_for()
    await stranger.open(f"/evaluations/{scored.evaluations[1]}?utterance=a-1")
    await expect(stranger.page.get_by_role("region", name="Sound")).to_be_visible()
    await expect(stranger.page.get_by_role("button", name="Correct the reference…")).to_have_count(0)
    refused = await stranger.page.evaluate(
        _CORRECT, {"test_set": scored.test_set, "utterance": "a-1", "reference": "x"}
    )
    assert refused == 403


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_speakers_are_spread_out_and_two_factors_make_a_matrix(
    person: Person, scored: Scored, theme: str
) -> None:
    await person.page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    await person.open(f"/evaluations/{scored.evaluations[1]}?by=speaker")
    strip = person.page.get_by_role("img", name="3 values of speaker")
    await expect(strip.locator("circle")).to_have_count(3)
    await person.page.get_by_role("button", name="snr", exact=True).click()
    matrix = person.page.get_by_role("region", name="Matrix")
    await expect(matrix.get_by_role("columnheader")).to_have_text(["speaker \\ snr", "0", "10"])
    await expect(matrix.get_by_role("rowheader")).to_have_text(["a", "b", "c"])
    await matrix.scroll_into_view_if_needed()
    await person.picture(f"matrix-{theme}")
    await matrix.get_by_role("row").nth(1).get_by_role("button").first.click()
    await expect(person.page.locator(".count")).to_have_text("1 utterance")
