"""The ladder: starts with the simplest model on the simplest task, adds one step at a time, and stops at the first failure.

Each rung is trained briefly and must then be better than chance on validation examples. A model that memorizes its labels is
not, so the ladder also finds labels that do not belong to their inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from tuimon.base import format
from tuimon.training.checks import fitting
from tuimon.training.checks.subject import Loss, Subject
from tuimon.training.data import Split
from tuimon.training.report import Line

_STEPS, _BATCH, _SECONDS = 300, 32, 3.0
_FULL_STEPS, _MOST_BATCH, _FULL_SECONDS = 400, 512, 4.0
_HIDDEN = 32
_VALIDATED = 1000
_SURE = 3.0  # standard errors above chance
_BEHIND = 0.1  # difference of two scores that counts as clearly worse
_NO_BETTER = "Not better than chance on validation examples. "
_SIMPLE = (
    "Check that labels belong to their inputs (are they shuffled?), how inputs are scaled, and whether so simple a model "
    "can solve this task at all."
)


_FULL = "Look at the model's gradients, activations and output layer, and at the learning rate."


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: a model, its data and its loss."""

    name: str
    build: Callable[[], nn.Module]
    train: Split
    val: Split
    loss: Loss
    full: bool = False


@dataclass(frozen=True)
class Score:
    """The result of a rung on validation examples: `value` is the accuracy or explained fraction of the loss, at best 1."""

    value: float
    better: bool  # than chance, clearly
    shown: str

    def behind(self, other: Score | None) -> bool:
        """Whether it is clearly worse than another score; False without one."""
        return other is not None and self.value < other.value - _BEHIND


@dataclass(frozen=True)
class Climbed:
    """The score of a rung with the spec's optimizer, and with Adam if that was tried."""

    own: Score
    with_adam: Score | None = None

    @property
    def best(self) -> Score:
        """The better of the two scores."""
        return self.with_adam if self.with_adam and self.with_adam.value > self.own.value else self.own


def check_ladder(subject: Subject) -> Iterator[Line]:
    """One line for each rung, up to the first that fails."""
    if subject.task == "quadratic":
        return
    before: Score | None = None
    for rung in rungs(subject):
        comparable = before if rung.train is subject.train else None
        climbed = climb(subject, rung, comparable)
        yield _line(rung, climbed, comparable)
        if not climbed.best.better:
            return
        before = climbed.best if rung.train is subject.train else None


def rungs(subject: Subject) -> Iterator[Rung]:
    """The rungs from two classes with softmax alone to all classes with the full model; fewer for other tasks."""
    names: tuple[str, ...]
    if subject.task == "classification":
        if subject.outputs > 2:
            names = ("softmax alone", "one hidden unit", "full model")
            yield from _rungs_on(subject, "two classes", *_two_classes(subject), names)
            names = ("softmax alone", "one hidden layer", "full model")
            yield from _rungs_on(subject, f"{subject.outputs} classes", subject.train, subject.val, names)
        else:
            names = ("softmax alone", "one hidden unit", "one hidden layer", "full model")
            yield from _rungs_on(subject, "two classes", subject.train, subject.val, names)
    elif subject.task == "regression":
        names = ("linear alone", "one hidden unit", "one hidden layer", "full model")
        yield from _rungs_on(subject, "", subject.train, subject.val, names)
    else:
        names = ("the last character alone", "full model") if subject.task == "text" else ("full model",)
        yield from _rungs_on(subject, "", subject.train, subject.val, names)


def climb(subject: Subject, rung: Rung, before: Score | None = None) -> Climbed:
    """Trains a rung. If the full model does badly with the spec's optimizer, trains it again with Adam."""
    if not rung.full:
        return Climbed(_try(subject, rung, rung.build(), lambda model: fitting.adam(model, 1e-2), _BATCH))
    score = _try(subject, rung, rung.build(), subject.optimizer, min(subject.batch_size, _MOST_BATCH))
    if score.better and not score.behind(before):
        return Climbed(score)
    return Climbed(score, _try(subject, rung, rung.build(), lambda model: fitting.adam(model, 1e-3), _BATCH))


def _rungs_on(subject: Subject, what: str, train: Split, val: Split, names: tuple[str, ...]) -> Iterator[Rung]:
    classes = 2 if what == "two classes" else subject.outputs
    for name in names:
        told = f"{what}, {name}" if what else name
        if name == "full model":
            yield Rung(told, subject.fresh, _original(subject, train), _original(subject, val), subject.loss, full=True)
        else:
            loss = nn.functional.cross_entropy if subject.task == "classification" else subject.loss
            yield Rung(told, partial(_small, subject, name, classes), train, val, loss)


def _two_classes(subject: Subject) -> tuple[Split, Split]:
    """The examples of the two most frequent classes, renumbered 0 and 1; `_pair` gives their original numbers."""
    pair = _pair(subject)

    def only(split: Split) -> Split:
        kept = split.batch(torch.isin(split.targets, pair).nonzero().flatten())
        return replace(kept, targets=(kept.targets == pair[1]).long())

    return only(subject.train), only(subject.val)


