"""Debian's Chromium, driven by playwright, on the page of the session's stack; screenshots are kept."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from speech_experiment_tracker import Client
from tests.conftest import RunningStack
from tests.integration.conftest import admin  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from playwright.async_api import Browser, ConsoleMessage, Dialog, Page

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "screenshots"
INSTALL_TIMEOUT_S = 300
PATIENCE_MS = 20_000
_ATTACK = "<img src=x onerror=alert(1)>"
REFERENCES = {
    "a-1": "the cat sat on the mat",
    "a-2": "hello world",
    "b-1": "one two three four",
    f"b-2 {_ATTACK}": f"silence is golden {_ATTACK}",
}
_GOOD = {"a-1": "the cat sat on the mat", "a-2": "hello world", "b-1": "one two tree four"}
_BAD = {"a-1": "the cat sat on a mat", "a-2": "hello", "b-1": "one two three or four"}
TIMES = {"a-1": [*((0.25 * word, 0.25 * word + 0.2) for word in range(5)), (1.25, 2.0)]}
"""Of the words of a hypothesis, in seconds; the last one lasts until the end."""
MOST = 120
RATE = 16_000
_ARGUMENTS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_ARGUMENTS += ["--disable-component-update", "--disable-sync", "--force-device-scale-factor=1"]


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def install_chromium() -> None:
    """Debian's package, where we may install it."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run(
            ["apt-get", "-qq", *arguments],
            env=environment,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
            capture_output=True,
        )


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    playwright = pytest.importorskip("playwright.async_api", reason="the page is tested with playwright")
    if find_chromium() is None:
        install_chromium()
    program = find_chromium()
    if program is None:
        pytest.skip("there is no Chromium; install it (apt-get install chromium), or name it in CHROMIUM")
    if not (ROOT / "api/speech_experiment_api/static/index.html").exists():
        pytest.skip("the page is not built: make page")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program, args=_ARGUMENTS + sandbox)
        yield browser
        await browser.close()


def tones() -> list[float]:
    """Two seconds that rise from word to word."""
    return [0.5 * math.sin(2 * math.pi * (400 + 400 * (i * 4 // RATE)) * i / RATE) for i in range(2 * RATE)]


class Person:
    """Somebody at the page: a browser window of their own, and what it complained about."""

    def __init__(self, page: Page, url: str, key: str) -> None:
        self.page, self.url, self.key = page, url, key
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)
        page.on("dialog", self._dismiss)

    def _hear(self, message: ConsoleMessage) -> None:
        # Answers of 4xx are written there by the browser itself.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    async def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog {dialog.message}")
        await dialog.dismiss()

    async def sign_in(self, key: str | None = None) -> None:
        await self.page.goto(self.url)
        await self.page.get_by_label("API key").fill(key or self.key)
        await self.page.get_by_role("button", name="Sign in").click()

    async def open(self, path: str) -> None:
        await self.page.goto(self.url + path)

    async def picture(self, name: str) -> None:
        SCREENSHOTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture
async def stranger(chromium: Browser, stack: RunningStack) -> AsyncIterator[Person]:
    """Not signed in; at the end the window must have had nothing to complain about."""
    context = await chromium.new_context(viewport={"width": 1440, "height": 860}, color_scheme="light")
    somebody = Person(await context.new_page(), stack.url, stack.key)
    somebody.page.set_default_timeout(PATIENCE_MS)
    yield somebody
    await context.close()
    assert somebody.complaints == []


@pytest.fixture
async def person(stranger: Person) -> Person:
    """Signed in as an admin."""
    await stranger.sign_in()
    await stranger.page.get_by_role("button", name="Sign out").wait_for()
    return stranger


@dataclass(frozen=True)
class Scored:
    """Two systems on a set of 124 utterances; the first has no hypothesis for one of them."""

    test_set: str
    good: str
    bad: str
    evaluations: tuple[str, str]
    before: datetime
    client: Client


@pytest.fixture(scope="session")
def scored(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Scored:
    client = Client(stack.url, stack.key, spool_dir=tmp_path_factory.mktemp("spool"), on_error="raise")
    mark = uuid4().hex[:8]
    before = datetime.now(UTC)
    test_set = f"set-{mark}"
    more = {f"c-{number:03}": f"number {number}" for number in range(MOST)}
    rows = [
        {
            "id": name,
            "reference": text,
            "speaker": name[0],
            "duration": 2.0,
            "conditions": {"snr": number % 2 * 10},
            "audio": f"file:///corpus/{name}.flac",
        }
        for number, (name, text) in enumerate((REFERENCES | more).items())
    ]
    client.register_test_set(test_set, rows, language="en")
    evaluations = []
    for name, texts, layers in (
        ("good", _GOOD, 12),
        ("bad", _BAD | {f"b-2 {_ATTACK}": f"silence {_ATTACK}"}, 6),
    ):
        run = client.start_run(f"{name} {mark}", capture_output=False)
        run.log_config({"layers": layers, "same": 1, "note": _ATTACK})
        for step in range(30):
            run.log_metrics({"train_loss": layers / (1 + step)}, step=step)
        with run.log_evaluation(test_set, decoding={"beam": layers}) as evaluation:
            for utterance, text in (texts | more).items():
                evaluation.log(utterance, text, decode_seconds=0.5, token_times=TIMES.get(utterance))
        run.log_audio("heard/a-1.wav", tones(), RATE)
        evaluations.append(str(evaluation.id))
        run.finish()
        assert run.flush("queryable", timeout=180)
    return Scored(test_set, f"good {mark}", f"bad {mark}", (evaluations[0], evaluations[1]), before, client)


def board_of(scored: Scored) -> str:
    names = f"name in ('{scored.good}', '{scored.bad}')"
    return f"/leaderboard?filter={names}".replace(" ", "%20").replace("'", "%27")
