"""A study in Optuna: which values are tried next, and what the trials were worth. Only this module and `journal` know Optuna.

All state is in the study's journal, so that several searches can share a study and a killed one loses none of it. A trial's
number decides its random numbers, whichever search asks for it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import optuna
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages.journal import JournalStorage
from optuna.trial import FrozenTrial, TrialState

from tuimon.base.errors import TuimonError
from tuimon.base.process import Process, is_alive, this_process
from tuimon.search.journal import Journal
from tuimon.search.plan import JOURNAL_FILE, Plan
from tuimon.search.space import Dimension, around, grid

Outcome = Literal[
    "running", "finished", "stopped", "pruned", "diverged", "broken", "failed", "killed", "interrupted", "unstarted",
    "withdrawn",
]  # fmt: skip
_UNCOUNTED = ("interrupted", "unstarted", "withdrawn")  # no part of the budget
_STATES = {"finished": TrialState.COMPLETE, "stopped": TrialState.COMPLETE, "killed": TrialState.FAIL}
_STATES |= dict.fromkeys(_UNCOUNTED, TrialState.FAIL)
_LEAST_FOR_IMPORTANCE, _MOST_FOR_FOREST = 8, 1000  # trials; a forest of trees takes seconds from there on
_STARTED, _ENDED, _GRID = "started", "ended", "grid"  # our own attributes
_BEST_SHARE, _BEST_LEAST = 4, 3  # the next box is drawn around the best quarter, at least three


class TrialInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A trial, as far as it has come. `value` is NaN if it has none; `owner` is the search that follows it."""

    number: int
    outcome: Outcome = "running"
    values: dict[str, str] = {}
    value: float = math.nan
    why: str = ""
    round: int = 0
    owner: Process | None = None

    @property
    def name(self) -> str:
        """Of its run, in the study's folder."""
        return f"trial-{self.number + 1:04d}"

    @property
    def counts(self) -> bool:
        """Whether it is a part of the budget."""
        return self.outcome not in _UNCOUNTED


class _Started(msgspec.Struct, frozen=True):
    values: dict[str, str]
    round: int
    owner: Process


class _Ended(msgspec.Struct, frozen=True):
    outcome: Outcome
    value: float | None
    why: str


