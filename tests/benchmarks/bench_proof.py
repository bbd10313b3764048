"""How often the test of `tuimon/diagnosis/measures/effect.py` is wrong, and what it sees.

    python tests/benchmarks/bench_proof.py [FOLDER OF RUNS …]

Three tables: simulated losses with nothing changed and with a step of so many standard deviations; small trainings in which the
learning rate is changed for the better, for the worse, or by nothing that matters; and, of the runs in the folders, placebos:
steps at which nothing was changed. Every look counts, not the last one only.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tuimon.diagnosis.measures.effect import Floats, Steps, effect
from tuimon.log.reader import read_run

CURVES: dict[str, Callable[[Floats], Floats]] = {
    "exponential": lambda share: 2 * np.exp(-6 * share),
    "power law": lambda share: 2 * (1000 * share) ** -0.4,
    "flat": lambda share: np.ones_like(share),
    "straight": lambda share: 2 - 1.5 * share,
    "rising": lambda share: 0.5 * np.sqrt(share),
}
LENGTHS = {20: 0.05, 60: 0.05, 400: 0.2, 4000: 0.3}  # losses of a run: their noise
ALIKE = (0.0, 0.5, 0.9)  # autocorrelation of neighbours
JUMPS = (1.0, 2.0, 4.0)  # in standard deviations of the noise
REPEATS, SEEDS = 100, 8


def noise(rng: np.random.Generator, size: int, alike: float) -> Floats:
    """Autoregressive noise with the tails of Student's t with 5 degrees of freedom, of standard deviation 1."""
    found = rng.standard_t(5, size) / np.sqrt(5 / 3)
    for i in range(1, size):
        found[i] = alike * found[i - 1] + np.sqrt(1 - alike**2) * found[i]
    return found


def simulated(curve: str, length: int, alike: float, jump: float, rng: np.random.Generator) -> str:
    """The verdict on one simulated run, changed at 30 to 60 % of it."""
    steps = np.arange(1, length + 1)
    at = int(length * rng.uniform(0.3, 0.6))
    losses = CURVES[curve](steps / length) + LENGTHS[length] * noise(rng, length, alike)
    losses[at:] -= jump * LENGTHS[length]
    return effect(steps, losses, at, over=True).verdict


def share(verdicts: list[str], *wanted: str) -> str:
    """How many of them, in per cent."""
    return f"{100 * sum(verdict in wanted for verdict in verdicts) / len(verdicts):5.1f} %"


def print_simulated() -> None:
    """Wrong verdicts where nothing was changed, and what is seen of steps."""
    rng = np.random.default_rng(0)
    print("simulated, nothing changed: told to have helped, to have made it worse")
    for curve in CURVES:
        for alike in ALIKE:
            verdicts = [simulated(curve, length, alike, 0.0, rng) for length in LENGTHS for _ in range(REPEATS)]
            print(f"  {curve:12} r = {alike:.1f}  {share(verdicts, 'helped')}  {share(verdicts, 'made it worse')}")
    print("simulated, a step down of 1, 2, 4 standard deviations: told to have helped")
    for length in LENGTHS:
        for alike in ALIKE:
            seen = [[simulated("flat", length, alike, jump, rng) for _ in range(REPEATS)] for jump in JUMPS]
            print(f"  {length:5} losses  r = {alike:.1f}  {'  '.join(share(some, 'helped') for some in seen)}")


def trained(rate: float, factor: float, seed: int, steps: int = 600, at: int = 200) -> tuple[Steps, Floats]:
    """The losses of a small classifier, the learning rate of which is multiplied by `factor` when `at` steps are complete."""
    torch.manual_seed(seed)
    teacher, model = (
        nn.Linear(20, 5),
        nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5)),
    )
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9)
    losses = []
    for step in range(steps):
        if step == at:
            optimizer.param_groups[0]["lr"] *= factor
        inputs = torch.randn(32, 20)
        loss = nn.functional.cross_entropy(model(inputs), (teacher(inputs) + 0.3 * torch.randn(32, 5)).argmax(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.arange(1, steps + 1), np.array(losses)


def print_trained() -> None:
    """What is said of changes of the learning rate in real trainings."""
    print("small trainings: helped, no effect, made it worse")
    for told, rate, factor in (
        ("too high, lowered to a good one", 0.3, 0.1),
        ("far too low, raised to a good one", 1e-4, 300.0),
        ("good, raised to far too high", 0.03, 60.0),
        ("good, left as it is", 0.03, 1.0),
        ("good, lowered by 2 %", 0.03, 0.98),
        ("too high, left as it is", 0.3, 1.0),
    ):
        verdicts = [effect(*trained(rate, factor, seed), 200, over=True).verdict for seed in range(SEEDS)]
        print(f"  {told:38} {'  '.join(share(verdicts, one) for one in ('helped', 'no effect', 'made it worse'))}")


def print_placebos(folders: list[Path], most: int = 200) -> None:
    """What is said of steps of real runs at which nothing was changed."""
    rng = np.random.default_rng(0)
    runs = sorted({file.parent for folder in folders for file in folder.rglob("events.out.tfevents.*.run")})
    verdicts: dict[str, Counter[str]] = {"loss/train": Counter(), "loss/val": Counter()}
    for run in (runs[i] for i in rng.permutation(len(runs))[:most]):
        store = read_run(run)
        for tag, told in verdicts.items():
            if tag in store and len(store[tag]) >= 14:
                steps, losses = store[tag].steps, store[tag].values.astype(np.float64)
                told.update(effect(steps, losses, at, over=True).verdict for at in rng.choice(steps[len(steps) // 4 :], 4))
    print(f"placebos in {min(len(runs), most)} real runs")
    for tag, told in verdicts.items():
        print(
            f"  {tag:10} "
            + ", ".join(f"{verdict}: {100 * count / told.total():.1f} %" for verdict, count in told.most_common())
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print_simulated()
    print_trained()
    if sys.argv[1:]:
        print_placebos([Path(folder) for folder in sys.argv[1:]])
