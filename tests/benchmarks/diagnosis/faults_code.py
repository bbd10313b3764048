"""Faults of the script: what it calls, when, on what. A row each."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.diagnosis.bases import CNN, CODER, FORMER, GRU, LSTM, MLP, ROWS, TABLE, sgd
from benchmarks.diagnosis.case import fault
from benchmarks.diagnosis.recipe import Range, Recipe

CASES = [
    # gradients add up
    fault("missing-zero-grad", "mlp-sgd", sgd(MLP, 0.05), zero_grad=False),
    fault("missing-zero-grad", "cnn-momentum", sgd(CNN, 0.02, optimizer="momentum"), zero_grad=False),
    fault("missing-zero-grad", "gru-adam", GRU, zero_grad=False),
    fault("missing-zero-grad", "autoencoder-rmsprop", replace(CODER, optimizer="rmsprop"), zero_grad=False),
    # layers that should learn
    fault("layers-not-trained", "frozen-cnn", replace(CNN, width=6, steps=400), untrained="frozen"),
    fault("layers-not-trained", "frozen-mlp", replace(MLP, width=24, depth=3, activation="tanh"), untrained="frozen"),
    fault("layers-not-trained", "not-in-the-optimizer", replace(LSTM, width=24), untrained="unlisted"),
    fault("layers-not-trained", "cut-off", replace(CODER, narrow=8), untrained="detached"),
    fault("layers-not-trained", "cut-off-transformer", FORMER, untrained="detached"),
    # training mode is never restored
    fault("eval-mode", "batch-norm-cnn", sgd(replace(CNN, norm="batch", depth=5, validate_every=5), 0.3), stays_in_eval=True),
    fault(
        "eval-mode",
        "batch-norm-mlp",
        sgd(Recipe("digits", width=48, depth=8, norm="batch", validate_every=5), 0.3),
        stays_in_eval=True,
    ),
    fault(
        "eval-mode",
        "dropout-mlp",
        Recipe("digits", width=256, steps=400, labels="noise:0.2", samples=500, dropout=0.7, lr=1e-3),
        stays_in_eval=True,
    ),
    # statistics of two samples
    fault("tiny-batch-norm", "mlp", sgd(Recipe("digits", width=64, depth=3, norm="batch", steps=500, batch=32), 0.05), batch=2),
    fault("tiny-batch-norm", "cnn", sgd(replace(CNN, norm="batch", depth=3, steps=400, batch=32), 0.05), batch=2),
    fault("tiny-batch-norm", "regression", replace(TABLE, norm="batch", depth=3, steps=500, batch=32), batch=2),
    # waiting for batches
    fault("slow-input", "waits-for-the-disk", MLP, wait_s=Range(0.008, 0.005, 0.012), by="step_s"),
    fault("slow-input", "works-in-python", CNN, work=Range(40, 30, 48), by="step_s"),
    fault("slow-input", "waits-lstm", LSTM, wait_s=Range(0.015, 0.01, 0.03), by="step_s"),
    # what each step made is kept
    fault("leak", "keeps-predictions", Recipe("digits", width=256, batch=256, steps=800), keeps="graph", by="grown_bytes"),
    fault(
        "leak", "keeps-batches", Recipe("digit-images", "cnn", width=12, steps=400, lr=3e-3), keeps="batch", by="grown_bytes"
    ),
    fault(
        "leak",
        "keeps-rnn-predictions",
        Recipe("waves", "rnn", width=64, depth=1, batch=128, steps=500),
        keeps="graph",
        by="grown_bytes",
    ),
    # the penalty's sign
    fault("weights-growing", "penalty-of-the-wrong-sign", sgd(TABLE, 0.05), penalty=Range(-0.1, -0.2, -0.08), curable=True),
    fault("weights-growing", "negative-penalty-cnn", CNN, penalty=Range(-0.02, -0.04, -0.015), curable=True),
    fault("weights-growing", "negative-penalty-gru", GRU, penalty=Range(-0.02, -0.04, -0.015), curable=True),
    # the rate is at zero too early
    fault("schedule-ended", "step-per-batch", MLP, schedule=("step-per-batch:{}", Range(10, 5, 15)), curable=True),
    fault(
        "schedule-ended",
        "exponential-per-batch",
        replace(LSTM, steps=400),
        schedule=("exponential-per-batch:{}", Range(0.9, 0.85, 0.95)),
        curable=True,
    ),
    fault(
        "schedule-ended",
        "linear-planned-too-short",
        replace(ROWS, steps=400),
        schedule=("linear-to-zero-at:{}", Range(0.08, 0.05, 0.1)),
        curable=True,
    ),
    fault(
        "schedule-ended",
        "cosine-planned-too-short",
        sgd(CNN, 0.05, optimizer="momentum"),
        schedule=("cosine-to-zero-at:{}", Range(0.08, 0.05, 0.1)),
        curable=True,
    ),
    # every gradient is cut
    fault("always-clipped", "lever-mlp", sgd(MLP, 0.1), clip=Range(0.01, 0.005, 0.02), curable=True),
    fault("always-clipped", "script-cnn", sgd(CNN, 0.1), clip=Range(0.01, 0.005, 0.02), clipper="script"),
    fault(
        "always-clipped",
        "lever-autoencoder",
        sgd(CODER, 0.1, optimizer="momentum"),
        clip=Range(0.002, 0.001, 0.004),
        curable=True,
    ),
    # one sample, or a few, at the rate of many
    fault(
        "batch-noise",
        "four-samples-mlp",
        sgd(Recipe("digits", width=32, batch=4, steps=900, schedule="drops"), 0.15),
        schedule="",
        also="rate-too-high",
        curable=True,
    ),
    fault(
        "batch-noise",
        "one-sample-momentum",
        sgd(Recipe("digits", width=48, batch=64, steps=500), 0.1, optimizer="momentum"),
        batch=1,
        beside="dead-units",
        also="rate-too-high",
        curable=True,
    ),
    fault(
        "batch-noise",
        "two-samples-regression",
        sgd(replace(TABLE, steps=600), 0.15),
        batch=2,
        also="rate-too-high",
        curable=True,
    ),
]
