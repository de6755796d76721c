"""The page's files: built or not, packed or not, kept by browsers as long as they hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from speech_experiment_api import page
from speech_experiment_api.app import create_app
from speech_experiment_api.settings import ApiSettings


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(page, "STATIC", tmp_path)
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>the page</title>")
    (tmp_path / "assets" / "index-abc.js").write_text("let plain")
    (tmp_path / "assets" / "index-abc.js.br").write_bytes(b"\x0b\x04\x80let plain\x03")
    return tmp_path


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(ApiSettings()))
    async with httpx.AsyncClient(transport=transport, base_url="http://tracker") as opened:
        yield opened


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "path", ["/", "/runs", "/runs/0198/charts", "/leaderboard", "/operations", "/sign-in"]
)
async def test_every_view_is_the_same_document(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "the page" in answer.text
    assert answer.headers["cache-control"] == "no-cache"
    again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.usefixtures("built")
async def test_the_page_runs_nothing_but_its_own_files(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/runs")).headers
    policy = dict(each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert not [
        each for each in ("unsafe", "data:", "*", "http:") if each in headers["content-security-policy"]
    ]
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.usefixtures("built")
async def test_a_file_is_kept_for_good_and_packed_for_whoever_takes_it(client: httpx.AsyncClient) -> None:
    packed = await client.get("/assets/index-abc.js", headers={"Accept-Encoding": "gzip, br;q=0.5"})
    plain = await client.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "br"
    assert "content-encoding" not in plain.headers
    assert plain.text == "let plain"
    for answer in (packed, plain):
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("name", ["nothing.js", "..%2findex.html", "..%2f..%2fpage.py", ".hidden", "%00.js"])
async def test_other_files_are_not_served(built: Path, client: httpx.AsyncClient, name: str) -> None:
    (built / "assets" / ".hidden").write_text("x")
    answer = await client.get(f"/assets/{name}")
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


async def test_a_path_that_is_no_view_is_a_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_without_a_build_the_page_says_how_to_make_one(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "STATIC", tmp_path / "nowhere")
    answer = await client.get("/runs")
    assert answer.status_code == 200
    assert "make page" in answer.text
    assert "'unsafe" not in answer.headers["content-security-policy"]
