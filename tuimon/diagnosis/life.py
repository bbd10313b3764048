"""When a problem is told, and when it is over: what holds for a moment is noise.

A problem is raised when it has held at each look while the run grew by a share, and cleared when it has been gone for one. Both
spans grow with the run, as the windows do in which rules look. Each is told once. Pure but for the state; not thread-safe.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tuimon.diagnosis.causes import CAUSES, causes_of
from tuimon.diagnosis.rule import Rule, Symptom, Verdict
from tuimon.log.records import Finding

LOOKS = 2  # in a row, at least
POINTS = 3  # between the first of these looks and the last, at least
CLEARS = 1.3  # times as many points as when it was first gone
PATIENCE = 1.5  # times as many points: so long a consequence waits for a cause that holds, but not for long enough yet

_RANK = {"hint": 0, "warning": 1, "critical": 2}


@dataclass(slots=True)
class _Course:
    """One rule's course through the run."""

    held: int = 0  # looks in a row
    gone: int = 0  # looks in a row
    first: int = 0  # points of the run at the first of them
    open: Finding | None = None


class Life:
    """Turns the verdicts of each look into findings that come and go."""

    def __init__(self) -> None:
        self._courses: dict[str, _Course] = {}

    @property
    def open(self) -> list[Finding]:
        """What has been raised and not cleared, the earliest first."""
        return [course.open for course in self._courses.values() if course.open]

    def look(self, step: int, points: int, verdicts: list[tuple[Rule, Verdict]]) -> list[Finding]:
        """What has come or gone with this look.

        Args:
            step: the run's step.
            points: how long the run is: its losses so far, or where none are logged, its samples.
            verdicts: what each rule says; causes come before what they cause.
        """
        for rule, verdict in verdicts:
            _count(self._courses.setdefault(rule.name, _Course()), verdict, points)
        return [news for rule, verdict in verdicts for news in self._news(rule, verdict, step, points)]

    def _news(self, rule: Rule, verdict: Verdict, step: int, points: int) -> list[Finding]:
        course = self._courses[rule.name]
        if isinstance(verdict, Symptom):
            return self._raised(rule, verdict, step, points) if course.open is None else self._worse(rule, verdict, course)
        if verdict is None and course.open and course.gone >= LOOKS and _lasts(course, points, CLEARS):
            cleared, course.open = msgspec.structs.replace(course.open, cleared=step), None
            return [cleared]
        return []

    def _worse(self, rule: Rule, symptom: Symptom, course: _Course) -> list[Finding]:
        """What is open is told again if it has become more severe, unless it only follows from something else."""
        assert course.open is not None
        if course.open.explained_by or _RANK[symptom.severity or rule.severity] <= _RANK[course.open.severity]:
            return []
        worse = _finding(rule, symptom, course.open.raised, "")
        course.open = msgspec.structs.replace(worse, step=min(worse.step, course.open.step))
        return [course.open]

    def _raised(self, rule: Rule, symptom: Symptom, step: int, points: int) -> list[Finding]:
        course = self._courses[rule.name]
        if not symptom.at_once:
            holds = symptom.holds or rule.holds
            if course.held < LOOKS or not _lasts(course, points, holds):
                return []
            if self._waits(rule.name) and not _lasts(course, points, holds * PATIENCE):
                return []
        cause = self._cause(rule, symptom)
        if cause and rule.general and cause not in rule.beside:
            return []
        course.open = _finding(rule, symptom, step, cause or "")
        return [course.open, *self._explained(course.open)]

    def _explained(self, cause: Finding) -> list[Finding]:
        """What was told before its cause was, with the cause."""
        told = []
        for course in self._courses.values():
            known = course.open
            if known and not known.explained_by and cause.rule in causes_of(known.rule) and _weighs(cause, known.severity):
                course.open = msgspec.structs.replace(known, explained_by=cause.rule)
                told.append(course.open)
        return told

    def _cause(self, rule: Rule, symptom: Symptom) -> str | None:
        """The open finding that explains a rule's; the one that nothing else explains, where one leads to the other."""
        severity = symptom.severity or rule.severity
        known = {finding.rule: finding for finding in self.open}
        found = [cause for cause in causes_of(rule.name) if cause in known and _weighs(known[cause], severity)]
        roots = [cause for cause in found if not any(cause in CAUSES.get(other, ()) for other in found)]
        return roots[0] if roots else None

    def _waits(self, rule: str) -> bool:
        """Whether a possible cause holds, but not for long enough yet."""
        return any((course := self._courses.get(cause)) and course.held and not course.open for cause in causes_of(rule))


def _weighs(cause: Finding, severity: str) -> bool:
    """Whether a cause is told loudly enough to stand for what it explains: a hint hides no warning."""
    return cause.severity != "hint" or severity == "hint"


def _count(course: _Course, verdict: Verdict, points: int) -> None:
    if isinstance(verdict, Symptom):
        course.first = course.first if course.held else points
        course.held, course.gone = course.held + 1, 0
    elif verdict is None:
        course.first = course.first if course.gone else points
        course.held, course.gone = 0, course.gone + 1


def _lasts(course: _Course, points: int, factor: float) -> bool:
    """Whether the run has grown by a factor since the first of these looks."""
    return points >= max(course.first * factor, course.first + POINTS)


def _finding(rule: Rule, symptom: Symptom, raised: int, cause: str) -> Finding:
    return Finding(
        step=symptom.step,
        rule=rule.name,
        text=symptom.text,
        layer=symptom.layer,
        severity=symptom.severity or rule.severity,
        remedy=symptom.remedies[0].levers if symptom.remedies else {},
        raised=raised,
        evidence=symptom.evidence,
        explained_by=cause,
        remedies=symptom.remedies,
    )
