"""What a report tells of a run, gathered from its log and its folder, before anybody lays it out as HTML or as text.

All text is one line without control characters. For failed, live and other programs' runs, too: what a log lacks is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tuimon.base import format
from tuimon.base.plain import one_line
from tuimon.diagnosis import RULES, examine
from tuimon.diagnosis.proof import Change, Proof, proofs
from tuimon.launcher.runs.failure import FAILED, Failure, failure_of
from tuimon.launcher.runs.loss import latest, loss_tag
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.summary import seconds_trained
from tuimon.launcher.steering.commands import value_text
from tuimon.log.records import Applied, CheckpointSaved, Finding, Notice
from tuimon.log.store import Store
from tuimon.paper.beside import against_unchanged
from tuimon.paper.card import best_of, loss_tags
from tuimon.paper.tags import by_chart, is_measured
from tuimon.viewer.about import Fact, Section, about

MOST_CHARTS = 24
_MOST_METRICS, _MOST_CHANGES, _MOST_NOTICES = 40, 200, 40
_LONGEST = 500  # characters of a value
_NOT_DRAWN = ("system/", "step/", "epoch")
_MEANING = {rule.name: rule.meaning for rule in RULES}


@dataclass(frozen=True, slots=True)
class Found:
    """A finding: when it held, what it means, the numbers it rests on, and what to try."""

    severity: str
    rule: str
    when: str
    text: str
    meaning: str
    evidence: tuple[str, ...]
    because: str
    remedies: tuple[str, ...]
    holds: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """What was set at one step, and what that did."""

    number: int
    step: int
    what: tuple[str, ...]
    by: str
    verdict: str
    grounds: str
    proof: Proof


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's last value, and its best one with the step."""

    tag: str
    last: str
    best: str


@dataclass(frozen=True, slots=True)
class Story:
    """A run's story.

    Attributes:
        facts: names and values, the most telling first.
        sections: what the run is; the settings are the section whose facts have presets' values.
        charts: titles and tags, the losses first; at most `MOST_CHARTS`.
        left_out: further charts that are not shown.
        judged: whether any rule could judge.
        not_judged: rules that could not judge, and why.
        notices: what the monitor or the trainer warned of.
        problems: what cannot be read or shown of the log.
    """

    name: str
    state: str
    facts: tuple[tuple[str, str], ...]
    failure: Failure | None
    findings: tuple[Found, ...]
    judged: bool
    not_judged: tuple[tuple[str, str], ...]
    changes: tuple[Changed, ...]
    metrics: tuple[Metric, ...]
    charts: dict[str, tuple[str, ...]]
    left_out: int
    sections: tuple[Section, ...]
    notices: tuple[str, ...]
    problems: tuple[str, ...]


def story_of(name: str, run: Path, store: Store, status: Status) -> Story:
    """Gathers the parts of the report."""
    charts = _charts(store)
    diagnosed = examine(store)
    return Story(
        name=clean(name),
        state=status.state,
        facts=tuple((key, clean(value)) for key, value in _facts(run, store, status)),
        failure=_cleaned(failure_of(run, store, status)) if status.state in FAILED else None,
        findings=tuple(map(_found, diagnosed.findings)),
        judged=len(diagnosed.abstentions) < len(RULES),
        not_judged=tuple((clean(rule), clean(why)) for rule, why in diagnosed.abstentions.items()),
        changes=tuple(_changed(number, proof) for number, proof in enumerate(proofs(store)[:_MOST_CHANGES], 1)),
        metrics=tuple(_metrics(store)),
        charts=dict(list(charts.items())[:MOST_CHARTS]),
        left_out=max(len(charts) - MOST_CHARTS, 0),
        sections=tuple(_sections(run)),
        notices=tuple(_notices(store)),
        problems=tuple(map(clean, store.problems())),
    )


