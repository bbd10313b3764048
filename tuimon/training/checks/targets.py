"""The targets: within range, of more than one kind, balanced, and the same for the same example."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from tuimon.training.checks.subject import Subject
from tuimon.training.checks.words import figure, judge, line, listed
from tuimon.training.data import Split
from tuimon.training.report import Line, Verdict

_MOST_CLASS_IDS = 100  # different values above which numbers are taken to be measured


def check_targets(subject: Subject) -> Iterator[Line]:
    """Classes and their balance, or the values and their scale; contradictions and leaks."""
    if subject.task == "quadratic":
        return
    yield from _classes(subject) if subject.has_classes else _values(subject)
    if subject.task in ("classification", "regression"):
        yield from _twins(subject)


def _classes(subject: Subject) -> Iterator[Line]:
    targets = subject.train.targets
    low, high = (int(value) for value in targets.aminmax())
    if low < 0 or high >= subject.outputs:
        text = f"Class numbers must be from 0 to {subject.outputs - 1}: the model has {subject.outputs} outputs."
        yield Line("labels", "fail", f"{low} to {high}", text)
        return
    counts = torch.bincount(targets.flatten(), minlength=subject.outputs).double()
    present = counts[counts > 0]
    if len(present) == 1:
        yield Line("labels", "fail", "1 class", "Every label is the same: there is nothing to tell apart.")
        return
    missing = [_name(subject, i) for i in (counts == 0).nonzero().flatten().tolist()]
    text = f"No example of {listed(missing)}: the outputs for them learn only to be never chosen."
    few: Verdict = "warn" if missing and subject.task == "classification" else "pass"
    yield line("labels", few, f"{len(present)} of {subject.outputs} classes", text, f"{len(subject.train)} examples")
    if subject.task == "classification":
        yield _balance(present)


def _balance(counts: Tensor) -> Line:
    ratio = float(counts.max() / counts.min())
    share = float(counts.max() / counts.sum())
    text = f"Always saying the largest class is right {share:.0%} of the time: judge by more than accuracy."
    return line("labels: balance", judge(ratio, 5.0, math.inf), f"{ratio:.3g} : 1", text, "largest class against smallest")


def _name(subject: Subject, number: int) -> str:
    return subject.class_names[number] if number < len(subject.class_names) else str(number)


def _values(subject: Subject) -> Iterator[Line]:
    targets = subject.train.targets.double()
    if not targets.isfinite().all() or not subject.val.targets.isfinite().all():
        yield Line("targets", "fail", "not finite", "NaN or infinite values among the targets: mend the data.")
        return
    mean, deviation = float(targets.mean()), float(targets.std(correction=0))
    if deviation == 0:
        yield Line("targets", "fail", figure(mean), "Every target is the same: there is nothing to learn.")
        return
    if subject.task == "regression" and (ids := _class_ids(targets)):
        text = "They look like class numbers, which have no order: use data.task=classification with cross-entropy."
        yield Line("targets", "fail", f"{ids} values", text)
    size = math.hypot(mean, deviation)
    verdict = judge(max(size, 0.3 / size), 5.0, 20.0) if subject.task == "regression" else "pass"
    text = "The output layer would first have to grow to their scale: use data.target_scale=zscore."
    number = f"{figure(mean)} ± {figure(deviation)}"
    yield line("targets: scale", verdict, number, text, "near zero mean and unit variance")


def _class_ids(targets: Tensor) -> int:
    """How many classes the targets seem to number; 0 when they do not. Shifting and scaling keeps numbers evenly spaced."""
    values = torch.unique(targets)
    if targets.shape[-1] != 1 or not 3 <= len(values) <= min(_MOST_CLASS_IDS, len(targets) / 10):
        return 0
    gaps = values.diff()
    return len(values) if float(gaps.max() - gaps.min()) < 1e-3 * float(gaps.mean()) else 0


def _twins(subject: Subject) -> Iterator[Line]:
    """Examples that are there twice: with another label, or in the other split."""
    train, val = _keyed(subject.train), _keyed(subject.val)
    first: dict[bytes, bytes] = {}
    against = sum(first.setdefault(key, target) != target for key, target in train)
    leaked = sum(key in first for key, _ in val)
    text = f"{against} examples have the inputs of another but other targets: nothing can learn both."
    yield line("labels: agreement", judge(against / len(train), 0.01, 0.3), str(against), text, "no two contradict")
    text = f"{leaked} validation examples are also trained on: their error says nothing of new ones."
    yield line("validation split", judge(leaked / len(val), 0.01, 0.5), f"{leaked} shared", text, f"{len(val)} examples, apart")


def _keyed(split: Split, most: int = 20_000) -> list[tuple[bytes, bytes]]:
    inputs = split.inputs[:most].flatten(1).cpu().contiguous().numpy()
    targets = split.targets[:most].cpu().contiguous().numpy()
    return [(a.tobytes(), b.tobytes()) for a, b in zip(inputs, targets, strict=True)]
