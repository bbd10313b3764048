"""Trains a recipe as a user's script would: one thread of a CPU, watched through the public SDK, its log in a folder."""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

import tuimon
from benchmarks.diagnosis.data import Data, read
from benchmarks.diagnosis.losses import chance, judged, loss_of
from benchmarks.diagnosis.nets import Net, build
from benchmarks.diagnosis.outcome import Check, Outcome
from benchmarks.diagnosis.recipe import Recipe
from benchmarks.diagnosis.schedules import factor

_CHECKS = 20  # looks of the judge in a run


def train(recipe: Recipe, folder: Path | None) -> Outcome:
    """Trains a recipe.

    Args:
        recipe: what to train.
        folder: of the run's log; None where the script does not ask to be watched.
    """
    if recipe.special:
        from benchmarks.diagnosis.odd import LOOPS

        return LOOPS[recipe.special](recipe, folder)
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    training = Training(recipe, read(recipe))
    with training.watched(folder):
        return training.run()


def optimizer_of(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of a recipe; `maximize` is torch's own."""
    common: dict[str, Any] = {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "maximize": recipe.maximize}
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, **common)
        case "momentum":
            return torch.optim.SGD(parameters, momentum=0.9, **common)
        case "adam":
            return torch.optim.Adam(parameters, **common)
        case "adamw":
            return torch.optim.AdamW(parameters, **common)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, **common)
    raise ValueError(recipe.optimizer)


def batches(x: Tensor, y: Tensor, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches for ever, each epoch in an order of its own."""
    dice = torch.Generator().manual_seed(recipe.seed + 23)
    while True:
        order = torch.randperm(len(x), generator=dice)
        for part in order.split(recipe.batch):
            if len(part) == min(recipe.batch, len(x)):
                yield _worked(x[part], recipe), y[part]


def _worked(x: Tensor, recipe: Recipe) -> Tensor:
    """A batch from a pipeline that waits for a slow disk, or works on each row in plain Python."""
    if recipe.wait_s:
        time.sleep(recipe.wait_s)
    for i in range(recipe.work):
        x[i] = torch.tensor([float(value) for value in x[i].flatten()]).reshape(x[i].shape)
    return x


class Training:
    """One script's training."""

    def __init__(self, recipe: Recipe, data: Data) -> None:
        self.recipe, self.data = recipe, data
        self.net: Net = build(recipe, data)
        self.loss = loss_of(recipe, data)
        if recipe.pretrain:
            self._pretrain()
        mine = self.net.head if recipe.untrained == "unlisted" else self.net
        parameters = [p for p in mine.parameters() if p.requires_grad]
        self.optimizer = optimizer_of(recipe, parameters)
        self._monitor: tuimon.Monitor | None = None
        self._kept: list[Tensor] = []
        self._times: list[float] = []
        self._checks: list[Check] = []

    def _pretrain(self) -> None:
        """What has been learned elsewhere: the whole net, trained unwatched at an ordinary rate."""
        self.net.requires_grad_(True)
        optimizer = torch.optim.Adam(self.net.parameters(), 1e-3)
        for _, (x, y) in zip(range(self.recipe.pretrain), batches(self.data.x, self.data.y, self.recipe), strict=False):
            optimizer.zero_grad()
            self.loss(self.net(x), y).backward()
            optimizer.step()
        self.net.zero_grad()
        if self.recipe.untrained == "frozen":
            self.net.body.requires_grad_(False)

    @contextlib.contextmanager
    def watched(self, folder: Path | None) -> Iterator[None]:
        """While this lasts, the training is watched, if a folder is given."""
        if folder is None:
            yield
            return
        recipe = self.recipe
        settings = {"clip_norm": recipe.clip} if recipe.clip and recipe.clipper == "lever" else None
        with tuimon.watch(
            self.net, self.optimizer, run_dir=folder, total_steps=recipe.steps, serve=False, seed=recipe.seed,
            steps_per_epoch=max(1, len(self.data.x) // (recipe.batch * recipe.accumulate)), settings=settings,
        ) as self._monitor:  # fmt: skip
            yield
        self._monitor = None

    def run(self) -> Outcome:
        """All steps."""
        gc.collect()
        memory = psutil.Process().memory_info().rss
        found = batches(self.data.x, self.data.y, self.recipe)
        every = max(1, self.recipe.steps // _CHECKS)
        self._check(0)
        self.net.train()
        for step in range(self.recipe.steps):
            began = time.perf_counter()
            self._step(step, found)
            self._times.append(time.perf_counter() - began)
            if (step + 1) % every == 0 or step + 1 == self.recipe.steps:
                self._check(step + 1)
            if self.recipe.validate_every and (step + 1) % self.recipe.validate_every == 0:
                self._validate()
        grown = psutil.Process().memory_info().rss - memory
        error, loss = chance(self.data)
        formula = f"{self.recipe.loss or self.data.task} {self.recipe.output}"
        return Outcome(self._checks, error, loss, statistics.median(self._times), float(grown), formula)

    def _step(self, step: int, found: Iterator[tuple[Tensor, Tensor]]) -> None:
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * factor(recipe.schedule, step, recipe.steps)
        if recipe.zero_grad:
            self.optimizer.zero_grad()
        total = 0.0
        for _ in range(recipe.accumulate):
            x, y = next(found)
            loss = self.loss(self.net(x), y) / recipe.accumulate
            if recipe.penalty:
                loss = loss + recipe.penalty * sum((p.pow(2).sum() for p in self.net.parameters()), torch.zeros(()))
            loss.backward()
            total += loss.item()
            self._keep(x)
        if recipe.clip and recipe.clipper == "script":
            clip_grad_norm_(self.net.parameters(), recipe.clip)
        self.optimizer.step()
        if self._monitor:
            self._monitor.log(loss=total)

    def _keep(self, x: Tensor) -> None:
        if self.recipe.keeps == "graph":  # the classic: `predictions.append(net(x))`, without `no_grad`
            self._kept.append(self.net(x))
        elif self.recipe.keeps == "batch":
            self._kept.append(x.repeat(64, *[1] * (x.dim() - 1)))

    @torch.no_grad()
    def _validate(self) -> None:
        self.net.eval()
        out = self.net(self.data.val_x)
        values = {"val_loss": float(self.loss(out, self.data.val_y))}
        if self.data.task in ("classes", "tokens"):
            values["val_accuracy"] = float((out.argmax(-1) == self.data.val_y).float().mean())
        if not self.recipe.stays_in_eval:
            self.net.train()
        if self._monitor:
            self._monitor.log(values)

    def _check(self, step: int) -> None:
        self._checks.append(Check(step, *judged(self.net, self.recipe, self.data)))
