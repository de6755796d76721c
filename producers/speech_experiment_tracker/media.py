"""Figures, audio and JSON as bytes; nothing is imported that the script has not imported."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

from .errors import TrackerError


def json_bytes(value: Any) -> bytes:
    """Indented JSON; numpy and torch values become numbers and lists, other objects their text."""
    import json

    return json.dumps(value, indent=2, ensure_ascii=False, default=_as_plain).encode()


def _as_plain(value: Any) -> Any:
    for method in ("tolist", "model_dump", "_asdict"):
        found = getattr(value, method, None)
        if callable(found):
            return found()
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return str(value)


def figure_bytes(name: str, figure: Any) -> bytes:
    """The figure in the format of the name's ending.

    Takes matplotlib figures and axes, PIL images, plotly figures (as .html or .json), arrays of
    pixels (as .png; uint8 or floats from 0 to 1, height × width, or × 3), bytes.
    """
    ending = Path(name).suffix.lower().lstrip(".") or "png"
    if isinstance(figure, bytes):
        return figure
    figure = getattr(figure, "figure", None) or figure  # axes know their figure
    buffer = io.BytesIO()
    if hasattr(figure, "savefig"):
        figure.savefig(buffer, format=ending, bbox_inches="tight")
    elif hasattr(figure, "to_html"):
        return str(figure.to_json() if ending == "json" else figure.to_html(include_plotlyjs=True)).encode()
    elif hasattr(figure, "save"):
        figure.save(buffer, format={"jpg": "JPEG"}.get(ending, ending.upper()))
    elif hasattr(figure, "tolist"):
        return png(figure.tolist())
    else:
        raise TrackerError(
            f"figure {name!r} is a {type(figure).__name__}",
            "give a matplotlib, PIL or plotly figure, or pixels",
        )
    return buffer.getvalue()


def png(pixels: list[Any]) -> bytes:
    """A PNG of rows of grey values or of RGB triples; floats are taken as 0 to 1."""
    if not pixels or not isinstance(pixels[0], list):
        raise TrackerError("the image has no rows", "give height × width, or height × width × 3 values")
    colour = isinstance(pixels[0][0], list)
    rows = [[value for pixel in row for value in pixel] if colour else row for row in pixels]
    scale = 255 if any(isinstance(value, float) for row in rows for value in row) else 1
    lines = b"".join(b"\0" + bytes(max(0, min(255, round(value * scale))) for value in row) for row in rows)
    head = struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 2 if colour else 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", zlib.compress(lines))
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def wav_bytes(samples: Any, sample_rate: int) -> bytes:
    """16-bit WAV of samples (floats from -1 to 1, or 16-bit integers), one or many channels.

    samples  shape (samples,) or (samples, channels): numpy, torch or nested lists
    """
    import array
    import sys
    import wave

    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
    listed = samples.tolist() if hasattr(samples, "tolist") else list(samples)
    if not listed:
        raise TrackerError("the audio has no samples", "give at least one")
    channels = len(listed[0]) if isinstance(listed[0], list | tuple) else 1
    flat = [value for frame in listed for value in frame] if channels > 1 else _mono(listed)
    if any(isinstance(value, float) for value in flat):
        flat = [max(-32768, min(32767, round(value * 32767))) if value == value else 0 for value in flat]
    data = array.array("h", flat)
    if sys.byteorder == "big":
        data.byteswap()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(int(sample_rate))
        file.writeframes(data.tobytes())
    return buffer.getvalue()


def _mono(listed: list[Any]) -> list[Any]:
    return [frame[0] if isinstance(frame, list | tuple) else frame for frame in listed]
