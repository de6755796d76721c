"""The web page in Chromium: first view, a table of many runs, many points, many utterances, a live point."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from speech_experiment_schemas.metrics import pack_calls
from tests.benchmarks.browsing.window import Window, browser, window
from tests.benchmarks.ours import catalogue, curves, speech
from tests.benchmarks.ours.posting import Poster
from tests.benchmarks.ours.records import SyntheticRun
from tests.benchmarks.ours.scoring import post, wait_for_scores
from tests.benchmarks.ours.stack import Stack, running_stack
from tests.benchmarks.subjects import CURVE_POINTS, DRAWN

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RUNS = 100_000
UTTERANCES = 100_000
TAKES = 5
FIRST = "document.querySelector('.table .row a')?.textContent"
POINTS = "Number(document.querySelector('.chart')?.dataset.points ?? 0)"
COUNT = "document.querySelector('.count')?.textContent"

_SCROLL = """async () => {
  const table = document.querySelector(".table");
  for (let turn = 0; turn < 120; turn += 1) {
    table.scrollTop += 300;
    await new Promise(requestAnimationFrame);
  }
}"""
_ENTER = """
const box = document.querySelector({box});
box.value = {words};
box.dispatchEvent(new Event("input", {{bubbles: true}}));
box.form?.requestSubmit();
"""


def page(quick: bool) -> dict[str, float]:
    """Medians of several takes: the page_… figures, see figures.FIGURES."""
    runs, utterances = (2_000, 2_000) if quick else (RUNS, UTTERANCES)
    takes = 2 if quick else TAKES
    with running_stack() as stack, browser() as program:
        catalogue.seed(stack, runs)
        drawn = curves.seed(stack, DRAWN, 20_000 if quick else CURVE_POINTS)
        evaluation = _seed_utterances(stack, utterances)
        time.sleep(catalogue.SETTLE)
        visit = _Visitor(stack, program)
        figures = _taken(lambda: _first_view(visit), takes)
        figures |= _taken(lambda: _table(visit, runs), takes)
        figures |= _taken(lambda: _curves(visit, drawn), takes)
        figures |= _taken(lambda: _utterances(visit, evaluation, utterances), takes)
        return figures | _live(visit, takes)


def _taken(measure: Callable[[], dict[str, float]], takes: int) -> dict[str, float]:
    rounds = [measure() for _ in range(takes)]
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


class _Visitor:
    """Opens windows of somebody who has signed in, with nothing else kept."""

    def __init__(self, stack: Stack, program: Browser) -> None:
        self.stack, self.program = stack, program
        with window(program) as seen:
            seen.page.goto(stack.url)
            seen.page.get_by_label("API key").fill(stack.key)
            seen.page.get_by_role("button", name="Sign in").click()
            seen.page.get_by_role("button", name="Sign out").wait_for()
            self._state: Any = seen.context.storage_state()

    @contextmanager
    def window(self) -> Iterator[Window]:
        with window(self.program, storage_state=self._state) as seen:
            yield seen

    def url(self, path: str, **query: str) -> str:
        return self.stack.url + path + (f"?{urlencode(query)}" if query else "")


def _first_view(visit: _Visitor) -> dict[str, float]:
    with visit.window() as seen:
        usable = seen.open(visit.url("/"), "document.querySelectorAll('.card li').length > 3")
        seen.page.wait_for_load_state("networkidle")
        return {"page_usable": usable, "page_scripts": seen.scripts(), "page_shift": seen.shift()}


def _table(visit: _Visitor, runs: int) -> dict[str, float]:
    """Rows from a click in the open page; each further question from the click or Enter that asks it."""
    metric = "metrics.val_wer"
    with visit.window() as seen:
        seen.open(visit.url("/"), "document.querySelector('.card li')")
        go = f"""const link = document.createElement("a");
            link.href = "/runs?columns=status,{metric},duration&shown=none";
            document.querySelector("main").append(link); link.click()"""
        rows = seen.timed(go, f"{FIRST}")
        before = json.dumps(seen.page.evaluate(FIRST))
        click = "document.querySelectorAll('.heads button')[2].click()"
        sort = seen.timed(click, f"{FIRST} !== {before} && document.querySelector('[aria-sort=ascending]')")
        wanted = f"name = 'run-{runs // 2:06}'"
        ask = _entered(".filter input", wanted)
        filtered = seen.timed(ask, f"{FIRST} === 'run-{runs // 2:06}'")
        found = "params.encoder_layers >= 12 and metrics.val_wer < 0.5 and tags.stage = 'final'"
        many = seen.timed(_entered(".filter input", found), f"parseInt({COUNT}) > 1")
        seen.timed(_entered(".filter input", ""), f"{FIRST} === {before} || {FIRST}")
        seen.page.wait_for_load_state("networkidle")
        longest = seen.longest_task(_SCROLL)
    return {
        "page_rows": rows,
        "page_sort": sort,
        "page_filter": max(filtered, many),
        "page_scroll": longest,
    }


def _curves(visit: _Visitor, drawn: list[str]) -> dict[str, float]:
    """20 curves by a click in the open page, then a part of them; and from a typed address."""
    address = f"/compare?runs={','.join(drawn)}"
    whole = f"document.querySelector('canvas') && {POINTS} > {len(drawn) * 400}"
    with visit.window() as seen:
        seen.open(visit.url("/"), "document.querySelector('.card li')")
        go = f"""const link = document.createElement("a"); link.href = {json.dumps(address)};
            document.querySelector("main").append(link); link.click()"""
        first = seen.timed(go, whole)
        seen.page.wait_for_load_state("networkidle")
        zoom = _zoomed(seen)
    with visit.window() as seen:
        cold = seen.open(visit.stack.url + address, whole)
    return {"page_curves": first, "page_curves_cold": cold, "page_zoom": zoom}


def _zoomed(seen: Window) -> float:
    """Milliseconds from letting the mouse go until the detail of the chosen part is drawn."""
    box = seen.page.locator(".chart .u-over").first.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    seen.page.mouse.move(box["x"] + box["width"] * 0.4, middle)
    seen.page.mouse.down()
    seen.page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=4)
    seen.page.evaluate(
        """() => {
          const before = document.querySelector(".chart").dataset.points;
          const changed = () => document.querySelector(".chart").dataset.points !== before;
          document.addEventListener("mouseup", () => {
            const start = performance.now();
            bench.until(changed).then(end => { bench.zoom = end - start; });
          }, {once: true, capture: true});
        }"""
    )
    seen.page.mouse.up()
    return float(seen.page.evaluate("bench.until(() => bench.zoom).then(() => bench.zoom)"))


def _utterances(visit: _Visitor, evaluation: str, size: int) -> dict[str, float]:
    """An utterance sought among all by its id; the page waits until the letters have settled."""
    wanted = f"utt-{size // 2:06}"
    with visit.window() as seen:
        seen.open(visit.url(f"/evaluations/{evaluation}"), "document.querySelector('.table .row')")
        seen.page.wait_for_load_state("networkidle")
        ask = _entered("[aria-label='Utterances that contain']", wanted)
        return {"page_utterances": seen.timed(ask, f"{COUNT}.trim().startsWith('1 ')")}


def _live(visit: _Visitor, takes: int) -> dict[str, float]:
    """Points posted one by one while the chart is open, from the post until it is painted."""
    run, poster, taken = SyntheticRun("live"), Poster(visit.stack.url, visit.stack.key), []
    poster.post([*run.opening(), *(_point(run, step) for step in range(50))])
    with visit.window() as seen:
        seen.open(visit.url(f"/runs/{run.run}/charts"), f"{POINTS} === 50")
        seen.page.wait_for_timeout(1_000)
        for step in range(50, 50 + takes):
            seen.page.evaluate(
                f"bench.until(() => {POINTS} === {step + 1}).then(() => {{ bench.came = Date.now() }}); bench.came = 0"
            )
            start = time.time()
            poster.post([_point(run, step)])
            came = seen.page.evaluate("bench.until(() => bench.came).then(() => bench.came)")
            taken.append(float(came) - 1_000 * start)
    poster.post(run.closing())
    return {"page_live": median(taken)}


def _point(run: SyntheticRun, step: int) -> bytes:
    return run.seal(pack_calls([(step, int(time.time() * 1e6), None, {"loss": 1 / (1 + step)})]))


def _entered(box: str, words: str) -> str:
    return _ENTER.format(box=json.dumps(box), words=json.dumps(words))


def _seed_utterances(stack: Stack, size: int) -> str:
    """The id of a scored evaluation of that many utterances."""
    references = speech.texts(size)
    post(stack, speech.registered("large", references))
    ids, records = speech.evaluated("recogniser", [("large", speech.heard(references, 0.1, 1))])
    post(stack, records)
    wait_for_scores(stack.connection(), "large", "basic-wer", 1, size)
    return quote(str(ids[0]))
