"""The findings of a whole log, after the fact: those that it carries, or else what the rules say of it.

A run of tuimon's diagnoses itself, and its log has the findings as they came and went. Logs of earlier versions and of other
programs have none: for those the engine reads the store, in the order of the steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tuimon.diagnosis.diagnosis import Diagnosis
from tuimon.log.batch import Batch, EventRecord, Places, Points
from tuimon.log.records import Finding, RunStarted
from tuimon.log.store import Store

_SEVERITIES = ("critical", "warning", "hint")


class Diagnosed(NamedTuple):
    """What a log shows.

    Attributes:
        findings: as `diagnose` gives them.
        abstentions: why rules could not judge, by rule.
    """

    findings: list[Finding]
    abstentions: dict[str, str]


def diagnose(store: Store, *, again: bool = False) -> list[Finding]:
    """The findings of a run: causes with their consequences behind them, the most severe first; what was cleared comes last.

    Args:
        store: a run's log, as `tuimon.read_run` gives it.
        again: applies the rules of this version also where the log carries findings already; in the order of the steps, for a
            store does not keep the order of the records.

    Returns:
        Each finding once, as it was last: `raised` and `cleared` say from when to when it held.
    """
    return findings_of(store.events) if diagnoses_itself(store) and not again else examine(store, again=True).findings


def examine(store: Store, *, again: bool = False) -> Diagnosed:
    """What `diagnose` finds, and what could not be judged."""
    engine = Diagnosis()
    told = [*engine.take(batch_of(store)), *engine.look()]
    own = diagnoses_itself(store) and not again
    return Diagnosed(findings_of(store.events) if own else in_order(merged(told)), engine.abstentions())


def diagnoses_itself(store: Store) -> bool:
    """Whether the log carries the findings of its own run."""
    return store.started is not None and store.started.diagnosis > 0


def findings_of(events: Iterable[EventRecord]) -> list[Finding]:
    """The findings that a log carries, as `diagnose` orders them; those of a process that another one has resumed are over."""
    told: list[Finding] = []
    known: RunStarted | None = None
    for record in events:
        match record.event:
            case Finding() as finding:
                told.append(finding)
            case RunStarted() as started:
                if known and (known.process, known.first_step) != (started.process, started.first_step):
                    told += [over(finding, started.first_step) for finding in merged(told) if finding.cleared is None]
                known = started
    return in_order(merged(told))


def over(finding: Finding, step: int) -> Finding:
    """A finding that is cleared at a step."""
    return msgspec.structs.replace(finding, cleared=step)


def merged(told: Iterable[Finding]) -> list[Finding]:
    """Each finding as it was told last, in the order in which they were raised."""
    latest: dict[tuple[str, int, str], Finding] = {}
    for finding in told:
        latest[finding.rule, finding.raised, finding.layer if not finding.raised else ""] = finding
    return list(latest.values())


def in_order(findings: list[Finding]) -> list[Finding]:
    """What holds before what is over, the most severe first; what another finding explains stands behind that."""
    ranked = sorted(findings, key=lambda one: (one.cleared is not None, _SEVERITIES.index(one.severity)))
    names = {one.rule for one in ranked if one.cleared is None}
    heads = [one for one in ranked if one.explained_by not in names or one.cleared is not None]
    ordered: list[Finding] = []
    for head in heads:
        ordered += [
            head,
            *(one for one in ranked if one not in heads and one.explained_by == head.rule and head.cleared is None),
        ]
    return ordered + [one for one in ranked if one not in ordered]


def batch_of(store: Store) -> Batch:
    """All that a store has, as one batch in the order of the steps; of one step, its scalars come before its events."""
    scalars = {tag: Points(series.steps, series.walls, series.values) for tag, series in store.series.items() if len(series)}
    places = {tag: 2 * points.steps for tag, points in scalars.items()}
    begins = [record for record in store.events if isinstance(record.event, RunStarted)][-1:]
    others = [record for record in store.events if not isinstance(record.event, RunStarted | Finding)]
    others.sort(key=lambda record: record.step)
    events = [*begins, *others]
    at = [-1] * len(begins) + [2 * record.step + 1 for record in others]
    return Batch(scalars, events=events, bytes=1, places=Places(places, (), (), at))
