"""The inputs as the model gets them: they should be finite, with zero mean and unit scale, and not redundant.

LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.3: training converges fastest if inputs have zero mean and
equal variance, and are uncorrelated.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tuimon.training.checks.subject import Subject
from tuimon.training.checks.words import figure, judge, line, listed
from tuimon.training.report import Line

_EXAMPLES, _INPUTS = 2048, 512  # checked at most
_SCALE = "Use data.scale=zscore."


def check_inputs(subject: Subject) -> Iterator[Line]:
    """Values, mean, scale and correlation of a sample of the training inputs."""
    if subject.task == "quadratic":
        return
    if not subject.train.inputs.is_floating_point():
        yield _tokens(subject)
        return
    bad = [int((~split.inputs.isfinite()).sum()) for split in (subject.train, subject.val)]
    if any(bad):
        where = "training" if bad[0] else "validation"
        yield Line("inputs", "fail", f"{sum(bad)} not finite", f"NaN or infinite values in the {where} split. Clean the data.")
        return
    values = subject.sample(_EXAMPLES).inputs.flatten(1).double()
    deviations = values.std(0, correction=0)
    yield _varying(deviations, subject.input_names)
    if (deviations > 0).any():
        varying = values[:, deviations > 0]
        yield _mean(varying)
        yield _scale(varying)
        yield _evenness(deviations, subject)
        yield _correlation(varying)


def _tokens(subject: Subject) -> Line:
    low, high = (int(value) for value in subject.train.inputs.aminmax())
    wrong = low < 0 or (subject.task == "text" and high >= subject.outputs)
    text = f"Token numbers must be from 0 to {subject.outputs - 1}, the size of the vocabulary minus 1."
    return line("inputs", "fail" if wrong else "pass", f"{low} to {high}", text, "whole numbers, as an embedding expects")


def _varying(deviations: Tensor, names: tuple[str, ...]) -> Line:
    constant = (deviations == 0).nonzero().flatten().tolist()
    number = f"{len(deviations) - len(constant)} of {len(deviations)} vary"
    if len(constant) == len(deviations):
        return Line("inputs", "fail", number, "All examples are the same, so the model cannot learn anything from them.")
    named = f": {listed(names[i] for i in constant)}" if constant and len(names) == len(deviations) else ""
    verdict = judge(len(constant) / len(deviations), 0.5, 1.1)
    return line(
        "inputs", verdict, number, f"Most inputs never change{named}. Are they read correctly?", "all values are finite"
    )


def _mean(values: Tensor) -> Line:
    """The mean over all inputs, relative to their root mean square."""
    mean, size = float(values.mean()), float(values.square().mean().sqrt())
    off = abs(mean) / size
    text = f"If all inputs have one sign, a unit's weights can only rise or fall together. {_SCALE}"
    return line("inputs: mean", judge(off, 0.9, 0.99), figure(mean), text, "near zero for their scale")


def _scale(values: Tensor) -> Line:
    """The root mean square of all inputs."""
    size = float(values.square().mean().sqrt())
    verdict = judge(max(size, 0.3 / size), 3.0, 5.0)
    what = "Large inputs saturate or kill units of the first layer" if size > 1 else "Small inputs have almost no effect"
    return line("inputs: scale", verdict, figure(size), f"{what}. {_SCALE}", "root mean square, near 1")


def _evenness(deviations: Tensor, subject: Subject) -> Line:
    """The largest standard deviation of an input against the median. Pixels at an image's edge may vary little."""
    varying = deviations[deviations > 0]
    ratio = float(varying.max() / varying.median())
    text = f"Some inputs vary far more than others and dominate them. {_SCALE}"
    if subject.input_names and len(subject.input_names) == len(deviations):
        text = f"{subject.input_names[int(deviations.argmax())]} dominates the other inputs. {_SCALE}"
    return line("inputs: evenness", judge(ratio, 10.0, 50.0), f"{ratio:.3g} : 1", text, "largest to median standard deviation")


def _correlation(values: Tensor) -> Line:
    """The mean absolute correlation between two inputs."""
    count = values.shape[1]
    if count < 2:
        return Line("inputs: correlation", "pass", "one input")
    if count > _INPUTS:
        values = values[:, torch.randperm(count, device=values.device)[:_INPUTS]]
    r = torch.corrcoef(values.T).abs().fill_diagonal_(0)
    pairs = r.numel() - len(r)
    mean, same = float(r.sum()) / pairs, int((r > 0.9999).sum()) // 2
    text = f"{same} pairs of inputs are fully correlated. Leave some out, or use data.scale=whiten."
    if same == 0:
        text = "Inputs are strongly correlated, which makes the loss a narrow valley. Try data.scale=whiten."
    verdict = judge(mean, 0.6, 1.1) if same <= len(r) // 4 else "warn"
    return line("inputs: correlation", verdict, f"mean |r| {mean:.2f}", text, "between pairs of inputs")