class Study:
    """The trials of one study. For one thread.

    Args:
        folder: the study's folder.
        plan: its plan.
        base: the content of its base spec, or of its program's source.
        say: takes a line for the user.
        give_up: whether to stop waiting for room on a full disk.
        trials: how many there shall be in all; None: as planned.
        looks: whether it is only looked at: nothing is written, and a plan that has changed is no error.

    Raises:
        TuimonError: the journal is of another plan, or cannot be read or written.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        base: str,
        say: Callable[[str], None],
        give_up: Callable[[], bool] = lambda: False,
        trials: int | None = None,
        looks: bool = False,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._plan, self._dimensions, self.me = plan, plan.dimensions, this_process()
        self.trials_limit = trials or plan.limits().trials
        self._over: dict[int, TrialInfo] = {}  # trials that have ended, and so change no more
        self._whole_curves: dict[int, list[float]] = {}  # theirs
        self._curves: dict[int, list[float]] = {}  # of the others
        try:
            self._storage = JournalStorage(Journal(folder / JOURNAL_FILE, say, give_up))
            self._study = optuna.create_study(
                storage=self._storage,
                study_name="study",
                direction="minimize" if plan.objective.goal == "min" else "maximize",
                load_if_exists=True,
                pruner=_pruner(plan),
                sampler=RandomSampler(seed=plan.seed),
            )
        except (OSError, ValueError, KeyError) as error:
            raise TuimonError(f"Cannot open the study's journal {folder / JOURNAL_FILE}: {error}") from error
        if looks:
            return
        self._check_same(folder, plan.fingerprint(base))
        if plan.sampler == "grid":
            self._lay_out_grid()

    @property
    def used_up(self) -> bool:
        """Whether there are as many trials as there shall be."""
        return self._is_used_up(self.trials())

    def ask(self) -> TrialInfo | None:
        """The next trial, or None: there are enough, or a round has to end first."""
        known = self.trials()
        if self._is_used_up(known) or self._round_waits(known):
            return None
        trial = self._study.ask()
        before = [one for one in self.trials() if one.number < trial.number]
        if self._is_used_up(before):
            self.tell(trial.number, "withdrawn")
            return None
        turn = self._round_of(sum(one.counts for one in before))
        self._study.sampler = self._sampler(trial.number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a value that was asked for and lies outside a later round's box
            values = {one.name: one.shown(_suggest(trial, one)) for one in self._box(turn, before)}
        started = _Started(values, turn, self.me)
        self._storage.set_trial_user_attr(trial._trial_id, _STARTED, msgspec.to_builtins(started))
        return TrialInfo(trial.number, values=values, round=turn, owner=self.me)

    def report(self, number: int, nth: int, value: float) -> str:
        """Takes the nth value of a trial's curve; returns why the trial should be pruned, or nothing."""
        trial = self._frozen(number)
        if trial.state.is_finished():
            return ""
        self._storage.set_trial_intermediate_value(trial._trial_id, nth, value)
        if math.isnan(value) or not self._study.pruner.prune(self._study, self._frozen(number)):
            return ""
        worse = "the median of the trials before" if self._plan.pruner == "median" else "the better ones at this point"
        return f"{self._plan.objective.tag} {value:.4g} at its validation {nth} is worse than {worse}"

    def tell(self, number: int, outcome: Outcome, value: float = math.nan, why: str = "") -> bool:
        """Ends a trial; returns False if another search has already ended it."""
        trial = self._frozen(number)
        if trial.state.is_finished():
            return False
        ended = _Ended(outcome, None if math.isnan(value) else value, why)
        self._storage.set_trial_user_attr(trial._trial_id, _ENDED, msgspec.to_builtins(ended))
        state = _STATES.get(outcome, TrialState.PRUNED)
        self._study.tell(number, value if state == TrialState.COMPLETE else None, state, skip_if_finished=True)
        return True

    def again(self, number: int) -> None:
        """Has the values of a trial tried once more, by the next trial."""
        self._study.enqueue_trial(self._frozen(number).params)

    def take_over(self, number: int) -> None:
        """Notes that this search follows a trial now."""
        trial = self._frozen(number)
        started = msgspec.convert(trial.user_attrs[_STARTED], _Started)
        mine = msgspec.structs.replace(started, owner=self.me)
        self._storage.set_trial_user_attr(trial._trial_id, _STARTED, msgspec.to_builtins(mine))

    def orphans(self) -> list[TrialInfo]:
        """The trials in flight whose search has ended on this host, or never came to tell of them."""
        running = [one for one in self.trials() if one.outcome == "running"]
        return [one for one in running if one.owner is None or is_alive(one.owner) is False]

    def trials(self) -> list[TrialInfo]:
        """All trials that were begun, by number."""
        return [self._over.get(one.number) or self._read(one) for one in self._begun()]

    def curves(self) -> dict[int, list[float]]:
        """The reported values of each trial's objective, in order, by its number."""
        for one in self._begun():
            if one.number not in self._whole_curves:
                curve = [one.intermediate_values[nth] for nth in sorted(one.intermediate_values)]
                (self._whole_curves if one.state.is_finished() else self._curves)[one.number] = curve
        return {**self._curves, **self._whole_curves}

    def _begun(self) -> list[FrozenTrial]:
        return [one for one in self._study.get_trials(deepcopy=False) if one.state != TrialState.WAITING]

    def importance(self) -> tuple[dict[str, float], str]:
        """How much each parameter decides, as shares of 1, and by which method; no shares, and why, where that is not known."""
        done = sum(one.state == TrialState.COMPLETE for one in self._begun())
        if done < _LEAST_FOR_IMPORTANCE:
            return {}, f"needs {_LEAST_FOR_IMPORTANCE} trials with a value; there are {done}"
        forest = importlib.util.find_spec("sklearn") is not None and done <= _MOST_FOR_FOREST
        evaluator = FanovaImportanceEvaluator(seed=0) if forest else PedAnovaImportanceEvaluator()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                shares = get_param_importances(self._study, evaluator=evaluator)
            except (ValueError, RuntimeError) as error:  # all trials alike, or parameters that not all have
                return {}, f"Optuna cannot tell: {error}"
        method = "fANOVA" if forest else "PED-ANOVA"
        return {name.removeprefix("1-"): share for name, share in shares.items()}, f"{method} of {done} trials"

    def _read(self, trial: FrozenTrial) -> TrialInfo:
        info = _info(trial)
        if trial.state.is_finished():
            self._over[trial.number] = info
        return info

    def best(self) -> TrialInfo | None:
        """The best trial that has a value."""
        return next(iter(self.ranked()), None)

    def ranked(self) -> list[TrialInfo]:
        """The trials with a value, the best first."""
        done = [one for one in self.trials() if one.outcome in ("finished", "stopped")]
        return sorted(done, key=lambda one: one.value if self._plan.objective.goal == "min" else -one.value)

    def _check_same(self, folder: Path, fingerprint: str) -> None:
        known = self._study.user_attrs.get("plan")
        if known is None:
            self._study.set_user_attr("plan", fingerprint)
        elif known != fingerprint:
            hint = "Its trials could not be compared. Undo the change, or start a new study."
            raise TuimonError(f"The plan or the base of the study {folder.name} has changed since it began.", hint)

    def _lay_out_grid(self) -> None:
        """Queues all points of the grid, once; one that was killed meanwhile is completed."""
        points = grid(self._dimensions, self._plan.limits().trials or 1)
        self.trials_limit = len(points)
        if self._study.user_attrs.get(_GRID) == len(points):
            return
        for point in _shuffled(points, self._plan.seed):
            params = {_param(one): _inner(one, point[one.name]) for one in self._dimensions}
            self._study.enqueue_trial(params, skip_if_exists=True)
        self._study.set_user_attr(_GRID, len(points))

    def _is_used_up(self, known: Sequence[TrialInfo]) -> bool:
        return self.trials_limit is not None and sum(one.counts for one in known) >= self.trials_limit

    def _round_of(self, position: int) -> int:
        if self._plan.sampler != "fine" or not self.trials_limit:
            return 0
        return min(position * self._plan.rounds // self.trials_limit, self._plan.rounds - 1)

    def _round_waits(self, known: Sequence[TrialInfo]) -> bool:
        turn = self._round_of(sum(one.counts for one in known))
        return any(one.outcome == "running" and one.round < turn for one in known)

    def _box(self, turn: int, before: Sequence[TrialInfo]) -> list[Dimension]:
        """The space of a round: from the second on, a box around the best so far, within the last round's box."""
        box = self._dimensions
        for earlier in range(turn):
            done = [one for one in before if one.round <= earlier and one.outcome in ("finished", "stopped")]
            done.sort(key=lambda one: one.value if self._plan.objective.goal == "min" else -one.value)
            chosen = done[: max(_BEST_LEAST, len(done) // _BEST_SHARE)]
            box = around(box, [_typed(box, one.values) for one in chosen])
        return list(box)

    def _sampler(self, number: int) -> BaseSampler:
        seed = int.from_bytes(hashlib.sha256(f"{self._plan.seed} {number}".encode()).digest()[:4], "big")
        if self._plan.sampler == "tpe":
            return TPESampler(seed=seed, constant_liar=True)
        return RandomSampler(seed=seed)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]


def _pruner(plan: Plan) -> optuna.pruners.BasePruner:
    if plan.pruner == "median":
        return optuna.pruners.MedianPruner()
    return optuna.pruners.SuccessiveHalvingPruner() if plan.pruner == "halving" else optuna.pruners.NopPruner()


def _info(trial: FrozenTrial) -> TrialInfo:
    attributes = trial.user_attrs
    info = TrialInfo(trial.number)
    if _STARTED in attributes:
        started = msgspec.convert(attributes[_STARTED], _Started)
        info = msgspec.structs.replace(info, values=started.values, round=started.round, owner=started.owner)
    if _ENDED in attributes:
        ended = msgspec.convert(attributes[_ENDED], _Ended)
        value = math.nan if ended.value is None else ended.value
        info = msgspec.structs.replace(info, outcome=ended.outcome, value=value, why=ended.why)
    elif trial.state.is_finished():
        info = msgspec.structs.replace(info, outcome="killed")
    return info


def _suggest(trial: optuna.Trial, one: Dimension) -> float | str:
    if one.kind == "choice":
        return trial.suggest_categorical(one.name, one.choices)
    if one.is_whole:
        return trial.suggest_int(one.name, int(one.low), int(one.high), log=one.kind == "int_log")
    if one.kind == "one_minus_log":
        return 1 - trial.suggest_float(_param(one), 1 - one.high, 1 - one.low, log=True)
    return trial.suggest_float(one.name, one.low, one.high, log=one.kind == "log")


def _param(one: Dimension) -> str:
    """Its name in Optuna, where 1 - x is sampled for x."""
    return f"1-{one.name}" if one.kind == "one_minus_log" else one.name


def _inner(one: Dimension, value: float | str) -> Any:
    if isinstance(value, str):
        return value
    return round(value) if one.is_whole else 1 - value if one.kind == "one_minus_log" else value


def _typed(space: Sequence[Dimension], values: Mapping[str, str]) -> dict[str, float | str]:
    return {one.name: values[one.name] if one.kind == "choice" else float(values[one.name]) for one in space}


def _shuffled(points: Sequence[dict[str, float | str]], seed: int) -> list[dict[str, float | str]]:
    """In an order that says something about the whole grid early."""

    def place(i: int) -> bytes:
        return hashlib.sha256(f"{seed} {i}".encode()).digest()

    return [points[i] for i in sorted(range(len(points)), key=place)]
