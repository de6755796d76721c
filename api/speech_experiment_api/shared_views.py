"""What a shared link opens: the questions that its one view asks, about the things that are in it, and no more.

A view is an address of the page. Its path and query say which runs, evaluations and filter it is about; what
is asked by the link is held to them. Routes that are not named here are closed to links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs, unquote, urlencode, urlsplit
from uuid import UUID

from starlette.requests import Request

from .actors import Share
from .problems import Problem, bad_request
from .queries.grammar import parse_filter
from .queries.syntax import FilterError, In
from .routing import Endpoint

LONGEST = 6_000
API = "/api/v1"
ALWAYS = frozenset({"/me", "/profiles"})
_REPORT = "/reports/{id}"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}\Z")
_CONTENT = "/artifacts/{id}/content"
"""Of an artifact whose id a view has told; it never changes."""
_RUN = frozenset(
    {
        "/runs",
        "/runs/{id}",
        "/runs/{id}/metrics",
        "/runs/{id}/curves",
        "/runs/{id}/logs",
        "/runs/{id}/events",
        "/runs/{id}/artifacts",
        "/runs/{id}/delivery",
        "/evaluations",
        "/measurements",
        "/curves",
        "/live",
        _CONTENT,
    }
)
_RUNS = frozenset({"/runs", "/curves", "/live", "/runs/{id}/delivery"})
_BOARD = frozenset({"/scores", "/leaderboard"})
_MEASURED = frozenset({"/measurements", "/measurements/comparison"})
_BESIDE_BOARD = frozenset({"/significance", "/breakdown"})
"""Of evaluations whose ids the board has told."""
_EVALUATION = frozenset(
    {
        "/evaluations/{id}",
        "/evaluations/{id}/utterances",
        "/evaluations/{id}/confusions",
        "/evaluations/{id}/recording",
        "/breakdown",
        "/alignment",
        _CONTENT,
    }
)
_EVALUATIONS = _EVALUATION | {"/flips", "/significance"}
_RUN_FIELDS, _EVALUATION_FIELDS = ("run",), ("evaluation", "a", "b", "system")


@dataclass(frozen=True, slots=True)
class View:
    """routes       that it asks, below /api/v1
    runs, evaluations  that it is about, by their ids
    filter       of runs; None: it has none, and asks for runs by their ids alone
    report, revision  of a report, whose panels ask further questions; revision: the one that it is held to
    """

    routes: frozenset[str]
    runs: frozenset[str] = frozenset()
    evaluations: frozenset[str] = frozenset()
    filter: str | None = None
    report: str | None = None
    revision: str | None = None


def _of_runs(parts: list[str], query: Mapping[str, str]) -> View:
    if len(parts) > 1:
        return View(_RUN, runs=frozenset(parts[1:2]))
    return View(_RUNS, filter=query.get("filter", ""))


def _of_leaderboard(parts: list[str], query: Mapping[str, str]) -> View:
    return View(_BOARD | _MEASURED | _BESIDE_BOARD, filter=query.get("filter", ""))


def _of_evaluation(parts: list[str], query: Mapping[str, str]) -> View:
    if len(parts) < 2:
        raise _no_view()
    return View(_EVALUATION, evaluations=frozenset(parts[1:2]))


def _of_comparison(parts: list[str], query: Mapping[str, str]) -> View:
    if evaluations := _listed(query, "evaluations"):
        return View(_EVALUATIONS, evaluations=evaluations)
    if runs := _listed(query, "runs"):
        return View(_RUNS, runs=runs)
    raise _no_view()


def _of_report(parts: list[str], query: Mapping[str, str]) -> View:
    if len(parts) != 2:
        raise _no_view()
    revision = query.get("revision")
    if not (_is_uuid(parts[1]) and (revision is None or _NUMBER.match(revision))):
        raise _no_view()
    return View(frozenset({_REPORT}), report=parts[1].lower(), revision=revision)


def _is_uuid(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


_VIEWS: Mapping[str, Callable[[list[str], Mapping[str, str]], View]] = {
    "runs": _of_runs,
    "leaderboard": _of_leaderboard,
    "evaluations": _of_evaluation,
    "compare": _of_comparison,
    "reports": _of_report,
}


def _listed(query: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(unquote(each) for each in query.get(name, "").split(",") if each)


def _no_view() -> Problem:
    names = ", ".join(f"/{name}" for name in _VIEWS)
    return bad_request(
        f"only what a view shows can be shared: the address of one of {names}, with what it is about", "path"
    )


def address_of(path: str) -> tuple[str, str | None]:
    """The path of a view without the moment it shows, and that moment, as an address of the page has them.

    Raises:
        Problem: 400 for what is no address of a view that can be shared.
    """
    if not path.startswith("/") or path.startswith("//"):
        raise bad_request("write it as the page's address has it: /leaderboard?filter=…", "path")
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    as_of = query.pop("as_of", [None])[-1]
    query.pop("share", None)
    kept = urlencode({name: values[-1] for name, values in query.items()})
    bare = f"{parts.path}?{kept}" if kept else parts.path
    view_of(bare)
    return bare, as_of


@lru_cache(maxsize=256)
def view_of(path: str) -> View:
    """What the view at an address asks. Raises a 400 for one that cannot be shared."""
    parts = urlsplit(path)
    steps = [unquote(step) for step in parts.path.split("/") if step]
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if not steps or steps[0] not in _VIEWS:
        raise _no_view()
    return _VIEWS[steps[0]](steps, query)


def check(request: Request, endpoint: Endpoint, share: Share) -> None:
    """Lets a request by a link pass if its view asks so; sets the vector that the link shows.

    Raises:
        Problem: 403 for everything else.
    """
    view, route = view_of(share.path), endpoint.path.removeprefix(API)
    if endpoint.method != "GET" or route not in ALWAYS | view.routes:
        raise closed("this link shows one view, and nothing beside it")
    if not _names_only_its_own(request, route, view):
        raise closed("this link shows one view, and nothing that is not in it")
    if share.as_of is not None:
        pin(request, endpoint, share.as_of)


def _names_only_its_own(request: Request, route: str, view: View) -> bool:
    given = request.query_params
    runs = [each for name in _RUN_FIELDS for each in given.getlist(name)]
    evaluations = [each for name in _EVALUATION_FIELDS for each in given.getlist(name)]
    if route.startswith("/runs/{id}"):
        runs.append(request.path_params["id"])
    if route.startswith("/evaluations/{id}"):
        evaluations.append(request.path_params["id"])
    if route == _REPORT:
        return (request.path_params["id"].lower(), given.get("revision")) == (view.report, view.revision)
    by_filter = ("/runs", *_BOARD) if view.filter is None else ("/runs", *_BOARD, *_MEASURED)
    if route in ("/live", "/evaluations", *_MEASURED) and route not in by_filter and not runs:
        return False
    if route in by_filter and not _asks_for_its_own(given.get("filter", ""), view):
        return False
    if view.filter is not None:
        return True
    return _within(evaluations, view.evaluations) and _within(runs, view.runs)


def _within(asked: Iterable[str], own: frozenset[str]) -> bool:
    return {each.lower() for each in asked} <= {each.lower() for each in own}


def _asks_for_its_own(text: str, view: View) -> bool:
    """The view's own filter; or runs by ids, which are the view's where it has no filter, and else no guesses."""
    if view.filter is not None and text.strip() == view.filter.strip():
        return True
    try:
        where = parse_filter(text).where
    except FilterError:
        return False
    if not isinstance(where, In) or str(where.path) != "id":
        return False
    return view.filter is not None or _within([str(each.value) for each in where.values], view.runs)


def pin(request: Request, endpoint: Endpoint, vector: str) -> None:
    """Asks as of the link's vector, whatever was asked; what has no past is closed, but for what never changes."""
    if not any(param.name == "as_of" for param in endpoint.params):
        if endpoint.path.removeprefix(API) not in ("/me", _CONTENT):
            raise closed("this link shows a moment of the past, and this has none")
        return
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "as_of"]
    request.scope["query_string"] = urlencode([*kept, ("as_of", vector)]).encode()


def closed(detail: str) -> Problem:
    return Problem(403, "forbidden", detail)
