"""What a rule is, and what it may say of a run at one look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tuimon.diagnosis.look import Look
from tuimon.log.records import LeverValue, Remedy, Severity


@dataclass(frozen=True, slots=True)
class Symptom:
    """A rule's problem is there.

    Attributes:
        text: one line for the user, with the layer and the numbers that matter.
        step: from which step on the log shows it.
        evidence: measured numbers, by name.
        layer: where; of several layers, the first.
        remedies: what may help, in the order to try.
        severity: where it differs from the rule's own.
        at_once: tells it at the first look: waiting shows nothing more.
    """

    text: str
    step: int
    evidence: dict[str, float] = field(default_factory=dict)
    layer: str = ""
    remedies: tuple[Remedy, ...] = ()
    severity: Severity | None = None
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class Abstains:
    """A rule cannot judge, and why: what was not measured is not zero."""

    why: str


Verdict = Symptom | Abstains | None  # None: it was judged, and the problem is not there


@dataclass(frozen=True)
class Rule:
    """One problem that a training can have.

    Attributes:
        name: stable; in logs, in JSON and in the texts of presets.
        severity: critical (the run is lost or learns nothing), warning (it costs a lot), hint.
        meaning: what it means, in two sentences for a beginner.
        needs: the tags that it reads.
        cites: where its thresholds and its reasoning are from.
        judge: a pure function of what one look sees.
        holds: the run must have grown by this factor while the problem was there.
        general: says only that training suffers, which whatever explains it says, too: not told under a cause.
        beside: causes under which it is told all the same: it says how they came about.
    """

    name: str
    severity: Severity
    meaning: str
    needs: tuple[str, ...]
    cites: str
    judge: Callable[[Look], Verdict]
    holds: float = 1.15
    general: bool = False
    beside: tuple[str, ...] = ()


def remedy(why: str, **levers: LeverValue) -> Remedy:
    """A remedy of levers whose names are Python names."""
    return Remedy(levers, why)
