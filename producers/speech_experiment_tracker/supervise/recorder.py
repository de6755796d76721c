"""What the supervisor says of a run itself: all of it where the script does not use the SDK."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from speech_experiment_schemas.runs import RunFailed, RunFinished, RunOutput, RunResumed, RunStarted

from ..acknowledgement import wait_acknowledged
from ..output import Lines
from ..remains import Trainer, trainers_of
from ..spool.keeper import keeper
from ..spool.producers import Producer
from ..starting import user_name
from .child import Channel
from .policy import Exit, describe

if TYPE_CHECKING:
    from ..client import Client
    from ..experiment import Experiment
    from ..launches import Decision

QUIET_FOR = 20.0
"""Seconds after which a script that has not begun the run is taken for one that never will."""
_LOOK_EVERY = 0.5
_TAIL = 20_000
_OURS = "speech-tracker: "


class Recorder:
    """One attempt of a run, as seen from outside.

    The script's own words count: once it has begun the run, only an end is added that it did not tell.
    """

    def __init__(
        self, client: Client, decision: Decision, name: str, experiment: Experiment, tags: Mapping[str, str]
    ) -> None:
        self._client, self._decision = client, decision
        self._started = RunStarted(
            experiment=experiment.id,
            experiment_name=experiment.name,
            name=name,
            tags=dict(tags),
            user=user_name(),
        )
        self._producer: Producer | None = None
        self._known = {each.meta.producer for each in self._trainers()}
        self._speaks = False
        self._told_start = False
        self._began = time.monotonic()
        self._looked = 0.0
        channels: tuple[Channel, ...] = ("stdout", "stderr")
        self._lines = {channel: Lines(channel, self._emit_output, _ignore) for channel in channels}
        self._tails: dict[Channel, str] = dict.fromkeys(channels, "")

    # While it runs.

    def start(self) -> None:
        """Says at once how the run is called, where the user has named it."""
        self._emit_start()

    def copy(self, channel: Channel, data: bytes) -> None:
        """Takes in output."""
        text = data.decode(errors="replace")
        self._tails[channel] = (self._tails[channel] + text)[-_TAIL:]
        if not self._speaks:
            self._lines[channel].write(text)

    def tick(self) -> None:
        now = time.monotonic()
        if self._speaks or now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        self._look()
        if not self._speaks and now - self._began > QUIET_FOR:
            self._emit_start()
            for lines in self._lines.values():
                if lines.due():
                    lines.flush()

    def _look(self) -> None:
        """Whether the script has begun the run itself."""
        self._speaks = any(each.meta.producer not in self._known for each in self._trainers())

    # Its end.

    @property
    def error(self) -> str:
        """The last line on stderr."""
        lines = [line.strip() for line in self._tails["stderr"].replace("\r", "\n").split("\n")]
        return next((line for line in reversed(lines) if line and not line.startswith(_OURS)), "")[-500:]

    def end(self, ended: Exit, told: str, reason: str) -> None:
        """Says how the run ended, unless the script has.

        told    its status by now
        reason  why nothing follows, where that needs one
        """
        self._look()
        if ended.code == 0:
            if not self._speaks:
                self._emit_start()
                self._flush()
                self._emit(RunFinished())
        elif told not in ("failed", "cancelled"):
            self._emit_start()
            self._flush()
            self._emit(
                RunFailed(
                    error=(reason or describe(ended))[:2000],
                    traceback=self._tails["stderr"],
                    exit_code=ended.shell_code,
                    status="cancelled" if ended.preempted else "failed",
                )
            )

    def _flush(self) -> None:
        if not self._speaks:
            for lines in self._lines.values():
                lines.flush(end=True)

    def close(self, timeout: float = 0.0) -> None:
        """The attempt is over; waits until its words are delivered, at most `timeout` seconds."""
        if self._told_start:
            self._flush()
        producer = self._producer
        if producer is None:
            return
        self._producer = None
        producer.close("exit")
        keeper.dismiss(producer)
        keeper.flush()
        if timeout and self._client.config.mode == "online":
            wanted = {name: stream.seq for name, stream in producer.streams.items()}
            wait_acknowledged(producer, wanted, timeout, self._client.session.start_drain)

    # How.

    def _trainers(self) -> list[Trainer]:
        return [*trainers_of(self._client.config.spool, self._decision.run)]

    def _emit_start(self) -> None:
        if not self._told_start:
            self._told_start = True
            self._emit(self._started)
            if self._decision.attempt > 1:
                self._emit(RunResumed(attempt=self._decision.attempt, from_step=self._decision.from_step))

    def _emit_output(self, output: RunOutput) -> bool:
        return self._emit(output)

    def _emit(self, payload: RunStarted | RunResumed | RunOutput | RunFinished | RunFailed) -> bool:
        if self._client.config.mode == "disabled":
            return False
        if self._producer is None:
            self._producer = self._client.session.open(
                self._decision.run, attempt=self._decision.attempt, watches=True
            )
            self._known.add(str(self._producer.id))
            self._client.session.start_drain()
        return self._producer.emit(payload, droppable=isinstance(payload, RunOutput))


def _ignore() -> None:
    """Output beyond what is kept passes through all the same."""
