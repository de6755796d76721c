"""Columns of the classic experiment table, derived from config, tags and environment.

The rule, version 1. A column has aliases, tried in order. An alias is a dotted path and fits a
config key that equals it or ends with it after a dot (`lr` fits `optim_conf.lr`), compared in
lower case with `-` as `_`; of several keys the least nested counts, then the first written. A
value that does not convert to the column's type is passed over. Config wins over tags, tags over
the environment, except that languages and domains are taken from tags first. Nothing is guessed:
without a fitting key a column stays empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import isfinite
from typing import Any

import msgspec

from .texts import clean_text
from .trees import Leaves, flatten

RULE = 1
_MAX_TEXT = 200
_INT4, _INT8 = 2**31 - 1, 2**63 - 1

_LANGUAGE = ("languages", "language", "langs", "lang")
_DOMAIN = ("domains", "domain")
_NUMBER = re.compile(r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([kmb]?)(?:hz|h)?\s*\Z", re.I)
_BETWEEN_WORDS = re.compile(r"[,;\s]+")
_SCALE = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}


class Derived(msgspec.Struct, frozen=True, kw_only=True):
    """train_hours in hours; sample_rate in Hz; hop_length and win_length as configured (samples or ms)."""

    model_type: str | None = None
    num_params: int | None = None
    encoder_layers: int | None = None
    decoder_layers: int | None = None
    train_dataset: str | None = None
    train_hours: float | None = None
    languages: list[str] = []
    domains: list[str] = []
    sample_rate: int | None = None
    feature_type: str | None = None
    n_mels: int | None = None
    hop_length: int | None = None
    win_length: int | None = None
    augmentation_policy: str | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    epochs: int | None = None
    git_commit: str | None = None
    docker_image: str | None = None
    num_gpus: int | None = None


def _text(value: Any) -> str | None:
    return clean_text(value.strip())[:_MAX_TEXT] or None if isinstance(value, str) else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _NUMBER.match(value)
        value = _parsed(match[1], match[2]) if match else None
    return float(value) if isinstance(value, int | float) and isfinite(value) else None


def _parsed(digits: str, unit: str) -> float | None:
    try:
        return float(digits) * _SCALE[unit.lower()]
    except ValueError:
        return None


def _whole(limit: int) -> Callable[[Any], int | None]:
    def convert(value: Any) -> int | None:
        number = value if isinstance(value, int) and not isinstance(value, bool) else _float(value)
        if number is None or number != int(number) or abs(number) > limit:
            return None
        return int(number)

    return convert


_INT = _whole(_INT4)
_LONG = _whole(_INT8)

_COLUMNS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "model_type": (_text, "model_type model.type model.arch architecture arch model.name model encoder"),
    "num_params": (_LONG, "num_params num_parameters n_params total_params model_size n_parameters"),
    "encoder_layers": (
        _INT,
        (
            "encoder_layers encoder.num_layers encoder.layers encoder.n_layers encoder.num_blocks "
            "encoder_conf.num_blocks num_encoder_layers encoder_num_layers enc_layers elayers"
        ),
    ),
    "decoder_layers": (
        _INT,
        (
            "decoder_layers decoder.num_layers decoder.layers decoder.n_layers decoder.num_blocks "
            "decoder_conf.num_blocks num_decoder_layers decoder_num_layers dec_layers dlayers"
        ),
    ),
    "train_dataset": (
        _text,
        "train_dataset train_set training_data train_data dataset.name dataset corpus",
    ),
    "train_hours": (_float, "train_hours training_hours dataset.hours data_hours hours"),
    "sample_rate": (_INT, "sample_rate sampling_rate samplerate sample_frequency fs sr"),
    "feature_type": (_text, "feature_type feats_type features feature frontend input_type"),
    "n_mels": (_INT, "n_mels num_mel_bins num_mels mel_bins n_mel nmels"),
    "hop_length": (_INT, "hop_length hop_size frame_shift"),
    "win_length": (_INT, "win_length window_length window_size frame_length"),
    "augmentation_policy": (
        _text,
        "augmentation_policy augmentation.policy augmentation augment spec_augment specaug",
    ),
    "optimizer": (_text, "optimizer optimizer.name optimizer.type optim opt"),
    "learning_rate": (_float, "learning_rate lr base_lr peak_lr max_lr"),
    "batch_size": (_INT, "batch_size train_batch_size per_device_train_batch_size batchsize"),
    "epochs": (_INT, "epochs max_epochs num_epochs max_epoch n_epochs num_train_epochs"),
    "git_commit": (_text, "git_commit git.commit commit_hash git_sha"),
    "docker_image": (_text, "docker_image container_image container.image"),
    "num_gpus": (_INT, "num_gpus n_gpus ngpu gpus world_size"),
}
_ALIASES = {column: tuple(aliases.split()) for column, (_, aliases) in _COLUMNS.items()}
_PLACES: dict[str, list[tuple[str, int]]] = {}
"""Alias → the columns that it stands for, and its rank among their aliases."""
for _column, _aliases in _ALIASES.items():
    for _rank, _alias in enumerate(_aliases):
        _PLACES.setdefault(_alias, []).append((_column, _rank))
_WANTED = frozenset(alias for aliases in (*_ALIASES.values(), _LANGUAGE, _DOMAIN) for alias in aliases)


def derive(config: Mapping[str, Any], tags: Mapping[str, str], environment: Mapping[str, Any]) -> Derived:
    """The columns of a run, by the rule in the module's head."""
    return derive_of(flatten(config), tags, environment)


