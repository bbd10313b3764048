"""The autopilot: applies remedies of findings within bounds, watches what they do, and takes back what made things worse.

Decides from the run's log alone, which tells it also what came of its commands. It knows neither the training nor its files:
whoever has it carries out what it asks for. Not thread-safe.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import msgspec

from tuimon.base.bounds import Bounds
from tuimon.diagnosis.diagnosis import Diagnosis
from tuimon.diagnosis.evidence import VALIDATION
from tuimon.diagnosis.keeper import BY, Ask, Keeper
from tuimon.diagnosis.proof import Proof, prove
from tuimon.diagnosis.remedies import RENEW, REVIVE, REWIND, cannot, commands
from tuimon.log.records import Applied, CheckpointSaved, Command, Finding, LeverValue, Notice, Refused, Remedy
from tuimon.log.store import Store

LEVER = "autopilot"
_STILL = 1.5  # times as long as when a remedy had helped: a finding that holds until then wants another one
_OTHER = 1.3  # times as long as when a remedy had no effect: before the next one for the same finding
_RANK = {"critical": 0, "warning": 1}
_AT_ONCE = frozenset((REVIVE, RENEW, "reset_optimizer"))
_NEW_WEIGHTS = frozenset((REWIND, REVIVE, RENEW))
_ON_OTHER_DATA = frozenset(("over-fitting", "weights-growing"))  # what these do to the training loss says nothing
_SETTLED = 1.25  # times as long as when it was raised: before a warning gets a remedy; a critical finding gets it at once


_Moves = tuple[tuple[str, LeverValue], ...]


@dataclass
class _Trial:
    """One remedy on its way: first a checkpoint, then its levers, then what they do."""

    rule: str
    remedy: Remedy
    known: frozenset[str]  # findings that held before
    saving: str = ""  # the id of the checkpoint's command while it is waited for
    since: int = 0  # events that there were at its begin
    moving: list[str] = field(default_factory=list)  # the ids of its other commands
    step: int = -1  # at which all of it was applied


class Pilot:
    """Steers one run.

    Args:
        bounds: how far it may go.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._trial: _Trial | None = None
        self._done, self._last = 0, -bounds.every  # remedies so far; the step of the latest
        self._tried: dict[str, set[_Moves]] = {}
        self._patient: dict[str, float] = {}  # how long the run has to be before a finding gets another remedy
        self._said: set[str] = set()
        self._seen: dict[tuple[str, int], int] = {}  # how long the run was when a finding was first seen
        self._set_by: dict[str, str] = {}  # levers that keep a value, and the rule that it was for
        self._events = 0  # that were read
        self._answers: dict[str, Applied | Refused] = {}
        self._checkpoints: list[tuple[int, CheckpointSaved]] = []  # by their place among the events
        self._keeper = Keeper(bounds.every)

    @property
    def busy(self) -> bool:
        """Whether it waits for the training to carry out what it has asked for."""
        return self._trial is not None and self._trial.step < 0

    def turn(self, engine: Diagnosis, store: Store) -> list[Ask]:
        """What is to be done now.

        Args:
            engine: has read the same log.
            store: its events, and its losses.
        """
        self._take_in(store)
        if self._trial is not None:
            return self._go_on(self._trial, engine, store)
        found = self._begin(engine, store)
        return found or self._keep(engine, store)

    def _keep(self, engine: Diagnosis, store: Store) -> list[Ask]:
        """Checkpoints to go back to, of a run that keeps none itself; not while something is wrong with it."""
        own = store.started is not None and store.started.spec is not None
        if own or "checkpoint" not in store.levers or any(one.severity in _RANK for one in engine.open):
            return []
        return self._keeper.turn(store)

    def _take_in(self, store: Store) -> None:
        for place in range(self._events, len(store.events)):
            match store.events[place].event:
                case (Applied(id=id) | Refused(id=id)) as answer if id:
                    self._answers[id] = answer
                case CheckpointSaved() as saved:
                    self._checkpoints.append((place, saved))
        self._events = len(store.events)

    # From a finding to the commands of a remedy

    def _begin(self, engine: Diagnosis, store: Store) -> list[Ask]:
        found = self._chosen(engine, store)
        if found is None:
            return []
        finding, remedy = found
        if self._done >= self._bounds.most:
            return self._say_once(f"{self._done} remedies are applied, as many as its bounds allow; {finding.rule} is yours")
        if engine.evidence.step < self._last + self._bounds.every:
            return []
        self._done += 1
        self._last = engine.evidence.step
        self._tried.setdefault(finding.rule, set()).add(_moves(remedy))
        self._trial = trial = _Trial(finding.rule, remedy, frozenset(one.rule for one in engine.open))
        told = Notice(f"autopilot: {finding.rule}: {_worded(remedy)}: {remedy.why}", step=engine.evidence.step)
        save = _with_id(Command("checkpoint", "do", by=BY))
        trial.since = self._events
        if "checkpoint" not in store.levers:
            return [told, *self._move(trial)]
        if not _AT_ONCE.isdisjoint(remedy.levers) and store.started is not None and store.started.spec is not None:
            trial.saving = save.id  # which may wait for the end of a step, and these do not
            return [told, save]
        return [told, save, *self._move(trial)]

    def _chosen(self, engine: Diagnosis, store: Store) -> tuple[Finding, Remedy] | None:
        """The first finding that asks for something, and what it is."""
        names = {finding.rule for finding in engine.open}
        roots = [one for one in engine.open if one.severity in _RANK and one.explained_by not in names]
        for finding in sorted(roots, key=lambda one: _RANK[one.severity]):
            symptom = engine.symptoms.get(finding.rule)
            if symptom is None or engine.evidence.length < self._wanted_length(finding, engine):
                continue
            for remedy in symptom.remedies:
                if self._may(finding.rule, remedy) and not cannot(remedy, store.levers):
                    return finding, remedy
        return None

    def _may(self, rule: str, remedy: Remedy) -> bool:
        """Whether it has not been tried, lies within bounds, and does not undo what another finding wanted."""
        tried = _moves(remedy) in self._tried.get(rule, set())
        return not tried and self._bounds.allows(frozenset(remedy.levers)) and not self._undoes(rule, remedy)

    def _wanted_length(self, finding: Finding, engine: Diagnosis) -> float:
        """How long the run has to be before a finding gets a remedy."""
        known = self._seen.setdefault((finding.rule, finding.raised), engine.evidence.length)
        settled = _SETTLED * known if finding.severity != "critical" else 0.0
        return max(settled, self._patient.get(finding.rule, 0.0))

    def _undoes(self, rule: str, remedy: Remedy) -> bool:
        """Whether another finding's remedy has set one of these levers; but for the rate, which many may want to move."""
        return any(self._set_by.get(lever, rule) != rule for lever in remedy.levers if lever != "lr_scale")

    def _move(self, trial: _Trial) -> list[Ask]:
        moves = [_with_id(one) for one in commands(trial.remedy, {}, BY)]
        trial.saving, trial.moving = "", [one.id for one in moves]
        return list(moves)

    # From there to a verdict

    def _go_on(self, trial: _Trial, engine: Diagnosis, store: Store) -> list[Ask]:
        if trial.saving:
            return self._saved(trial)
        if trial.step < 0:
            return self._applied(trial, engine, store)
        return self._watched(trial, engine, store)

    def _saved(self, trial: _Trial) -> list[Ask]:
        answer = self._answers.get(trial.saving)
        if isinstance(answer, Refused):
            return [Notice(f"autopilot: no checkpoint before it: {answer.reason}", "warning"), *self._move(trial)]
        return self._move(trial) if answer is not None and self._saved_since(trial) else []

    def _saved_since(self, trial: _Trial) -> str:
        """The checkpoint of a trial's begin; empty if there is none."""
        return next((one.path for place, one in self._checkpoints if place >= trial.since and one.reason == "asked"), "")

    def _applied(self, trial: _Trial, engine: Diagnosis, store: Store) -> list[Ask]:
        answers = [self._answers.get(id) for id in trial.moving]
        if not all(answers):
            return []
        done = [one for one in answers if isinstance(one, Applied)]
        refused = [one for one in answers if isinstance(one, Refused)]
        if refused:
            self._trial = None
            why = f"{refused[0].lever} is refused: {refused[0].reason}"
            return [Notice(f"autopilot: {why}", "warning"), *_undone(done)]
        trial.step = max(one.step for one in done)
        self._set_by |= {one.lever: trial.rule for one in done if one.old is not None}
        return []

    def _watched(self, trial: _Trial, engine: Diagnosis, store: Store) -> list[Ask]:
        since = [one for one in engine.open if one.raised > trial.step]
        if any(one.severity == "critical" and one.rule not in trial.known for one in since):
            return self._take_back(trial, f"it brought about {since[0].rule}")
        if any(one.rule == trial.rule for one in since):  # where a run went back, and it came again
            return self._conclude(trial, engine, 0.0, "it has come again")
        proof = prove(store, trial.step)
        if not self._can_say(trial, proof, store):
            return []
        match proof.effect.verdict:
            case "helped":
                return self._conclude(trial, engine, _STILL, proof.text)
            case "made it worse":
                return self._take_back(trial, proof.text.partition(": ")[2])
        return self._conclude(trial, engine, _OTHER, proof.text)

    def _can_say(self, trial: _Trial, proof: Proof, store: Store) -> bool:
        """Whether a verdict is one on this remedy.

        What is learned by heart, and what a penalty costs, shows on validation data only. New weights have first to come as far
        as those before.
        """
        if proof.effect.verdict == "too early to say":
            return False
        if trial.rule in _ON_OTHER_DATA and proof.tag != VALIDATION and VALIDATION in store:
            return False
        anew = not _NEW_WEIGHTS.isdisjoint(trial.remedy.levers)
        return proof.effect.verdict == "helped" or not anew or proof.effect.after.count >= proof.effect.before.count

    def _conclude(self, trial: _Trial, engine: Diagnosis, patience: float, why: str) -> list[Ask]:
        self._trial = None
        self._patient[trial.rule] = patience * engine.evidence.length
        return [Notice(f"autopilot: {trial.rule}, {_worded(trial.remedy)}: {why}", step=engine.evidence.step)]

    def _take_back(self, trial: _Trial, why: str) -> list[Ask]:
        self._trial = None
        done = [one for id in trial.moving if isinstance(one := self._answers[id], Applied)]
        saved = self._saved_since(trial)
        back = [_with_id(Command(REWIND, "set", saved, by=BY))] if saved else []
        told = f"autopilot: {trial.rule}, {_worded(trial.remedy)}: made it worse, taken back: {why}"
        return [Notice(told, "warning"), *_undone(done), *back]

    def _say_once(self, text: str) -> list[Ask]:
        if text in self._said:
            return []
        self._said.add(text)
        return [Notice(f"autopilot: {text}", "warning")]


def _moves(remedy: Remedy) -> _Moves:
    return tuple(remedy.levers.items())


def _worded(remedy: Remedy) -> str:
    return ", ".join(name if value is None else f"{name}={_value(value)}" for name, value in remedy.levers.items())


def _value(value: LeverValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _with_id(command: Command) -> Command:
    return msgspec.structs.replace(command, id=uuid.uuid4().hex)


def _undone(done: list[Applied]) -> list[Ask]:
    """Commands that bring levers back to where they were, the last one first."""
    back: list[Ask] = []
    for one in reversed(done):
        if one.old is None:
            continue
        back.append(_with_id(Command(one.lever, "set", one.old, by=BY)))
        if not one.old_enabled:
            back.append(_with_id(Command(one.lever, "off", by=BY)))
    return back
