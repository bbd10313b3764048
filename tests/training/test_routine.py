"""The times at which the best and the last checkpoint are written."""

from __future__ import annotations

import torch

from tuimon.training.routine import EVERY_S, Routine


class Disk:
    """Records what is saved; tests set the clock and the state."""

    def __init__(self) -> None:
        self.now = 100.0
        self.weights = torch.zeros(1)
        self.saved: list[tuple[str, float]] = []
        self.routine = Routine(self.save, lambda: {"step": 1, "model": {"w": self.weights}}, lambda: self.now)

    def save(self, name: str, reason: str, content: dict) -> None:
        """Records a file and the weight in it."""
        self.saved.append((name, content["model"]["w"].item()))


def test_short_epochs_write_rarely_and_keep_the_best_state() -> None:
    """The best state is written later, unchanged by later steps, and before the last one."""
    disk = Disk()
    disk.routine.keep_best()
    disk.routine.save_last(over=False)
    disk.weights.fill_(1.0)
    disk.routine.keep_best()
    disk.weights.fill_(2.0)
    disk.routine.save_last(over=False)
    assert disk.saved == [("best.pt", 0.0), ("last.pt", 0.0)]
    disk.now += EVERY_S
    disk.routine.save_last(over=False)
    assert disk.saved[2:] == [("best.pt", 1.0), ("last.pt", 2.0)]


def test_the_end_writes_the_kept_state() -> None:
    """However soon the end comes."""
    disk = Disk()
    disk.routine.save_last(over=False)
    disk.weights.fill_(3.0)
    disk.routine.keep_best()
    disk.routine.save_last(over=True)
    assert disk.saved[1:] == [("best.pt", 3.0), ("last.pt", 3.0)]


def test_long_epochs_write_each_time_and_keep_no_copy() -> None:
    """The model is not copied."""
    disk = Disk()
    for value in (1.0, 2.0):
        disk.now += EVERY_S
        disk.weights.fill_(value)
        disk.routine.keep_best()
        disk.routine.save_last(over=False)
    assert disk.saved == [("best.pt", 1.0), ("last.pt", 1.0), ("best.pt", 2.0), ("last.pt", 2.0)]
