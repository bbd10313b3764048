"""Faults in what the layers compute, from their initial weights or from a number that is none. A row each."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.diagnosis.bases import CANCER, CNN, CODER, FORMER, LSTM, MLP, RNN, TABLE, sgd
from benchmarks.diagnosis.case import fault
from benchmarks.diagnosis.recipe import Range, Recipe

CASES = [
    # a NaN or an infinity comes in
    fault("non-finite", "nan-in-the-table", TABLE, inputs=("nan:{}", Range(0.01, 0.002, 0.02))),
    fault("non-finite", "constant-feature-over-its-deviation", CANCER, inputs="over-std"),
    fault(
        "non-finite",
        "log-of-zero",
        replace(CANCER, steps=500),
        output="sigmoid",
        loss="own-binary",
        lr=Range(0.3, 0.2, 0.6),
        weight_decay=0.0,
    ),
    fault(
        "non-finite",
        "root-of-zero",
        replace(CODER, init="normal:0.15"),
        loss="root",
        inputs=("blank:{}", Range(0.1, 0.08, 0.2)),
    ),
    fault("non-finite", "log-of-negative-targets", RNN, labels="log"),
    fault("non-finite", "mean-of-no-hard-samples", replace(LSTM, batch=32), loss="hard"),
    # the initial weights make the gradient grow
    fault(
        "exploding-gradient",
        "deep-mlp-of-large-weights",
        Recipe("digits", depth=8, init="he", steps=300),
        init=("normal:{}", Range(0.6, 0.5, 0.8)),
        curable=True,
    ),
    fault(
        "exploding-gradient",
        "deep-linear",
        sgd(Recipe("friedman", depth=10, width=48, activation="none", init="orthogonal", steps=300), 0.01),
        init=("normal:{}", Range(0.25, 0.22, 0.27)),
        curable=True,
    ),
    fault(
        "exploding-gradient",
        "deep-tanh",
        sgd(Recipe("digits", depth=8, activation="tanh", steps=300), 0.1),
        init=("times:{}", Range(12.0, 9.0, 15.0)),
        curable=True,
        beside="first-loss",
    ),
    fault(
        "exploding-gradient",
        "deep-autoencoder",
        replace(CODER, depth=5, init="he", lr=1e-3),
        init=("normal:{}", Range(0.7, 0.6, 0.9)),
        curable=True,
    ),
    # no gradient reaches the first layers
    fault(
        "vanishing-gradient", "deep-sigmoid-mlp", Recipe("digits", depth=7, steps=400, activation="tanh"), activation="sigmoid"
    ),
    fault(
        "vanishing-gradient",
        "small-weights",
        sgd(Recipe("digits", depth=6, activation="tanh"), 0.1),
        init=("normal:{}", Range(0.02, 0.01, 0.03)),
    ),
    fault(
        "vanishing-gradient", "through-time", Recipe("recall-8", "rnn", width=32, depth=1, steps=300, lr=1e-3), data="recall-60"
    ),
    fault(
        "vanishing-gradient",
        "through-time-small-recurrence",
        replace(Recipe("digit-rows", "rnn", width=32, depth=1, steps=400), data="recall-8", lr=2e-3),
        init=("recurrent:{}", Range(0.1, 0.05, 0.2)),
        beside="",
    ),
    fault("vanishing-gradient", "deep-sigmoid-cnn", replace(CNN, depth=5, width=8), activation="sigmoid"),
    fault("vanishing-gradient", "deep-sigmoid-autoencoder", replace(CODER, depth=4), activation="sigmoid"),
    # rectified units that no sample wakes
    fault("dead-units", "biases-far-below-zero", MLP, init=("bias:{}", Range(-6.0, -8.0, -5.0)), curable=True),
    fault(
        "dead-units",
        "killed-by-the-rate",
        sgd(Recipe("digits", depth=3, width=48), 0.1),
        lr=Range(3.0, 2.5, 4.0),
        curable=True,
        also="rate-too-high",
        beside="diverging non-finite exploding-gradient",
    ),
    fault("dead-units", "functional", replace(MLP, net="functional"), init=("bias:{}", Range(-6.0, -8.0, -5.0))),
    fault("dead-units", "cnn", CNN, init=("bias:{}", Range(-4.0, -6.0, -3.5)), curable=True),
    fault("dead-units", "autoencoder", replace(CODER, data="bars"), init=("bias:{}", Range(-6.0, -8.0, -5.0)), curable=True),
    # squashing units at their asymptotes
    fault(
        "saturated-units",
        "tanh-mlp-of-large-weights",
        sgd(Recipe("digits", activation="tanh", depth=3), 0.1),
        init=("times:{}", Range(20.0, 15.0, 30.0)),
    ),
    fault(
        "saturated-units",
        "sigmoid-mlp",
        Recipe("cancer", width=32, batch=32, activation="sigmoid", steps=300, lr=2e-3),
        init=("times:{}", Range(60.0, 40.0, 80.0)),
    ),
    fault("saturated-units", "tanh-autoencoder", replace(CODER, activation="tanh"), init=("times:{}", Range(20.0, 15.0, 30.0))),
    fault(
        "saturated-units",
        "tanh-biases",
        replace(TABLE, activation="tanh"),
        init=("bias:{}", Range(5.0, 4.0, 7.0)),
    ),
    fault(
        "saturated-units",
        "recurrent-tanh",
        sgd(Recipe("waves", "rnn", width=32, depth=1, steps=300), 0.05),
        init=("recurrent:{}", Range(2.5, 2.2, 3.5)),
    ),
    # units that are copies of each other
    fault("symmetric-units", "constant-mlp", MLP, init=("constant:{}", Range(0.05, 0.02, 0.1))),
    fault("symmetric-units", "zeros-mlp", TABLE, init="zeros"),
    fault("symmetric-units", "constant-cnn", replace(CNN, steps=200), init=("constant:{}", Range(0.05, 0.02, 0.1))),
    fault("symmetric-units", "constant-autoencoder", CODER, init=("constant:{}", Range(0.05, 0.02, 0.1))),
    fault("symmetric-units", "constant-lstm", LSTM, init=("constant:{}", Range(0.1, 0.05, 0.2))),
    # the head's initial weights
    fault("first-loss", "mlp-head", sgd(MLP, 0.1), init=("last:{}", Range(60.0, 60.0, 90.0))),
    fault("first-loss", "cnn-head", replace(CNN, lr=1e-3), init=("last:{}", Range(60.0, 40.0, 80.0))),
    fault("first-loss", "transformer-head", replace(FORMER, lr=1e-3), init=("last:{}", Range(30.0, 25.0, 50.0))),
]
