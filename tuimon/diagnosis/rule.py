"""What a rule is, and what it may say of a run at one look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

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
        severity: where neither the rule's own nor what the run suffers decides (see `weighed`).
        holds: replaces the rule's own where the symptom takes long to show itself already.
        at_once: tells it at the first look: waiting shows nothing more.
    """

    text: str
    step: int
    evidence: dict[str, float] = field(default_factory=dict)
    layer: str = ""
    remedies: tuple[Remedy, ...] = ()
    severity: Severity | None = None
    holds: float | None = None
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
        severity: critical (the run is lost or learns nothing), warning (it costs a lot), hint. A warning becomes critical in a
            run that is lost.
        meaning: what it means, in two sentences for a beginner.
        needs: the tags that it reads.
        cites: where its thresholds and its reasoning are from.
        judge: a pure function of what one look sees.
        holds: the run must have grown by this factor while the problem was there.
        costs: what suffers. What costs only time or memory loses no run.
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
    costs: Literal["learning", "resources"] = "learning"
    general: bool = False
    beside: tuple[str, ...] = ()


def weighed(rule: Rule, verdict: Verdict, look: Look) -> Verdict:
    """The verdict with its severity: one measure of harm for all rules, so that no rule has one of its own."""
    if not isinstance(verdict, Symptom) or verdict.severity is not None:
        return verdict
    lost = rule.severity == "warning" and rule.costs == "learning" and look.hopeless
    return replace(verdict, severity="critical" if lost else rule.severity)


def remedy(why: str, **levers: LeverValue) -> Remedy:
    """A remedy of levers whose names are Python names."""
    return Remedy(levers, why)
