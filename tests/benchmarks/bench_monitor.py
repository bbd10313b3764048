"""What watching costs a training step, beside TensorBoard's SummaryWriter and wandb offline, in one run.

The worst case: a 64-256-256-10 MLP at batch 64 on one thread, a step of about half a millisecond. The variants take turns in
short blocks of steps, so that whatever else the machine does touches all alike; each block is compared with the bare block
beside it, and the mean of the middle eight tenths of the rounds is printed. wandb is left out, and said to be, where it is not
installed. On a shared machine such a difference scatters by several hundredths, so the monitor's own parts are timed in place,
too: between the parts of real steps, whose arrays have pushed it out of the caches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

import tuimon

Step = Callable[[int], None]
TARGETS = {"tuimon, scalars": 1 + 10 / 450, "tuimon, all layers": 1.03}  # 10 µs, where the bare step takes 450


class Task:
    """One model and a fixed batch, trained by any number of optimizers with one state.

    All variants train the same arrays: two models of one shape can differ in speed by a tenth, by where their memory lies.
    """

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
        self._state = torch.optim.Adam(self.model.parameters(), lr=1e-3).state
        self._x = torch.randn(64, 64)
        self._y = torch.randint(10, (64,))

    def optimizer(self) -> torch.optim.Optimizer:
        """An optimizer of the variant's own, for hooks that no other variant runs."""
        optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        optimizer.state = self._state
        return optimizer

    def step(self, optimizer: torch.optim.Optimizer) -> float:
        """One step; returns the loss, which every script reads."""
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self._x), self._y)
        loss.backward()
        optimizer.step()
        return loss.item()


@contextmanager
def bare(task: Task, _: Path) -> Iterator[Step]:
    """Nothing watches."""
    optimizer = task.optimizer()
    yield lambda i: task.step(optimizer)


@contextmanager
def tuimon_scalars(task: Task, folder: Path) -> Iterator[Step]:
    """Loss, learning rate and throughput of each step, no layer statistics."""
    optimizer = task.optimizer()
    with tuimon.watch(task.model, optimizer, run_dir=folder / "scalars", budget=0.0) as monitor:
        yield lambda i: monitor.log(loss=task.step(optimizer))


@contextmanager
def tuimon_full(task: Task, folder: Path) -> Iterator[Step]:
    """All layer statistics at the default budget."""
    optimizer = task.optimizer()
    with tuimon.watch(task.model, optimizer, run_dir=folder / "full") as monitor:
        yield lambda i: monitor.log(loss=task.step(optimizer))


@contextmanager
def tensorboard(task: Task, folder: Path) -> Iterator[Step]:
    """add_scalar of the loss each step, add_histogram of each gradient every 100 steps."""
    from torch.utils.tensorboard import SummaryWriter

    optimizer = task.optimizer()
    with SummaryWriter(str(folder / "tensorboard")) as writer:

        def step(i: int) -> None:
            writer.add_scalar("loss/train", task.step(optimizer), i)
            if i % 100 == 0:
                for name, parameter in task.model.named_parameters():
                    writer.add_histogram(f"gradient/{name}", parameter.grad, i)

        yield step


@contextmanager
def wandb_offline(_: Task, folder: Path) -> Iterator[Step]:
    """log() each step, watch() of gradients every 100 steps, nothing sent. On a model of its own: its hooks stay on."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    import wandb

    own = Task()
    optimizer = own.optimizer()
    run = wandb.init(project="bench", dir=str(folder))
    run.watch(own.model, log="gradients", log_freq=100)
    yield lambda i: run.log({"loss": own.step(optimizer)})
    run.finish()


def seconds(step: Step, first: int, steps: int) -> float:
    """Runs a block of steps and returns how long one took."""
    start = time.perf_counter()
    for i in range(first, first + steps):
        step(i)
    return (time.perf_counter() - start) / steps


def measure(variants: dict[str, Step], rounds: int, block: int) -> dict[str, list[tuple[float, float]]]:
    """Pairs of (bare, variant) seconds a step for each round; a variant and a bare block beside it take turns to be first."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in variants if name != "bare"}
    for step in variants.values():
        seconds(step, 0, 1000)
    for number in range(1, rounds + 1):
        for name, found in pairs.items():
            order = ("bare", name) if number % 2 else (name, "bare")
            took = {which: seconds(variants[which], number * block, block) for which in order}
            found.append((took["bare"], took[name]))
    return pairs


