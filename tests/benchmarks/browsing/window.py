"""A window whose page says itself how long things took."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PATIENCE_MS = 60_000
_ARGUMENTS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
SIZE = {"width": 1440, "height": 860}

_SCRIPT = """
window.bench = {shift: 0, longest: 0};
new PerformanceObserver(list => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) bench.shift += each.value;
}).observe({type: "layout-shift", buffered: true});
new PerformanceObserver(list => {
  for (const each of list.getEntries()) bench.longest = Math.max(bench.longest, each.duration);
}).observe({type: "longtask", buffered: true});
bench.until = done => new Promise((resolve, reject) => {
  const end = performance.now() + 60000;
  const look = () => {
    if (performance.now() > end) return reject(new Error(`never came: ${done}`));
    let found = false;
    try { found = done(); } catch {}
    // Seen is what has been painted: two frames after it stands in the document.
    if (found) requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
    else requestAnimationFrame(look);
  };
  look();
});
bench.timed = async (act, done) => {
  const start = performance.now();
  act();
  return await bench.until(done) - start;
};
bench.scripts = () => performance.getEntriesByType("resource")
  .filter(each => /\\.m?js($|\\?)/.test(each.name)).reduce((sum, each) => sum + (each.encodedBodySize || 0), 0);
"""


def find_chromium() -> str:
    """Raises RuntimeError without one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise RuntimeError(
            "there is no Chromium; install it (apt-get install chromium), or name it in CHROMIUM"
        )
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        program = driver.chromium.launch(executable_path=find_chromium(), args=_ARGUMENTS + sandbox)
        yield program
        program.close()


@contextmanager
def window(program: Browser, **options: Any) -> Iterator[Window]:
    """With nothing cached, as somebody comes for the first time; options: of playwright's new_context."""
    context = program.new_context(viewport=SIZE, **options)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_SCRIPT)
    yield Window(context, context.new_page())
    context.close()


class Window:
    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context, self.page = context, page

    def open(self, url: str, done: str) -> float:
        """Milliseconds from the address until an expression of JavaScript holds and is painted."""
        self.page.goto(url, wait_until="commit")
        return self._float(f"bench.until(() => {done})")

    def timed(self, act: str, done: str) -> float:
        """Milliseconds from a statement of JavaScript until an expression holds and is painted."""
        return self._float(f"bench.timed(() => {{ {act} }}, () => {done})")

    def shift(self) -> float:
        """Cumulative layout shift so far."""
        return self._float("bench.shift")

    def scripts(self) -> float:
        """kB of JavaScript that came so far, as it was on the wire."""
        return self._float("bench.scripts()") / 1000

    def longest_task(self, act: str) -> float:
        """Milliseconds of the longest task while a promise runs; the browser tells only those over 50."""
        return self._float(f"(async () => {{ bench.longest = 0; await ({act})(); return bench.longest }})()")

    def _float(self, expression: str) -> float:
        return float(self.page.evaluate(expression))
