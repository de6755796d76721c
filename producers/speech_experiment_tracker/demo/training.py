"""The first experiment: keyword classifiers of several sizes, trained on spoken digits."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from ..experiment import Experiment
from ..run import Run
from .classifier import Array, Classifier, Hyperparameters, Labels, batches, confusion, examples
from .digits import WORDS, Digit, split

EXPERIMENT = "Spoken digits: keyword classifier"
TASK = "keyword_spotting"
DESCRIPTION = "Eleven digit words, cut from real recordings by alignment."
TEST_SET = "tidigits-dev"
HIDDEN_UNITS = (8, 128)
KILLED_UNITS = 32
"""The size whose training is killed and resumed."""
_VALIDATE_EVERY = 10
_CHECKPOINT_EVERY = 100
_PIXELS = 24


def train_all(experiment: Experiment, digits: Sequence[Digit], tags: dict[str, str]) -> dict[str, float]:
    """A run for each size; {run id: accuracy on the held-out words}."""
    found = {}
    for units in HIDDEN_UNITS:
        given = Hyperparameters(hidden_units=units)
        with experiment.start_run(f"mlp-{units}", tags=tags, capture_output=False) as run:
            found[str(run.id)] = train(run, digits, given)
    return found


def train(
    run: Run,
    digits: Sequence[Digit],
    given: Hyperparameters,
    logged: Callable[[int], None] = lambda step: None,
) -> float:
    """Trains one classifier, logs curves, checkpoints and results; the accuracy on held-out words.

    A resumed run goes on from its newest checkpoint, with the batches that follow. logged: told each step.
    """
    training, validation = split(list(digits))
    inputs, targets = examples(validation)
    checkpoint = run.newest_checkpoint()
    model = Classifier.load(checkpoint) if checkpoint else Classifier.fresh(examples(training)[0], given)
    run.log_config(_config(model, given, training, validation))
    with tempfile.TemporaryDirectory() as folder:
        source = islice(batches(training, given), model.updates, given.steps)
        for step, batch in enumerate(source, model.updates + 1):
            loss, accuracy = model.train(*batch, given)
            run.log_metrics({"train_loss": loss, "train_accuracy": accuracy}, step=step)
            if step % _VALIDATE_EVERY == 0:
                _validate(run, model, inputs, targets, step)
            if step % _CHECKPOINT_EVERY == 0:
                _checkpoint(run, model, Path(folder), step)
            logged(step)
    return _results(run, model, validation, inputs, targets)


def _config(
    model: Classifier, given: Hyperparameters, training: Sequence[Digit], validation: Sequence[Digit]
) -> dict[str, object]:
    return {
        **asdict(given),
        "model_type": "mlp",
        "num_params": model.parameters,
        "optimizer": "adam",
        "feature_type": "mfcc",
        "train_dataset": "TIDIGITS excerpt in pocketsphinx 5.1.1",
        "data": {"train_words": len(training), "valid_words": len(validation), "classes": len(WORDS)},
    }


def _validate(run: Run, model: Classifier, inputs: Array, targets: Labels, step: int) -> None:
    loss, predicted = model.evaluate(inputs, targets)
    run.log_metrics({"val_loss": loss, "val_accuracy": float((predicted == targets).mean())}, step=step)


def _checkpoint(run: Run, model: Classifier, folder: Path, step: int) -> None:
    path = folder / f"step{step}.npz"
    model.save(path)
    run.log_artifact(str(path), type="checkpoint", step=step)


def _results(
    run: Run, model: Classifier, validation: Sequence[Digit], inputs: Array, targets: Labels
) -> float:
    """Accuracy over all words and for each speaker, and which words were taken for which."""
    predicted = model.evaluate(inputs, targets)[1]
    right = predicted == targets
    speakers = np.array([digit.speaker for digit in validation])
    for speaker in sorted(set(speakers)):
        run.log_metric(f"{TEST_SET}_speaker_{speaker}_accuracy", float(right[speakers == speaker].mean()))
    table = confusion(targets, predicted)
    run.log_json("results/confusion.json", {"words": WORDS, "counts": table.tolist()})
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    run.log_figure("results/confusion.png", np.kron(1.0 - shares, np.ones((_PIXELS, _PIXELS))))
    accuracy = float(right.mean())
    run.log_metric(f"{TEST_SET}_accuracy", accuracy)
    return accuracy
