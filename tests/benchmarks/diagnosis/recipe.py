"""A training as data: every choice that a script makes, with the usual one as its default. Knows no torch.

A fault is a recipe with some choices changed; its healthy twin is the recipe without the change.
"""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Recipe:
    """One training.

    Attributes:
        data: a name in `data.READERS`.
        net: a name in `nets.BUILDERS`.
        width: units of a hidden layer, channels of a convolution.
        depth: hidden layers.
        narrow: units of an autoencoder's bottleneck.
        init: how torch's own initialization is changed, see `nets.initialize`.
        output: what follows the last layer: softmax, sigmoid, tanh, relu.
        loss: a name in `losses.LOSSES`; the task's own when empty.
        inputs: what is done to them in place of scaling them to mean 0 and deviation 1, see `data.prepared`.
        labels: what is done to them, see `data.labelled`.
        samples: how many of the training set are used; 0 for all.
        untrained: frozen, unlisted (not given to the optimizer) or detached: all layers but the last.
        pretrain: steps that the whole net is trained before what is watched begins.
        validate_every: steps between validations.
        schedule: of the rate, see `schedules.SCHEDULES`.
        clip: largest norm of the gradient; 0 for none. By `clipper`: lever (tuimon's own) or script (torch's function).
        stays_in_eval: the script calls `model.eval()` to validate, and never `model.train()` again.
        wait_s: what the script waits for each batch.
        work: how many rows of each batch the script takes apart in plain Python.
        keeps: what a script keeps of each step: graph (the loss with its graph), batch.
        asked: whether the script calls `tuimon.watch`; otherwise `tuimon run --headless` watches it unasked.
        special: a name in `odd.LOOPS`, for a training that needs a loop of its own.
    """

    data: str
    net: str = "mlp"
    width: int = 64
    depth: int = 2
    narrow: int = 16
    activation: str = "relu"
    norm: str = ""
    dropout: float = 0.0
    residual: bool = False
    init: str = ""
    output: str = ""
    loss: str = ""
    inputs: str = ""
    labels: str = ""
    samples: int = 0
    untrained: str = ""
    pretrain: int = 0
    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    maximize: bool = False
    penalty: float = 0.0
    batch: int = 64
    steps: int = 400
    accumulate: int = 1
    zero_grad: bool = True
    schedule: str = ""
    clip: float = 0.0
    clipper: str = "lever"
    validate_every: int = 25
    stays_in_eval: bool = False
    wait_s: float = 0.0
    work: int = 0
    keeps: str = ""
    asked: bool = True
    special: str = ""
    seed: int = 0


class Range(NamedTuple):
    """A number that a fault is made with: the set's own, and between which the hold-out draws, evenly in the logarithm."""

    usual: float
    low: float
    high: float

    def drawn(self, dice: random.Random) -> float:
        """A number of the hold-out."""
        return float(self.low * (self.high / self.low) ** dice.random())


def near(usual: float, factor: float = 1.5) -> Range:
    """A range from `usual / factor` to `usual · factor`."""
    low, high = sorted((usual / factor, usual * factor))
    return Range(usual, low, high)


def settled(change: dict[str, Any], dice: random.Random | None) -> dict[str, Any]:
    """A change with every range replaced: by its usual number, or by one that `dice` draws. Ranges in a tuple fill its text."""
    return {key: _settled(value, dice) for key, value in change.items()}


def _settled(value: Any, dice: random.Random | None) -> Any:
    if isinstance(value, Range):
        number = value.usual if dice is None else value.drawn(dice)
        return int(number) if isinstance(value.usual, int) else float(f"{number:.3g}")
    if isinstance(value, tuple):
        text, *ranges = value
        return text.format(*(_settled(each, dice) for each in ranges))
    return value


HOLDOUT = {"width": 1.3, "lr": 1.2, "batch": 1.3, "steps": 1.2}  # the largest factor by which the hold-out changes each


def varied(recipe: Recipe, dice: random.Random) -> Recipe:
    """The same training with another seed and other sizes and rates, each within its factor of `HOLDOUT`."""
    changed: dict[str, Any] = {"seed": dice.randrange(1000, 1_000_000)}
    for key, factor in HOLDOUT.items():
        value = getattr(recipe, key) * factor ** dice.uniform(-1, 1)
        is_count = isinstance(getattr(recipe, key), int)
        changed[key] = max(1, 2 * round(value / 2) if value > 4 else round(value)) if is_count else float(f"{value:.3g}")
    if recipe.net == "transformer":
        changed["width"] = max(8, 4 * round(changed["width"] / 4))
    if recipe.batch <= 4:
        changed["batch"] = recipe.batch  # a batch of one stays one
    if recipe.width <= 4:
        changed["width"] = recipe.width
    return dataclasses.replace(recipe, **changed)
