"""The sections of a spec on training: optimizer, initialization, loss, schedule, regularization. Knows no torch.

A help text is one line, because the Launch screen shows it beside its field.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

ActivationName = Literal["relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "tanh", "sigmoid", "identity"]
ACTIVATIONS: tuple[str, ...] = get_args(ActivationName)
OutputName = Literal["linear", "softmax", "sigmoid", "tanh", "relu"]
NormName = Literal["none", "batch", "layer", "group"]

OptimizerName = Literal["gd", "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "muon"]
# The settings of each optimizer, besides lr and weight_decay, which all of them have.
OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "gd": ("momentum", "dampening", "nesterov"),
    "sgd": ("momentum", "dampening", "nesterov"),
    "adam": ("betas", "eps", "amsgrad"),
    "adamw": ("betas", "eps", "amsgrad"),
    "rmsprop": ("momentum", "alpha", "eps", "centered"),
    "adagrad": ("eps", "lr_decay", "initial_accumulator_value", "reset_every"),
    "adadelta": ("rho", "eps"),
    "muon": (
        "muon_momentum", "muon_nesterov", "ns_coefficients", "ns_steps", "adjust_lr", "rest_lr", "betas", "eps", "amsgrad",
    ),
}  # fmt: skip

# torch's own defaults where they are not Adam's, which are the defaults of the fields. What a spec leaves out becomes these.
OPTIMIZER_DEFAULTS: dict[str, dict[str, float]] = {
    "adamw": {"weight_decay": 0.01},
    "rmsprop": {"lr": 0.01},
    "adagrad": {"lr": 0.01, "eps": 1e-10},
    "adadelta": {"lr": 1.0, "eps": 1e-6},
    "muon": {"weight_decay": 0.1},
}

_Fraction = Annotated[float, Meta(ge=0, lt=1)]
_Coefficient = Annotated[float, Meta(ge=-100, le=100)]


class OptimizerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The optimizer and its settings. Settings that the named optimizer does not have are ignored.

    The defaults are torch's own; `default_of` gives those of each optimizer.
    """

    name: Annotated[OptimizerName, Meta(description="the optimizer; gd uses the whole training split as one batch")] = "adam"
    lr: Annotated[float, Meta(gt=0, le=1000, description="learning rate: how far each step goes")] = 1e-3
    weight_decay: Annotated[float, Meta(ge=0, le=100, description="weight decay (decoupled in adamw and muon)")] = 0.0
    momentum: Annotated[float, Meta(ge=0, lt=1, description="momentum (gd, sgd, rmsprop)")] = 0.0
    dampening: Annotated[float, Meta(ge=0, le=1, description="momentum adds (1 - dampening) × the new gradient (gd, sgd)")] = (
        0.0
    )
    nesterov: Annotated[bool, Meta(description="Nesterov momentum (gd, sgd)")] = False
    betas: Annotated[
        tuple[_Fraction, _Fraction], Meta(description="decay rates of the two running averages (adam, adamw, muon)")
    ] = (0.9, 0.999)
    amsgrad: Annotated[bool, Meta(description="AMSGrad: the second running average never falls (adam, adamw, muon)")] = False
    alpha: Annotated[float, Meta(ge=0, lt=1, description="decay rate of the running average (rmsprop)")] = 0.99
    centered: Annotated[bool, Meta(description="normalize the gradient by its estimated variance (rmsprop)")] = False
    rho: Annotated[float, Meta(ge=0, lt=1, description="decay rate of the running averages (adadelta)")] = 0.9
    eps: Annotated[float, Meta(gt=0, le=1, description="added to the denominator for stability (all but gd and sgd)")] = 1e-8
    lr_decay: Annotated[float, Meta(ge=0, le=100, description="decays the rate as lr / (1 + lr_decay × steps) (adagrad)")] = 0.0
    initial_accumulator_value: Annotated[
        float, Meta(ge=0, le=1e6, description="initial sum of squared gradients (adagrad)")
    ] = 0.0
    reset_every: Annotated[
        int, Meta(ge=0, le=10**9, description="steps between resets of the sum of squared gradients (adagrad); 0: never")
    ] = 0
    muon_momentum: Annotated[float, Meta(ge=0, lt=1, description="momentum (muon)")] = 0.95
    muon_nesterov: Annotated[bool, Meta(description="Nesterov momentum (muon)")] = True
    ns_coefficients: Annotated[
        tuple[_Coefficient, _Coefficient, _Coefficient], Meta(description="coefficients of the Newton-Schulz iteration (muon)")
    ] = (3.4445, -4.775, 2.0315)
    ns_steps: Annotated[int, Meta(ge=1, le=99, description="Newton-Schulz iterations per update (muon)")] = 5
    adjust_lr: Annotated[
        Literal["match_rms_adamw", "original"],
        Meta(description="scale each matrix's rate to adamw's update size, or by its shape (muon)"),
    ] = "original"
    rest_lr: Annotated[
        float,
        Meta(ge=0, le=1000, description="learning rate of adamw, for parameters that are not matrices (muon); 0: same as lr"),
    ] = 0.0


