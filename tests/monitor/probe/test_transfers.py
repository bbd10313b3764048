"""Numbers that live on a device travel to the host without anybody waiting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tuimon
from tuimon.log.writer import LogWriter
from tuimon.monitor.probe.transfers import Flight, Transfers
from tuimon.monitor.scalars import Scalars, scalar_tag


class Device:
    """Stands in for a GPU: copies land when the test says so, and waiting is counted."""

    def __init__(self) -> None:
        self.landed = False
        self.waits = 0

    def launch(self, flat: Tensor) -> Flight:
        host = torch.full_like(flat, float("nan"))

        def land() -> bool:
            if self.landed:
                host.copy_(flat)
            return self.landed

        def wait() -> None:
            self.waits += 1
            host.copy_(flat)

        return Flight(land, wait, host, flat)

    def transfers(self) -> Transfers:
        return Transfers(self.launch, lambda _: True)


def test_numbers_arrive_in_order_when_the_device_is_done() -> None:
    """Polling early gives nothing and does not wait."""
    device, arrived = Device(), []
    transfers = device.transfers()
    transfers.send([torch.tensor(1.0), torch.tensor([2.0, 3.0])], arrived.append)
    transfers.send([torch.tensor([4.0])], arrived.append)
    transfers.poll()
    assert arrived == []
    device.landed = True
    transfers.poll()
    assert arrived == [[1.0, 2.0, 3.0], [4.0]]
    assert device.waits == 0


def test_a_sample_that_arrives_late_is_not_taken_again_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cost, which spaces the samples, is known only then: a queue of five steps must not mean six times the budget."""
    device = Device()
    monkeypatch.setattr(Transfers.__init__, "__defaults__", (device.launch, lambda _: True))
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with tuimon.watch(model, optimizer, run_dir=tmp_path / "run", meters=False, serve=False) as monitor:
        for _ in range(20):
            optimizer.zero_grad()
            model(torch.ones(1, 4)).sum().backward()
            optimizer.step()
        device.landed = True
        optimizer.step()
    assert list(tuimon.read_run(tmp_path / "run")[f"grad_norm/{type(model).__name__}"].steps) == [1]
    assert monitor.step == 21


def test_the_end_of_the_run_waits_for_what_is_under_way() -> None:
    """Nothing that was sent is lost."""
    device, arrived = Device(), []
    transfers = device.transfers()
    transfers.send([torch.tensor(5.0)], arrived.append)
    transfers.finish()
    assert (arrived, device.waits) == ([[5.0]], 1)


def test_a_loss_on_a_device_is_logged_under_its_own_step_when_it_arrives(tmp_path: Path) -> None:
    """Records keep step and time of the call, and the step's other scalars."""
    device, notices = Device(), []
    writer, transfers = LogWriter(tmp_path, "run", scalar_tag=scalar_tag), device.transfers()
    notice: Callable[[str], Any] = notices.append
    scalars = Scalars(writer, transfers, notice, travels=lambda _: True)
    scalars.write(7, {"loss": torch.tensor(0.5), "other": 2.0}, {"lr": 0.1})
    scalars.write(8, {"loss": torch.tensor(float("inf"))}, {"lr": 0.1})
    assert len(tuimon.read_run(tmp_path).series) == 0
    device.landed = True
    transfers.poll()
    store = tuimon.read_run(tmp_path)
    assert store["loss/train"].steps.tolist() == [7, 8]
    assert store["other"].steps.tolist() == [7]
    assert store["lr"].values.tolist() == pytest.approx([0.1, 0.1])
    assert notices == ["loss/train is inf since step 8"]
    writer.close()
