"""Faults of the rate, of how long is trained, and of how much there is to learn with. A row each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.diagnosis.bases import CNN, CODER, FORMER, GRU, LSTM, MLP, RNN, SPIRALS, sgd
from benchmarks.diagnosis.case import fault
from benchmarks.diagnosis.recipe import Range, Recipe, near

CONSTANT: dict[str, Any] = {"schedule": "", "curable": True}  # the twin's rate drops
NOISY = CONSTANT | {"also": "rate-too-high"}

CASES = [
    # the rate is beyond where descent is stable
    fault(
        "diverging",
        "linear-regression",
        sgd(Recipe("friedman", depth=0, batch=128), 0.05),
        curable=True,
        lr=Range(1.3, 1.25, 1.5),
        beside="exploding-gradient",
        also="rate-too-high",
    ),
    fault(
        "diverging",
        "autoencoder-momentum",
        sgd(CODER, 0.1, optimizer="momentum", activation="none"),
        curable=True,
        lr=Range(6.0, 5.0, 9.0),
        also="rate-too-high",
    ),
    fault("diverging", "climbs-the-loss", sgd(CNN, 0.1), maximize=True, beside="weights-growing"),
    fault(
        "diverging", "rnn-climbs-the-loss", replace(RNN, optimizer="rmsprop", lr=1e-3), maximize=True, beside="weights-growing"
    ),
    # the loss jumps instead of settling
    fault("rate-too-high", "mlp-adam", MLP, lr=Range(0.1, 0.08, 0.15), curable=True),
    fault(
        "rate-too-high",
        "cnn-momentum",
        sgd(replace(CNN, norm="batch"), 0.02, optimizer="momentum"),
        lr=Range(0.7, 0.6, 1.0),
        curable=True,
    ),
    fault(
        "rate-too-high",
        "regression-sgd",
        sgd(Recipe("friedman", depth=0, batch=128), 0.05),
        lr=Range(0.85, 0.8, 0.88),
        curable=True,
    ),
    fault("rate-too-high", "lstm-rmsprop", replace(LSTM, optimizer="rmsprop", lr=2e-3), lr=Range(0.2, 0.15, 0.3), curable=True),
    fault("rate-too-high", "transformer-adam", FORMER, lr=Range(0.15, 0.1, 0.25), curable=True),
    fault("rate-too-high", "autoencoder-adam", CODER, lr=Range(0.05, 0.04, 0.08), curable=True),
    # the loss hardly moves
    fault("rate-too-low", "mlp-adam", MLP, lr=Range(1e-6, 5e-7, 4e-6), curable=True),
    fault("rate-too-low", "cnn-sgd", sgd(CNN, 0.1), lr=Range(1e-4, 5e-5, 3e-4), curable=True),
    fault("rate-too-low", "lstm-adam", LSTM, lr=Range(5e-6, 1e-6, 1e-5), curable=True),
    fault(
        "rate-too-low", "autoencoder-momentum", sgd(CODER, 0.1, optimizer="momentum"), lr=Range(1e-4, 5e-5, 2e-4), curable=True
    ),
    fault("rate-too-low", "transformer-adamw", replace(FORMER, optimizer="adamw"), lr=Range(5e-6, 1e-6, 1e-5), curable=True),
    fault(
        "rate-too-high",
        "bars-adam",
        replace(CODER, data="bars", lr=0.03, batch=8, steps=700, schedule="drops"),
        **CONSTANT,
    ),
    # the rate's noise holds the loss up
    fault(
        "plateau", "waves-rmsprop", replace(RNN, optimizer="rmsprop", lr=0.02, batch=4, steps=700, schedule="drops"), **NOISY
    ),
    fault("plateau", "waves-adam", replace(RNN, width=64, lr=0.02, batch=4, steps=500, schedule="drops"), **NOISY),
    # more weights and steps than samples
    fault(
        "over-fitting",
        "wide-mlp-few-noisy-labels",
        Recipe("digits", width=256, steps=600, labels="noise:0.2", dropout=0.5, weight_decay=1e-3, lr=5e-4, schedule=""),
        samples=120,
        dropout=0.0,
        weight_decay=0.0,
        curable=True,
    ),
    fault(
        "over-fitting",
        "diabetes",
        Recipe("diabetes", depth=0, steps=600, lr=1e-2, batch=32),
        depth=2,
        width=256,
        lr=2e-3,
        curable=True,
    ),
    fault(
        "over-fitting",
        "cnn-few-pictures",
        replace(CNN, labels="noise:0.15", steps=400, dropout=0.4, lr=1e-3),
        samples=150,
        dropout=0.0,
        steps=600,
        lr=3e-3,
        curable=True,
    ),
    fault("over-fitting", "lstm-little-text", replace(GRU, net="lstm"), samples=48, steps=500, lr=5e-3, curable=True),
    fault("over-fitting", "transformer-little-text", replace(FORMER, lr=2e-3), samples=60, steps=400, curable=True),
    # too small, or held down
    fault("under-fitting", "one-unit", Recipe("digits", width=48, steps=500, lr=3e-3), width=1, depth=1),
    fault("under-fitting", "line-for-spirals", SPIRALS, depth=0),
    fault("under-fitting", "narrow-autoencoder", CODER, narrow=1),
    fault("under-fitting", "penalty", replace(MLP, lr=2e-3), penalty=near(0.1), curable=True),
]
