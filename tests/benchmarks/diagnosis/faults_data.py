"""Faults of inputs, labels, outputs and losses. A row each."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.diagnosis.bases import CANCER, CNN, CODER, LSTM, MLP, RNN, ROWS, TABLE, sgd
from benchmarks.diagnosis.case import fault
from benchmarks.diagnosis.recipe import Range, Recipe

CASES = [
    # inputs as they come
    fault("inputs-not-normalized", "raw-table-sigmoid", replace(CANCER, activation="sigmoid", lr=3e-3), inputs="raw"),
    fault("inputs-not-normalized", "raw-wine", sgd(Recipe("wine", width=32, batch=16, steps=400), 0.05), inputs="raw"),
    fault(
        "inputs-not-normalized",
        "pictures-to-thousands",
        sgd(CNN, 0.05),
        inputs=("times:{}", Range(255.0, 200.0, 1000.0)),
        curable=True,
    ),
    fault("inputs-not-normalized", "units-apart", sgd(TABLE, 0.05), inputs=("units:{}", Range(1000.0, 500.0, 5000.0))),
    fault("inputs-not-normalized", "series-far-from-zero", RNN, inputs=("plus:{}", Range(100.0, 50.0, 300.0))),
    # labels
    fault("labels", "of-other-rows-mlp", MLP, labels="shuffled"),
    fault("labels", "of-other-rows-cnn", CNN, labels="shuffled"),
    fault("labels", "of-other-rows-lstm", LSTM, labels="shuffled"),
    fault("labels", "plus-and-minus-one-for-binary", CANCER, labels="signs", steps=500),
    fault("labels", "bytes-for-binary", replace(CANCER, activation="tanh"), labels="times:255"),
    fault("labels", "all-one-class", MLP, labels="one"),
    fault("labels", "all-one-class-cnn", CNN, labels="one"),
    # the output's range does not reach the targets, or the loss is another's
    fault("output-or-loss", "relu-before-negative-targets", TABLE, output="relu"),
    fault("output-or-loss", "sigmoid-before-wide-targets", RNN, output="sigmoid"),
    fault("output-or-loss", "softmax-over-one-output", CANCER, output="softmax"),
    fault("output-or-loss", "relu-before-cross-entropy-autoencoder", CODER, output="relu"),
    fault("output-or-loss", "tanh-before-targets-beyond", replace(TABLE, labels="raw"), output="tanh"),
    # softmax before a loss that has its own
    fault("double-softmax", "mlp", sgd(MLP, 0.1), output="softmax"),
    fault("double-softmax", "cnn", sgd(CNN, 0.1), output="softmax"),
    fault("double-softmax", "lstm", replace(LSTM, lr=1e-3), output="softmax"),
    fault("double-softmax", "transformer", ROWS, output="softmax"),
]
