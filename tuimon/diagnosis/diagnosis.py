"""The engine: reads a log in its order, looks at defined places of it, and says which findings come and go.

The same in the training process, in a viewer and after the fact: what it says depends on the log alone, not on when or in which
pieces it was read. Its memory is bounded, and a look costs the same at any length of a log. Not thread-safe.
"""

from __future__ import annotations

import msgspec
import numpy as np

from tuimon.base.errors import in_one_line
from tuimon.diagnosis.causes import in_order
from tuimon.diagnosis.evidence import Evidence
from tuimon.diagnosis.life import Life
from tuimon.diagnosis.look import Look
from tuimon.diagnosis.rule import Rule, Symptom, Verdict, weighed
from tuimon.diagnosis.rules import RULES
from tuimon.diagnosis.stream import Stream, by_start, is_rewind
from tuimon.log.batch import Batch
from tuimon.log.records import Applied, Finding, RunStarted

VERSION = 3  # of the rules; in `RunStarted`, where a process applies them to its own log


class Diagnosis:
    """Follows one log.

    Args:
        rules: those to apply.
    """

    def __init__(self, rules: tuple[Rule, ...] = RULES) -> None:
        by_name = {rule.name: rule for rule in rules}
        self._rules = [by_name[name] for name in in_order(list(by_name))]
        self._failed: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._follow(Evidence())

    def _follow(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.symptoms: dict[str, Symptom] = {}  # of the latest look
        self._stream, self._life = Stream(self.evidence), Life()

    def _rewind(self, applied: Applied) -> list[Finding]:
        """The weights that the findings speak of are no more: they are over, and what comes is judged by itself."""
        step = max(applied.step, self.evidence.step)
        over = [msgspec.structs.replace(finding, cleared=step) for finding in self._life.open]
        self._follow(self.evidence.rewound(applied.mid_step))
        return over

    @property
    def open(self) -> list[Finding]:
        """The findings that hold, the earliest first."""
        return self._life.open

    def take(self, batch: Batch) -> list[Finding]:
        """Reads on; returns what has come or gone, in order.

        Raises:
            ValueError: the batch does not tell the order of its records.
        """
        told: list[Finding] = []
        for part in by_start(batch):
            match part.events[0].event if part.events else None:
                case RunStarted() as started if self._is_another(started):
                    self._begin()
                case Applied() as applied if is_rewind(applied):
                    told += self._rewind(applied)
            for _ in self._stream.stretches(part):
                told += self.look()
        return told

    def look(self) -> list[Finding]:
        """Applies all rules to what has been read; returns what has come or gone."""
        look = Look(self.evidence)
        verdicts = []
        failures: list[Finding] = []
        for rule in self._rules:
            try:
                with np.errstate(all="ignore"):  # what is not finite is judged, not warned of
                    verdicts.append((rule, weighed(rule, rule.judge(look), look)))
            except Exception as error:  # it costs no other rule's verdict
                if rule.name not in self._failed:
                    self._failed.add(rule.name)
                    failures.append(_failure(rule, error, self.evidence.step))
        self.symptoms = {rule.name: verdict for rule, verdict in verdicts if isinstance(verdict, Symptom)}
        return self._life.look(self.evidence.step, self.evidence.length, verdicts) + failures

    def abstentions(self) -> dict[str, str]:
        """Why rules cannot judge what has been read, by rule."""
        from tuimon.diagnosis.rule import Abstains

        look = Look(self.evidence)
        found: dict[str, str] = {}
        for rule in self._rules:
            verdict: Verdict = None
            try:
                with np.errstate(all="ignore"):
                    verdict = rule.judge(look)
            except Exception as error:
                verdict = Abstains(in_one_line(error))
            if isinstance(verdict, Abstains):
                found[rule.name] = verdict.why
        return found

    def _is_another(self, started: RunStarted) -> bool:
        """Whether this tells of another training than the one read so far; else of a change to it."""
        known = self.evidence.started
        return known is not None and (known.process, known.first_step) != (started.process, started.first_step)


def _failure(rule: Rule, error: Exception, step: int) -> Finding:
    text = f"the rule {rule.name} cannot be applied: {in_one_line(error)}"
    return Finding(step, rule.name, text, severity="hint", raised=step)
