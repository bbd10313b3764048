"""What watching costs a training step, beside TensorBoard's SummaryWriter and wandb offline, in one run.

The worst case: a 64-256-256-10 MLP at batch 64 on one thread, a step of about half a millisecond. Each step of a variant is
compared with a bare one right beside it, for a shared machine is faster or slower by a third from one moment to the next; the
mean of the differences is printed with its standard error, and bare steps are compared with bare ones, to show what the figures
are worth. Beside it stands what the steps took longer by the clock of the thread's processor time, which no other process
stretches. What a thread of a variant's does later may fall on a bare step, so ours is told of by itself. The monitor's own
parts are timed in place, too: between the parts of real steps, whose arrays have pushed it out of the caches. wandb is left
out, and said to be, where it is not installed.
"""

from __future__ import annotations

import argparse
import inspect
import math
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

import tuimon

Step = Callable[[int], None]
Took = tuple[float, float]  # seconds by the clock, and of processor time
DEFAULT_BUDGET: float = inspect.signature(tuimon.watch).parameters["budget"].default
WARM_UP = 1000  # pairs: a young run is sampled more often
TARGETS = {"tuimon, scalars": 1 + 10 / 450, "tuimon, all layers": 1.03}  # 10 µs, where the bare step takes 450


class Task:
    """A model, an optimizer and a fixed batch.

    Args:
        twin: whose parameters and optimizer state to train: two sets of arrays can differ in speed by a tenth, by where their
            memory lies. Modules and optimizer are a task's own, so that no other task runs their hooks.
    """

    def __init__(self, twin: Task | None = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))
        self._x = torch.randn(64, 64)
        self._y = torch.randint(10, (64,))
        if twin:
            for module, other in zip(self.model, twin.model, strict=True):
                module._parameters = other._parameters
            self._x, self._y = twin._x, twin._y
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        if twin:
            self.optimizer.state = twin.optimizer.state

    def step(self) -> float:
        """One step; returns the loss, which every script reads."""
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self._x), self._y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


@contextmanager
def bare(task: Task, _: Path) -> Iterator[Step]:
    """Nothing watches: what this differs by from bare steps is how far the figures can be trusted."""
    yield lambda i: task.step()


@contextmanager
def tuimon_scalars(task: Task, folder: Path) -> Iterator[Step]:
    """Loss, learning rate and throughput of each step, no layer statistics."""
    with tuimon.watch(task.model, task.optimizer, run_dir=folder / "scalars", budget=0.0) as monitor:
        yield lambda i: monitor.log(loss=task.step())


@contextmanager
def tuimon_full(task: Task, folder: Path) -> Iterator[Step]:
    """All layer statistics at the default budget, which is a share of the time: half of that is the bare steps'."""
    with tuimon.watch(task.model, task.optimizer, run_dir=folder / "full", budget=DEFAULT_BUDGET / 2) as monitor:
        yield lambda i: monitor.log(loss=task.step())


@contextmanager
def tensorboard(task: Task, folder: Path) -> Iterator[Step]:
    """add_scalar of the loss each step, add_histogram of each gradient every 100 steps."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard")) as writer:

        def step(i: int) -> None:
            writer.add_scalar("loss/train", task.step(), i)
            if i % 100 == 0:
                for name, parameter in task.model.named_parameters():
                    writer.add_histogram(f"gradient/{name}", parameter.grad, i)

        yield step


@contextmanager
def wandb_offline(_: Task, folder: Path) -> Iterator[Step]:
    """log() each step, watch() of gradients every 100 steps, nothing sent. Its hooks are on the parameters: on its own ones."""
    os.environ |= {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    import wandb

    own = Task()
    run = wandb.init(project="bench", dir=str(folder))
    run.watch(own.model, log="gradients", log_freq=100)
    yield lambda i: run.log({"loss": own.step()})
    run.finish()


def seconds(step: Step, i: int) -> float:
    """How long one step took."""
    return took(step, i)[0]


def took(step: Step, i: int) -> Took:
    """How long one step took, and how much processor time of this thread."""
    start, own = time.perf_counter(), time.thread_time()
    step(i)
    return time.perf_counter() - start, time.thread_time() - own


def measure(bare: Step, variant: Step, steps: int) -> list[tuple[Took, Took]]:
    """A bare step and one of the variant's beside it, `steps` times; they take turns to be first."""
    pairs = []
    for i in range(WARM_UP + steps):
        if i % 2:
            watched, plain = took(variant, i), took(bare, i)
        else:
            plain, watched = took(bare, i), took(variant, i)
        pairs.append((plain, watched))
    return pairs[WARM_UP:]