def derive_of(config: Leaves, tags: Mapping[str, str], environment: Mapping[str, Any]) -> Derived:
    """As `derive`, of a config that is flattened already."""
    known, tagged = _index(config), _index(flatten(tags))
    values = _first(known, tagged)
    for column, value in _surroundings(environment).items():
        if values[column] is None:
            values[column] = value
    return Derived(
        languages=_words(_LANGUAGE, tagged, known), domains=_words(_DOMAIN, tagged, known), **values
    )


def _index(leaves: Leaves) -> dict[str, Any]:
    """Every ending of a dotted key that is an alias → its leaf, the least nested key's first."""
    places = _places(tuple([key for key, _ in leaves]))
    return {ending: leaves[place][1] for ending, place in places.items()}


@lru_cache(maxsize=64)  # each holds all keys of a config
def _places(keys: tuple[str, ...]) -> Mapping[str, int]:
    """Every ending that is an alias → the place of its key; runs of one project have the same keys."""
    found: dict[str, tuple[int, int]] = {}
    for place, key in enumerate(keys):
        depth = key.count(".")
        for ending in _aliases_in(key):
            if ending not in found or depth < found[ending][0]:
                found[ending] = (depth, place)
    return {ending: place for ending, (_, place) in found.items()}


@lru_cache(maxsize=16_384)
def _aliases_in(key: str) -> tuple[str, ...]:
    """The endings of a dotted key that are aliases; different runs have many keys in common."""
    parts = key.lower().replace("-", "_").split(".")
    endings = (".".join(parts[i:]) for i in range(len(parts)))
    return tuple(ending for ending in endings if ending in _WANTED)


def _first(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """Column → the value of its first alias that converts, in the first source that has one."""
    values: dict[str, Any] = dict.fromkeys(_COLUMNS)
    places: dict[str, tuple[int, int]] = {}
    for order, source in enumerate(sources):
        for alias, value in source.items():
            for column, rank in _PLACES.get(alias, ()):
                if column not in places or (order, rank) < places[column]:
                    converted = _COLUMNS[column][0](value)
                    if converted is not None:
                        values[column], places[column] = converted, (order, rank)
    return values


def _words(aliases: Iterable[str], *sources: Mapping[str, Any]) -> list[str]:
    for source in sources:
        for alias in aliases:
            words = _split(source.get(alias))
            if words:
                return words
    return []


def _split(value: Any) -> list[str]:
    if value is None:
        return []
    parts = (
        _BETWEEN_WORDS.split(value) if isinstance(value, str) else value if isinstance(value, list) else []
    )
    words = [clean_text(part.strip())[:100] for part in parts if isinstance(part, str) and part.strip()]
    return list(dict.fromkeys(words))[:200]


def _surroundings(environment: Mapping[str, Any]) -> dict[str, Any]:
    gpus = _inner(environment, "hardware").get("gpus")
    return {
        "git_commit": _text(_inner(environment, "git").get("commit")),
        "docker_image": _text(_inner(environment, "container").get("image")),
        "num_gpus": len(gpus) if isinstance(gpus, list) else None,
    }


def _inner(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = tree.get(key)
    return value if isinstance(value, dict) else {}
