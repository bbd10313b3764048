"""The kinds of faults: what each is, where the field defines it, and which other kinds may be named beside it.

A case is labelled by what was done to its training, not by what a log shows of it. Sources, by their short names:

AUTOTRAINER (Zhang et al., ICSE 2021): vanishing, exploding, dying ReLU, oscillating loss, slow convergence.
DeepDiagnosis (Wardat et al., ICSE 2022): eight symptoms, among them saturated activation and a loss that does not decrease.
DeepLocalize (Wardat et al., ICSE 2021): numerical errors located at a layer. DeepFD (Cao et al., ICSE 2022): faults by cause.
UMLAUT (Schoop et al., CHI 2021): inputs not normalized, labels, missing or doubled softmax, rate, dropout, overfitting.
TheDeepChecker (Ben Braiek & Khomh, TOSEM 2023): initialization, scaling, first loss, frozen and unstable parameters.
NeuraLint (Nikanjam et al., TOSEM 2021): output layer and loss that do not fit; missing or wrong placing of steps.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of fault.

    Attributes:
        means: what is done to the training.
        source: who defines it.
        beside: kinds that may be named as well: its usual consequences, and causes that fit the same training.
    """

    means: str
    source: str
    beside: frozenset[str]


def _kind(means: str, source: str, beside: str = "") -> Kind:
    return Kind(means, source, frozenset(beside.split()))


STUCK = "plateau rate-too-low under-fitting one-class-predicted"  # words for a training that gets nowhere
TOO_HOT = (  # what a rate that is too high does to a training
    "non-finite diverging exploding-gradient dead-units saturated-units vanishing-gradient weights-growing plateau"
    " one-class-predicted"
)

