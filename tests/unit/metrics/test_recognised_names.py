"""The rule that reads names of metrics into results: rule 1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_experiment_projections.recognised import RULE, Recognised, recognise
from tests.unit.metrics.naive import relaxed

RESULTS = {
    "librispeech-test-clean_wer": Recognised("wer", "librispeech-test-clean"),
    "test_other_cer": Recognised("cer", "test_other"),
    "dev-clean/wer": Recognised("wer", "dev-clean"),
    "wer/dev-clean": Recognised("wer", "dev-clean"),
    "wer_test-clean": Recognised("wer", "test-clean"),
    "eval/librispeech-test-clean/wer": Recognised("wer", "librispeech-test-clean"),
    "librispeech/test-clean/WER": Recognised("wer", "librispeech/test-clean"),
    "eval2000_wer": Recognised("wer", "eval2000"),
    "test_wer": Recognised("wer", "test"),
    "speaker_1272_wer": Recognised("wer", speaker="1272"),
    "spk1272_cer": Recognised("cer", speaker="1272"),
    "test-clean_speaker_84-121_wer": Recognised("wer", "test-clean", "84-121"),
    "wer_beam10_lm0.5": Recognised("wer", decoding="beam=10,lm=0.5"),
    "wer_lm_0.50_beam_10": Recognised("wer", decoding="beam=10,lm=0.5"),
    "test-clean_wer_greedy": Recognised("wer", "test-clean", decoding="greedy"),
    "test-clean_speaker_1272_wer_beam10": Recognised("wer", "test-clean", "1272", "beam=10"),
    "speechcommands-test_acc": Recognised("accuracy", "speechcommands-test"),
}
ONLY_WITHOUT_A_STEP = {
    "wer": Recognised("wer"),
    "val_wer": Recognised("wer", "val"),
    "valid/cer": Recognised("cer", "valid"),
    "dev_wer": Recognised("wer", "dev"),
    "tedlium_wer": Recognised("wer", "tedlium"),
    "student_wer": Recognised("wer", "student"),
}
NOTHING = [
    *("train_wer", "training/cer", "avg_speaker_wer", "median_speaker_wer", "worst_speaker_wer"),
    *("best_speaker_wer", "best_wer", "speaker_wer", "per_speaker_wer", "wer_ci_low", "wer_delta"),
    *("loss", "lr", "layer_3_acc", "accuracy", "val_f1", "beam10", "speaker_1272", "test-clean"),
    *("", "_", "/", "a__wer", "wer_cer", "swear", "power", "test_answer"),
]


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_one_with_and_without_a_step(name: str) -> None:
    assert recognise(name, True) == recognise(name, False) == RESULTS[name]


@pytest.mark.parametrize("name", ONLY_WITHOUT_A_STEP)
def test_with_a_step_it_is_a_curve(name: str) -> None:
    assert recognise(name, False) == ONLY_WITHOUT_A_STEP[name]
    assert recognise(name, True) is None


@pytest.mark.parametrize("name", NOTHING)
def test_it_is_no_result(name: str) -> None:
    assert recognise(name, False) is None
    assert recognise(name, True) is None


@relaxed
@given(st.text(max_size=60), st.booleans())
def test_any_name_can_be_read(name: str, has_step: bool) -> None:
    recognise(name, has_step)


def test_the_rule_has_a_version() -> None:
    assert RULE == 1