def in_place(task: Task, folder: Path, steps: int) -> dict[str, float]:
    """Seconds that each part of the monitor takes in a step, and a bare step beside them: medians, but the thread's mean.

    No layer statistics. What the parts slow down around them is not in it; that is what the comparison with bare steps is for.
    """
    times: dict[str, list[float]] = {"hook before": [], "hook after": [], "log": []}

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = call(*args, **kwargs)
            times[part].append(time.perf_counter() - began)
            return result

        return run

    optimizer, unwatched = task.optimizer(), task.optimizer()
    before, after = optimizer.register_step_pre_hook, optimizer.register_step_post_hook
    optimizer.register_step_pre_hook = lambda hook: before(timed("hook before", hook))  # type: ignore[method-assign]
    optimizer.register_step_post_hook = lambda hook: after(timed("hook after", hook))  # type: ignore[method-assign]
    bare_steps = []
    with tuimon.watch(task.model, optimizer, run_dir=folder / "in place", budget=0.0) as monitor:
        log = timed("log", monitor.log)
        for i in range(steps):
            log(loss=task.step(optimizer))
            if i % 100 == 99:
                bare_steps += [seconds(lambda _: task.step(unwatched), 0, 1) for _ in range(100)]
        writing = next(thread.ident for thread in threading.enumerate() if thread.name == "tuimon-log")
        assert writing is not None
        thread_s = time.clock_gettime(time.pthread_getcpuclockid(writing)) / steps
    parts = {part: statistics.median(took) for part, took in times.items()}
    return parts | {"the log's thread": thread_s, "bare step": statistics.median(bare_steps)}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--block", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=[], help="names of the variants to measure")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a loss that nears zero would make steps three times as slow, and variants incomparable
    makers = {"bare": bare, "tuimon, scalars": tuimon_scalars, "tuimon, all layers": tuimon_full, "TensorBoard": tensorboard}
    task = Task()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        try:
            import wandb  # noqa: F401

            makers["wandb offline"] = wandb_offline
        except ImportError:
            print("wandb is not installed: left out")
        makers = {label: make for label, make in makers.items() if not options.only or label in ("bare", *options.only)}
        variants = {label: stack.enter_context(make(task, Path(name))) for label, make in makers.items()}
        pairs = measure(variants, options.rounds, options.block)
        parts = in_place(Task(), Path(name), options.rounds * options.block)
    print(f"{'':20} {'bare step':>10} {'added':>10} {'slowdown':>9}   {options.rounds} x {options.block} steps each")
    for label, found in pairs.items():
        kept = middle(found)
        base, with_it = (statistics.fmean(pair[i] for pair in kept) for i in (0, 1))
        target = f"   target {TARGETS[label]:.3f}x" if label in TARGETS else ""
        print(f"{label:20} {base * 1e6:7.0f} µs {(with_it - base) * 1e6:7.1f} µs {with_it / base:8.3f}x{target}")
    step, beside = parts.pop("bare step"), parts.pop("the log's thread")
    told, inside = ", ".join(f"{part} {took * 1e6:.1f}" for part, took in parts.items()), sum(parts.values())
    share, target = inside / step, TARGETS["tuimon, scalars"] - 1
    print(f"scalars, in place: {told}: {inside * 1e6:.1f} µs, {share:.1%} of a bare step of {step * 1e6:.0f} µs", end="")
    print(f"   target {target:.1%}")
    print(f"beside the loop, on the log's own thread: {beside * 1e6:.1f} µs of processor")


def middle(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The pairs without the tenth at each end of their difference. No median: most blocks hold no sample of the layers."""
    ranked = sorted(pairs, key=lambda pair: pair[1] - pair[0])
    tenth = len(ranked) // 10
    return ranked[tenth : len(ranked) - tenth]


if __name__ == "__main__":
    main()
