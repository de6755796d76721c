"""The names that a filter may use, and what each of them is."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from .syntax import FilterError, Path

Kind = Literal["text", "number", "time", "duration", "boolean", "uuid", "list"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the run; `expression` over the alias r."""

    name: str
    expression: str
    kind: Kind
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class ExperimentColumn:
    """A column of the run's experiment; `expressions` over the alias e: any of them may hold."""

    name: str
    expressions: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Param:
    """A value of the config under its dotted key: a number, a text, or true and false."""

    key: str


@dataclass(frozen=True, slots=True)
class Tag:
    key: str


@dataclass(frozen=True, slots=True)
class Metric:
    """A summary of a metric's effective curve, of one rank."""

    key: str
    stat: str = "last"
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """A result on a test set; '' stands for all test sets together, all speakers, the default decoding."""

    metric: str
    test_set: str = ""
    speaker: str = ""
    decoding: str = ""


@dataclass(frozen=True, slots=True)
class TestSet:
    """The names of the test sets that a run has results on."""

    __test__ = False


Field = Column | ExperimentColumn | Param | Tag | Metric | Result | TestSet

LOST_CONTACT, LOST_CONTACT_SECONDS = "lost contact", 60
"""The status of a running run whose last sign of life is older than this."""

STATS = ("last", "min", "max", "best", "mean", "step", "count", "nans", "time")
_RESULT_METRICS = (
    "wer cer mer ser wil wip per ter der jer eer far frr fah mindcf rtf latency bleu chrf "
    "mos utmos dnsmos pesq stoi estoi mcd f0_rmse accuracy acc f1 precision recall loss ppl"
)
RESULT_METRICS = frozenset(_RESULT_METRICS.split())

_ALIVE = "coalesce(r.heartbeat_at, r.started_at, r.created_at)"


def _columns() -> dict[str, Column | ExperimentColumn]:
    texts = "model_type train_dataset feature_type augmentation_policy optimizer git_commit docker_image"
    numbers = (
        "num_params encoder_layers decoder_layers train_hours sample_rate n_mels hop_length win_length "
        "learning_rate batch_size epochs num_gpus exit_code"
    )
    found: list[Column | ExperimentColumn] = [
        Column("id", "r.id", "uuid", nullable=False),
        Column("experiment_id", "r.experiment_id", "uuid"),
        Column("name", "r.name", "text", nullable=False),
        Column("status", "r.status", "text", nullable=False),
        Column("user", "r.user_name", "text"),
        Column("notes", "r.notes", "text"),
        Column("error", "r.error", "text"),
        Column("attempts", "r.attempts", "number", nullable=False),
        Column("created", "r.created_at", "time", nullable=False),
        Column("updated", "r.updated_at", "time", nullable=False),
        Column("started", "r.started_at", "time"),
        Column("finished", "r.finished_at", "time"),
        Column("heartbeat", "r.heartbeat_at", "time"),
        Column("duration", "extract(epoch from r.finished_at - r.started_at)::float8", "duration"),
        Column("language", "r.languages", "list"),
        Column("domain", "r.domains", "list"),
        ExperimentColumn("experiment", ("e.name", "e.birth_name"), "text"),
        ExperimentColumn("task", ("e.task",), "text"),
        ExperimentColumn("description", ("e.description",), "text"),
        ExperimentColumn("archived", ("e.archived",), "boolean"),
        *(Column(name, f"r.{name}", "text") for name in texts.split()),
        *(Column(name, f"r.{name}", "number") for name in numbers.split()),
    ]
    return {column.name: column for column in found}


COLUMNS = _columns()
ALIASES = {
    "run": "id",
    "run_id": "id",
    "user_name": "user",
    "created_at": "created",
    "updated_at": "updated",
    "started_at": "started",
    "finished_at": "finished",
    "heartbeat_at": "heartbeat",
    "languages": "language",
    "domains": "domain",
    "experiment_name": "experiment",
}
PREFIXES = {"params": "params", "param": "params", "config": "params", "tags": "tags", "tag": "tags"}
PREFIXES |= {"metrics": "metrics", "metric": "metrics"}


def resolve(path: Path) -> Field:
    """The field that a path names.

    Raises:
        FilterError: no such name, with the nearest that there is, or one that is used wrongly.
    """
    root = path.root.lower()
    if root in PREFIXES:
        return _prefixed(PREFIXES[root], path)
    name = ALIASES.get(root, root)
    if name in COLUMNS and not path.parts and not path.options:
        return COLUMNS[name]
    if name in COLUMNS and name not in RESULT_METRICS:
        raise FilterError(f"{path.root} has no parts", path.position, f"write {path.root} alone")
    if root == "test_set" and not path.parts and not path.options:
        return TestSet()
    if root in RESULT_METRICS:
        return _result(root, path)
    raise _unknown(path)


def _prefixed(prefix: str, path: Path) -> Field:
    if not path.parts:
        raise FilterError(
            f"{prefix} needs a name", path.position, f"write {prefix}.<name> or {prefix}['<name>']"
        )
    if prefix == "metrics":
        return _metric(path)
    _no_options(path)
    key = ".".join(path.parts)
    return Param(key) if prefix == "params" else Tag(key)


def _metric(path: Path) -> Metric:
    rank = _rank(path)
    if len(path.parts) > 1 and path.parts[-1] in STATS and not path.quoted[-1]:
        return Metric(".".join(path.parts[:-1]), path.parts[-1], rank)
    return Metric(".".join(path.parts), rank=rank)


def _rank(path: Path) -> int:
    options = dict(path.options)
    rank = options.pop("rank", "0")
    if options or not rank.isascii() or not rank.isdecimal() or len(rank) > 9:
        raise FilterError(
            f"{path} has an option it does not know", path.position, "metrics take rank=<number>"
        )
    return int(rank)


def _result(metric: str, path: Path) -> Result:
    options = dict(path.options)
    known = {name: options.pop(name) for name in ("speaker", "decoding") if name in options}
    if options or len(path.parts) > 1 or not (path.parts or known):
        hint = f"write {metric}['<test set>'], {metric}['<test set>', speaker='<id>'] or metrics.{metric}"
        raise FilterError(f"{path.root} is a result on a test set", path.position, hint)
    metric = "accuracy" if metric == "acc" else metric
    test_set = path.parts[0] if path.parts else ""
    return Result(metric, test_set, known.get("speaker", ""), known.get("decoding", ""))


def _no_options(path: Path) -> None:
    if path.options:
        raise FilterError(f"{path} takes no {path.options[0][0]}=", path.position)


def _unknown(path: Path) -> FilterError:
    names = [*COLUMNS, *ALIASES, *PREFIXES, *RESULT_METRICS, "test_set"]
    near = get_close_matches(path.root.lower(), names, n=1, cutoff=0.7)
    name = path.root
    hint = f"did you mean {near[0]}?" if near else ""
    if not path.parts:
        places = f"params.{name} (config), tags.{name} or metrics.{name}"
        hint = f"{hint} Otherwise write {places}" if hint else f"write {places}"
    return FilterError(f"there is no field {name}", path.position, hint)
