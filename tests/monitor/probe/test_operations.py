"""How many tensor operations a sample adds to a step: on a device, how many kernels are launched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tuimon.monitor.probe import motion, parameters, probe, stacked, tally
from tuimon.monitor.probe.found import Room
from tuimon.monitor.probe.schedule import Schedule

Start = Callable[..., Any]


class Operations(TorchDispatchMode):
    """Counts operations that compute something; views do not."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not operation.is_view:
            self.counts[str(operation)] += 1
        return operation(*args, **(kwargs or {}))


def added(start: Start, layers: int, **layout: Any) -> Counter[str]:
    """The operations that a sample adds to a step of so many layers with activations."""

    def operations(budget: float) -> Counter[str]:
        blocks = [nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh()) for _ in range(layers)]
        training = start(nn.Sequential(*blocks), budget=budget, name=f"{layers}-{budget}")
        for _ in range(2):
            training.step()
        with Operations() as counted:
            training.step()
        return counted.counts

    return operations(1.0) - operations(0.0)


@pytest.fixture(params=["host", "device"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numbers are counted: by the log's thread, or by tensor operations as on any other device than a CPU."""
    monkeypatch.setattr(probe, "COUNT_WEIGHTS_EVERY", 1)
    if request.param == "device":
        monkeypatch.setattr(Room, "takes", lambda *_: False)
        for module in (motion, parameters, stacked):
            monkeypatch.setattr(module, "tally", tally.on_device)


@pytest.mark.usefixtures("way")
def test_the_operations_of_a_sample_do_not_grow_with_the_layers(start: Start) -> None:
    """All are measured together: eight times the layers take the very same operations."""
    few, many = added(start, 6), added(start, 48)
    assert few.total() > 20
    assert many == few


@pytest.mark.usefixtures("way")
def test_what_is_not_logged_is_not_computed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of the layer table alone looks neither at the model's ends nor at how alike its units are."""
    whole = added(start, 6)
    monkeypatch.setattr(Schedule, "wants_rest", False)
    assert added(start, 6).total() < whole.total() / 4
