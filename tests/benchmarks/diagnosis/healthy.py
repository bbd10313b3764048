"""The healthy trainings: plain ones of each architecture, and many that look odd. A row each."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.diagnosis.bases import CNN, CODER, FORMER, GRU, LSTM, MLP, RNN, ROWS, SPIRALS, TABLE, sgd
from benchmarks.diagnosis.case import healthy
from benchmarks.diagnosis.recipe import Recipe

CASES = [
    # plain ones of each architecture
    healthy("mlp-sgd", sgd(MLP, 0.1)),
    healthy("mlp-rmsprop", replace(MLP, optimizer="rmsprop")),
    healthy("cnn-adamw", replace(CNN, optimizer="adamw", seed=1)),
    healthy("cnn-batch-norm-momentum", sgd(replace(CNN, norm="batch"), 0.02, optimizer="momentum")),
    healthy("rnn-waves", replace(RNN, seed=1)),
    healthy("lstm-rows", replace(LSTM, seed=1)),
    healthy("gru-text", replace(GRU, seed=1)),
    healthy("transformer-chain", replace(FORMER, seed=1)),
    healthy("transformer-rows", replace(ROWS, seed=1)),
    healthy("autoencoder", replace(CODER, seed=1)),
    healthy("regression", replace(TABLE, seed=1)),
    healthy("spirals-tanh", replace(SPIRALS, activation="tanh")),
    healthy("functional-mlp", replace(MLP, net="functional", seed=1)),
    # odd ones
    healthy(
        "tiny-last-layer",
        Recipe("cancer", width=48, depth=1, activation="sigmoid", batch=32, steps=400, lr=2e-3),
        "one output, no hidden layer to speak of",
    ),
    healthy("logistic-regression", Recipe("cancer", depth=0, batch=32, steps=400, lr=1e-2), "one layer"),
    healthy("softmax-regression", sgd(Recipe("digits", depth=0), 0.1), "one layer"),
    healthy("narrow-autoencoder", replace(CODER, data="bars", narrow=4, steps=600), "four units in the middle"),
    healthy(
        "embeddings",
        Recipe("text", "lstm", width=48, depth=1, batch=32, steps=400, lr=5e-3),
        "letters that a batch lacks get no gradient",
    ),
    healthy(
        "sparse-gradients",
        Recipe("", special="sparse-embedding", width=24, batch=256, steps=500, lr=0.02),
        "most rows get no gradient",
    ),
    healthy("gan", Recipe("", special="gan", width=48, batch=64, steps=800, lr=1e-3), "no loss has to fall"),
    healthy(
        "policy-gradient",
        Recipe("", special="policy-gradient", width=32, batch=64, steps=500, lr=5e-3),
        "the loss is noise around nothing",
    ),
    healthy(
        "actor-critic",
        Recipe("", special="actor-critic", width=48, batch=16, steps=900, lr=2e-3),
        "the loss rises as it gets better",
    ),
    healthy(
        "contrastive",
        Recipe("", special="contrastive", width=64, batch=128, steps=400, lr=1e-3),
        "classes are the batch's own samples",
    ),
    healthy("warm-up", replace(FORMER, schedule="warmup:0.3", seed=2), "the rate begins at nothing"),
    healthy("warm-up-sgd", sgd(CNN, 0.1, schedule="warmup:0.2"), "the rate begins at nothing"),
    healthy("cosine", replace(MLP, schedule="cosine", steps=600), "the rate ends at nothing, at the end"),
    healthy(
        "cosine-restarts",
        sgd(replace(CNN, steps=400), 0.05, optimizer="momentum", schedule="restarts:4"),
        "the loss jumps up at each restart",
    ),
    healthy("drops", sgd(MLP, 0.2, schedule="drops", steps=500), "the rate drops tenfold, twice"),
    healthy(
        "frozen-backbone",
        replace(CNN, pretrain=300, untrained="frozen", lr=3e-3, steps=200),
        "all layers but the last are frozen, having learned",
    ),
    healthy(
        "head-only", replace(LSTM, pretrain=300, untrained="unlisted", lr=3e-3, steps=200), "only the head is in the optimizer"
    ),
    healthy(
        "fine-tuning-at-1e-6",
        replace(MLP, pretrain=250, lr=1e-6, steps=300, schedule="", samples=0),
        "learned already: nothing moves",
    ),
    healthy("fine-tuning-transformer", replace(ROWS, pretrain=250, lr=1e-5, steps=200), "learned already: little moves"),
    healthy(
        "large-targets",
        Recipe("friedman", labels="times:100", depth=0, lr=20.0, steps=600, batch=64),
        "losses of a million",
    ),
    healthy(
        "large-targets-mlp",
        Recipe("diabetes", labels="raw", width=32, depth=1, lr=0.1, steps=500, batch=64),
        "losses of thousands",
    ),
    healthy(
        "losses-below-zero", Recipe("waves", "gru", width=32, depth=1, loss="gaussian", steps=500, lr=3e-3), "a log-likelihood"
    ),
    healthy("losses-below-zero-mlp", replace(TABLE, loss="gaussian", steps=500, samples=0), "a log-likelihood"),
    healthy(
        "batch-size-1",
        sgd(Recipe("digits", width=48, batch=1, steps=1200, validate_every=100), 0.01),
        "each step's loss is one sample's",
    ),
    healthy(
        "batch-size-1-regression",
        sgd(Recipe("friedman", width=32, batch=1, steps=1500, validate_every=100), 0.005),
        "each step's loss is one sample's",
    ),
    healthy(
        "dropout-0.9",
        Recipe("digits", width=512, depth=1, dropout=0.9, steps=600, lr=1e-3),
        "training losses above those of validation",
    ),
    healthy("dropout-cnn", replace(CNN, dropout=0.6, steps=400), "training losses above those of validation"),
    healthy(
        "very-deep-residual",
        Recipe("digits", width=32, depth=40, residual=True, activation="gelu", batch=32, steps=200, lr=1e-3),
        "forty blocks",
    ),
    healthy(
        "deep-selu",
        Recipe("digits", width=48, depth=8, activation="selu", lr=5e-4, steps=300),
        "eight layers without a normalization",
    ),
    healthy(
        "label-noise",
        Recipe("digits", width=64, labels="noise:0.4", steps=250, dropout=0.5, lr=1e-3),
        "the loss ends far above zero",
    ),
    healthy(
        "label-noise-regression", Recipe("diabetes", depth=0, lr=1e-2, steps=400, batch=32), "half of the variance is noise"
    ),
    healthy("accumulation", replace(LSTM, batch=16, accumulate=4, steps=250), "four losses a step"),
    healthy(
        "early-near-zero",
        Recipe("cancer", width=32, depth=1, batch=64, steps=600, lr=3e-3, weight_decay=3e-3),
        "learned within fifty steps, then nothing falls",
    ),
    healthy(
        "learned-at-once",
        Recipe("wine", width=64, depth=1, batch=32, steps=500, lr=5e-3, weight_decay=1e-2, schedule="cosine"),
        "learned within twenty steps",
    ),
    healthy("recall", Recipe("recall-8", "lstm", width=32, depth=1, steps=400, lr=5e-3), "flat for a while, then it clicks"),
    healthy(
        "summed-loss",
        Recipe("digits", loss="summed", lr=1e-3, steps=400),
        "the loss is a sum over the batch: a hundred at first",
    ),
    healthy("smoothed-labels", Recipe("digits", loss="smoothed", lr=1e-3, steps=400), "the loss cannot reach zero"),
    healthy("weight-decay", replace(CNN, optimizer="adamw", weight_decay=0.1, steps=400), "weights shrink"),
    healthy("clipped-at-first", sgd(RNN, 0.1, clip=1.0), "the first gradients are cut"),
    healthy(
        "hinge",
        Recipe("cancer", width=32, depth=1, loss="hinge", batch=32, steps=300, lr=2e-3, weight_decay=1e-2),
        "most samples get no gradient at the end",
    ),
    healthy(
        "rare-class",
        Recipe("rare", width=32, batch=128, steps=500, lr=3e-3, weight_decay=1e-3),
        "three in a hundred are of the other class",
    ),
    healthy("linear-activation", Recipe("friedman", depth=1, width=32, activation="none", lr=3e-3), "no activation"),
    healthy("layer-norm-mlp", Recipe("digits", depth=4, width=48, norm="layer", lr=2e-3, steps=300)),
    healthy(
        "sigmoid-output",
        Recipe("pictures", "autoencoder", width=64, narrow=24, activation="sigmoid", lr=1e-2, steps=500),
        "sigmoids all the way",
    ),
    healthy("unasked-mlp", replace(MLP, asked=False, seed=3)),
    healthy("unasked-lstm", replace(LSTM, asked=False, seed=3)),
    healthy("unasked-accumulation", replace(CNN, asked=False, batch=16, accumulate=4, seed=3, steps=200)),
]
