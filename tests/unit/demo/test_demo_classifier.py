import numpy as np
import pytest

from speech_experiment_tracker.demo.classifier import (
    INPUTS,
    Classifier,
    Hyperparameters,
    batches,
    confusion,
    examples,
    vector,
)
from speech_experiment_tracker.demo.digits import CEPSTRA, WORDS, Digit, read_features, split

GIVEN = Hyperparameters(hidden_units=8, steps=200, weight_decay=0.0)


def _digits(count: int) -> list[Digit]:
    """Words that differ by their mean features."""
    source = np.random.default_rng(0)
    means = source.normal(0, 1, (len(WORDS), CEPSTRA))
    found = []
    for index in range(count):
        kind = index % len(WORDS)
        frames = source.normal(means[kind], 0.1, (50, CEPSTRA)).astype(np.float32)
        found.append(Digit(WORDS[kind], "speaker", f"utterance{index}", frames, 10, 39))
    return found


def test_a_word_is_resampled_between_its_own_borders() -> None:
    ramp = np.repeat(np.arange(50, dtype=np.float32)[:, None], CEPSTRA, axis=1)
    resampled = vector(Digit("one", "s", "u", ramp, 10, 40)).reshape(-1, CEPSTRA)
    assert resampled[0, 0] == 10
    assert resampled[-1, 0] == 40
    assert np.all(np.diff(resampled[:, 0]) > 0)


def test_moved_borders_stay_inside_the_utterance() -> None:
    digit = Digit("one", "s", "u", np.zeros((5, CEPSTRA), np.float32), 0, 4)
    assert vector(digit, (-9, 9)).shape == (INPUTS,)
    assert vector(digit, (9, -9)).shape == (INPUTS,)


def test_gradients_agree_with_finite_differences() -> None:
    inputs, targets = examples(_digits(22))
    model = Classifier.fresh(inputs, GIVEN)
    before = {name: array.copy() for name, array in model.weights.items()}
    model.train(inputs, targets, GIVEN)
    gradient = model.moments["weight1"][0] / 0.1
    nudge = np.float32(1e-2)
    for at in [(0, 0), (3, 5), (7, 10)]:
        losses = []
        for sign in (1, -1):
            model.weights = {name: array.copy() for name, array in before.items()}
            model.weights["weight1"][at] += sign * nudge
            losses.append(model.evaluate(inputs, targets)[0])
        assert gradient[at] == pytest.approx((losses[0] - losses[1]) / (2 * nudge), abs=2e-3)


def test_training_learns_what_can_be_learnt_and_repeats_itself() -> None:
    digits = _digits(44)
    inputs, targets = examples(digits)
    losses = []
    for _ in range(2):
        model = Classifier.fresh(inputs, GIVEN)
        for _, (some, wanted) in zip(range(GIVEN.steps), batches(digits, GIVEN), strict=False):
            model.train(some, wanted, GIVEN)
        loss, predicted = model.evaluate(inputs, targets)
        losses.append(loss)
        assert np.array_equal(predicted, targets)
    assert losses[0] == losses[1]


def test_a_checkpoint_is_the_model(tmp_path) -> None:
    inputs, targets = examples(_digits(22))
    model = Classifier.fresh(inputs, GIVEN)
    model.save(tmp_path / "step0.npz")
    assert (
        Classifier.load(tmp_path / "step0.npz").evaluate(inputs, targets)[0]
        == model.evaluate(inputs, targets)[0]
    )


def test_no_utterance_is_in_training_and_validation() -> None:
    train, valid = split(_digits(30))
    assert len(train) == 20
    assert not {each.utterance for each in train} & {each.utterance for each in valid}


def test_confusion_counts_every_word_once() -> None:
    table = confusion(np.array([0, 1, 1]), np.array([0, 1, 2]))
    assert table.sum() == 3
    assert table[1, 2] == 1


def test_features_of_another_size_are_refused(tmp_path) -> None:
    path = tmp_path / "short.mfc"
    path.write_bytes((13).to_bytes(4, "big") + b"\0" * 50)
    with pytest.raises(ValueError, match="not a feature file"):
        read_features(path)
