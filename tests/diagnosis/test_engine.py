"""The engine says the same whoever reads the log, in whatever pieces, live or afterwards, and remembers little of it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from diagnosis_logs import LAYERS, findings_of, healthy, stuck, write
from tuimon.base.process import Process, this_process
from tuimon.diagnosis import Diagnosis, diagnose
from tuimon.diagnosis.history import batch_of
from tuimon.diagnosis.panel import RECENT, THINNED, Panel, medians
from tuimon.diagnosis.trace import HEAD, STRETCHES, Trace, median
from tuimon.log.reader import RunReader, read_run
from tuimon.log.records import Finding, RunStarted
from tuimon.log.writer import LogWriter


def read_in(folder: Path, piece: int, brief: bool = False) -> list[Finding]:
    """What an engine tells that reads so many bytes at once."""
    reader, engine, told = RunReader(folder, brief=brief), Diagnosis(), []
    while batch := reader.read(piece):
        told += engine.take(batch)
    reader.close()
    return told


def test_findings_do_not_depend_on_how_the_log_is_cut(tmp_path: Path) -> None:
    """Nor on whether histograms are read, nor on whether the log comes from a store."""

    def values(step: int) -> dict[str, float]:
        dead = {"dead_fraction/fc1": 1.0 if 50 < step < 200 else 0.0}
        return {**(stuck(step) if step < 300 else healthy(step - 300)), **dead, "loss/val": 1.0 + abs(step - 400) / 100}

    folder = write(tmp_path, values, 700)
    whole = read_in(folder, 1 << 30)
    assert len({finding.rule for finding in whole}) >= 2 and any(finding.cleared for finding in whole)
    assert read_in(folder, 1000) == read_in(folder, 7777) == read_in(folder, 7777, brief=True) == whole
    assert Diagnosis().take(batch_of(read_run(folder))) == whole


def test_a_finding_comes_once_and_goes_once(tmp_path: Path) -> None:
    """A symptom that flickers is noise; one that lasts is raised, and cleared when it has been gone for as long."""
    flickering = findings_of(tmp_path / "a", lambda s: {**stuck(s), "dead_fraction/fc1": float(s % 2)}, 300)
    assert flickering == []
    values = lambda s: {**stuck(s), "dead_fraction/fc1": float(20 < s < 80)}  # noqa: E731
    told = read_in(write(tmp_path / "b", values, 400), 1 << 30)
    assert [(finding.rule, finding.state) for finding in told] == [("dead-units", "raised"), ("dead-units", "cleared")]
    assert 20 < told[0].raised < 40 and 80 < (told[1].cleared or 0) < 200


def test_another_training_in_the_same_folder_starts_over(tmp_path: Path) -> None:
    """What was found before a resumption is over."""
    writer = LogWriter(tmp_path, "run")
    for process, first_step, base in ((this_process(), 0, stuck), (Process("h", "b", 2, 2.0), 100, healthy)):
        writer.event(RunStarted(name="r", process=process, layers=LAYERS, first_step=first_step, diagnosis=1))
        for step in range(first_step + 1, first_step + 101):
            writer.scalars(step, base(step))
        if base is stuck:
            writer.event(Finding(1, "dead-units", "dead", "fc1", raised=30), 30)
    writer.close()
    (finding,) = diagnose(read_run(tmp_path))
    assert (finding.rule, finding.raised, finding.cleared) == ("dead-units", 30, 100)
    assert diagnose(read_run(tmp_path), again=True) == []


def test_the_log_of_another_program_is_judged_by_what_it_has(tmp_path: Path) -> None:
    """Without layers, rules about layers abstain, and say why."""
    writer = LogWriter(tmp_path, "run")
    for step in range(1, 100):
        writer.scalars(step, {"loss/train": math.nan if step > 40 else 1.0})
    writer.close()
    (finding,) = diagnose(read_run(tmp_path))
    assert (finding.rule, finding.step, finding.raised) == ("non-finite-loss", 41, 41)
    engine = Diagnosis()
    engine.take(batch_of(read_run(tmp_path)))
    assert "dead-units" in engine.abstentions() and "non-finite-loss" not in engine.abstentions()


@pytest.mark.parametrize("sizes", [[5000], [1] * 5000, [3, 700, 256, 1, 4040]])
def test_a_trace_remembers_the_same_of_any_pieces(sizes: list[int]) -> None:
    """The first and latest points as they are, and means of stretches; bounded."""
    values = np.sin(np.arange(5000.0)) + np.arange(5000.0) / 1000
    values[1234] = np.nan
    trace, done = Trace(), 0
    for size in sizes:
        piece = np.arange(done, done + size)
        trace.extend(piece, values[piece], values[piece])
        done += size
    assert np.array_equal(trace.head, values[:HEAD]) and trace.recent[-1] == values[-1] and len(trace.recent) <= 256
    assert trace.stride == 32 and STRETCHES <= len(trace.stretches) == 5000 // 32 <= 2 * STRETCHES
    means = [np.nanmean(values[i : i + 32]) for i in range(0, 4992, 32)]
    assert np.allclose(trace.stretches, means, atol=0.1) and np.isclose(trace.stretches, means, atol=1e-12).sum() >= 155
    assert trace.stretch_ends.tolist() == list(range(31, 4992, 32)) and trace.spoiled == 1 and trace.bad_since is None
    whole = Trace()
    whole.extend(np.arange(5000), values, values)
    assert np.array_equal(whole.stretches, trace.stretches, equal_nan=True)


def test_a_panel_remembers_the_latest_samples_and_some_of_all() -> None:
    """A layer that appears later was not measured before."""
    panel = Panel(1)
    for step in range(1000):
        if step == 500:
            panel.widen(2)
        panel.extend(np.array([step]), np.full((1, panel.recent.shape[1]), float(step)))
    assert len(panel.recent) == RECENT and panel.last.tolist() == [999.0, 999.0]
    assert THINNED <= len(panel.thinned) <= 2 * THINNED and panel.thinned_steps[0] == 0
    assert np.isnan(panel.thinned[0, 1]) and panel.thinned[0, 0] == 0


def test_what_a_panel_says_of_its_latest_samples_follows_them() -> None:
    """It is kept for the other rules of a look, and forgotten when a sample or a layer comes."""
    panel = Panel(2)
    panel.extend(np.array([1]), np.array([[1.0, 5.0]]))
    assert panel.usual(3).tolist() == [1.0, 5.0] and panel.lowest(3).tolist() == [1.0, 5.0]
    panel.extend(np.array([2, 3]), np.array([[3.0, 4.0], [2.0, 9.0]]))
    assert panel.usual(3).tolist() == [2.0, 5.0] and panel.lowest(3).tolist() == [1.0, 4.0]
    assert panel.usual(1).tolist() == [2.0, 9.0]
    panel.widen(3)
    assert np.isnan(panel.usual(3)[2]) and len(panel.lowest(3)) == 3


@pytest.mark.parametrize("count", [1, 2, 5, 24, 64])
def test_a_median_is_numpys(count: int) -> None:
    """To the last bit, and NaN where a number is."""
    values = np.random.default_rng(count).normal(size=count) ** 5
    assert median(values) == np.median(values)
    assert math.isinf(median(np.full(count, np.inf)))
    values[0] = math.nan
    assert math.isnan(median(values))


def test_medians_leave_out_what_was_not_measured() -> None:
    """Of an even number of values, the middle of the two in the middle; NaN of none."""
    rows = np.array([[1.0, np.nan, np.nan], [3.0, 2.0, np.nan], [2.0, 4.0, np.inf]])
    assert np.array_equal(medians(rows), [2.0, 3.0, np.nan], equal_nan=True)
