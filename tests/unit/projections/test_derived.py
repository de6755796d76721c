from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from speech_experiment_projections.derived import Derived, derive
from tests.unit.projections.logs import configs, tags


def column(name: str, config: dict[str, Any], tagged: dict[str, str] | None = None) -> Any:
    return getattr(derive(config, tagged or {}, {}), name)


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("model_type", {"model": {"type": "conformer"}}, "conformer"),
        ("model_type", {"model": "whisper-small"}, "whisper-small"),
        ("model_type", {"encoder": "conformer", "encoder_conf": {"num_blocks": 12}}, "conformer"),
        ("model_type", {"Model-Type": "zipformer"}, "zipformer"),
        ("encoder_layers", {"encoder_conf": {"num_blocks": 12}}, 12),
        ("encoder_layers", {"enc_layers": "18"}, 18),
        ("encoder_layers", {"encoder_layers": 12.5}, None),
        ("encoder_layers", {"encoder_layers": True}, None),
        ("decoder_layers", {"decoder": {"n_layers": 6.0}}, 6),
        ("num_params", {"num_params": "83M"}, 83_000_000),
        ("num_params", {"num_params": 10**12}, 10**12),
        ("batch_size", {"batch_size": 10**12}, None),
        ("sample_rate", {"frontend_conf": {"fs": "16kHz"}}, 16_000),
        ("learning_rate", {"optim_conf": {"lr": 0.002}, "lr": 0.001}, 0.001),
        ("learning_rate", {"scheduler": {"deep": {"lr": 0.5}}, "optim": {"lr": 0.002}}, 0.002),
        ("learning_rate", {"lr": "auto", "base_lr": 1}, 1.0),
        ("learning_rate", {"lr": float("nan")}, None),
        ("optimizer", {"optimizer": {"name": "adamw"}}, "adamw"),
        ("train_dataset", {"dataset": {"name": "librispeech"}}, "librispeech"),
        ("train_hours", {"train_hours": "960h"}, 960.0),
        ("epochs", {"trainer": {"max_epochs": 30}}, 30),
        ("augmentation_policy", {"augmentation": {"policy": "LD"}}, "LD"),
        ("languages", {"languages": ["en", "de", "en"]}, ["en", "de"]),
        ("languages", {"lang": "en, de;fr"}, ["en", "de", "fr"]),
        ("domains", {"data": {"domain": "telephone"}}, ["telephone"]),
        ("encoder_layers", {}, None),
    ],
)
def test_the_rule(name: str, config: dict[str, Any], expected: Any) -> None:
    assert column(name, config) == expected


def test_config_wins_over_tags_but_languages_come_from_tags_first() -> None:
    assert column("optimizer", {"optimizer": "sgd"}, {"optimizer": "adam"}) == "sgd"
    assert column("optimizer", {}, {"optimizer": "adam"}) == "adam"
    assert column("languages", {"language": "de"}, {"language": "en"}) == ["en"]


@given(configs, tags)
def test_any_config_has_columns(config: dict[str, Any], tagged: dict[str, str]) -> None:
    assert isinstance(derive(config, tagged, {"hardware": 3, "git": None}), Derived)
