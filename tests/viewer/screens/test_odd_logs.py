"""Logs whose records are whole and whose numbers and names are what nobody expects: every panel shows something."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from driving import seen, text_of, until
from tuimon.base.process import Process, this_process
from tuimon.log import histogram, wire
from tuimon.log.records import Applied, Ended, Exited, Finding, Gap, LayerInfo, LeverInfo, Notice, Refused, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.viewer.app import TuimonApp

HUGE = (1 << 62) - 1
NAMES = ("", "[red]", "\x1b[2J\n", "ﷺ" * 30, "e\u0301" * 20, "\u202etxet", "a" * 4000, "../..", "loss/")
NUMBERS = (0.0, -0.0, math.nan, math.inf, -math.inf, 1e-45, 3.4e38, -3.4e38, 1.0)


def write(folder: Path, process: Process, names: tuple[str, ...], counts: int, numbers: tuple[float, ...], walls: Any) -> Path:
    """A run with each kind of record, all made of these names, counts and numbers."""
    writer = LogWriter(folder, "run")
    levers = tuple(LeverInfo(name, "number", number, number, number) for name, number in zip(names, numbers, strict=False))
    layers = tuple(LayerInfo(name, name, counts, counts, name) for name in names)
    more = {"total_steps": counts, "steps_per_epoch": counts, "parameters": counts, "model": names[-1], "optimizer": names[0]}
    standard = (LeverInfo("lr_scale", "number", numbers[0]), LeverInfo("paused", "switch", False))
    spec = {"model": {"name": names[-1]}, "optimizer": {"name": names[0]}, names[-1]: [names]}
    writer.event(RunStarted(name=names[-1], process=process, levers=standard + levers, layers=layers, spec=spec, **more))
    tags = ["loss/train", "loss/val", "accuracy/val", "lr", "throughput", "epoch", "system/host/cpu_percent", "system/gpu0/x"]
    tags += ["system/host/memory_used_bytes", "system/host/memory_total_bytes"]
    kinds = ("grad_norm", "dead_units", "dead_fraction", "saturated_fraction", "update_ratio", "weight_norm")
    tags += [f"{kind}/{name}" for kind in kinds for name in names] + [name for name in names if name]
    for step, (number, wall) in enumerate(zip(numbers, walls, strict=False)):
        writer.scalars(step, dict.fromkeys(tags, number), wall)
        bins = histogram.Histogram([abs(number)] * histogram.BINS, number, number, number, number)
        writer.sample(step, {}, {f"{kind}/{name}": bins for kind in ("gradient", "activation") for name in names}, wall)
    for name, number in zip(names, numbers, strict=False):
        writer.event(Applied(counts, name, old=number, new=number, by=name, id=name, note=name), 3)
        writer.event(Applied(3, "lr_scale", old=number, new=number, by=name), 3)
        writer.event(Refused(counts, name, number, name, name, name), 3)
        writer.event(Notice(name, "warning", counts), 3)
        writer.event(Finding(counts, name, name, name, "error", {name: number}), 3)
        writer.event(Gap(counts, name, counts, counts), 3)
        writer.text(
            3, "tuimon/gpu", msgspec.json.encode({"gpus": [{"index": 0, "name": name, "missing": {name: name}}]}).decode()
        )
        writer.text(3, "tuimon/dead_units", msgspec.json.encode({name: [counts]}).decode())
    writer.close()
    return folder


CLOCKS = {"no clock": [math.nan] * 9, "far": [1e15] * 9, "back": range(9, 0, -1), "infinite": [math.inf, -math.inf, 0.0] * 3}


@pytest.mark.parametrize(
    ("size", "clock"),
    [*(((160, 48), clock) for clock in CLOCKS), *zip(((200, 60), (80, 24), (40, 12)), CLOCKS, strict=False)],
    ids=str,
)
async def test_every_panel_and_axis_of_a_run_of_odd_numbers_and_names_is_shown(
    tmp_path: Path, size: tuple[int, int], clock: str
) -> None:
    """Also with a logarithmic axis, by time, by epoch, zoomed, and on each page alone."""
    run = write(
        tmp_path / "odd", this_process(), tuple(name for name in NAMES if name != "\udc80"), HUGE, NUMBERS, CLOCKS[clock]
    )
    async with TuimonApp(tmp_path, open_run=run).run_test(size=size) as pilot:
        await until(pilot, lambda: pilot.app.opened and pilot.app.opened[run].store.step >= 8)
        for key in ("x", "x", "g", "x", "z", *"123456789", "plus", "minus", "left", "right", "v", "w", "x", "end", "home"):
            await pilot.press(key)
            await pilot.pause()
        assert "cannot be" not in text_of(pilot)
        assert not pilot.app._failures


@pytest.mark.parametrize("numbers", [NUMBERS, NUMBERS[2:5] * 3, (math.nan,) * 9], ids=["mixed", "infinite", "NaN"])
async def test_lists_and_comparisons_of_odd_runs_are_shown(tmp_path: Path, numbers: tuple[float, ...]) -> None:
    """Beside a plain one, in each order."""
    nobody = Process("elsewhere", "", 1, 0.0)
    runs = [write(tmp_path / name, nobody, NAMES, counts, numbers, walls) for name, counts, walls in (
        ("huge", HUGE, [1e15] * 9), ("none", 0, [math.nan] * 9), ("plain", 9, range(9)),
    )]  # fmt: skip
    writer = LogWriter(runs[2], "launch")
    writer.event(Exited(code=HUGE))
    writer.event(Ended("failed", "\x1b[2J" * 50, HUGE))
    writer.close()
    async with TuimonApp(tmp_path).run_test(size=(160, 40)) as pilot:
        await seen(pilot, "plain")
        for key in ("t", "t", "t", "t", "space", "space", "space", "o"):
            await pilot.press(key)
            await pilot.pause()
        await seen(pilot, "3 runs")
        for key in ("x", "g", "x"):
            await pilot.press(key)
            await pilot.pause()
        assert not pilot.app._failures and "cannot be" not in text_of(pilot)


async def test_records_that_only_their_checksum_holds_together_leave_the_screen_as_it_is(tmp_path: Path) -> None:
    """A file of nothing else."""
    run = tmp_path / "noise"
    run.mkdir()
    frames = (wire.frame(bytes((byte,)) * length) for byte in (0, 9, 0x0A, 0x2A, 0x80, 0xFF) for length in (0, 1, 9, 200))
    (run / "events.out.tfevents.1.run").write_bytes(b"".join(frames))
    async with TuimonApp(tmp_path, open_run=run).run_test(size=(120, 36)) as pilot:
        await seen(pilot, "! log damaged")
        (damage,) = pilot.app.opened[run].store.damage
        assert damage.left_out > 1