def default_of(optimizer: str, setting: str) -> Any:
    """The default of a setting for the named optimizer: torch's own."""
    return OPTIMIZER_DEFAULTS.get(optimizer, {}).get(setting, getattr(OptimizerSpec(), setting))


class InitSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Initial weights and biases. Normalization layers and embeddings keep PyTorch's defaults."""

    name: Annotated[
        Literal[
            "default", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal",
            "constant",
        ],
        Meta(description="initialization of all weights; default: PyTorch's own; constant: shows the effect of symmetry"),
    ] = "default"  # fmt: skip
    std: Annotated[float, Meta(ge=0, le=1000, description="standard deviation (normal)")] = 0.01
    gain: Annotated[float, Meta(gt=0, le=1000, description="scale factor (xavier, kaiming, orthogonal)")] = 1.0
    mode: Annotated[
        Literal["fan_in", "fan_out"], Meta(description="preserve the variance of activations or of gradients (kaiming)")
    ] = "fan_in"
    value: Annotated[float, Meta(ge=-1000, le=1000, description="value of every weight (constant)")] = 0.0
    bias: Annotated[
        Literal["auto", "zero", "positive"],
        Meta(description="auto: PyTorch's own for init.name=default, else zero; positive: bias_value in hidden layers"),
    ] = "auto"
    bias_value: Annotated[float, Meta(gt=0, le=1000, description="bias of hidden layers for init.bias=positive")] = 0.1


class LossSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The loss to minimize."""

    name: Annotated[
        Literal["auto", "cross_entropy", "mse", "hinge", "bce"],
        Meta(description="auto: cross_entropy for classes, else mse; bce: one-vs-rest; mse of classes: one-hot targets"),
    ] = "auto"
    margin: Annotated[float, Meta(gt=0, le=1000, description="margin by which the right class must lead (hinge)")] = 1.0
    label_smoothing: Annotated[
        float, Meta(ge=0, lt=1, description="fraction of each label spread over all classes (cross_entropy)")
    ] = 0.0


class ScheduleSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The learning-rate schedule. The lever lr_scale multiplies its rate."""

    name: Annotated[
        Literal["constant", "plateau", "inverse", "step", "cosine", "one_cycle"],
        Meta(description="plateau: lower the rate when the validation loss stops falling; inverse: 1/t decay"),
    ] = "constant"
    warmup: Annotated[float, Meta(ge=0, le=1_000_000, description="epochs in which the rate rises to lr")] = 0.0
    factor: Annotated[float, Meta(gt=0, lt=1, description="multiplies the rate (plateau, step)")] = 0.5
    patience: Annotated[
        int, Meta(ge=0, le=1_000_000, description="lower the rate after this many validations without a lower loss (plateau)")
    ] = 5
    every: Annotated[int, Meta(ge=1, le=1_000_000, description="epochs between two reductions (step)")] = 10
    decay: Annotated[float, Meta(gt=0, le=1e6, description="the rate is lr / (1 + decay × epochs) (inverse)")] = 1.0
    last: Annotated[
        float, Meta(ge=0, le=1, description="final rate as a fraction of lr (cosine, one_cycle), or the lowest (plateau)")
    ] = 0.0
    peak: Annotated[float, Meta(gt=0, lt=1, description="fraction of the run after which the rate reaches lr (one_cycle)")] = (
        0.3
    )
    start: Annotated[float, Meta(gt=0, le=1, description="initial rate as a fraction of lr (one_cycle, warm-up)")] = 0.04


class RegularizationSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keeps weights, activations or gradients small, or stops training early; 0 is off.

    All but early stopping can be changed during training. Epochs are counted from 0.
    """

    l1: Annotated[float, Meta(ge=0, le=100, description="L1 penalty: adds this × the sum of |w| to the loss")] = 0.0
    l2: Annotated[float, Meta(ge=0, le=100, description="L2 penalty: adds this × half the sum of w² to the loss")] = 0.0
    clip_norm: Annotated[float, Meta(ge=0, le=1e9, description="maximum norm of the whole gradient; 0: no clipping")] = 0.0
    clip_value: Annotated[
        float, Meta(ge=0, le=1e9, description="maximum absolute value of a gradient entry; 0: no clipping")
    ] = 0.0
    l1_from: Annotated[int, Meta(ge=0, le=1_000_000, description="first epoch with the L1 penalty")] = 0
    l2_from: Annotated[int, Meta(ge=0, le=1_000_000, description="first epoch with the L2 penalty")] = 0
    weight_decay_from: Annotated[int, Meta(ge=0, le=1_000_000, description="first epoch with weight decay")] = 0
    sparsity: Annotated[float, Meta(ge=0, le=100, description="penalty on the mean absolute activation of hidden layers")] = 0.0
    sparsity_layers: Annotated[
        tuple[str, ...], Meta(description="modules whose outputs the sparsity penalty counts; empty: all activations")
    ] = ()
    input_noise: Annotated[float, Meta(ge=0, le=1000, description="standard deviation of noise on the inputs in training")] = (
        0.0
    )
    weight_noise: Annotated[
        float, Meta(ge=0, le=1000, description="standard deviation of noise on the weights in training")
    ] = 0.0
    early_stopping: Annotated[
        int, Meta(ge=0, le=1_000_000, description="stop after this many validations without improvement; 0: never")
    ] = 0


class TrainingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Length, device, precision, and how often to validate and save."""

    epochs: Annotated[int, Meta(ge=1, le=1_000_000, description="passes over the training split")] = 20
    steps: Annotated[int, Meta(ge=0, le=10**12, description="stop after this many steps; 0: epochs decide")] = 0
    seed: Annotated[
        int, Meta(ge=0, lt=2**32, description="random seed of the split, the initialization, the batches and dropout")
    ] = 0
    device: Annotated[
        str,
        Meta(
            description="where to train; auto: a GPU if there is one",
            extra={"choices": ("auto", "cpu", "cuda", "mps"), "other": r"cuda:\d{1,3}", "other_text": "cuda:N"},
        ),
    ] = "auto"
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Meta(description="precision of the forward pass; bfloat16 uses autocast, and weights stay float32"),
    ] = "float32"
    validate_every: Annotated[int, Meta(ge=1, le=1_000_000, description="epochs between validations")] = 1
    checkpoint_every: Annotated[
        int, Meta(ge=0, le=1_000_000, description="epochs between checkpoints, at least 3 s apart; 0: only at the end")
    ] = 1
    samples: Annotated[
        int, Meta(ge=0, le=32, description="validation samples to log for a look: so many of the worst and surest; 0: none")
    ] = 12
    keep_checkpoints: Annotated[
        int,
        Meta(ge=0, le=1000, description="earlier checkpoints to keep, spread over the run, to fork it from (1 GiB at most)"),
    ] = 8