def _pair(subject: Subject) -> Tensor:
    return torch.bincount(subject.train.targets).topk(2).indices.sort().values


def _original(subject: Subject, split: Split) -> Split:
    """The split with the original class numbers, for the full model."""
    if subject.task != "classification" or split is subject.train or split is subject.val:
        return split
    return replace(split, targets=_pair(subject)[split.targets])


def _small(subject: Subject, name: str, outputs: int) -> nn.Module:
    """A small model for a rung."""
    device = subject.device
    if subject.task == "text":
        return nn.Embedding(subject.outputs, subject.outputs).to(device)
    width = subject.train.inputs[0].numel()
    if name.endswith("alone"):
        return nn.Sequential(nn.Flatten(), nn.Linear(width, outputs)).to(device)
    hidden = 1 if name == "one hidden unit" else _HIDDEN
    return nn.Sequential(nn.Flatten(), nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, outputs)).to(device)


def _try(
    subject: Subject, rung: Rung, model: nn.Module, optimizer: Callable[[nn.Module], torch.optim.Optimizer], size: int
) -> Score:
    steps, seconds = (_FULL_STEPS, _FULL_SECONDS) if rung.full else (_STEPS, _SECONDS)
    fitting.fit(model, rung.loss, fitting.batches(rung.train, size), optimizer(model), steps=steps, seconds=seconds)
    val = subject.sample(_VALIDATED, rung.val)
    with torch.no_grad():
        outputs = model.eval()(val.inputs)
        return (_accuracy if subject.task == "classification" else _explained)(rung, val, outputs)


def _accuracy(rung: Rung, val: Split, outputs: Tensor) -> Score:
    """The accuracy, compared with always predicting the most frequent class."""
    said = (outputs[:, 0] > 0).long() if outputs.shape[1] == 1 else outputs.argmax(1)
    value = float((said == val.targets).float().mean())
    most = int(torch.bincount(rung.train.targets).argmax())
    chance = float((val.targets == most).float().mean())
    sure = chance + _SURE * math.sqrt(chance * (1 - chance) / len(val))
    return Score(value, value > min(sure, 0.5 + 0.5 * chance), f"{value:.1%}, chance {chance:.1%}")


def _explained(rung: Rung, val: Split, outputs: Tensor) -> Score:
    """The explained fraction of the loss, compared with the best constant output."""
    blind = _blind(rung.train.targets, outputs)
    own, others = (_each(rung.loss, given, val.targets) for given in (outputs, blind))
    base = max(float(others.mean()), 1e-12)
    value = 1 - float(own.mean()) / base
    shown = f"loss {format.number(float(own.mean()))}, chance {format.number(base)}"
    sure = _correlated(outputs - blind, val.targets - blind) if val.targets.is_floating_point() else _fewer(own, others)
    return Score(value if math.isfinite(value) else -math.inf, value > 0 and sure, shown)


def _fewer(own: Tensor, others: Tensor) -> bool:
    """Whether significantly more than half of the examples have a lower loss (sign test)."""
    return float((own < others).sum()) - len(own) / 2 > _SURE * math.sqrt(len(own)) / 2


def _correlated(given: Tensor, wanted: Tensor) -> bool:
    """Whether outputs and targets correlate significantly (Fisher's z of the correlation)."""
    r = float(torch.corrcoef(torch.stack([given.flatten(), wanted.flatten()]).double())[0, 1])
    return r > 0 and math.atanh(min(r, 0.999999)) * math.sqrt(max(len(given) - 3, 1)) > _SURE


def _each(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each example, [N]."""
    return torch.stack([loss(outputs[i : i + 1], targets[i : i + 1]) for i in range(len(targets))]).double()


def _blind(targets: Tensor, outputs: Tensor) -> Tensor:
    """The best outputs without looking at inputs: the log frequencies of the classes, or the mean target."""
    if not targets.is_floating_point():
        counts = torch.bincount(targets.flatten(), minlength=outputs.shape[-1]).to(outputs)
        return ((counts + 1) / (counts + 1).sum()).log().expand_as(outputs)
    return targets.flatten(1).mean(0).expand_as(outputs)


def _line(rung: Rung, climbed: Climbed, before: Score | None) -> Line:
    name, score, again = f"ladder: {rung.name}", climbed.own, climbed.with_adam
    if not climbed.best.better:
        return Line(name, "fail", score.shown, _NO_BETTER + (_FULL if rung.full else _SIMPLE))
    if not score.better:
        text = f"It learns with adam at lr=1e-3 ({climbed.best.shown}), but not with the spec's optimizer and rate."
        return Line(name, "warn", score.shown, text)
    if climbed.best.behind(before):
        text = f"Worse than the simpler model before it ({before.shown if before else ''}). It learns slowly or has a bug."
        return Line(name, "warn", score.shown, text)
    return Line(
        name,
        "pass",
        score.shown,
        f"after few steps; with adam at lr=1e-3: {again.shown}" if again else "on validation examples",
    )
