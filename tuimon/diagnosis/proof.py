"""What changes to a run did to its loss, told from its log.

A change is what was set at one step, be it one lever or several. Its effect is judged by the validation loss where there is
enough of it, else by the training loss, between the change before it and the one after it (`measures/effect.py` has the test).
Pure functions over a store; nothing is kept between two calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuimon.base.format import count, number
from tuimon.diagnosis.evidence import LOSS, VALIDATION
from tuimon.diagnosis.measures.difference import Difference, difference
from tuimon.diagnosis.measures.effect import LEAST_BEFORE, Effect, Floats, Steps, Window, effect
from tuimon.log.records import Applied, RunStarted
from tuimon.log.series import Series
from tuimon.log.store import Store

_NOTHING_TO_JUDGE = frozenset({"paused", "checkpoint", "stop", "autopilot"})
_OTHER_TRAINING_LOSS = "dropout"  # moves the training loss itself, whatever it does to the model
_SCHEDULED = 2.0  # by this factor the schedule has moved the rate within one window


@dataclass(frozen=True, slots=True)
class Change:
    """What was set at one step.

    Attributes:
        step: steps that were complete.
        applied: each lever that was moved, as it was answered.
    """

    step: int
    applied: tuple[Applied, ...]

    @property
    def levers(self) -> tuple[str, ...]:
        """Their names, each once."""
        return tuple(dict.fromkeys(one.lever for one in self.applied))


@dataclass(frozen=True, slots=True)
class Proof:
    """What a change did.

    Attributes:
        change: the change.
        tag: the loss by which it is judged; empty without one.
        effect: the verdict, and what it rests on.
        caveat: what else may have moved the loss; empty if nothing is known.
    """

    change: Change
    tag: str
    effect: Effect
    caveat: str = ""

    @property
    def text(self) -> str:
        """The verdict in one line, with its numbers."""
        return f"{self.effect.verdict}: {self._grounds()}" + (f"; {self.caveat}" if self.caveat else "")

    def _grounds(self) -> str:
        seen, after = self.effect, self.effect.after
        if not seen.expected[0] <= seen.expected[1]:
            return seen.why
        place = f"{self.tag} {number(seen.observed)} at steps {count(after.first)} to {count(after.last)}"
        led = " to ".join(dict.fromkeys(map(number, seen.expected)))
        within = f"noise {number(seen.band[0])} to {number(seen.band[1])}"
        return (
            f"{place}, where the trend of steps {count(seen.before.first)} to {count(seen.before.last)} led to {led} ({within})"
        )


@dataclass(frozen=True, slots=True)
class Twins:
    """What a change did, by a run with it and one without, from the same point on.

    Attributes:
        tag: the loss that is compared.
        difference: the verdict, and what it rests on.
    """

    tag: str
    difference: Difference

    @property
    def text(self) -> str:
        """The verdict in one line, with its numbers."""
        seen = self.difference
        if seen.verdict == "too early to say":
            return f"{seen.verdict}: only {seen.count} steps at which both have a {self.tag}"
        if not math.isfinite(seen.changed):
            stays = (
                "stays finite, without it it does not" if seen.verdict == "helped" else "becomes NaN or infinite, only with it"
            )
            return f"{seen.verdict}: {self.tag} {stays}"
        place = f"at steps {count(seen.first)} to {count(seen.last)}"
        told = f"{self.tag} {number(seen.changed)} {place}, {number(seen.unchanged)} without it"
        return f"{seen.verdict}: {told} (noise ±{number(seen.margin)})"


def twins(changed: Store, unchanged: Store, after: int) -> Twins:
    """Compares two runs that went on from one step, one of them with a change.

    Args:
        changed: the run with the change.
        unchanged: the run without.
        after: the step at which they part.
    """
    judged = {
        tag: difference(_points(changed[tag]), _points(unchanged[tag]), after)
        for tag in (VALIDATION, LOSS)
        if tag in changed and tag in unchanged
    }
    tag = VALIDATION if VALIDATION in judged and (judged[VALIDATION].count >= LEAST_BEFORE or LOSS not in judged) else LOSS
    return Twins(tag, judged.get(tag, Difference("too early to say", after, after, 0)))


def changes(store: Store) -> list[Change]:
    """What was changed in a run, in the order of the steps; without what a resumption has taken back."""
    made: list[Applied] = []
    known: RunStarted | None = None
    for record in store.events:
        match record.event:
            case RunStarted() as started:
                if known and (known.process, known.first_step) != (started.process, started.first_step):
                    made = [one for one in made if one.step <= started.first_step]
                known = started
            case Applied() as applied if _moves(applied):
                made.append(applied)
    steps = sorted({one.step for one in made})
    return [Change(step, tuple(one for one in made if one.step == step)) for step in steps]


def _moves(applied: Applied) -> bool:
    """Whether training goes on otherwise: an action that saves a file, or a lever set to what it was, changes nothing."""
    if applied.lever in _NOTHING_TO_JUDGE:
        return False
    same = (applied.old, applied.old_enabled) == (applied.new, applied.new_enabled)
    return not same or applied.new is None


def prove(store: Store, step: int) -> Proof:
    """Judges the change of a step.

    Args:
        store: the run's log.
        step: the step of the change, as `changes` gives it.

    Raises:
        ValueError: nothing was changed at that step.
    """
    made = changes(store)
    places = [place for place, change in enumerate(made) if change.step == step]
    if not places:
        raise ValueError(f"nothing was changed at step {step}")
    at = places[0]
    since = made[at - 1].step if at else -1
    until = made[at + 1].step if at + 1 < len(made) else None
    return _judge(store, made[at], since, until)


def proofs(store: Store) -> list[Proof]:
    """The effect of each change of a run, in the order of the steps."""
    made = changes(store)
    starts = [-1, *(change.step for change in made)]
    ends = [*(change.step for change in made[1:]), None]
    return [_judge(store, change, since, until) for change, since, until in zip(made, starts, ends, strict=False)]


def _judge(store: Store, change: Change, since: int, until: int | None) -> Proof:
    over = store.ended is not None or store.exited is not None
    judged = {}
    for tag in (VALIDATION, LOSS):
        if (series := store.series.get(tag)) is not None and len(series):
            judged[tag] = _effect(series, change.step, since, until, over)
    tag = _by(judged, change)
    if tag:
        return Proof(change, tag, judged[tag], _caveat(store, judged[tag]))
    nothing = Window(change.step, change.step, 0, math.nan)
    why = "dropout moves the training loss itself, and there are too few validations" if judged else "no loss is logged"
    return Proof(change, "", Effect("too early to say", nothing, nothing, why=why))


def _effect(series: Series, step: int, since: int, until: int | None, over: bool) -> Effect:
    return effect(*_points(series), step, since=since, until=until, over=over)


def _points(series: Series) -> tuple[Steps, Floats]:
    return series.steps, series.values.astype(np.float64)


def _by(judged: dict[str, Effect], change: Change) -> str:
    """The loss to judge by: validation, unless there is too little of it and the training loss tells more."""
    if VALIDATION in judged and (judged[VALIDATION].verdict != "too early to say" or LOSS not in judged):
        return VALIDATION
    return LOSS if LOSS in judged and _OTHER_TRAINING_LOSS not in change.levers else ""


def _caveat(store: Store, found: Effect) -> str:
    """Says where the schedule moved the learning rate while the change had its effect."""
    rates = store.series.get("lr")
    if rates is None:
        return ""
    for window in (found.before, found.after):
        within = (rates.steps > window.first) & (rates.steps <= window.last)
        values = rates.values[within & np.isfinite(rates.values) & (rates.values > 0)]
        if len(values) and values.max() > _SCHEDULED * values.min():
            return "the schedule moved the learning rate meanwhile"
    return ""
