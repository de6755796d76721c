"""Events of the log as lines for people: where, when, who, which process, and what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.markup import escape

from .output import clip, flatten, local_time, moment, number, short_id, shorten, size, status

Event = Mapping[str, Any]
Data = Mapping[str, Any]
_MOST = 4
"""Items of a list that a line shows."""
_WIDTH = 60
"""Of a value that a line shows."""


class Teller:
    """Tells events in their order; remembers which process is which rank of which attempt."""

    def __init__(self) -> None:
        self._processes: dict[str, str] = {}

    def tell(self, event: Event) -> list[str]:
        """The line of an event, with markup, and a line for each call where points were asked for."""
        if event["type"] == "producer.opened":
            self._processes[event["producer"]] = _process(event["data"])
        head = "  ".join(
            (
                f"[dim]{position(event):<16}[/dim]",
                f"[dim]{clock(event['time'])}[/dim]",
                f"[dim]{_actor(event['actor']):<12}[/dim]",
                f"[dim]{short_id(event['producer'])} {self._processes.get(event['producer'], ''):<9}[/dim]",
            )
        )
        again = f"  [yellow]replayed from {event['replayed_from']}[/yellow]" if event["replayed_from"] else ""
        return [f"{head}  {describe(event)}{again}", *_points(event["data"])]


def position(event: Event) -> str:
    """topic:partition:offset."""
    return f"{event['topic']}:{event['partition']}:{event['offset']}"


def clock(value: str) -> str:
    """Date and time on this machine's clock, to the millisecond."""
    parsed = moment(value)
    return local_time(value) + (f".{parsed.microsecond // 1000:03d}" if parsed else "")


def _actor(name: str) -> str:
    return f"key …{name[-6:]}" if name.startswith("key:") else escape(clip(name, 12)) or "–"


def _process(data: Data) -> str:
    return f"r{data['rank']} a{data['attempt']}" if data["role"] == "trainer" else str(data["role"])


def describe(event: Event) -> str:
    """What happened, in one line with markup; of a type that this release does not know its name."""
    data = event["data"]
    told = _TELL.get(event["type"])
    if told is None or "unknown" in data:
        return f"[bold]{escape(event['type'])}[/bold] v{event['v']}"
    name, _, rest = told(data, event).partition(" ")
    return f"[bold]{name}[/bold] {rest}".rstrip()


def _started(data: Data, _: Event) -> str:
    experiment = f" in {escape(clip(data['experiment_name'], _WIDTH))}" if data["experiment_name"] else ""
    return f"started {escape(clip(data['name'], _WIDTH))}{experiment} {_pairs(data['tags'])}"


def _resumed(data: Data, _: Event) -> str:
    step = "" if data["from_step"] is None else f" from step {data['from_step']}"
    return f"resumed attempt {data['attempt']}{step}"


def _tagged(data: Data, _: Event) -> str:
    removed = f" without {_some(data['removed'])}" if data["removed"] else ""
    return f"tagged {_pairs(data['tags'])}{removed}"


def _linked(data: Data, _: Event) -> str:
    verb = "unlinked" if data["removed"] else "linked"
    return f"{verb} {data['kind']} {short_id(data['target'])}"


def _environment(data: Data, _: Event) -> str:
    commit = str((data["git"] or {}).get("commit") or "")
    git = f", commit {escape(commit[:10])}" if commit else ""
    return f"environment {escape(data['host'])}{git}, {len(data['packages'])} packages"


def _output(data: Data, _: Event) -> str:
    lines: Sequence[str] = data["lines"]
    first = escape(clip(lines[0], _WIDTH)) if lines else ""
    more = f" [dim]… and {len(lines) - 1} more lines[/dim]" if len(lines) > 1 else ""
    return f"{data['channel']} {first}{more}"


def _failed(data: Data, _: Event) -> str:
    return f"{data['status']} [red]{escape(clip(data['error'], 2 * _WIDTH))}[/red]"


def _opened(data: Data, _: Event) -> str:
    world = f" of {data['world_size']}" if data["world_size"] > 1 else ""
    who = f"{data['role']} rank {data['rank']}{world}, attempt {data['attempt']}"
    return f"opened {who} on {escape(data['host'])}:{data['pid']}"


def _closed(data: Data, _: Event) -> str:
    problems = f" [yellow]{_pairs(data['problems'])}[/yellow]" if data["problems"] else ""
    return f"closed {status(data['reason'])}{problems}"


def _voided(data: Data, event: Event) -> str:
    last = event["seq"] + event["count"] - 1
    detail = f": {escape(clip(data['detail'], _WIDTH))}" if data["detail"] else ""
    return f"voided [yellow]{event['seq']}–{last} {data['reason']}{detail}[/yellow]"


def _metrics(data: Data, _: Event) -> str:
    steps = data["steps"]
    where = (
        ""
        if steps is None
        else f", steps {steps[0]}–{steps[1]}"
        if steps[0] < steps[1]
        else f", step {steps[0]}"
    )
    return f"metrics {_some(data['keys'])}: {_count(data['points'], 'point')} in {_count(data['calls'], 'call')}{where}"


def _artifact(data: Data, _: Event) -> str:
    step = "" if data["step"] is None else f", step {data['step']}"
    return f"artifact {escape(clip(data['path'], _WIDTH))} {escape(data['type'])}, {size(data['size'])}{step}"


_TELL: dict[str, Callable[[Data, Event], str]] = {
    "run.started": _started,
    "run.resumed": _resumed,
    "run.configured": lambda data, _: f"config {_pairs(flatten(data['config']))}",
    "run.tagged": _tagged,
    "run.noted": lambda data, _: f"notes {escape(clip(' '.join(data['notes'].split()), _WIDTH))}",
    "run.renamed": lambda data, _: f"renamed {escape(clip(data['name'], _WIDTH))}",
    "run.linked": _linked,
    "run.environment": _environment,
    "run.output": _output,
    "run.heartbeat": lambda data, _: f"alive {_pairs(data['problems'])}",
    "run.finished": lambda data, _: f"finished {f'exit code {code}' if (code := data['exit_code']) else ''}",
    "run.failed": _failed,
    "producer.opened": _opened,
    "producer.closed": _closed,
    "seq.voided": _voided,
    "metrics.logged": _metrics,
    "artifact.logged": _artifact,
}


def _pairs(values: Mapping[str, Any]) -> str:
    return _some([f"{name}={value}" for name, value in values.items()])


def _some(items: Sequence[str]) -> str:
    return escape(", ".join(shorten([clip(str(item), _WIDTH) for item in items], _MOST)))


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _points(data: Any) -> list[str]:
    calls: Sequence[Data] = data.get("logged", ()) if isinstance(data, dict) else ()
    return [_call(call) for call in calls]


def _call(call: Data) -> str:
    step = "no step" if call["step"] is None else f"step {call['step']}"
    values = "  ".join(f"{escape(key)} {number(value)}" for key, value in call["values"].items())
    return f"    [dim]{step:>14}[/dim]  {values}"
