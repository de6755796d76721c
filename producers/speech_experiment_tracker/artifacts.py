"""Logging files, figures, audio and texts: kept in the spool at once, stored in the background."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from speech_experiment_schemas.artifacts import ArtifactLogged
from speech_experiment_schemas.ids import uuid7

from . import contents
from .contents import Content
from .errors import TrackerError
from .guard import guarded
from .lifecycle import Lifecycle
from .spool.producers import Producer
from .spool.records import Artifact
from .values import number, whole

_Metadata = Mapping[str, Any] | None


class ArtifactMethods(Lifecycle):
    """The methods of a run that log contents.

    All of them take step, epoch (may be fractional) and metadata (a dict, as for log_config). A later
    artifact of the same name is its next version.
    """

    @guarded
    def log_artifact(
        self,
        path: str | os.PathLike[str],
        type: str = "other",  # noqa: A002 - the word that users expect
        name: str | None = None,
        *,
        epoch: Any = None,
        step: Any = None,
        metadata: _Metadata = None,
        reference: bool = False,
    ) -> None:
        """Logs a file, or every file of a folder.

        type       checkpoint, figure, audio, json, text, config, dataset, model, other, …
        name       within the run, with forward slashes; the file's name if left out
        reference  the content stays where it is (a path or any URI) and is never copied
        """
        if not self._is_open("log_artifact"):
            return
        if reference and "://" in str(path) and not str(path).startswith("file://"):
            self._log_uri(str(path), self._event(name or _name_of(str(path)), type, step, epoch, metadata))
            return
        source = _local(path)
        if source.is_dir():
            for file in sorted(each for each in source.rglob("*") if each.is_file()):
                part = PurePosixPath(name or source.name, *file.relative_to(source).parts)
                self._log_file(file, self._event(str(part), type, step, epoch, metadata), reference)
        else:
            self._log_file(source, self._event(name or source.name, type, step, epoch, metadata), reference)

    @guarded
    def log_json(
        self, name: str, value: Any, *, step: Any = None, epoch: Any = None, metadata: _Metadata = None
    ) -> None:
        """Logs an object as JSON; numpy and torch values become numbers and lists."""
        if self._is_open("log_json"):
            from .media import json_bytes

            self._log_bytes(json_bytes(value), self._event(name, "json", step, epoch, metadata))

    @guarded
    def log_text(
        self, name: str, text: str, *, step: Any = None, epoch: Any = None, metadata: _Metadata = None
    ) -> None:
        """Logs a text, UTF-8."""
        if self._is_open("log_text"):
            self._log_bytes(str(text).encode(), self._event(name, "text", step, epoch, metadata))

    @guarded
    def log_figure(
        self, name: str, figure: Any, *, step: Any = None, epoch: Any = None, metadata: _Metadata = None
    ) -> None:
        """Logs a figure in the format of the name's ending.

        figure  of matplotlib, PIL or plotly, or pixels: height × width (× 3), uint8 or floats from 0 to 1
        """
        if self._is_open("log_figure"):
            from .media import figure_bytes

            self._log_bytes(figure_bytes(name, figure), self._event(name, "figure", step, epoch, metadata))

    @guarded
    def log_audio(
        self,
        name: str,
        audio: Any = None,
        sample_rate: int | None = None,
        *,
        copy: bool = False,
        step: Any = None,
        epoch: Any = None,
        metadata: _Metadata = None,
    ) -> None:
        """Logs samples as 16-bit WAV, or refers to a recording that exists.

        audio        samples, shape (samples,) or (samples, channels), floats from -1 to 1 or 16-bit
                     integers; or the path or URI of a recording, which is not copied unless copy=True
        sample_rate  in Hz, needed for samples
        """
        if not self._is_open("log_audio"):
            return
        audio = name if audio is None else audio
        if isinstance(audio, str | os.PathLike):
            label = name if audio is not name else _name_of(name)
            self.log_artifact(
                audio, "audio", label, step=step, epoch=epoch, metadata=metadata, reference=not copy
            )
            return
        if sample_rate is None:
            raise TrackerError(f"audio {name!r} has no sample_rate", "give it in Hz, for example 16000")
        from .media import wav_bytes

        label = name if name.lower().endswith(".wav") else f"{name}.wav"
        facts = {"sample_rate": int(sample_rate), **(metadata or {})}
        self._log_bytes(wav_bytes(audio, sample_rate), self._event(label, "audio", step, epoch, facts))

    # How.

    def _event(self, name: str, kind: str, step: Any, epoch: Any, metadata: _Metadata) -> dict[str, Any]:
        from .tree import plain

        return {
            "artifact": uuid7(),
            "path": name.replace(os.sep, "/").lstrip("/"),
            "type": kind,
            "content_type": contents.content_type_of(name),
            "step": whole("step", step),
            "epoch": None if epoch is None else number("epoch", epoch),
            "metadata": plain(dict(metadata or {}), lambda path, value: None),
        }

    def _log_bytes(self, data: bytes, event: dict[str, Any]) -> None:
        producer = self._open()
        self._say(producer, contents.write(_place(producer), data), event)

    def _log_file(self, source: Path, event: dict[str, Any], reference: bool) -> None:
        producer = self._open()
        if reference:
            event["storage"] = {"kind": "reference", "uri": source.absolute().as_uri()}
            self._say(producer, contents.refer(source), event)
            return
        place = _place(producer)
        content = contents.take(source, place)
        if content is None:
            self._copy_later(producer, source, place, event)
        else:
            self._say(producer, content, event)

    def _copy_later(self, producer: Producer, source: Path, place: Path, event: dict[str, Any]) -> None:
        """Copies a large file that cannot be linked, in a thread that finish waits for."""

        def work() -> None:
            try:
                self._say(producer, contents.copy(source, place), event)
            except Exception as error:  # noqa: BLE001 - there is nobody to raise to
                self._problems.note("artifact_lost", f"artifact {str(source)!r} was not kept: {error}")

        thread = threading.Thread(target=work, name="speech-tracker-copy", daemon=True)
        self._copies.append(thread)
        thread.start()

    def _log_uri(self, uri: str, event: dict[str, Any]) -> None:
        event["storage"] = {"kind": "reference", "uri": uri}
        self._open().emit(ArtifactLogged(**event, sha256="", size=0), stream="artifacts")

    def _say(self, producer: Producer, content: Content, event: dict[str, Any]) -> None:
        _check(event)
        if content.owned and content.crc >= 0:
            producer.unsynced.append(producer.place.contents / content.file)
        producer.emit_artifact(
            Artifact(
                content.file,
                content.owned,
                content.size,
                content.mtime_ns,
                self.id.bytes,
                time.time_ns() // 1000,
                event,
                content.crc,
            )
        )


def _check(event: dict[str, Any]) -> None:
    """Raises TrackerError for fields that the server would refuse."""
    from .spool.producers import event_of

    event_of(ArtifactLogged(**event, sha256="0" * 64, size=0), ("run", event["artifact"]))


def _place(producer: Producer) -> Path:
    producer.contents += 1
    return contents.place_for(producer.place, producer.contents)


def _local(path: str | os.PathLike[str]) -> Path:
    from urllib.parse import unquote, urlsplit

    text = os.fspath(path)
    return Path(unquote(urlsplit(text).path)) if text.startswith("file://") else Path(text).expanduser()


def _name_of(uri: str) -> str:
    return uri.rstrip("/").rsplit("/", 1)[-1] or uri
