"""A small keyword classifier: cepstra of one word, resampled to a fixed length, through one hidden layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .digits import CEPSTRA, WORDS, Digit

POSITIONS = 16
INPUTS = POSITIONS * CEPSTRA
Array = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What is tried; jitter is the most frames by which a word's borders are moved in training."""

    hidden_units: int
    learning_rate: float = 3e-3
    batch_size: int = 32
    steps: int = 400
    weight_decay: float = 1e-3
    jitter: int = 8
    seed: int = 1


def vector(digit: Digit, shift: tuple[int, int] = (0, 0)) -> Array:
    """One word as POSITIONS × 13 values, its borders moved by `shift` frames within the utterance."""
    last_frame = len(digit.features) - 1
    first = min(max(digit.first + shift[0], 0), last_frame)
    last = min(max(digit.last + shift[1], first), last_frame)
    places = np.linspace(first, last, POSITIONS)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, last_frame)
    part = (places - below)[:, None]
    resampled = digit.features[below] * (1 - part) + digit.features[above] * part
    return resampled.astype(np.float32).ravel()


def examples(digits: Sequence[Digit]) -> tuple[Array, Labels]:
    """(words, INPUTS) and their labels, as they were aligned."""
    return np.stack([vector(digit) for digit in digits]), labels(digits)


def labels(digits: Sequence[Digit]) -> Labels:
    return np.array([WORDS.index(digit.word) for digit in digits], np.int64)


def batches(digits: Sequence[Digit], given: Hyperparameters) -> Iterator[tuple[Array, Labels]]:
    """Endless shuffled batches with moved borders, the same for the same seed."""
    source = np.random.default_rng(given.seed)
    while True:
        order = source.permutation(len(digits))
        for start in range(0, len(order), given.batch_size):
            chosen = [digits[index] for index in order[start : start + given.batch_size]]
            shifts = source.integers(-given.jitter, given.jitter + 1, (len(chosen), 2))
            moved = [vector(digit, (int(a), int(b))) for digit, (a, b) in zip(chosen, shifts, strict=True)]
            yield np.stack(moved), labels(chosen)


@dataclass(slots=True)
class Classifier:
    """Weights by name, and Adam's two moments of each; the loss is cross-entropy in nats."""

    weights: dict[str, Array]
    mean: Array
    scale: Array
    moments: dict[str, tuple[Array, Array]] = field(default_factory=dict)
    updates: int = 0

    @classmethod
    def fresh(cls, inputs: Array, given: Hyperparameters) -> Classifier:
        """Random weights; inputs (words, INPUTS) of the training set set the normalisation."""
        source = np.random.default_rng(given.seed)
        sizes = (INPUTS, given.hidden_units, len(WORDS))
        weights = {}
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            drawn = source.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)
            weights[f"weight{layer}"] = drawn.astype(np.float32)
            weights[f"bias{layer}"] = np.zeros(fan_out, np.float32)
        return cls(weights, inputs.mean(axis=0), inputs.std(axis=0) + np.float32(1e-3))

    @property
    def parameters(self) -> int:
        """Number of trained weights."""
        return sum(array.size for array in self.weights.values())

    def probabilities(self, inputs: Array) -> tuple[Array, Array, Array]:
        """(normalised inputs, hidden layer, (words, classes) that sum to one)."""
        normalised = (inputs - self.mean) / self.scale
        hidden = np.maximum(normalised @ self.weights["weight0"] + self.weights["bias0"], 0)
        scores = hidden @ self.weights["weight1"] + self.weights["bias1"]
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return normalised, hidden, raised / raised.sum(axis=1, keepdims=True)

    def evaluate(self, inputs: Array, targets: Labels) -> tuple[float, Labels]:
        """(mean loss, predicted labels)."""
        chances = self.probabilities(inputs)[2]
        return cross_entropy(chances, targets), chances.argmax(axis=1)

    def train(self, inputs: Array, targets: Labels, given: Hyperparameters) -> tuple[float, float]:
        """One step of Adam; (loss, accuracy) of the batch before it."""
        normalised, hidden, chances = self.probabilities(inputs)
        error = chances.copy()
        error[np.arange(len(targets)), targets] -= 1
        error /= len(targets)
        back = (error @ self.weights["weight1"].T) * (hidden > 0)
        gradients = {
            "weight0": normalised.T @ back + given.weight_decay * self.weights["weight0"],
            "bias0": back.sum(axis=0),
            "weight1": hidden.T @ error + given.weight_decay * self.weights["weight1"],
            "bias1": error.sum(axis=0),
        }
        self._adam(gradients, given.learning_rate)
        return cross_entropy(chances, targets), float((chances.argmax(axis=1) == targets).mean())

    def _adam(self, gradients: dict[str, Array], learning_rate: float) -> None:
        """Kingma and Ba, 2015, with their constants."""
        self.updates += 1
        for name, gradient in gradients.items():
            first, second = self.moments.get(name, (np.zeros_like(gradient), np.zeros_like(gradient)))
            first = (0.9 * first + 0.1 * gradient).astype(np.float32)
            second = (0.999 * second + 0.001 * gradient**2).astype(np.float32)
            self.moments[name] = (first, second)
            step = first / (1 - 0.9**self.updates)
            scale = np.sqrt(second / (1 - 0.999**self.updates)) + 1e-8
            self.weights[name] = (self.weights[name] - learning_rate * step / scale).astype(np.float32)

    def save(self, path: Path) -> None:
        """A checkpoint that `load` reads back, with all that training needs to go on."""
        moments = {f"{name}.{place}": pair[place] for name, pair in self.moments.items() for place in (0, 1)}
        others: dict[str, Any] = {"mean": self.mean, "scale": self.scale, "updates": np.int64(self.updates)}
        others |= self.weights | moments
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **others)

    @classmethod
    def load(cls, path: Path) -> Classifier:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        mean, scale, updates = (arrays.pop(name) for name in ("mean", "scale", "updates"))
        weights = {name: array for name, array in arrays.items() if "." not in name}
        moments = {
            name: (arrays[f"{name}.0"], arrays[f"{name}.1"]) for name in weights if f"{name}.0" in arrays
        }
        return cls(weights, mean, scale, moments, int(updates))


def cross_entropy(chances: Array, targets: Labels) -> float:
    return float(-np.log(np.maximum(chances[np.arange(len(targets)), targets], 1e-12)).mean())


def confusion(targets: Labels, predicted: Labels) -> NDArray[np.int64]:
    """(said, recognised) counts over WORDS."""
    table = np.zeros((len(WORDS), len(WORDS)), np.int64)
    np.add.at(table, (targets, predicted), 1)
    return table
