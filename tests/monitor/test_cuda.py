"""What only a GPU can show: nothing waits for it, and what arrives from it is true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tuimon.log.records import Command, Notice
from tuimon.monitor.probe import tally as module
from tuimon.monitor.probe.tally import tally

Start = Callable[..., Any]
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")]


@contextmanager
def no_waiting() -> Iterator[None]:
    """Any operation that makes the host wait for the device is an error."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def on_gpu(start: Start, **options: Any) -> Any:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(8 * 36, 10), nn.Tanh()
    )
    training = start(model.cuda(), **options)
    training.inputs = torch.randn(16, 3, 8, 8, device="cuda")
    return training


def step(training: Any) -> torch.Tensor:
    """One step that itself reads nothing back."""
    training.optimizer.zero_grad()
    with torch.autocast("cuda", dtype=torch.bfloat16):
        loss = training.model(training.inputs).square().mean()
    loss.backward()
    training.optimizer.step()
    training.monitor.log(loss=loss)
    return loss.detach()


def test_no_step_waits_for_the_device(start: Start) -> None:
    """Sampled and steered: layer statistics, penalties, clipping, a scaled rate; the numbers arrive later, all of them."""
    training = on_gpu(start, budget=1.0)
    for lever, value in (("lr_scale", 0.5), ("l1", 1e-4), ("l2", 1e-4), ("clip_norm", 1.0), ("clip_value", 1.0)):
        training.monitor.send(Command(lever, "set", value))
    step(training), step(training)  # what is set up once may wait
    with no_waiting():
        losses = [step(training) for _ in range(10)]
    training.monitor.close()
    store = training.store
    assert store["loss/train"].values[2:12].tolist() == pytest.approx([loss.item() for loss in losses])
    assert len(store["grad_norm/0"]) == len(store["saturated_fraction/5"]) == 12
    assert not training.events(Notice)


def test_numbers_arrive_where_the_gpu_is_the_default_device(start: Start) -> None:
    """The memory that they are copied to is the host's all the same."""
    with torch.device("cuda"):
        training = on_gpu(start, budget=1.0)
        loss = step(training)
        training.monitor.close()
    assert training.store["loss/train"].values.tolist() == pytest.approx([loss.item()])
    assert not training.events(Notice)


def test_samples_keep_to_their_budget_though_they_arrive_late(start: Start) -> None:
    """A loop that never waits runs far ahead of the device."""
    training = on_gpu(start, budget=0.01)
    for _ in range(2000):
        step(training)
    training.monitor.close()
    assert 1 <= len(training.store["grad_norm/0"]) < 400


def test_a_tally_on_the_gpu_is_the_one_on_the_cpu() -> None:
    """Counts to the last one; also of what is infinite or no number."""
    sizes = 10.0 ** torch.randint(-6, 4, (100_000,))
    x = torch.cat([torch.randn(100_000) * sizes, torch.tensor([0.0, float("inf"), float("nan")])])
    lengths, rows = np.array([50_000, 50_003]), np.array([50] * 1000 + [50_003])
    here, there = tally(x, lengths, rows), tally(x.cuda(), lengths, rows)
    assert torch.equal(here.table[:, module.COUNTS :], there.table[:, module.COUNTS :].cpu())
    assert torch.equal(here.table[:, : module.SUM], there.table[:, : module.SUM].cpu())
    assert here.zero is not None and there.zero is not None and torch.equal(here.zero, there.zero.cpu())


def test_a_sample_takes_no_more_kernels_for_more_layers(start: Start) -> None:
    """All layers are measured together."""
    counts = []
    for layers in (10, 40):
        model = nn.Sequential(*[nn.Linear(16, 16) for _ in range(layers)]).cuda()
        training = start(model, name=f"layers-{layers}", budget=1.0)
        training.inputs = torch.randn(8, 16, device="cuda")
        step(training), step(training)
        bare = start(model, name=f"bare-{layers}", budget=0.0)
        bare.inputs = training.inputs
        counts.append(kernels(training) - kernels(bare))
    assert counts[1] <= counts[0] + 4


def kernels(training: Any) -> int:
    """How many kernels one step launches."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step(training)
        torch.cuda.synchronize()
    return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in profile.events())


def test_a_step_captured_in_a_graph_is_replayed_as_it_was(start: Start) -> None:
    """Watching neither ends the capture nor becomes part of it."""
    model = nn.Linear(8, 4).cuda()
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.01), budget=1.0)
    inputs = torch.randn(16, 8, device="cuda")

    def whole_step() -> None:
        training.optimizer.zero_grad(set_to_none=False)
        model(inputs).square().mean().backward()
        training.optimizer.step()

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            whole_step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        whole_step()
    before = model.weight.detach().clone()
    graph.replay()
    torch.cuda.synchronize()
    assert not torch.equal(before, model.weight) and training.monitor.step == 3
    training.monitor.close()
    assert [notice.text for notice in training.events(Notice)] == [
        "the optimizer's step was captured in a CUDA graph: its replays are not counted, and levers do not affect them"
    ]
