"""Synthetic but plausible runs to search for: config, tags and results by number."""

from __future__ import annotations

from typing import Any

STAGES = ("draft", "review", "final")
CASES = ("param", "wer", "tag", "order", "cursor")


def fraction(i: int, salt: int) -> float:
    """A number in 0 … 1 that is spread and without ties, the same in every run of the benchmark."""
    return ((i * 2_654_435_761 + salt * 40_503) % 4_294_967_291) / 4_294_967_291


def config_of(i: int) -> dict[str, Any]:
    """20 parameters."""
    return {
        "encoder_layers": 4 + i % 16,
        "decoder_layers": 1 + i % 6,
        "model": {
            "type": ("conformer", "zipformer", "transducer", "whisper")[i % 4],
            "conv_kernel": 3 + 2 * (i % 32),
            "attention_heads": 4 + i % 4,
            "dim": 256,
            "dropout": round(0.3 * fraction(i, 1), 4),
        },
        "optimizer": {"name": "adamw", "learning_rate": 1e-4 + 1e-3 * fraction(i, 2), "warmup": 25_000},
        "batch_size": 16 << i % 4,
        "epochs": 50,
        "features": {"type": "fbank", "n_mels": 80, "hop_length": 160, "sample_rate": 16_000},
        "augmentation": {"policy": "specaugment", "time_masks": 10, "speed": [0.9, 1.0, 1.1]},
        "decoding": {"beam": 1 + i % 16},
        "seed": i,
    }


def tags_of(i: int) -> dict[str, str]:
    return {"stage": STAGES[i % 3], "language": ("en", "de", "fr", "zh")[i % 4], "team": f"team-{i % 7}"}


def metrics_of(i: int) -> dict[str, float]:
    """10 metrics without a step, four of them results on test sets by their names."""
    sets = ("librispeech-test-clean", "librispeech-test-other", "tedlium3-test", "commonvoice-en-test")
    results = {f"{name}_wer": 0.02 + 0.3 * fraction(i, salt) for salt, name in enumerate(sets, 3)}
    names = ("val_wer", "val_loss", "train_loss", "grad_norm", "rtf", "hours")
    return results | {name: fraction(i, salt) for salt, name in enumerate(names, 10)}


def questions(case: str, turn: int) -> dict[str, str]:
    """Filter and order of one question of a case; constants change from turn to turn."""
    test_set = "wer['librispeech-test-clean']"
    asked = {
        "param": {"filter": f"params.model.conv_kernel = {3 + 2 * (turn % 32)}"},
        "wer": {"filter": f"{test_set} < {0.03 + 0.002 * (turn % 40):.3f}", "order_by": test_set},
        "tag": {"filter": f"not tags.stage = '{STAGES[turn % 3]}'"},
        "order": {"filter": f"params.encoder_layers >= {8 + turn % 8}", "order_by": "metrics.val_wer"},
        "cursor": {"order_by": "metrics.val_wer"},
    }
    return asked[case]
