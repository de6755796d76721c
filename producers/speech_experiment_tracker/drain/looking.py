"""What drains keep of a producer, for looking only: a drain may be at work meanwhile."""

from __future__ import annotations

import contextlib

from speech_experiment_schemas.envelope import STREAMS

from ..spool.page import ack_of, areas_of, read_page
from ..spool.places import DRAIN, Place
from ..spool.reader import SegmentReader
from .earlier import CONTENTS, CONTENTS_STREAM, EVENTS, read_journal
from .journal import BOOK, Cursor, Entry, read_book


def streams_of(place: Place) -> list[str]:
    """The streams that a producer has something of in the spool, or had."""
    page = read_page(place)
    begun = set(areas_of(page))
    for stream in STREAMS:
        ack = ack_of(page, stream)
        if ack is None or ack.seq or place.indices(stream) or _entries(place, stream):
            begun.add(stream)
    return sorted(begun)


def read_sealed(place: Place, stream: str) -> tuple[Cursor, list[bytes]]:
    """(where unsealed calls begin in the segments, sealed records as far as they are still kept)"""
    cursor, records = Cursor(), []
    for entry in _entries(place, stream):
        if not entry.replaces and entry.cursor.seq >= cursor.seq:
            cursor = entry.cursor
            records += [entry.record] if entry.record else []
    return cursor, records


def _entries(place: Place, stream: str) -> list[Entry]:
    folder = place.folder / DRAIN
    kind = CONTENTS if stream == CONTENTS_STREAM else EVENTS
    with contextlib.suppress(OSError):
        found = read_book((folder / f"{kind}{BOOK}").read_bytes(), (place.name, stream))
        if found:
            return found
    with contextlib.suppress(OSError):
        if not place.name:
            return read_journal(folder / f"{stream}.journal")
    return []


def open_segment(place: Place, stream: str, index: int) -> SegmentReader | None:
    """None for one that is not there; raises SpoolFormatError for one of another release."""
    area = areas_of(read_page(place)).get(stream) if index == 1 else None
    try:
        return SegmentReader(place.page if area else place.segment(stream, index), area=area)
    except FileNotFoundError:
        return None
