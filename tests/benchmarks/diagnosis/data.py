"""The data of the trainings: what scikit-learn bundles, or what is synthesized from a seed. Nothing is downloaded."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor

from benchmarks.diagnosis.recipe import Recipe

SPLIT = 0.25  # of the samples validate


@dataclass
class Data:
    """What a script trains on.

    Attributes:
        task: classes, binary, regression, tokens or rebuild (an autoencoder's).
        classes: outputs of the net.
        x: [train], as the script sees them; `y` likewise, after faults.
        val_x: [val], likewise.
        val_y: what the script validates against.
        true_y: what `val_y` should be: the judge's.
    """

    task: str
    classes: int
    x: Tensor
    y: Tensor
    val_x: Tensor
    val_y: Tensor
    true_y: Tensor


class Raw(tuple[str, int, Tensor, Tensor]):
    """Task, number of classes, inputs [n, …], targets [n, …]."""

    def __new__(cls, task: str, classes: int, x: Tensor, y: Tensor) -> Raw:
        return super().__new__(cls, (task, classes, x, y))


def read(recipe: Recipe) -> Data:
    """The data of a recipe, split, scaled, and spoiled as the recipe says."""
    task, classes, x, y = READERS[recipe.data](recipe.seed)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(recipe.seed + 7))
    held_out = int(len(x) * SPLIT)
    val, train = order[:held_out], order[held_out:]
    train = train[: recipe.samples or None]
    seen_x = prepared(x, train, recipe.inputs)
    seen_y = labelled(y, classes, recipe.labels, recipe.seed)
    if task == "rebuild":
        seen_y = y = seen_x
    elif task == "regression" and recipe.labels in ("", "log"):
        centre, spread = y[train].mean(), y[train].std()
        y = (y - centre) / spread
        seen_y = (y - y.quantile(0.02)).log() if recipe.labels else y
    y_train, val_y = seen_y[train], seen_y[val]
    true_y = seen_y[val] if task == "regression" and recipe.labels != "log" else y[val]
    return Data(task, classes, seen_x[train], y_train, seen_x[val], val_y, true_y)


def prepared(x: Tensor, train: Tensor, how: str) -> Tensor:
    """Inputs as a script gives them to its net.

    Args:
        x: [n, …] as they are read; whole numbers are tokens and stay as they are.
        train: which of them train: the scale is theirs.
        how: empty for mean 0 and deviation 1 of each feature; raw; times:F or plus:F (after scaling); units:F (each feature
            in a unit of its own, from 1 to F); nan:F (that share of the rows has a NaN); blank:F (that share of
            the rows is zero); over-std (a constant feature is divided by its deviation).
    """
    if not x.is_floating_point() or how == "raw":
        return x
    kind, _, number = how.partition(":")
    mean, std = x[train].mean(0), x[train].std(0)
    if kind == "over-std":
        x = x.clone()
        x[:, 0] = 1.0
        return (x - x[train].mean(0)) / x[train].std(0)
    scaled = (x - mean) / std.clamp_min(1e-3 * float(std.max()) + 1e-12)
    if kind == "times":
        return scaled * float(number)
    if kind == "plus":
        return scaled + float(number)
    if kind == "units":
        units = torch.logspace(0, math.log10(float(number)), scaled.shape[-1])
        return (scaled + 1.0) * units[torch.randperm(len(units), generator=torch.Generator().manual_seed(3))]
    if kind == "blank":
        scaled = scaled.clone()
        scaled[:: max(1, int(1 / float(number)))] = 0.0
    if kind == "nan":
        scaled = scaled.clone()
        bad = train[:: max(1, int(1 / float(number)))]
        scaled[bad, 0] = math.nan
    return scaled


def labelled(y: Tensor, classes: int, how: str, seed: int) -> Tensor:
    """Targets as a script sees them.

    Args:
        y: [n].
        classes: how many there are.
        how: shuffled (of other rows); one (every label is the first class); add:F, times:F; signs (−1 and 1 for 0 and 1);
            log (of targets, few of them negative); noise:F (that share is drawn anew); raw (of a regression: not scaled).
        seed: of what is drawn.
    """
    kind, _, number = how.partition(":")
    dice = torch.Generator().manual_seed(seed + 11)
    if kind == "shuffled":
        return y[torch.randperm(len(y), generator=dice)]
    if kind == "one":
        return torch.zeros_like(y)
    if kind == "add":
        return y + float(number)
    if kind == "times":
        return y * float(number)
    if kind == "signs":
        return 2 * y - 1
    if kind == "noise":
        drawn = torch.randint(max(2, classes), y.shape, generator=dice).to(y.dtype)
        return torch.where(torch.rand(y.shape, generator=dice) < float(number), drawn, y)
    return y


def _table(task: str, bunch: Callable[[], object]) -> Callable[[int], Raw]:
    def reader(_: int) -> Raw:
        found = bunch()
        x, y = torch.tensor(found.data, dtype=torch.float32), torch.tensor(found.target)  # type: ignore[attr-defined]
        classes = int(y.max()) + 1 if task == "classes" else 1
        return Raw(task, classes, x, y.long() if task == "classes" else y.float())

    return reader


def _shaped(name: str, *shape: int) -> Callable[[int], Raw]:
    def reader(seed: int) -> Raw:
        task, classes, x, y = READERS[name](seed)
        return Raw(task, classes, x.reshape(-1, *shape), y)

    return reader


def _friedman(seed: int) -> Raw:
    x, y = datasets.make_friedman1(n_samples=2400, n_features=10, noise=0.5, random_state=seed)
    return Raw("regression", 1, torch.tensor(x).float(), torch.tensor(y).float())


def _spirals(seed: int, arms: int = 3, n: int = 1800) -> Raw:
    dice = np.random.default_rng(seed)
    arm, way = np.arange(n) % arms, np.sqrt(dice.random(n))
    angle = 3.5 * way + arm * 2 * math.pi / arms
    x = np.stack([way * np.cos(angle), way * np.sin(angle)], 1) + 0.03 * dice.standard_normal((n, 2))
    return Raw("classes", arms, torch.tensor(x).float(), torch.tensor(arm))


def _recall(seed: int, length: int, classes: int = 4, n: int = 2000) -> Raw:
    """Sequences of noise that begin with a symbol: which one was it?"""
    dice = torch.Generator().manual_seed(seed)
    x = 0.3 * torch.randn(n, length, classes, generator=dice)
    y = torch.randint(classes, (n,), generator=dice)
    x[:, 0] += 2 * torch.nn.functional.one_hot(y, classes)
    return Raw("classes", classes, x, y)


def _waves(seed: int, length: int = 20, n: int = 1600) -> Raw:
    """Noisy sines of many periods: what is the next value?"""
    dice = torch.Generator().manual_seed(seed)
    start, speed = 6.3 * torch.rand(n, 1, generator=dice), 0.2 + 0.8 * torch.rand(n, 1, generator=dice)
    whole = torch.sin(start + speed * torch.arange(length + 1)) + 0.05 * torch.randn(n, length + 1, generator=dice)
    return Raw("regression", 1, whole[:, :length, None], whole[:, length])


def _xor(seed: int, bits: int = 2, n: int = 1600) -> Raw:
    dice = torch.Generator().manual_seed(seed)
    x = torch.randn(n, bits + 6, generator=dice)
    return Raw("binary", 1, x, ((x[:, :bits] > 0).sum(1) % 2).float())


def _rare(seed: int, share: float = 0.03) -> Raw:
    """Two overlapping clouds, one of them rare."""
    x, y = datasets.make_classification(3000, 12, n_informative=6, weights=[1 - share], class_sep=1.2, random_state=seed)
    return Raw("binary", 1, torch.tensor(x).float(), torch.tensor(y).float())


@functools.cache
def _letters() -> Tensor:
    """English text: scikit-learn's descriptions of its data sets."""
    text = " ".join(
        load().DESCR for load in (datasets.load_digits, datasets.load_diabetes, datasets.load_wine, datasets.load_iris)
    )
    kept = [c for c in " ".join(text.lower().split()) if c.isalpha() or c in " .,"]
    letters = sorted(set(kept))
    return torch.tensor([letters.index(c) for c in kept])


def _text(seed: int, context: int = 24) -> Raw:
    whole = _letters()
    dice = random.Random(seed)
    starts = torch.tensor(sorted(dice.sample(range(len(whole) - context - 1), 2400)))
    windows = whole[starts[:, None] + torch.arange(context + 1)]
    return Raw("tokens", int(whole.max()) + 1, windows[:, :-1], windows[:, 1:])


def _chain(seed: int, context: int = 16, symbols: int = 12) -> Raw:
    """A language of a seeded Markov chain, of which each symbol has one or two likely successors."""
    dice = np.random.default_rng(seed)
    table = dice.dirichlet(np.full(symbols, 0.07), symbols)
    rows = np.zeros((2000, context + 1), dtype=np.int64)
    rows[:, 0] = dice.integers(symbols, size=len(rows))
    for t in range(context):
        rows[:, t + 1] = (table.cumsum(1)[rows[:, t]] > dice.random((len(rows), 1))).argmax(1)
    windows = torch.tensor(rows)
    return Raw("tokens", symbols, windows[:, :-1], windows[:, 1:])


def _pictures(seed: int) -> Raw:
    _, _, x, _ = READERS["digits"](seed)
    return Raw("rebuild", 64, x, x)


def _bars(seed: int, n: int = 1600) -> Raw:
    """Smooth curves of 40 points made of four shapes, to be rebuilt."""
    dice = torch.Generator().manual_seed(seed)
    shapes = torch.sin(torch.arange(1, 5)[:, None] * torch.linspace(0, 3.14, 40))
    x = torch.randn(n, 4, generator=dice) @ shapes + 0.05 * torch.randn(n, 40, generator=dice)
    return Raw("rebuild", 40, x, x)


READERS: dict[str, Callable[[int], Raw]] = {
    "digits": _table("classes", datasets.load_digits),
    "cancer": _table("binary", datasets.load_breast_cancer),
    "wine": _table("classes", datasets.load_wine),
    "diabetes": _table("regression", datasets.load_diabetes),
    "friedman": _friedman,
    "spirals": _spirals,
    "xor": _xor,
    "rare": _rare,
    "waves": _waves,
    "recall-8": lambda seed: _recall(seed, 8),
    "recall-60": lambda seed: _recall(seed, 60),
    "text": _text,
    "chain": _chain,
    "pictures": _pictures,
    "bars": _bars,
}
READERS |= {"digit-images": _shaped("digits", 1, 8, 8), "digit-rows": _shaped("digits", 8, 8)}
