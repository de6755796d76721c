"""Contents come whole and right, or with an error that says what is wrong with them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from speech_experiment_tracker import TrackerError
from speech_experiment_tracker import fetch as fetching
from speech_experiment_tracker.checkpoints import Checkpoint
from speech_experiment_tracker.fetch import fetch
from speech_experiment_tracker.http import ApiClient

CONTENT = bytes(range(256)) * 9_000
DIGEST = sha256(CONTENT).hexdigest()


class Store:
    """Serves one content; cut: bytes after which a connection breaks; ranges: the requests' Range headers."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.cuts: list[int] = []
        self.status = 0
        self.ranges: list[str | None] = []
        self.ignores_range = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        self.api = ApiClient(f"http://127.0.0.1:{self.server.server_address[1]}")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                store.ranges.append(asked)
                if store.status:
                    self.send_response(store.status)
                    self.end_headers()
                    return
                start = int(asked[6:-1]) if asked and not store.ignores_range else 0
                body = store.content[start:]
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: store.cuts.pop(0)] if store.cuts else body)

            def log_message(self, *arguments: Any) -> None:
                """Tests look at the ranges."""

        return Handler


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(fetching, "_PAUSE", 0.0)
    made = Store()
    yield made
    made.server.shutdown()
    made.server.server_close()


def wanted(path: str = "last.pt", **fields: Any) -> Checkpoint:
    return Checkpoint(**{"id": UUID(int=1), "path": path, "sha256": DIGEST, "size": len(CONTENT), **fields})


def test_a_stream_that_is_cut_off_goes_on_where_it_stopped(store: Store, tmp_path: Path) -> None:
    store.cuts = [1_000_000, 500_000]
    assert fetch(store.api, [wanted()], tmp_path).read_bytes() == CONTENT
    assert store.ranges == [None, "bytes=1000000-", "bytes=1500000-"]


def test_a_server_that_ignores_the_range_is_read_from_the_start(store: Store, tmp_path: Path) -> None:
    store.cuts, store.ignores_range = [1_000_000], True
    assert fetch(store.api, [wanted()], tmp_path).read_bytes() == CONTENT


def test_it_comes_once_and_again_only_when_the_copy_was_damaged(store: Store, tmp_path: Path) -> None:
    path = fetch(store.api, [wanted()], tmp_path)
    assert fetch(None, [wanted()], tmp_path) == path
    assert fetch(None, [wanted("other.pt")], tmp_path).read_bytes() == CONTENT
    assert len(store.ranges) == 1
    for copy in path.parent.glob("*.pt"):
        copy.write_bytes(b"rotten")
    assert fetch(store.api, [wanted()], tmp_path).read_bytes() == CONTENT
    assert len(store.ranges) == 2


def test_eight_ranks_that_ask_at_once_fetch_it_once(store: Store, tmp_path: Path) -> None:
    found: list[bytes] = []
    ranks = [
        threading.Thread(target=lambda: found.append(fetch(store.api, [wanted()], tmp_path).read_bytes()))
        for _ in range(8)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert found == [CONTENT] * 8
    assert len(store.ranges) == 1


def test_what_is_damaged_missing_or_out_of_reach_is_told_apart(store: Store, tmp_path: Path) -> None:
    store.content = CONTENT[:-1] + b"?"
    with pytest.raises(TrackerError, match=r"'last\.pt' is damaged: it has the SHA-256"):
        fetch(store.api, [wanted()], tmp_path)
    assert list(tmp_path.rglob("*.p*t")) == []
    store.status = 410
    with pytest.raises(TrackerError, match="is missing on the server"):
        fetch(store.api, [wanted()], tmp_path)
    store.status = 503
    with pytest.raises(TrackerError, match="cannot be fetched"):
        fetch(store.api, [wanted()], tmp_path)
    with pytest.raises(TrackerError, match="is on the server, which is away"):
        fetch(None, [wanted()], tmp_path)


def test_a_part_with_other_bytes_is_given_up_and_fetched_whole(store: Store, tmp_path: Path) -> None:
    part = tmp_path / "contents" / DIGEST[:2] / DIGEST / ".part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"?" * 1_000)
    assert fetch(store.api, [wanted()], tmp_path).read_bytes() == CONTENT


def test_a_folder_is_put_together_under_its_names(store: Store, tmp_path: Path) -> None:
    files = [wanted("step10/model.pt"), wanted("step10/parts/optimizer.pt", id=UUID(int=2))]
    folder = fetch(store.api, files, tmp_path)
    assert folder.name == "step10"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert names == ["model.pt", "parts/optimizer.pt"]


@pytest.mark.parametrize("start", ["../../../../", "ABSOLUTE/", "a/../../../../../"])
def test_a_name_cannot_leave_the_cache(store: Store, tmp_path: Path, start: str) -> None:
    outside, cache = tmp_path / "evil.pt", tmp_path / "deep" / "cache"
    path = start.replace("ABSOLUTE", str(tmp_path)) + "evil.pt"
    fetch(store.api, [wanted(path), wanted("a/b.pt")], cache)
    fetch(store.api, [wanted(path)], cache)
    assert not outside.exists()
    assert all(cache in found.parents for found in tmp_path.rglob("*.pt"))


def test_a_content_in_the_spool_is_copied_and_a_changed_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "000001"
    file.write_bytes(CONTENT)
    path = fetch(None, [wanted(sha256="", file=file)], tmp_path / "cache")
    assert (path.name, path.read_bytes()) == ("last.pt", CONTENT)
    file.write_bytes(b"shorter")
    with pytest.raises(TrackerError, match="was changed after it was logged"):
        fetch(None, [wanted(sha256="", file=file)], tmp_path / "cache")


def test_a_reference_is_checked_where_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(CONTENT)
    assert fetch(None, [wanted(uri=file.as_uri())], tmp_path / "cache") == file
    file.write_bytes(b"other")
    with pytest.raises(TrackerError, match="has changed since"):
        fetch(None, [wanted(uri=file.as_uri())], tmp_path / "cache")
    with pytest.raises(TrackerError, match="is kept at s3://"):
        fetch(None, [wanted(uri="s3://bucket/model.pt")], tmp_path / "cache")
