"""What presets claim: data beside their texts, complete and about things that exist."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tuimon.base.errors import TuimonError
from tuimon.spec.claims import Claim, Told, claims_of, in_words
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import PresetInfo, presets

PRESETS = presets()
each_preset = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)


def written(folder: Path, *claims: str) -> Path:
    path = folder / "one.toml"
    path.write_text(f"claims = [{', '.join(claims)}]\n[model]\nhidden = [8]\n", encoding="utf-8")
    return path


@each_preset
def test_a_preset_makes_claims_about_runs_that_can_be_trained(preset: PresetInfo):
    """Each about itself or a preset that exists, with settings that fit it."""
    claims = claims_of(preset.path)
    assert claims
    for claim in claims:
        assert claim.seeds[0] >= 0.8 * claim.seeds[1]
        for told in (claim, claim.other or Told()):
            load_spec(told.preset or preset.name, told.settings or ())


def test_claims_change_nothing_in_a_run(tmp_path: Path):
    """They are no part of its spec, also when a file takes everything else from a preset."""
    path = written(tmp_path, '{ tag = "loss/val", relation = "<", number = 1.0 }')
    assert load_spec(path).model.hidden == (8,)
    assert "claims" not in load_spec("overfit").to_toml()
    other = tmp_path / "other.toml"
    other.write_text('preset = "overfit"\n', encoding="utf-8")
    assert load_spec(other).optimizer == load_spec("overfit").optimizer


def test_the_other_statistic_is_as_the_claims_own_unless_it_says_otherwise():
    """Settings are not carried over to another preset."""
    claim = Claim(tag="loss/val", statistic="min", settings=("lr=1",), relation="<", than=Told(preset="overfit"))
    assert claim.other == Told(tag="loss/val", statistic="min", preset="overfit")
    same = Claim(tag="grad_norm/fc1", statistic="first", settings=("lr=1",), relation="<", than=Told(tag="grad_norm/out"))
    assert same.other == Told(tag="grad_norm/out", statistic="first", settings=("lr=1",))
    itself = Claim(tag="loss/val", settings=("lr=1",), relation="<", than=Told(settings=()))
    assert itself.other == Told(tag="loss/val", settings=())
    assert Claim(tag="loss/val", relation="<", number=1.0).other is None


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (Claim(tag="loss/train", statistic="end", relation="<", number=0.1), "loss/train end < 0.1"),
        (Claim(tag="r2", relation="<", times=0.5, than=Told(preset="overfit")), "r2 last < 0.5 × r2 last of overfit"),
        (Claim(tag="loss/val", settings=("lr=9",), relation="=", number=math.nan), "with lr=9: loss/val last = nan"),
        (Claim(tag="dead_units/fc*", relation=">", number=4), "dead_units/fc* last (sum over layers) > 4"),
        (Claim(tag="r2", statistic="step_below", level=0.5, relation="<", number=90), "r2 first step below 0.5 < 90"),
    ],
)  # fmt: skip
def test_a_claim_in_words(claim: Claim, words: str):
    """One line for lists."""
    assert in_words(claim) == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{ relation = "<", number = 1 }', "claim 1: needs a tag"),
        ('{ tag = "loss/val", relation = "<" }', "claim 1: needs a tag, and either a number or `than`"),
        ('{ tag = "loss/val", relation = "<", number = 1, than = { preset = "overfit" } }', "claim 1: needs a tag, and either"),
        ('{ tag = "loss/val", relation = "<=", number = 1 }', "claim 1: Invalid enum value '<='"),
        ('{ tag = "loss/val", relation = "<", numbr = 1 }', "claim 1: Object contains unknown field `numbr`"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(tmp_path: Path, text: str, message: str):
    """With its file and number."""
    with pytest.raises(TuimonError, match=message):
        claims_of(written(tmp_path, text))
