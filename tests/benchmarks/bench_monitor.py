"""What watching costs a training step, beside TensorBoard's SummaryWriter and wandb offline, in one run.

The worst case: a 64-256-256-10 MLP at batch 64 on one thread, a step of about half a millisecond. The variants take turns in
blocks of steps; each block is compared with the bare block beside it, and medians over the rounds are printed. wandb
is left out, and said to be, where it is not installed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import nn

import tuimon

Step = Callable[[int], None]


class Task:
    """One model, its optimizer and a fixed batch."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.x, self.y = torch.randn(64, 64), torch.randint(10, (64,))

    def step(self) -> torch.Tensor:
        """One optimizer step; returns the loss."""
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss


@contextmanager
def bare(_: Path) -> Iterator[Step]:
    """Nothing watches; the loss is read, as every script does."""
    task = Task()
    yield lambda i: task.step().item()


@contextmanager
def tuimon_scalars(folder: Path) -> Iterator[Step]:
    """Loss, learning rate and throughput of each step, no layer statistics."""
    task = Task()
    with tuimon.watch(task.model, task.optimizer, run_dir=folder / "scalars", budget=0.0) as monitor:
        yield lambda i: monitor.log(loss=task.step().item())


@contextmanager
def tuimon_full(folder: Path) -> Iterator[Step]:
    """All layer statistics at the default budget."""
    task = Task()
    with tuimon.watch(task.model, task.optimizer, run_dir=folder / "full") as monitor:
        yield lambda i: monitor.log(loss=task.step().item())


@contextmanager
def tensorboard(folder: Path) -> Iterator[Step]:
    """add_scalar of the loss each step, add_histogram of each gradient every 100 steps."""
    from torch.utils.tensorboard import SummaryWriter

    task = Task()
    with SummaryWriter(str(folder / "tensorboard")) as writer:

        def step(i: int) -> None:
            writer.add_scalar("loss/train", task.step().item(), i)
            if i % 100 == 0:
                for name, parameter in task.model.named_parameters():
                    writer.add_histogram(f"gradient/{name}", parameter.grad, i)

        yield step


@contextmanager
def wandb_offline(folder: Path) -> Iterator[Step]:
    """log() each step, watch() of gradients every 100 steps, nothing sent anywhere."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    import wandb

    task = Task()
    run = wandb.init(project="bench", dir=str(folder))
    run.watch(task.model, log="gradients", log_freq=100)
    yield lambda i: run.log({"loss": task.step().item()})
    run.finish()


def seconds(step: Step, first: int, steps: int) -> float:
    """Runs a block of steps and returns how long one took."""
    start = time.perf_counter()
    for i in range(first, first + steps):
        step(i)
    return (time.perf_counter() - start) / steps


def measure(variants: dict[str, Step], rounds: int, block: int) -> dict[str, list[tuple[float, float]]]:
    """Pairs of (bare, variant) seconds a step for each round; each variant runs next to a bare block of its own."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in variants if name != "bare"}
    for step in variants.values():
        seconds(step, 0, block)
    for number in range(1, rounds + 1):
        for name, found in pairs.items():
            base = seconds(variants["bare"], number * block, block)
            found.append((base, seconds(variants[name], number * block, block)))
    return pairs


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--block", type=int, default=1000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    makers = {"bare": bare, "tuimon, scalars": tuimon_scalars, "tuimon, all layers": tuimon_full, "TensorBoard": tensorboard}
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        try:
            import wandb  # noqa: F401

            makers["wandb offline"] = wandb_offline
        except ImportError:
            print("wandb is not installed: left out")
        variants = {label: stack.enter_context(make(Path(name))) for label, make in makers.items()}
        pairs = measure(variants, options.rounds, options.block)
    print(f"{'':20} {'bare step':>10} {'added':>10} {'slowdown':>9}   medians of {options.rounds} x {options.block} steps")
    for label, found in pairs.items():
        base = statistics.median(b for b, _ in found)
        added = statistics.median(v - b for b, v in found)
        ratio = statistics.median(v / b for b, v in found)
        print(f"{label:20} {base * 1e6:7.0f} µs {added * 1e6:7.1f} µs {ratio:8.3f}x")


if __name__ == "__main__":
    main()