KINDS: dict[str, Kind] = {
    "non-finite": _kind(
        "a NaN or an infinity comes in: from the data, a logarithm or root of 0, 0 / 0", "DeepLocalize, UMLAUT",
        "diverging exploding-gradient inputs-not-normalized rate-too-high saturated-units output-or-loss weights-growing",
    ),
    "diverging": _kind(
        "the rate is beyond where descent is stable, or the loss is climbed", "AUTOTRAINER, DeepDiagnosis",
        f"rate-too-high {TOO_HOT} wrong-sign",
    ),
    "exploding-gradient": _kind(
        "initial weights so large that the gradient grows from layer to layer or from time to time", "AUTOTRAINER",
        "non-finite diverging first-loss rate-too-high saturated-units dead-units plateau initialization weights-growing"
        " inputs-not-normalized one-class-predicted",
    ),
    "vanishing-gradient": _kind(
        "so many squashing layers or time steps, or so small weights, that no gradient reaches the first", "AUTOTRAINER",
        f"{STUCK} saturated-units initialization layers-not-trained",
    ),
    "dead-units": _kind(
        "biases or steps that leave rectified units at zero for every sample", "AUTOTRAINER (dying ReLU)",
        f"rate-too-high vanishing-gradient layers-not-trained initialization {STUCK}",
    ),
    "saturated-units": _kind(
        "weights so large that sigmoids or tanhs sit at their asymptotes", "DeepDiagnosis",
        f"vanishing-gradient initialization first-loss rate-too-high exploding-gradient {STUCK}",
    ),
    "symmetric-units": _kind(
        "all weights of a layer start equal, so its units stay copies of each other", "TheDeepChecker",
        f"initialization vanishing-gradient dead-units layers-not-trained {STUCK}",
    ),
    "rate-too-high": _kind(
        "a rate at which the loss jumps instead of settling", "AUTOTRAINER (oscillating loss)", TOO_HOT + " batch-noise",
    ),
    "rate-too-low": _kind("a rate at which the loss hardly moves", "AUTOTRAINER (slow convergence)", "plateau under-fitting"),
    "plateau": _kind(
        "the rate stays where its noise holds the loss up, which a lower one would end", "TheDeepChecker",
        "rate-too-high under-fitting batch-noise dead-units",
    ),
    "over-fitting": _kind("far too many steps or weights for the samples there are", "UMLAUT, DeepFD", "validation-gap"),
    "under-fitting": _kind(
        "too few units, or too much regularization, to fit the data", "TheDeepChecker",
        "plateau rate-too-low one-class-predicted dead-units vanishing-gradient",
    ),
    "first-loss": _kind(
        "the first loss is far above what guessing gives, by the head's initial weights", "TheDeepChecker",
        "initialization exploding-gradient saturated-units rate-too-high",
    ),
    "inputs-not-normalized": _kind(
        "inputs of raw scale, an offset, or of units orders of magnitude apart", "UMLAUT, TheDeepChecker",
        f"saturated-units vanishing-gradient dead-units exploding-gradient first-loss rate-too-high diverging {STUCK}"
        " non-finite",
    ),
    "labels": _kind(
        "labels of other rows, outside the range of the loss, or of one class only", "UMLAUT, DeepFD",
        f"over-fitting validation-gap output-or-loss diverging {STUCK}",
    ),
    "output-or-loss": _kind(
        "the output's range cannot reach the targets, or is constant by itself", "NeuraLint, UMLAUT",
        f"saturated-units dead-units vanishing-gradient labels {STUCK}",
    ),
    "double-softmax": _kind(
        "softmax before a loss that has its own", "UMLAUT, NeuraLint", f"output-or-loss vanishing-gradient {STUCK}",
    ),
    "missing-zero-grad": _kind(
        "gradients add up over all steps", "NeuraLint, DeepFD", f"rate-too-high exploding-gradient over-fitting {TOO_HOT}",
    ),
    "layers-not-trained": _kind(
        "layers that should learn are frozen, not in the optimizer, or cut off", "TheDeepChecker",
        f"{STUCK} vanishing-gradient over-fitting",
    ),
    "eval-mode": _kind(
        "the script never goes back to training mode after validating", "PyTorch's manual",
        f"over-fitting rate-too-high {TOO_HOT}",
    ),
    "tiny-batch-norm": _kind(
        "batch statistics over two or three samples", "Ioffe 2017; TheDeepChecker", f"batch-noise rate-too-high {TOO_HOT}",
    ),
    "slow-input": _kind("training waits for its batches", "SageMaker Debugger (DataLoader, CPU bottleneck)"),
    "leak": _kind("the script keeps what each step made", "PyTorch's FAQ"),
    "weights-growing": _kind(
        "a penalty with the wrong sign drives the weights up", "DeepDiagnosis",
        "diverging exploding-gradient non-finite saturated-units rate-too-high over-fitting wrong-sign",
    ),
    "schedule-ended": _kind(
        "a schedule meant for epochs, or for a shorter run, takes the rate to zero", "PyTorch's manual",
        "rate-too-low plateau under-fitting",
    ),
    "always-clipped": _kind(
        "a limit so low that every gradient is cut", "Pascanu et al. 2013", "rate-too-low plateau under-fitting",
    ),
    "batch-noise": _kind(
        "batches of one to four at the rate of large ones", "McCandlish et al. 2018", f"rate-too-high {TOO_HOT}",
    ),
}  # fmt: skip

# What the findings of each tool are called, and which kinds they mean. A name that is not here means itself.
NAMED: dict[str, tuple[str, ...]] = {
    "non-finite-loss": ("non-finite",),
    "diverging-loss": ("diverging",),
    "mostly-negative": ("dead-units",),
    "naive:nan": ("non-finite",),
    "naive:not-lower-than-at-the-start": ("diverging", "rate-too-low", "plateau", "rate-too-high"),
    "naive:validation-rises": ("over-fitting",),
    "sagemaker:VanishingGradient": ("vanishing-gradient",),
    "sagemaker:ExplodingTensor": ("non-finite", "exploding-gradient"),
    "sagemaker:DeadRelu": ("dead-units",),
    "sagemaker:SaturatedActivation": ("saturated-units",),
    "sagemaker:WeightUpdateRatio": ("rate-too-high", "rate-too-low", "schedule-ended", "layers-not-trained"),
    "sagemaker:LossNotDecreasing": ("diverging", "plateau", "rate-too-low", "rate-too-high", "schedule-ended"),
    "sagemaker:Overfit": ("over-fitting",),
    "sagemaker:Overtraining": ("over-fitting", "plateau"),
    "sagemaker:PoorWeightInitialization": ("exploding-gradient", "first-loss", "symmetric-units"),
}


def kinds_of(rule: str) -> tuple[str, ...]:
    """The kinds that a rule's name means."""
    return NAMED.get(rule, (rule,))
