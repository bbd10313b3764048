"""What the monitor's tests share: a small model, a run folder, sockets in a folder of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tuimon


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short folder for sockets: pytest's own are near the limit of a socket's path."""
    folder = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


class Training:
    """A small training run: `step()` makes one step, `store` reads what was logged so far."""

    def __init__(self, monitor: tuimon.Monitor, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.monitor, self.model, self.optimizer = monitor, model, optimizer
        self.inputs = torch.randn(16, 8, generator=torch.Generator().manual_seed(1))

    def step(self, log: bool = True) -> float:
        self.optimizer.zero_grad()
        loss = self.model(self.inputs).square().mean()
        loss.backward()
        self.optimizer.step()
        if log:
            self.monitor.log(loss=loss)
        return loss.item()

    @property
    def store(self) -> Any:
        self.monitor._writer.flush()  # scalars may wait for others
        return tuimon.read_run(self.monitor.run_dir)

    def events(self, kind: type) -> list[Any]:
        return [record.event for record in self.store.events if isinstance(record.event, kind)]


def small_model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 4))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Training]]:
    """Starts a watched training; neither meters nor socket nor samples unless asked for. Closed at the end."""
    monitors = []

    def begin(model: nn.Module | None = None, optimizer: torch.optim.Optimizer | None = None, **options: Any) -> Training:
        model = small_model() if model is None else model
        optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
        options = {"runs_dir": tmp_path / "runs", "name": "run", "budget": 0.0, "meters": False, "serve": False, **options}
        monitor = tuimon.watch(model, optimizer, **options)
        monitors.append(monitor)
        return Training(monitor, model, optimizer)

    yield begin
    for monitor in monitors:
        monitor.close()


@pytest.fixture
def environment(tmp_path: Path, runtime_dir: Path) -> dict[str, str]:
    """The environment of a training script that a test starts."""
    root = Path(tuimon.__file__).parent.parent
    return {
        **os.environ,
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": "1",
        "TUIMON_RUNS": str(tmp_path / "runs"),
        "XDG_RUNTIME_DIR": str(runtime_dir),
    }
