"""Runs that differ in their seed alone, as rows of `ls --seeds`: means with their spread."""

from __future__ import annotations

from collections.abc import Sequence

from tuimon.base import format
from tuimon.cli.tables import print_lines, print_table
from tuimon.launcher.runs.groups import Group, spread
from tuimon.launcher.runs.lines import GroupLine

_TITLES = ("RUNS", "SEEDS", "STATE", "STEP", "LOSS", "VAL", "DEVICE")


def print_groups(groups: Sequence[Group], *, as_json: bool) -> int:
    """Prints a row or a JSON line for each group."""
    return print_lines(map(_line, groups)) if as_json else print_table([_TITLES, *map(_row, groups)], ("DEVICE",))


def _row(group: Group) -> Sequence[str]:
    first, last = group.runs[0], max(run.step for run in group.runs)
    total = f"/{format.count(first.total_steps)}" if first.total_steps else ""
    seeds = str(group.seeds) if len(group.runs) > 1 else ""
    losses = (_text([getattr(run, name) for run in group.runs]) for name in ("loss", "val_loss"))
    return (group.name, seeds, group.states, f"{format.count(last)}{total}", *losses, first.device)


def _text(values: Sequence[float | None]) -> str:
    """The mean with its spread, and of how many runs where some have no finite value."""
    found = spread(values)
    return found.text(of=len(values)) if found else ""


def _line(group: Group) -> GroupLine:
    loss, val = (spread([getattr(run, name) for run in group.runs]) for name in ("loss", "val_loss"))
    return GroupLine(
        runs=tuple(run.name for run in group.runs),
        seeds=group.seeds,
        config=group.runs[0].config,
        loss=loss.mean if loss else None,
        loss_std=loss.std if loss else None,
        val_loss=val.mean if val else None,
        val_loss_std=val.std if val else None,
    )
