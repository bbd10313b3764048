"""Faults in scripts that know nothing of tuimon: no validation in the log, no words of theirs. A row each."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.diagnosis.bases import CNN, LSTM, MLP, TABLE, UNASKED, sgd
from benchmarks.diagnosis.case import fault
from benchmarks.diagnosis.recipe import Range, Recipe, near

CASES = [
    # the same, in scripts that know nothing of tuimon: no validation in the log
    fault("rate-too-high", "unasked-mlp", replace(MLP, **UNASKED), lr=Range(0.3, 0.2, 0.5), curable=True),
    fault("rate-too-low", "unasked-cnn", sgd(replace(CNN, **UNASKED), 0.1), lr=near(1e-4), curable=True),
    fault(
        "diverging",
        "unasked-regression",
        sgd(Recipe("friedman", depth=0, batch=128, **UNASKED), 0.05),
        lr=Range(1.3, 1.25, 1.5),
        also="rate-too-high",
        curable=True,
    ),
    fault(
        "vanishing-gradient",
        "unasked-deep-sigmoid",
        Recipe("digits", depth=7, activation="tanh", **UNASKED),
        activation="sigmoid",
    ),
    fault("double-softmax", "unasked-mlp", sgd(replace(MLP, **UNASKED), 0.1), output="softmax"),
    fault("missing-zero-grad", "unasked-lstm", replace(LSTM, **UNASKED), zero_grad=False),
    fault("non-finite", "unasked-nan-in-the-table", replace(TABLE, **UNASKED), inputs=("nan:{}", Range(0.01, 0.002, 0.02))),
    fault("symmetric-units", "unasked-constant-mlp", replace(MLP, **UNASKED), init=("constant:{}", Range(0.05, 0.02, 0.1))),
]
