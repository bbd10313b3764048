"""Some presets trained to their end with one seed show what they claim; `make bench-presets` judges all of them over seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuimon.diagnosis.judging import judge
from tuimon.log.reader import read_run
from tuimon.log.store import Store
from tuimon.spec.claims import Told, claims_of
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import preset_paths
from tuimon.training.loop import train

SHORT = ("quadratic", "inputs-raw", "inputs-zscore", "inputs-whitened", "rate-too-large", "batch-size-128")
KEPT: dict[tuple[str, tuple[str, ...]], Store] = {}


@pytest.mark.parametrize("name", SHORT)
def test_a_short_preset_shows_what_it_claims(name: str, tmp_path_factory: pytest.TempPathFactory):
    """Also of what it suggests to try."""
    for claim in claims_of(preset_paths()[name]):
        runs = [trained(name, told, tmp_path_factory) if told else None for told in (claim, claim.other)]
        assert runs[0] is not None
        verdict = judge(claim, [(runs[0], runs[1])])
        assert verdict.held == 1, (claim, verdict.pairs)


def trained(name: str, told: Told, folders: pytest.TempPathFactory) -> Store:
    key = (told.preset or name, told.settings or ())
    if key not in KEPT:
        folder: Path = folders.mktemp("run") / "run"
        train(load_spec(key[0], [*key[1], "device=cpu", "checkpoint_every=0", "seed=0"]), folder)
        KEPT[key] = read_run(folder)
    return KEPT[key]
