"""What a link lets through, and what it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from starlette.requests import Request

from speech_experiment_api.actors import Share
from speech_experiment_api.app import ALL_ROUTES
from speech_experiment_api.problems import Problem
from speech_experiment_api.routing import Endpoint
from speech_experiment_api.shared_views import address_of, check, view_of

RUN, OTHER = str(uuid4()), str(uuid4())
ENDPOINTS = {(each.method, each.path.removeprefix("/api/v1")): each for group in ALL_ROUTES for each in group}


def asked(
    path: str,
    route: str,
    query: dict[str, str | list[str]] | None = None,
    *,
    as_of: str | None = None,
    **names: str,
) -> str | None:
    """The query that a handler sees; None where the link is refused."""
    endpoint: Endpoint = ENDPOINTS["GET", route]
    sent = urlencode(query or {}, doseq=True).encode()
    scope = {"type": "http", "method": "GET", "query_string": sent, "headers": [], "path_params": names}
    try:
        check(Request(scope), endpoint, Share("", path, as_of, datetime.now(UTC), uuid4()))
    except Problem as problem:
        return None if problem.status == 403 else str(problem)
    return scope["query_string"].decode()  # type: ignore[attr-defined, no-any-return]


def test_a_run_is_shown_and_no_other() -> None:
    view = f"/runs/{RUN}/charts"
    assert asked(view, "/runs/{id}", id=RUN) is not None
    assert asked(view, "/runs/{id}", id=RUN.upper()) is not None
    assert asked(view, "/runs/{id}", id=OTHER) is None
    assert asked(view, "/curves", {"run": RUN, "key": "loss"}) is not None
    assert asked(view, "/curves", {"run": [RUN, OTHER], "key": "loss"}) is None
    assert asked(view, "/live", {"run": RUN}) is not None
    assert asked(view, "/live") is None
    assert asked(view, "/evaluations") is None
    assert asked(view, "/measurements", {"run": RUN}) is not None
    assert asked(view, "/measurements", {"run": OTHER}) is None
    assert asked(view, "/measurements") is None
    assert asked(view, "/runs") is None
    assert asked(view, "/runs", {"filter": f"id in ('{RUN}')", "fields": "resumes"}) is not None
    assert asked(view, "/runs", {"filter": f"id in ('{OTHER}')"}) is None


def test_a_table_is_held_to_its_filter() -> None:
    view = "/leaderboard?filter=task+%3D+%27asr%27"
    assert asked(view, "/scores", {"filter": "task = 'asr'", "intervals": "true"}) is not None
    assert asked(view, "/scores") is None
    assert asked(view, "/scores", {"filter": "task = 'asr' or true"}) is None
    assert asked(view, "/runs", {"filter": "task = 'asr'"}) is None
    assert (
        asked(view, "/significance", {"system": RUN, "against": "best"}) is not None
    )  # an id that the board told
    assert asked(view, "/flips", {"a": RUN, "b": OTHER}) is None
    assert asked(view, "/measurements", {"filter": "task = 'asr'"}) is not None
    assert asked(view, "/measurements", {"run": RUN}) is None
    assert asked(view, "/measurements/comparison", {"task": "diarization", "test_set": "x"}) is None
    runs = "/runs?filter=task+%3D+%27asr%27&shown=x"
    assert asked(runs, "/runs", {"filter": "task = 'asr'"}) is not None
    assert asked(runs, "/runs", {"filter": f"id in ('{RUN}')"}) is not None
    assert asked(runs, "/runs", {"filter": f"id in ('{RUN}') or name like '%'"}) is None
    assert asked(runs, "/runs", {"filter": f"not id in ('{RUN}')"}) is None
    assert asked(runs, "/runs", {"filter": "name in ('a')"}) is None


def test_a_comparison_is_held_to_its_runs_or_evaluations() -> None:
    view = f"/compare?runs={RUN}"
    assert asked(view, "/runs", {"filter": f"id in ('{RUN}')"}) is not None
    assert asked(view, "/runs", {"filter": f"id in ('{RUN}', '{OTHER}')"}) is None
    assert asked(view, "/runs", {"filter": ""}) is None
    scores = f"/compare?evaluations={RUN},{OTHER}"
    assert asked(scores, "/flips", {"a": RUN, "b": OTHER}) is not None
    assert asked(scores, "/flips", {"a": RUN, "b": str(uuid4())}) is None
    assert asked(scores, "/evaluations/{id}", id=OTHER) is not None
    assert asked(scores, "/runs/{id}", id=RUN) is None


def test_a_report_is_held_to_its_revision() -> None:
    assert asked(f"/reports/{RUN}", "/reports/{id}", id=RUN) is not None
    assert asked(f"/reports/{RUN}", "/reports/{id}", id=OTHER) is None
    assert asked(f"/reports/{RUN}", "/reports/{id}", {"revision": "1"}, id=RUN) is None
    assert asked(f"/reports/{RUN}?revision=2", "/reports/{id}", {"revision": "2"}, id=RUN) is not None
    assert asked(f"/reports/{RUN}?revision=2", "/reports/{id}", id=RUN) is None
    assert asked(f"/reports/{RUN}", "/reports/{id}", as_of="vAAA", id=RUN) == "as_of=vAAA"


def test_a_frozen_link_asks_as_of_its_vector_alone() -> None:
    view = f"/evaluations/{RUN}"
    told = asked(view, "/evaluations/{id}", {"profile": "p", "as_of": "now"}, as_of="vAAA", id=RUN)
    assert told == "profile=p&as_of=vAAA"
    assert asked(view, "/artifacts/{id}/content", as_of="vAAA", id=OTHER) == ""
    assert asked(f"/runs/{RUN}", "/live", {"run": RUN}, as_of="vAAA") is None
    assert asked(f"/runs/{RUN}", "/runs/{id}/delivery", as_of="vAAA", id=RUN) is None


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda each: f"{each.method} {each.path}")
def test_links_never_change_or_oversee_anything(endpoint: Endpoint) -> None:
    closed = ("keys", "shares", "audit", "status", "dead-letters", "rebuilds", "search", "values", "blobs")
    if (
        endpoint.method == "GET"
        and endpoint.access == "viewer"
        and not any(f"/{each}" in endpoint.path for each in closed)
    ):
        return
    scope = {
        "type": "http",
        "method": endpoint.method,
        "query_string": b"",
        "headers": [],
        "path_params": {"id": RUN},
    }
    views = (f"/runs/{RUN}", "/runs", "/leaderboard", f"/evaluations/{RUN}", f"/compare?runs={RUN}")
    for path in (*views, f"/reports/{OTHER}"):
        with pytest.raises(Problem, match="shows one view"):
            check(Request(scope), endpoint, Share("", path, None, datetime.now(UTC), uuid4()))


def test_an_address_loses_its_moment_and_the_link_it_was_opened_by() -> None:
    assert address_of("/runs?filter=a+%3D+1&as_of=2026-01-01&share=x") == (
        "/runs?filter=a+%3D+1",
        "2026-01-01",
    )
    assert address_of("/leaderboard") == ("/leaderboard", None)
    assert view_of("/compare?runs=a%2Cb").runs == {"a", "b"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "runs",
        "//evil.example/runs",
        "https://evil.example",
        "/",
        "/operations",
        "/api/v1/keys",
        "/evaluations",
        "/compare",
        "/reports",
        "/reports/no-id",
        f"/reports/{RUN}/edit",
        f"/reports/{RUN}?revision=0",
    ],
)
def test_other_addresses_cannot_be_shared(path: str) -> None:
    with pytest.raises(Problem) as caught:
        address_of(path)
    assert (caught.value.status, caught.value.field) == (400, "path")
