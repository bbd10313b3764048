"""How good a tool is at the labelled set: recall and precision of each kind, false alarms, and when it speaks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.diagnosis.case import Case
from benchmarks.diagnosis.kinds import KINDS
from benchmarks.diagnosis.said import Said


class Heard(NamedTuple):
    """A case and what a tool says of its run, of so many steps."""

    case: Case
    said: list[Said]
    steps: int

    @property
    def told(self) -> list[Said]:
        """What is more than a hint."""
        return [said for said in self.said if said.severity != "hint"]

    def names(self, said: Said) -> bool:
        """Whether this is the case's kind, or another name of what was done."""
        return any(kind == self.case.kind or kind in self.case.also for kind in said.kinds)

    def fits(self, said: Said) -> bool:
        """Whether this is the kind, or what may be named beside it."""
        beside = KINDS[self.case.kind].beside | set(self.case.beside)
        return self.names(said) or any(kind in beside for kind in said.kinds)

    @property
    def found_at(self) -> float:
        """At which share of the run the kind is first named; infinite where it is not."""
        return min((said.step / self.steps for said in self.told if self.names(said)), default=math.inf)


class KindScore(NamedTuple):
    """Of one kind: cases, how many of them were found (and with hints), precision, and when, as a share of the run."""

    kind: str
    cases: int
    found: int
    hinted: int
    precision: float
    at: float


class Score(NamedTuple):
    """Of a tool; shares from 0 to 1, NaN where nothing can be said."""

    kinds: list[KindScore]
    recall: float
    macro_recall: float
    macro_precision: float
    critical_right: float
    critical_fits: float
    critical_right_of_said: float
    silent: int
    wrong: float
    wrong_hints: float
    healthy_critical: float
    healthy_told: float
    healthy_hints: float
    at: float


def scored(faulty: Sequence[Heard], healthy: Sequence[Heard]) -> Score:
    """The tool's score over faulty and healthy runs."""
    kinds = [_of_kind(kind, faulty, healthy) for kind in KINDS if any(h.case.kind == kind for h in faulty)]
    criticals = [first for h in faulty if (first := _first_critical(h))]
    right = sum(h.names(first) for h in faulty if (first := _first_critical(h)))
    fits = sum(h.fits(first) for h in faulty if (first := _first_critical(h)))
    found = [h.found_at for h in faulty if math.isfinite(h.found_at)]
    return Score(
        kinds,
        len(found) / max(1, len(faulty)),
        _mean([k.found / k.cases for k in kinds]),
        _mean([k.precision for k in kinds if not math.isnan(k.precision)]),
        right / max(1, len(faulty)),
        fits / max(1, len(faulty)),
        right / len(criticals) if criticals else math.nan,
        sum(not h.told for h in faulty),
        _mean([len({s.rule for s in h.told if not h.fits(s)}) for h in faulty]),
        _mean([len({s.rule for s in h.said if s.severity == "hint" and not h.fits(s)}) for h in faulty]),
        _mean([any(s.severity == "critical" for s in h.said) for h in healthy]),
        _mean([bool(h.told) for h in healthy]),
        _mean([len({s.rule for s in h.said if s.severity == "hint"}) for h in healthy]),
        statistics.median(found) if found else math.nan,
    )


def _first_critical(heard: Heard) -> Said | None:
    return min((said for said in heard.said if said.severity == "critical"), key=lambda said: said.step, default=None)


def _of_kind(kind: str, faulty: Sequence[Heard], healthy: Sequence[Heard]) -> KindScore:
    ours = [h for h in faulty if h.case.kind == kind]
    named = [h for h in [*faulty, *healthy] if any(kind in said.kinds for said in h.told)]
    rightly = [h for h in named if h.case.kind and any(kind in said.kinds and h.fits(said) for said in h.told)]
    found = [h.found_at for h in ours if math.isfinite(h.found_at)]
    hinted = sum(any(h.names(said) for said in h.said) for h in ours)
    precision = len(rightly) / len(named) if named else math.nan
    return KindScore(kind, len(ours), len(found), hinted, precision, statistics.median(found) if found else math.nan)


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else math.nan
