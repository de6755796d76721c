"""The server as the commands see it: its API, runs by name or id, server-sent events."""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ..config import resolve
from ..errors import TrackerError
from ..http import ApiClient, problem

_API = "/api/v1"
_CANDIDATES = 1_000


class Event(NamedTuple):
    """A server-sent event: its name, its JSON data, and the place to go on from."""

    name: str
    data: Any
    id: str


class Server:
    """One server and the key for it; requests share a connection.

    Every method raises TrackerError: no server, no permission, no such thing.
    """

    def __init__(self, url: str, api_key: str | None, timeout: float = 90.0) -> None:
        self.url = url
        self._api = ApiClient(url, api_key, timeout=timeout)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._api.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer; parameters that are None are left out, lists are repeated."""
        return self._json("GET", path, query=parameters)

    def post(self, path: str, body: Any = None, **parameters: Any) -> Any:
        return self._json("POST", path, body=body, query=parameters)

    def put(self, path: str, body: Any) -> Any:
        return self._json("PUT", path, body=body)

    def delete(self, path: str, **parameters: Any) -> Any:
        return self._json("DELETE", path, query=parameters)

    def events(self, path: str, after: str = "", **parameters: Any) -> Iterator[Event]:
        """Server-sent events as they come, until the server ends the stream.

        after  the id of an event: those that follow it come first
        """
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        try:
            answer = self._api._send("GET", _API + path, parameters, None, headers)
            if answer.status != 200:
                raise problem(answer.status, answer.read())
            yield from parse_events(line.decode(errors="replace") for line in answer)
        except (http.client.HTTPException, OSError) as error:
            raise TrackerError(f"no answer from {self.url}: {error}") from error
        finally:
            self._api.close()

    def hurry(self, seconds: float) -> None:
        """From now on waits at most so long for the next event; then `events` raises TrackerError."""
        connection = self._api._connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(seconds)

    def _json(self, method: str, path: str, **options: Any) -> Any:
        try:
            return self._api.json(method, _API + path, **options)
        except msgspec.DecodeError as error:
            hint = "is SPEECH_TRACKER_URL the address of a tracker?"
            raise TrackerError(f"{self.url} answered something that is not JSON", hint) from error

    def run_id(self, text: str, *, as_of: str | None = None, deleted: bool = False) -> str:
        """The id of the run that an id, the beginning or end of an id, or a name stands for.

        as_of    a vector or moment: of a name that it had then
        deleted  among the deleted runs
        """
        try:
            return str(UUID(text))
        except ValueError:
            pass
        among = {"as_of": as_of, "deleted": "true" if deleted else None}
        named = self.get("/runs", filter=f"name = {quoted(text)}", fields="id", limit=2, **among)["runs"]
        matching = [run["id"] for run in named] or self._by_part(text.lower().lstrip("…"), among)
        if not matching:
            raise TrackerError(f"there is no run {text!r}", "see `speech-tracker runs`", status=404)
        if len(matching) > 1:
            raise TrackerError(
                f"{text!r} stands for several runs",
                f"name one by its id: {', '.join(matching[:3])}",
                status=409,
            )
        return str(matching[0])

    def _by_part(self, part: str, among: Mapping[str, Any]) -> list[str]:
        if len(part) < 4 or not set(part) <= set("0123456789abcdef-"):
            return []
        runs = self.get("/runs", fields="id", limit=_CANDIDATES, **among)["runs"]
        return [run["id"] for run in runs if run["id"].startswith(part) or run["id"].endswith(part)]


def connect(data_dir: Path | None = None) -> Server:
    """The server of a data folder, or the one that the client would use. Raises TrackerError if there is none."""
    if data_dir is not None:
        return Server(*_of_folder(data_dir))
    config = resolve()
    if config.url is None:
        hint = "start one here with `speech-tracker up`, or set SPEECH_TRACKER_URL and SPEECH_TRACKER_API_KEY"
        raise TrackerError("no server is known", hint)
    return Server(config.url, config.api_key)


def _of_folder(folder: Path) -> tuple[str, str]:
    try:
        state = msgspec.json.decode((folder / "state.json").read_bytes(), type=dict[str, Any])
        return str(state["url"]), (folder / "admin.key").read_text().strip()
    except (OSError, KeyError, msgspec.MsgspecError) as error:
        hint = f"start one with `speech-tracker up --data-dir {folder}`"
        raise TrackerError(f"there is no server in {folder}", hint) from error


def quoted(value: str) -> str:
    """A text of the filter language."""
    return "'" + value.replace("'", "''") + "'"


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a text/event-stream; comments and unknown fields are passed over."""
    name, identity, data = "message", "", ""
    for line in lines:
        field, _, value = line.rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "id":
            identity = value
        elif field == "data":
            data += value
        elif not line.strip() and data:
            yield Event(name, msgspec.json.decode(data), identity)
            name, data = "message", ""
