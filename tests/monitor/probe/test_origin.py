"""Which operation made the first result that is not finite: told after a loss was not, without changing any number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

import tuimon
from tuimon.log.records import Notice

Step = Callable[[nn.Module, int], Tensor]


class Logs(nn.Module):
    """Takes the logarithm of what may be nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(4, 1), 1.0

    def forward(self, x: Tensor) -> Tensor:
        return (self.layer(x).sigmoid() * self.scale).log()


def trained(folder: Path | None, loss_of: Step, skips: bool) -> tuple[nn.Module, list[str]]:
    """Ten steps, of which those whose loss is not finite may be skipped, as careful scripts do; the notices in the log."""
    torch.manual_seed(0)
    model = Logs()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    monitor = tuimon.watch(model, optimizer, run_dir=folder, meters=False, serve=False) if folder else None
    for step in range(10):
        optimizer.zero_grad()
        loss = loss_of(model, step)
        if loss.isfinite() or not skips:
            loss.backward()
            optimizer.step()
        if monitor:
            monitor.log(loss=loss.item())
    assert _get_current_dispatch_mode() is None or monitor
    if not monitor or not folder:
        return model, []
    monitor.close()
    assert _get_current_dispatch_mode() is None
    return model, [one.event.text for one in tuimon.read_run(folder).events if isinstance(one.event, Notice)]


def of_zero(model: nn.Module, step: int) -> Tensor:
    """The logarithm of zero, from the fourth step to the sixth."""
    model.scale = 0.0 if 3 <= step < 6 else 1.0
    return -model(torch.rand(8, 4)).mean()


def of_nothing(model: nn.Module, step: int) -> Tensor:
    """A NaN among the inputs, from the fourth step to the sixth."""
    x = torch.rand(8, 4)
    if 3 <= step < 6:
        x[2, 1] = torch.nan
    return -model(x).mean()


def of_the_way_back(model: nn.Module, step: int) -> Tensor:
    """A root of zero, whose slope is infinite: the loss is not finite from the next step on, by weights that are not."""
    return model.layer(torch.rand(8, 4)).sub(model.layer.bias).mul(0.0 if step == 3 else 1.0).square().sum().sqrt()


@pytest.mark.parametrize(
    ("loss_of", "skips", "told"),
    [
        (of_zero, True, "that of log at test_origin.py:"),
        (
            of_nothing,
            True,
            "the data has numbers that are not finite; the first to read them is addmm in layer at test_origin.py:",
        ),
        (of_the_way_back, False, "weights are not finite any more; the first to read them is"),
    ],
)
def test_the_first_operation_is_told_and_no_number_changes(tmp_path: Path, loss_of: Step, skips: bool, told: str) -> None:
    """By its name, its place in the script, and what came in."""
    watched, notices = trained(tmp_path / "run", loss_of, skips)
    (found,) = [text for text in notices if told in text]
    assert found.startswith("step ")
    bare, _ = trained(None, loss_of, skips)
    for one, other in zip(watched.parameters(), bare.parameters(), strict=True):
        assert torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0))


def test_an_infinity_that_is_meant_is_none(tmp_path: Path) -> None:
    """A mask of minus infinity before a softmax is usual; the logarithm behind it is what fails."""

    def masked(model: nn.Module, step: int) -> Tensor:
        scores = model.layer(torch.rand(8, 4)).expand(8, 3).masked_fill(torch.tensor([False, True, False]), -torch.inf)
        chosen = scores.softmax(1)[:, 1 if 3 <= step < 6 else 0]
        return -chosen.log().mean()

    _, notices = trained(tmp_path / "run", masked, skips=True)
    assert any("that of log at test_origin.py:" in text for text in notices)


def test_one_loss_that_is_not_finite_and_none_after_it_is_not_explained(tmp_path: Path) -> None:
    """The step that is looked at was sound."""

    def once(model: nn.Module, step: int) -> Tensor:
        model.scale = 0.0 if step == 3 else 1.0
        return -model(torch.rand(8, 4)).mean()

    _, notices = trained(tmp_path / "run", once, skips=True)
    assert [text for text in notices if text.startswith("step ")] == []
