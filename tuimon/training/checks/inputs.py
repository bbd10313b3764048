"""The inputs as the model gets them: finite, of zero mean and unit scale, and not all saying the same.

LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.3: inputs of zero mean, equal variance and without
correlation are learned from fastest.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tuimon.training.checks.subject import Subject
from tuimon.training.checks.words import figure, judge, line, listed
from tuimon.training.report import Line

_EXAMPLES, _INPUTS = 2048, 512  # looked at, at most
_SCALE = "Prepare the inputs: data.scale=zscore."


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
        yield Line("inputs", "fail", f"{sum(bad)} not finite", f"NaN or infinite values, in the {where} split: mend the data.")
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
    text = f"Numbers must be from 0 to {subject.outputs - 1}, the vocabulary's."
    return line("inputs", "fail" if wrong else "pass", f"{low} to {high}", text, "whole numbers, as an embedding takes them")


def _varying(deviations: Tensor, names: tuple[str, ...]) -> Line:
    constant = (deviations == 0).nonzero().flatten().tolist()
    number = f"{len(deviations) - len(constant)} of {len(deviations)} vary"
    if len(constant) == len(deviations):
        return Line("inputs", "fail", number, "Every example is the same: there is nothing to learn from.")
    named = f": {listed(names[i] for i in constant)}" if constant and len(names) == len(deviations) else ""
    verdict = judge(len(constant) / len(deviations), 0.5, 1.1)
    return line("inputs", verdict, number, f"Most inputs never change{named}; are they read correctly?", "all finite")


def _mean(values: Tensor) -> Line:
    """The mean over all inputs, in units of their spread."""
    mean, size = float(values.mean()), float(values.square().mean().sqrt())
    off = abs(mean) / size
    text = f"Inputs all of one sign drive a layer's weights up or down together. {_SCALE}"
    return line("inputs: mean", judge(off, 0.9, 0.99), figure(mean), text, "near zero, for their scale")


def _scale(values: Tensor) -> Line:
    """How large inputs are altogether, as the root of the mean square."""
    size = float(values.square().mean().sqrt())
    verdict = judge(max(size, 0.3 / size), 3.0, 5.0)
    what = "Large inputs saturate or kill the first layer's units" if size > 1 else "Small inputs hardly reach the first layer"
    return line("inputs: scale", verdict, figure(size), f"{what}. {_SCALE}", "root mean square, near 1")


def _evenness(deviations: Tensor, subject: Subject) -> Line:
    """The largest deviation of an input against the middle one; pixels at an image's edge vary little, and may."""
    varying = deviations[deviations > 0]
    ratio = float(varying.max() / varying.median())
    text = f"Some inputs are far larger than others and outweigh them. {_SCALE}"
    if subject.input_names and len(subject.input_names) == len(deviations):
        text = f"{subject.input_names[int(deviations.argmax())]} outweighs the others. {_SCALE}"
    return line(
        "inputs: evenness", judge(ratio, 10.0, 50.0), f"{ratio:.3g} : 1", text, "largest deviation against the middle one"
    )


def _correlation(values: Tensor) -> Line:
    """The mean size of the correlation between two inputs."""
    count = values.shape[1]
    if count < 2:
        return Line("inputs: correlation", "pass", "one input")
    if count > _INPUTS:
        values = values[:, torch.randperm(count, device=values.device)[:_INPUTS]]
    r = torch.corrcoef(values.T).abs().fill_diagonal_(0)
    pairs = r.numel() - len(r)
    mean, same = float(r.sum()) / pairs, int((r > 0.9999).sum()) // 2
    text = f"{same} pairs of inputs say the same. Leave some out, or decorrelate them: data.scale=whiten."
    if same == 0:
        text = "Inputs vary together, which makes the loss a narrow valley. Decorrelate them: data.scale=whiten."
    verdict = judge(mean, 0.6, 1.1) if same <= len(r) // 4 else "warn"
    return line("inputs: correlation", verdict, f"mean |r| {mean:.2f}", text, "between two inputs")
