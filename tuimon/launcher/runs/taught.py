"""What a lesson's run showed: finds the run of a preset as it is, and judges the preset's claims on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.diagnosis.judging import judge
from tuimon.log.reader import read_run
from tuimon.log.store import Store
from tuimon.spec import SPEC_FILE
from tuimon.spec.claims import Claim, claims_of, in_words
from tuimon.spec.loading import load_spec, overrides_for
from tuimon.spec.presets import PresetInfo
from tuimon.spec.spec import Spec

_MAY_DIFFER = ("training.device=", "training.seed=", "device=", "seed=")


class Shown(NamedTuple):
    """A claim, judged on one run.

    Attributes:
        words: the claim in words.
        value: what the run reached.
        than: what it is compared with.
        holds: None: it cannot be judged, as the other preset was not trained yet.
        needs: that preset.
    """

    words: str
    value: float
    than: float
    holds: bool | None
    needs: str = ""


def run_of_preset(preset: str, runs_dir: Path) -> Path | None:
    """The newest run of a preset as it is, on any device and with any seed; None if there is none.

    Only runs named after the preset are looked at, as they are called unless a name is given.
    """
    found = (path for path in _named_after(preset, runs_dir) if _trained(path, preset))
    return max(found, key=lambda path: (path / SPEC_FILE).stat().st_mtime, default=None)


def is_unchanged(spec: Spec, preset: str) -> bool:
    """Whether a spec is a preset as it is, on any device and with any seed.

    Raises:
        TuimonError: there is no such preset.
    """
    return all(setting.startswith(_MAY_DIFFER) for setting in overrides_for(spec, preset))


def what_happened(preset: PresetInfo, run: Path, other: Callable[[str], Path | None]) -> list[Shown]:
    """A preset's claims about its own run, judged on one.

    Args:
        preset: whose claims.
        run: the run's folder.
        other: finds the run of another preset, by name.

    Raises:
        TuimonError: the log cannot be read.
    """
    store = read_run(run)
    return [_shown(claim, store, other) for claim in own_claims(preset)]


def own_claims(preset: PresetInfo) -> list[Claim]:
    """The claims about the preset as it is, compared with a number or another preset as it is."""
    return [
        claim
        for claim in claims_of(preset.path)
        if _is_plain(claim.settings, claim.steer)
        and (claim.other is None or _is_plain(claim.other.settings, claim.other.steer))
    ]


def _is_plain(settings: Iterable[str] | None, steer: Iterable[str] | None) -> bool:
    return not settings and not steer


def _shown(claim: Claim, store: Store, other: Callable[[str], Path | None]) -> Shown:
    compared: Store | None = None
    if claim.other is not None:
        path = other(claim.other.preset) if claim.other.preset else None
        if claim.other.preset and path is None:
            verdict = judge(claim, [(store, store)])
            return Shown(in_words(claim), verdict.pairs[0][0], float("nan"), None, claim.other.preset)
        compared = read_run(path) if path else store
    verdict = judge(claim, [(store, compared)])
    return Shown(in_words(claim), *verdict.pairs[0], verdict.held == 1)


def _named_after(preset: str, runs_dir: Path) -> list[Path]:
    numbered = (path for path in runs_dir.glob(f"{preset}-*") if path.name.removeprefix(f"{preset}-").isdecimal())
    return [path for path in (runs_dir / preset, *numbered) if (path / SPEC_FILE).is_file()]


def _trained(run: Path, preset: str) -> bool:
    try:
        return is_unchanged(load_spec(run), preset)
    except TuimonError:
        return False
