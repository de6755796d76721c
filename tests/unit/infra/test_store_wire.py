"""HTTP of the store: any cut of the bytes on the wire gives the same requests and bodies."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_experiment_infra.store.http import ProtocolError, Response, Wire

SIZED = b"POST /?query=a%20b&x= HTTP/1.1\r\nContent-Length: 5\r\nX-Name:  v \r\n\r\nhello"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"


def sent(pieces: Sequence[bytes]) -> Wire:
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs:
            for piece in pieces:
                theirs.sendall(piece)

    threading.Thread(target=send, daemon=True).start()
    return Wire(ours)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(SIZED + CHUNKED)), max_size=8))
def test_requests_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    stream = SIZED + CHUNKED
    edges = [0, *sorted(cuts), len(stream)]
    wire = sent([stream[start:end] for start, end in pairwise(edges) if start < end])
    first = wire.read_request()
    assert first is not None
    assert (first.method, first.path, first.query) == ("POST", "/", {"query": "a b", "x": ""})
    assert first.headers["x-name"] == "v"
    assert b"".join(wire.body()) == b"hello"
    assert wire.read_request() is not None
    assert b"".join(wire.body()) == b"abcde"
    assert wire.read_request() is None


def test_a_body_that_ends_early_is_an_error() -> None:
    wire = sent([SIZED[:-2]])
    wire.read_request()
    with pytest.raises(ProtocolError, match="middle of the body"):
        b"".join(wire.body())


def test_what_is_not_http_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not an HTTP request"):
        sent([b"hello\r\n\r\n"]).read_request()


@pytest.mark.parametrize("size", [0, 10, 1 << 20])
def test_responses_arrive_whole(size: int) -> None:
    ours, theirs = socket.socketpair()
    body = bytes(range(256)) * (size // 256 + 1)

    def respond() -> None:
        with ours:
            Wire(ours).respond(Response(body=memoryview(body)), keep_alive=False)

    writer = threading.Thread(target=respond)
    writer.start()
    received = b"".join(iter(lambda: theirs.recv(65536), b""))
    head, _, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert f"Content-Length: {len(body)}".encode() in head
    assert rest == body
    writer.join()
    theirs.close()
