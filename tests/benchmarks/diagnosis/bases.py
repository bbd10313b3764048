"""Healthy trainings of each architecture, which most cases begin from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.diagnosis.recipe import Recipe

MLP = Recipe("digits", lr=1e-3)
CNN = Recipe("digit-images", "cnn", width=12, steps=300, lr=3e-3)
LSTM = Recipe("digit-rows", "lstm", width=48, depth=1, steps=300, lr=3e-3)
RNN = Recipe("waves", "rnn", width=32, depth=1, steps=400, lr=2e-3)
GRU = Recipe("text", "gru", width=48, depth=1, batch=32, steps=300, lr=3e-3)
FORMER = Recipe("chain", "transformer", width=32, batch=32, steps=300, lr=3e-3)
ROWS = Recipe("digit-rows", "transformer", width=32, steps=300, lr=3e-3)
CODER = Recipe("pictures", "autoencoder", width=48, lr=2e-3)
TABLE = Recipe("friedman", lr=2e-3)
CANCER = Recipe("cancer", width=32, batch=32, lr=1e-3, steps=300, weight_decay=1e-3)
SPIRALS = Recipe("spirals", width=48, depth=3, lr=3e-3, steps=600)
UNASKED: dict[str, Any] = {"asked": False}


def sgd(recipe: Recipe, lr: float, **more: Any) -> Recipe:
    """The same training by plain gradient descent, or by `optimizer`."""
    return replace(recipe, **{"optimizer": "sgd", "lr": lr, **more})
