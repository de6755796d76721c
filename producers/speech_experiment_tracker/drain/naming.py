"""Saying again who wrote segments, when a power cut took what their writer had said of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from speech_experiment_schemas.envelope import STREAMS

from ..spool.files import boot_id, sync_folder, write_atomically
from ..spool.page import areas_in, write_page
from ..spool.places import Place
from ..spool.records import HEADER_SIZE, NO_RUN, Header, SpoolFormatError, decode_header
from .meta import Meta
from .targets import FOLDER


def name_again(place: Place) -> bool:
    """Whether there are segments, which have a page now; raises OSError.

    Where there is more than one server, it is for `sync` to say to which they go.
    """
    data = place.page.read_bytes() if place.page.exists() else b""
    areas = areas_in(data)
    header = next(_headers(place, data, areas), None)
    if header is None:
        return False
    targets = list((place.folder.parents[1] / FOLDER).glob("*.json"))
    meta = Meta(
        producer=str(header.producer),
        run=None if header.run == NO_RUN else str(header.run),
        boot=boot_id(),
        target=targets[0].stem if len(targets) == 1 else None,
    )
    if place.name:
        write_page(place, msgspec.json.encode(meta), areas)
        sync_folder(place.folder)
    else:
        write_atomically(place.old_meta, msgspec.json.encode(meta), durably=True)
    return True


def _headers(place: Place, page: bytes, areas: dict[str, tuple[int, int]]) -> Iterator[Header]:
    """The headers of a producer's segments that are not damaged."""
    files: list[Path] = [place.segment(each, index) for each in STREAMS for index in place.indices(each)]
    heads = [page[start : start + HEADER_SIZE] for start, _ in areas.values()]
    for head in (*heads, *(file.read_bytes()[:HEADER_SIZE] for file in files)):
        try:
            yield decode_header(head)
        except SpoolFormatError:
            continue
