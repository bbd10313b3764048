"""The sections of a spec that say what learns and how: their fields, bounds and help texts. Knows no torch.

A help text is one line: it stands beside the field in the Launch screen.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

ActivationName = Literal["relu", "leaky_relu", "prelu", "elu", "gelu", "silu", "tanh", "sigmoid", "identity"]
ACTIVATIONS: tuple[str, ...] = get_args(ActivationName)
OutputName = Literal["linear", "softmax", "sigmoid", "tanh", "relu"]
NormName = Literal["none", "batch", "layer", "group"]

OptimizerName = Literal["gd", "sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "muon"]
# Each optimizer with the settings that it knows, besides lr and weight_decay, which all of them know.
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

_Fraction = Annotated[float, Meta(ge=0, lt=1)]
_Coefficient = Annotated[float, Meta(ge=-100, le=100)]


class OptimizerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it learns. A setting that the named optimizer does not know is left unused."""

    name: Annotated[OptimizerName, Meta(description="the optimizer; gd takes the whole training split as one batch")] = "adam"
    lr: Annotated[float, Meta(gt=0, le=1000, description="learning rate: how far each step goes")] = 1e-3
    weight_decay: Annotated[float, Meta(ge=0, le=100, description="weight decay (decoupled in adamw and muon)")] = 0.0
    momentum: Annotated[float, Meta(ge=0, lt=1, description="momentum, of gd, sgd and rmsprop")] = 0.0
    dampening: Annotated[float, Meta(ge=0, le=1, description="what momentum takes off a new gradient, of gd and sgd")] = 0.0
    nesterov: Annotated[bool, Meta(description="Nesterov momentum, of gd and sgd")] = False
    betas: Annotated[
        tuple[_Fraction, _Fraction], Meta(description="decay of the two running averages, of adam, adamw and muon")
    ] = (0.9, 0.999)
    amsgrad: Annotated[bool, Meta(description="the second average never falls, of adam, adamw and muon")] = False
    alpha: Annotated[float, Meta(ge=0, lt=1, description="decay of the running average, of rmsprop")] = 0.99
    centered: Annotated[bool, Meta(description="the average gradient is taken off, of rmsprop")] = False
    rho: Annotated[float, Meta(ge=0, lt=1, description="decay of the running averages, of adadelta")] = 0.9
    eps: Annotated[float, Meta(gt=0, le=1, description="added to the denominator, of all but gd and sgd")] = 1e-8
    lr_decay: Annotated[float, Meta(ge=0, le=100, description="the rate is lr / (1 + steps · lr_decay), of adagrad")] = 0.0
    initial_accumulator_value: Annotated[
        float, Meta(ge=0, le=1e6, description="where the sum of squares starts, of adagrad")
    ] = 0.0
    reset_every: Annotated[
        int, Meta(ge=0, le=10**9, description="steps after which the sum of squares starts again, of adagrad; 0: never")
    ] = 0
    muon_momentum: Annotated[float, Meta(ge=0, lt=1, description="momentum of muon")] = 0.95
    muon_nesterov: Annotated[bool, Meta(description="Nesterov momentum in muon")] = True
    ns_coefficients: Annotated[
        tuple[_Coefficient, _Coefficient, _Coefficient], Meta(description="of the iteration that orthogonalizes, of muon")
    ] = (3.4445, -4.775, 2.0315)
    ns_steps: Annotated[int, Meta(ge=1, le=99, description="iterations that orthogonalize an update, of muon")] = 5
    adjust_lr: Annotated[
        Literal["match_rms_adamw", "original"], Meta(description="muon's rate by matrix: as adamw's updates are, or by shape")
    ] = "match_rms_adamw"
    rest_lr: Annotated[
        float, Meta(ge=0, le=1000, description="muon: rate of what is no matrix, which adamw trains; 0: the same")
    ] = 0.0


class InitSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What weights and biases are before training. Normalization layers and embeddings keep torch's own."""

    name: Annotated[
        Literal[
            "default", "normal", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal",
            "constant",
        ],
        Meta(description="of all weights; default: as torch does; constant shows what symmetry does"),
    ] = "default"  # fmt: skip
    std: Annotated[float, Meta(ge=0, le=1000, description="standard deviation, of normal")] = 0.01
    gain: Annotated[float, Meta(gt=0, le=1000, description="multiplies what xavier, kaiming or orthogonal give")] = 1.0
    mode: Annotated[Literal["fan_in", "fan_out"], Meta(description="what kaiming keeps the size of: outputs, or gradients")] = (
        "fan_in"
    )
    value: Annotated[float, Meta(ge=-1000, le=1000, description="every weight, of constant; 0 is all zeros")] = 0.0
    bias: Annotated[
        Literal["auto", "zero", "positive"],
        Meta(description="auto: torch's own with default, else zero; positive: bias_value in hidden layers, for ReLU"),
    ] = "auto"
    bias_value: Annotated[float, Meta(gt=0, le=1000, description="the positive bias of hidden layers")] = 0.1


class LossSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is made small."""

    name: Annotated[
        Literal["auto", "cross_entropy", "mse", "hinge", "bce"],
        Meta(description="auto: cross_entropy for classes, else mse; bce: one against the rest; mse on classes is one-hot"),
    ] = "auto"
    margin: Annotated[float, Meta(gt=0, le=1000, description="by how much the right class must lead, of hinge")] = 1.0
    label_smoothing: Annotated[
        float, Meta(ge=0, lt=1, description="share of a label that goes to all classes, of cross_entropy")
    ] = 0.0


class ScheduleSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the learning rate goes; the lever lr_scale multiplies whatever it says."""

    name: Annotated[
        Literal["constant", "plateau", "inverse", "step", "cosine", "one_cycle"],
        Meta(description="plateau: lowered when the validation loss stops falling; inverse: 1/t"),
    ] = "constant"
    warmup: Annotated[float, Meta(ge=0, le=1_000_000, description="epochs in which the rate first grows from near 0")] = 0.0
    factor: Annotated[float, Meta(gt=0, lt=1, description="multiplies the rate, of plateau and step")] = 0.5
    patience: Annotated[int, Meta(ge=0, le=1_000_000, description="validations without a lower loss that plateau waits")] = 5
    every: Annotated[int, Meta(ge=1, le=1_000_000, description="epochs between two steps, of step")] = 10
    decay: Annotated[float, Meta(gt=0, le=1e6, description="the rate is lr / (1 + decay · epochs), of inverse")] = 1.0
    last: Annotated[
        float, Meta(ge=0, le=1, description="what is left of the rate at the end, of cosine and one_cycle, or least of plateau")
    ] = 0.0
    peak: Annotated[float, Meta(gt=0, lt=1, description="share of the run at which one_cycle reaches lr")] = 0.3
    start: Annotated[float, Meta(gt=0, le=1, description="what part of lr one_cycle and the warm-up start from")] = 0.04


class RegularizationSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What keeps weights, activations or gradients small, or learning from going on too long; 0 is off.

    All but early stopping can be changed while training runs. Epochs are counted from 0.
    """

    l1: Annotated[float, Meta(ge=0, le=100, description="L1 penalty: adds this × sum of |w| to the loss")] = 0.0
    l2: Annotated[float, Meta(ge=0, le=100, description="L2 penalty: adds this × half the sum of w² to the loss")] = 0.0
    clip_norm: Annotated[float, Meta(ge=0, le=1e9, description="largest norm of the whole gradient; 0: any")] = 0.0
    clip_value: Annotated[float, Meta(ge=0, le=1e9, description="largest size of any gradient's entry; 0: any")] = 0.0
    l1_from: Annotated[int, Meta(ge=0, le=1_000_000, description="first epoch with the L1 penalty")] = 0
    l2_from: Annotated[int, Meta(ge=0, le=1_000_000, description="first epoch with the L2 penalty")] = 0
    weight_decay_from: Annotated[int, Meta(ge=0, le=1_000_000, description="first epoch with weight decay")] = 0
    sparsity: Annotated[float, Meta(ge=0, le=100, description="penalty on the mean size of hidden activations")] = 0.0
    sparsity_layers: Annotated[
        tuple[str, ...], Meta(description="the modules whose outputs sparsity counts; none named: every activation")
    ] = ()
    input_noise: Annotated[float, Meta(ge=0, le=1000, description="deviation of the noise on inputs in training")] = 0.0
    weight_noise: Annotated[float, Meta(ge=0, le=1000, description="deviation of the noise on weights in training")] = 0.0
    early_stopping: Annotated[
        int, Meta(ge=0, le=1_000_000, description="stop after so many validations without a lower error; 0: never")
    ] = 0


class TrainingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long, where, and how often to look and save."""

    epochs: Annotated[int, Meta(ge=1, le=1_000_000, description="passes over the training split")] = 20
    steps: Annotated[int, Meta(ge=0, le=10**12, description="stop after so many steps; 0: epochs decide")] = 0
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="of the split, the start, the batches and dropout")] = 0
    device: Annotated[
        str,
        Meta(
            description="where to train; auto takes a GPU if there is one",
            extra={"choices": ("auto", "cpu", "cuda", "mps"), "other": r"cuda:\d{1,3}", "other_text": "cuda:N"},
        ),
    ] = "auto"
    precision: Annotated[
        Literal["float32", "bfloat16"], Meta(description="of the forward pass; bfloat16 is by autocast, weights stay float32")
    ] = "float32"
    validate_every: Annotated[int, Meta(ge=1, le=1_000_000, description="epochs between two validations")] = 1
    checkpoint_every: Annotated[
        int, Meta(ge=0, le=1_000_000, description="epochs between checkpoints, at least 3 s apart; 0: only the last")
    ] = 1
