"""The list of what presets show names presets and rules that there are."""

from __future__ import annotations

from pathlib import Path

from benchmarks.preset_findings import ADMITS, MOST, SHOWS, judged, table
from diagnosis_logs import healthy, stuck, write
from tuimon.diagnosis import RULES
from tuimon.log.reader import read_run
from tuimon.spec.presets import presets


def test_the_list_names_presets_and_rules() -> None:
    """A preset or a rule that was renamed would never be found again."""
    rules = {rule.name for rule in RULES}
    assert {*SHOWS, *ADMITS} <= {preset.name for preset in presets()}
    assert {name for names in (*SHOWS.values(), *ADMITS.values()) for name in names} <= rules


def test_a_fault_is_to_be_named_in_every_run_and_a_healthy_preset_left_in_peace(tmp_path: Path) -> None:
    """One of two runs named is not enough, and one critical finding of a healthy preset is too much."""
    dead = read_run(write(tmp_path / "dead", lambda step: {**stuck(step), "dead_fraction/fc2": 1.0}))
    fine = read_run(write(tmp_path / "fine", healthy))
    named, missed = judged("dying-relu", [dead, dead]), judged("dying-relu", [dead, fine])
    assert (named.named, named.holds) == (2, True) and (missed.named, missed.holds) == (1, False)
    peace, alarm = judged("optimizer-adam", [fine, fine]), judged("optimizer-adam", [fine, dead])
    assert (peace.holds, peace.most) == (True, 0) and (alarm.holds, alarm.most) == (False, 1)
    told = table([named, missed, peace, alarm])
    assert f"1 of 2 faulty presets are named in every run; 1 of 2 healthy ones have nothing critical and at most {MOST}" in told