def clean(text: str) -> str:
    """A text as one line without control characters, cut where it is very long."""
    line = one_line(text)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _facts(run: Path, store: Store, status: Status) -> Iterator[tuple[str, str]]:
    total = store.started.total_steps if store.started else None
    yield "state", status.state + (f": {status.detail}" if status.detail else "")
    yield "steps", format.count(store.step) + (f" of {format.count(total)}" if total else "")
    if store.started and store.started.steps_per_epoch:
        yield "epochs", f"{store.step / store.started.steps_per_epoch:.3g}"
    seconds = seconds_trained(store)
    if seconds == seconds:
        yield "trained for", format.duration(seconds)
    if store.first_wall == store.first_wall:
        yield "from, to (UTC)", ", ".join(map(_utc, (store.first_wall, store.last_wall)))
    if store.forked:
        yield "forked from", f"{store.forked.run} at step {format.count(store.forked.step)}"
    if against := against_unchanged(run, store):
        yield "what the fork did", against
    saved = [record.event for record in store.events if isinstance(record.event, CheckpointSaved)]
    for reason, title in (("best", "best checkpoint"), ("last", "last checkpoint")):
        if those := [one for one in saved if one.reason == reason]:
            yield title, f"{those[-1].path}, step {format.count(those[-1].step)}"
    yield "folder", str(run)


def _utc(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M:%S}"


def _found(one: Finding) -> Found:
    when = f"since step {format.count(one.step)}"
    if one.cleared is not None:
        when = f"from step {format.count(one.step)} to {format.count(one.cleared)}"
    remedies = (
        f"{', '.join(_moved(lever, value_text(value) if value is not None else '') for lever, value in remedy.levers.items())}"
        + (f": {remedy.why}" if remedy.why else "")
        for remedy in one.remedies
    )
    return Found(
        severity=one.severity,
        rule=clean(one.rule),
        when=when,
        text=clean(one.text),
        meaning=_MEANING.get(one.rule, ""),
        evidence=tuple(clean(f"{key} = {format.number(value)}") for key, value in one.evidence.items()),
        because=clean(one.explained_by),
        remedies=tuple(map(clean, remedies)),
        holds=one.cleared is None,
    )


def _moved(lever: str, value: str) -> str:
    return f"{lever}={value}" if value else lever


def _changed(number: int, proof: Proof) -> Changed:
    change = proof.change
    verdict, _, grounds = proof.text.partition(": ")
    by = dict.fromkeys(one.by for one in change.applied if one.by)
    return Changed(number, change.step, tuple(_set(change)), clean(", ".join(by)), verdict, clean(grounds), proof)


def _set(change: Change) -> Iterator[str]:
    for one in change.applied:
        yield clean(_move(one) + (f" ({one.note})" if one.note else ""))


def _move(one: Applied) -> str:
    if one.old is None and one.new is None:
        return one.lever
    return f"{one.lever} {value_text(one.old, one.old_enabled)} → {value_text(one.new, one.new_enabled)}"


def _metrics(store: Store) -> Iterator[Metric]:
    tags = [tag for tag in store if len(store[tag]) and not is_measured(tag)]
    loss = loss_tag(store)
    tags.sort(key=lambda tag: (tag != loss, "loss" not in tag.lower(), "acc" not in tag.lower()))
    for tag in tags[:_MOST_METRICS]:
        best = best_of(tag, store[tag], store).strip().removeprefix("best ")
        yield Metric(clean(tag), format.number(latest(store, tag)), best)


def _charts(store: Store) -> dict[str, tuple[str, ...]]:
    """The losses, then other metrics, then what is measured of the training and of its layers."""
    losses = loss_tags([store])
    drawn = [tag for tag in store if len(store[tag]) and tag not in losses and not tag.startswith(_NOT_DRAWN)]
    rest = sorted(drawn, key=is_measured)
    return by_chart(losses) | by_chart(rest)


def _sections(run: Path) -> Iterator[Section]:
    """What the run is; what is damaged is told elsewhere."""
    for section in about(run):
        if section.title != "Damage":
            yield Section(clean(section.title), [_plain(fact) for fact in section.facts if fact.value])


def _plain(fact: Fact) -> Fact:
    return Fact(clean(fact.name), clean(fact.value), None if fact.preset is None else clean(fact.preset))


def _notices(store: Store) -> Iterator[str]:
    warned = [record.event for record in store.events if isinstance(record.event, Notice) and record.event.level != "info"]
    for one in warned[:_MOST_NOTICES]:
        yield clean(f"step {format.count(one.step)}: {one.text}")
    if len(warned) > _MOST_NOTICES:
        yield f"and {len(warned) - _MOST_NOTICES} more"


def _cleaned(failure: Failure) -> Failure:
    frames = tuple((clean(place), clean(code)) for place, code in failure.frames)
    return failure._replace(error=clean(failure.error), frames=frames, advice=clean(failure.advice))
