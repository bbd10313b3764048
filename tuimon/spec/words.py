"""Words of other libraries and of papers for what a spec calls otherwise: each leads to the right name, in error messages."""

from __future__ import annotations

_KAIMING = "kaiming_normal or kaiming_uniform"
_XAVIER = "xavier_normal or xavier_uniform"
_MAE = "mse; there is no L1 loss. A penalty on the weights is regularization.l1"

# By key, what to write in place of a value.
VALUES: dict[str, dict[str, str]] = {
    "optimizer.name": {
        "nag": "sgd with momentum=0.9 nesterov=true",
        "nesterov": "sgd with momentum=0.9 nesterov=true",
        "momentum": "sgd with momentum=0.9",
        "heavy_ball": "sgd with momentum=0.9",
        "amsgrad": "adam with amsgrad=true",
        "batch": "gd, which uses the whole training split as one batch",
    },
    "init.name": {
        "he": _KAIMING, "he_normal": "kaiming_normal", "he_uniform": "kaiming_uniform", "kaiming": _KAIMING, "msra": _KAIMING,
        "xavier": _XAVIER, "glorot": _XAVIER, "glorot_normal": "xavier_normal", "glorot_uniform": "xavier_uniform",
        "gaussian": "normal", "random": "normal, or default", "uniform": "default, which is uniform",
        "zero": "constant with init.value=0", "zeros": "constant with init.value=0", "ones": "constant with init.value=1",
    },
    "model.activation": {
        "swish": "silu", "lrelu": "leaky_relu", "leaky": "leaky_relu", "leakyrelu": "leaky_relu", "logistic": "sigmoid",
        "none": "identity", "linear": "identity",
    },
    "model.norm": {
        "batchnorm": "batch", "batch_norm": "batch", "bn": "batch", "layernorm": "layer", "layer_norm": "layer", "ln": "layer",
        "groupnorm": "group", "group_norm": "group", "gn": "group",
    },
    "model.name": {
        "lstm": "rnn with model.cell=lstm", "gru": "rnn with model.cell=gru", "perceptron": "mlp", "dense": "mlp", "fc": "mlp",
        "convnet": "cnn", "conv": "cnn", "lenet": "cnn", "linear": "softmax, or mlp with model.hidden=[] for a regression",
        "logistic": "softmax", "attention": "transformer", "gpt": "transformer",
    },
    "loss.name": {
        "l1": _MAE, "mae": _MAE, "l2": "mse", "softmax": "cross_entropy", "ce": "cross_entropy", "nll": "cross_entropy",
        "log_loss": "cross_entropy", "logistic": "bce", "binary_cross_entropy": "bce", "svm": "hinge", "margin": "hinge",
    },
    "schedule.name": {
        "exponential": "step with schedule.every=1", "exp": "step with schedule.every=1", "multistep": "step",
        "linear": "one_cycle, whose rate rises and falls", "cyclic": "one_cycle", "onecycle": "one_cycle",
        "reduce_on_plateau": "plateau", "cosine_annealing": "cosine", "1/t": "inverse", "none": "constant",
        "warmup": "any, with schedule.warmup above 0",
    },
    "data.name": {
        "imagenet": "cifar10, or your own pictures as folder: ImageNet is not included",
        "two_moons": "moons", "spiral": "spirals", "blob": "blobs", "clusters": "blobs",
        "cifar": "cifar10", "fmnist": "fashion_mnist", "housing": "california_housing", "california": "california_housing",
        "cancer": "breast_cancer", "table": "csv", "tsv": "csv", "numpy": "npz", "excel": "csv",
    },
    "data.scale": {
        "standard": "zscore", "standardize": "zscore", "normalize": "zscore, or minmax for the range 0 to 1", "pca": "whiten",
        "zca": "whiten", "decorrelate": "whiten", "mean": "center",
    },
}  # fmt: skip
# The key for another word; the name of a section stands for its `name` anyway.
KEYS: dict[str, str] = {
    "dataset": "data.name", "scheduler": "schedule.name", "lr_schedule": "schedule.name", "initializer": "init.name",
    "initialization": "init.name", "criterion": "loss.name", "learning_rate": "optimizer.lr", "wd": "optimizer.weight_decay",
    "batchnorm": "model.norm", "normalization": "model.norm", "augmentation": "data.shift",
    "noise": "regularization.input_noise", "clip": "regularization.clip_norm", "clipping": "regularization.clip_norm",
}  # fmt: skip


def instead(key: str, word: str) -> str:
    """What to write for a word that is no value of this key; empty if the word is unknown."""
    return VALUES.get(key, {}).get(word.lower().replace("-", "_").replace(" ", "_"), "")
