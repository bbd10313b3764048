"""The targets: they should be in range, varied, balanced, and consistent for equal inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from tuimon.training.checks.subject import Subject
from tuimon.training.checks.words import figure, judge, line, listed
from tuimon.training.data import Split
from tuimon.training.report import Line, Verdict

_MOST_CLASS_IDS = 100  # with more different values, targets count as measured values


def check_targets(subject: Subject) -> Iterator[Line]:
    """Checks the classes and their balance, or the values and their scale; then contradictions and leaks."""
    if subject.task == "quadratic":
        return
    yield from _classes(subject) if subject.has_classes else _values(subject)
    if subject.task in ("classification", "regression"):
        yield from _twins(subject)


def _classes(subject: Subject) -> Iterator[Line]:
    targets = subject.train.targets
    low, high = (int(value) for value in targets.aminmax())
    if low < 0 or high >= subject.outputs:
        text = f"Class numbers must be from 0 to {subject.outputs - 1}, because the model has {subject.outputs} outputs."
        yield Line("labels", "fail", f"{low} to {high}", text)
        return
    counts = torch.bincount(targets.flatten(), minlength=subject.outputs).double()
    present = counts[counts > 0]
    if len(present) == 1:
        yield Line("labels", "fail", "1 class", "All labels are the same, so there is nothing to learn.")
        return
    missing = [_name(subject, i) for i in (counts == 0).nonzero().flatten().tolist()]
    text = f"No training example of {listed(missing)}: the model cannot learn to predict them."
    few: Verdict = "warn" if missing and subject.task == "classification" else "pass"
    yield line("labels", few, f"{len(present)} of {subject.outputs} classes", text, f"{len(subject.train)} examples")
    if subject.task == "classification":
        yield _balance(present)


def _balance(counts: Tensor) -> Line:
    ratio = float(counts.max() / counts.min())
    share = float(counts.max() / counts.sum())
    text = f"Always predicting the largest class is right {share:.0%} of the time, so do not judge by accuracy alone."
    return line("labels: balance", judge(ratio, 5.0, math.inf), f"{ratio:.3g} : 1", text, "largest to smallest class")


def _name(subject: Subject, number: int) -> str:
    return subject.class_names[number] if number < len(subject.class_names) else str(number)


def _values(subject: Subject) -> Iterator[Line]:
    targets = subject.train.targets.double()
    if not targets.isfinite().all() or not subject.val.targets.isfinite().all():
        yield Line("targets", "fail", "not finite", "NaN or infinite values among the targets. Clean the data.")
        return
    mean, deviation = float(targets.mean()), float(targets.std(correction=0))
    if deviation == 0:
        yield Line("targets", "fail", figure(mean), "All targets are the same, so there is nothing to learn.")
        return
    if subject.task == "regression" and (ids := _class_ids(targets)):
        text = "The targets look like class numbers, whose order means nothing. Use data.task=classification."
        yield Line("targets", "fail", f"{ids} values", text)
    size = math.hypot(mean, deviation)
    verdict = judge(max(size, 0.3 / size), 5.0, 20.0) if subject.task == "regression" else "pass"
    text = "The output layer would first have to learn their scale. Use data.target_scale=zscore."
    number = f"{figure(mean)} ± {figure(deviation)}"
    yield line("targets: scale", verdict, number, text, "near zero mean and unit variance")


def _class_ids(targets: Tensor) -> int:
    """The number of classes if the targets look like class numbers, which are evenly spaced even after scaling; otherwise 0."""
    values = torch.unique(targets)
    if targets.shape[-1] != 1 or not 3 <= len(values) <= min(_MOST_CLASS_IDS, len(targets) / 10):
        return 0
    gaps = values.diff()
    return len(values) if float(gaps.max() - gaps.min()) < 1e-3 * float(gaps.mean()) else 0


def _twins(subject: Subject) -> Iterator[Line]:
    """Checks for equal inputs with different targets, and for examples that are in both splits."""
    train, val = _keyed(subject.train), _keyed(subject.val)
    first: dict[bytes, bytes] = {}
    against = sum(first.setdefault(key, target) != target for key, target in train)
    leaked = sum(key in first for key, _ in val)
    text = f"{against} examples have the same inputs as another example, but different targets. No model can learn both."
    yield line(
        "labels: agreement",
        judge(against / len(train), 0.01, 0.3),
        str(against),
        text,
        "no equal inputs with different targets",
    )
    text = f"{leaked} validation examples are also in the training split: their loss says nothing about new examples."
    yield line(
        "validation split",
        judge(leaked / len(val), 0.01, 0.5),
        f"{leaked} shared",
        text,
        f"{len(val)} examples, none in the training split",
    )


def _keyed(split: Split, most: int = 20_000) -> list[tuple[bytes, bytes]]:
    inputs = split.inputs[:most].flatten(1).cpu().contiguous().numpy()
    targets = split.targets[:most].cpu().contiguous().numpy()
    return [(a.tobytes(), b.tobytes()) for a, b in zip(inputs, targets, strict=True)]