def undisturbed(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The pairs without those of which one step took ten times as long as a bare one: something else had the processor."""
    longest = 10 * statistics.median(plain for plain, _ in pairs)
    return [pair for pair in pairs if max(pair) < longest]


def in_place(task: Task, folder: Path, steps: int) -> dict[str, float]:
    """Seconds that each part of the monitor takes in a step, and a bare step beside them: medians.

    And of the log's thread the mean of a stretch of watched steps alone: it wakes up twenty times a second whatever they log.
    No layer statistics. What it takes to time a function that does nothing, in the same place, is taken off. What the parts
    slow down around them is not in it; that is what the comparison with bare steps is for.
    """
    times: dict[str, list[float]] = {}

    def timed(part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        took = times[part] = []

        def run(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = call(*args, **kwargs)
            took.append(time.perf_counter() - began)
            return result

        return run

    def nothing(*_: Any, **__: Any) -> None: ...

    unwatched, empty = Task(task), Task(task)
    empty.optimizer.register_step_pre_hook(timed("no hook before", nothing))
    empty.optimizer.register_step_post_hook(timed("no hook after", nothing))
    log_nothing = timed("no log", nothing)
    optimizer = task.optimizer
    before, after = optimizer.register_step_pre_hook, optimizer.register_step_post_hook
    optimizer.register_step_pre_hook = lambda hook: before(timed("hook before", hook))  # type: ignore[method-assign]
    optimizer.register_step_post_hook = lambda hook: after(timed("hook after", hook))  # type: ignore[method-assign]
    bare_steps = []
    with tuimon.watch(task.model, optimizer, run_dir=folder / "in place", budget=0.0) as monitor:
        log = timed("log", monitor.log)
        for i in range(steps):
            log(loss=task.step())
            if i % 100 == 99:
                bare_steps += [seconds(lambda _: unwatched.step(), 0) for _ in range(100)]
                for _ in range(100):
                    log_nothing(loss=empty.step())
        writing = next(thread.ident for thread in threading.enumerate() if thread.name == "tuimon-log")
        assert writing is not None
        clock = time.pthread_getcpuclockid(writing)
        began = time.clock_gettime(clock)
        for _ in range(steps):
            monitor.log(loss=task.step())
        thread_s = (time.clock_gettime(clock) - began) / steps
    medians = {part: statistics.median(took) for part, took in times.items()}
    parts = {part: medians[part] - medians[f"no {part}"] for part in ("hook before", "hook after", "log")}
    return parts | {"the log's thread": thread_s, "bare step": statistics.median(bare_steps)}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=15_000, help="pairs of a bare and a watched step, for each variant")
    parser.add_argument("--only", nargs="*", default=[], help="names of the variants to measure")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # a loss that nears zero would make steps three times as slow, and variants incomparable
    variants: dict[str, Callable[[Task, Path], AbstractContextManager[Step]]] = {
        "bare, again": bare,
        "tuimon, scalars": tuimon_scalars,
        "tuimon, all layers": tuimon_full,
        "TensorBoard": tensorboard,
    }
    try:
        import wandb  # noqa: F401

        variants["wandb offline"] = wandb_offline
    except ImportError:
        print("wandb is not installed: left out")
    print(f"{'':20} {'bare step':>10} {'added':>9}  {'error':>8} {'slowdown':>9}   {options.steps} pairs of steps each")
    task = Task()
    with tempfile.TemporaryDirectory() as name:
        for label, open_variant in variants.items():
            if not options.only or label in options.only:
                with open_variant(Task(task), Path(name)) as variant:
                    tell(label, measure(lambda _: task.step(), variant, options.steps))
        parts = in_place(task, Path(name), options.steps)
    step, beside = parts.pop("bare step"), parts.pop("the log's thread")
    told, inside = ", ".join(f"{part} {took * 1e6:.1f}" for part, took in parts.items()), sum(parts.values())
    share, target = inside / step, TARGETS["tuimon, scalars"] - 1
    print(f"scalars, in place: {told}: {inside * 1e6:.1f} µs, {share:.1%} of a bare step of {step * 1e6:.0f} µs", end="")
    print(f"   target {target:.1%}")
    print(f"beside the loop, on the log's own thread: {beside * 1e6:.1f} µs of processor a step, {beside / step:.1%}")


def tell(label: str, pairs: list[tuple[Took, Took]]) -> None:
    """Prints what a variant's steps took longer than the bare ones beside them: the mean, and its standard error."""
    target = f"   target {TARGETS[label]:.3f}x" if label in TARGETS else ""
    for clock, name in enumerate((label, "  … processor time")):
        kept = undisturbed([(plain[clock], watched[clock]) for plain, watched in pairs])
        base, added = statistics.fmean(plain for plain, _ in kept), [watched - plain for plain, watched in kept]
        mean, error = statistics.fmean(added), statistics.stdev(added) / math.sqrt(len(added))
        print(f"{name:20} {base * 1e6:7.0f} µs {mean * 1e6:6.1f} µs", end="")
        print(f" {f'± {error * 1e6:.1f}':>6} µs {1 + mean / base:8.3f}x{target}", flush=True)


if __name__ == "__main__":
    main()
