"""What a lesson's run showed, from logs of runs that claim something of themselves and of each other."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tuimon.launcher.runs.taught import Shown, run_of_preset, what_happened
from tuimon.log.writer import LogWriter
from tuimon.spec.loading import load_spec, save_spec
from tuimon.spec.presets import PresetInfo

CLAIMS = """claims = [
    { tag = "loss/train", statistic = "first", relation = ">", number = 2 },
    { tag = "loss/train", relation = "<", times = 0.1, than = { statistic = "first" } },
    { tag = "loss/train", relation = "<", than = { preset = "overfit" } },
    { settings = ["lr=0.2"], tag = "loss/train", relation = "=", number = nan },
]
"""


@pytest.fixture
def preset(tmp_path: Path) -> PresetInfo:
    """A preset with claims of all kinds."""
    (tmp_path / "one.toml").write_text(CLAIMS)
    return PresetInfo("one", "One", "", (), tmp_path / "one.toml")


def logged(folder: Path, *losses: float) -> Path:
    """A run that logged these losses."""
    writer = LogWriter(folder, "run")
    for step, loss in enumerate(losses, start=1):
        writer.scalars(step, {"loss/train": loss})
    writer.close()
    return folder


def test_claims_are_judged_on_the_run(tmp_path: Path, preset: PresetInfo) -> None:
    """Against numbers, against the run itself, and against another preset's run; those about other settings are left out."""
    run, other = logged(tmp_path / "one-01", 2.5, 1.0), logged(tmp_path / "overfit-01", 1.5)
    shown = what_happened(preset, run, {"overfit": other}.get)
    assert [(one.value, one.than, one.holds) for one in shown] == [(2.5, 2.0, True), (1.0, 0.25, False), (1.0, 1.5, True)]


def test_a_claim_about_a_preset_that_was_not_trained_stays_open(tmp_path: Path, preset: PresetInfo) -> None:
    """It names that preset."""
    last: Shown = what_happened(preset, logged(tmp_path / "one-01", 2.5), lambda _: None)[-1]
    assert last.holds is None and last.needs == "overfit" and last.value == 2.5 and math.isnan(last.than)


def test_only_a_run_of_the_preset_as_it_is_counts(tmp_path: Path) -> None:
    """Whatever its seed and device; not one with other settings, nor one whose spec cannot be read."""
    runs = {"overfit-01": ["lr=0.5"], "overfit-02": ["seed=3", "device=cpu"], "overfit-cure-l2-01": []}
    for name, settings in runs.items():
        (tmp_path / name).mkdir()
        save_spec(load_spec("overfit", settings), tmp_path / name)
    (tmp_path / "overfit-03").mkdir()
    (tmp_path / "overfit-03" / "spec.toml").write_text("no TOML")
    assert run_of_preset("overfit", tmp_path) == tmp_path / "overfit-02"
    assert run_of_preset("rate-right", tmp_path) is None
    assert run_of_preset("rate-right", tmp_path / "missing") is None
