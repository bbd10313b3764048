"""What rules see at one look: the evidence, and the measures of it, each made once and only if a rule asks."""

from __future__ import annotations

import functools
import math

import numpy as np

from tuimon.diagnosis.evidence import LOSS, VALIDATION, Evidence
from tuimon.diagnosis.measures.aim import Aim, aim
from tuimon.diagnosis.measures.chance import Chance, chance, outputs_of
from tuimon.diagnosis.measures.death import Death, death
from tuimon.diagnosis.measures.depth import Depth, depth
from tuimon.diagnosis.measures.progress import SURE, Progress, progress
from tuimon.diagnosis.measures.saturation import Saturation, saturation
from tuimon.diagnosis.measures.updates import Updates, updates
from tuimon.diagnosis.measures.validation import Validation, validation
from tuimon.diagnosis.trace import Floats, median

_ENOUGH = 20  # losses before a run can be said to have learned nothing
_PATIENCE = 0.1  # of the run, or so many losses: before that, a sound training may stand, too
_LONG = 100
_SOME = 0.1  # of the loss: who has come less far than that has hardly begun
_UNTAUGHT = 0.8  # of the loss of guessing: a first loss from there on is that of a model that knows nothing yet
NOTHING = 1e-3  # of the greatest rate so far: a thousandth of what the schedule has chosen itself
SHRUNK = 0.5  # of the first norm of the weights
_HALF = 0.5  # of what was learned
_MUCH = 0.5  # of the loss of guessing: more than half is left
_CONSTANT = 0.05  # of what outputs of all batches differ by: by less those of one do where hardly any of the input arrives
_IN_A_ROW = 3  # losses that grow
_TENFOLD = 10.0  # times the first loss
_BETTER = 1.5  # times the share of the commonest class
_HIGH = 2.0  # times the loss of guessing: a first loss above that is worse than knowing nothing


class Look:
    """One look at a run. Only for the moment: the evidence changes."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    @property
    def step(self) -> int:
        """The run's step."""
        return self.evidence.step

    def epoch(self, step: int) -> int | None:
        """The epoch that a step belongs to, from 1; None where their length is unknown."""
        length = self.evidence.started.steps_per_epoch if self.evidence.started else None
        return -(-step // length) if length else None

    def usual(self, tag: str, samples: int = 5) -> float:
        """The median of a scalar's latest values; NaN where it was not logged."""
        values = self._finite(tag)[-samples:]
        return median(values) if len(values) else math.nan

    def first_step(self, tag: str) -> int:
        """The step of the first of what is remembered of a scalar's values; this look's where it was not logged."""
        trace = self.evidence.trace(tag)
        return int(trace.recent_steps[0]) if trace else self.step

    def least(self, tag: str) -> float:
        """The least of what is remembered of a scalar's latest values; NaN where it was not logged."""
        values = self._finite(tag)
        return float(values.min()) if len(values) else math.nan

    def most(self, tag: str) -> float:
        """The greatest of what is remembered of a scalar's latest values; NaN where it was not logged."""
        values = self._finite(tag)
        return float(values.max()) if len(values) else math.nan

    def seen(self, tag: str, samples: int) -> bool:
        """Whether a scalar was logged so often."""
        trace = self.evidence.trace(tag)
        return trace is not None and trace.count >= samples

    @functools.cached_property
    def output_range(self) -> tuple[float, float]:
        """The least and greatest of the outputs; NaN where those of a batch differ by hardly more than nothing.

        What is the same for every sample, and only moves from step to step, has no range.
        """
        low, high = self.evidence.trace("output/min"), self.evidence.trace("output/max")
        if low is None or high is None or len(low.recent) != len(high.recent):
            return math.nan, math.nan
        differ = high.recent - low.recent > _CONSTANT * (high.recent.max() - low.recent.min())
        if not differ.any():
            return math.nan, math.nan
        return float(low.recent[differ].min()), float(high.recent[differ].max())

    def _finite(self, tag: str) -> Floats:
        trace = self.evidence.trace(tag)
        values = trace.recent if trace else np.empty(0)
        return values[np.isfinite(values)]

    @functools.cached_property
    def loss(self) -> Progress | None:
        """How the training loss has come along; None if too little is known of it."""
        return progress(self.evidence.trace(LOSS))

    @functools.cached_property
    def validation(self) -> Validation | None:
        """The validation loss since its best; None if too little is known of it."""
        return validation(self.evidence.trace(VALIDATION), self.evidence.trace(LOSS))

    @functools.cached_property
    def aim(self) -> Aim | None:
        """Which loss is trained; None where none fits."""
        return aim(self.evidence, outputs_of(self.evidence))

    @functools.cached_property
    def chance(self) -> Chance | None:
        """What guessing gives; None where that is not known."""
        return chance(self.evidence, self.loss, self.aim)

    @functools.cached_property
    def depth(self) -> Depth | None:
        """How the gradient changes from layer to layer."""
        return depth(self.evidence)

    @functools.cached_property
    def depth_at_first(self) -> Depth | None:
        """How the gradient changed from layer to layer before anything was learned."""
        return depth(self.evidence, first=True)

    @property
    def lost(self) -> bool:
        """Whether the loss is not finite."""
        trace = self.evidence.trace(LOSS)
        return trace is not None and trace.bad_since is not None

    @functools.cached_property
    def diverged(self) -> tuple[float, float] | None:
        """The first loss, and the last one before it was not finite any more, if it had grown far from step to step."""
        trace = self.evidence.trace(LOSS)
        if trace is None or trace.bad_since is None:
            return None
        head, latest = trace.head[np.isfinite(trace.head)], trace.recent[np.isfinite(trace.recent)]
        if len(latest) < _IN_A_ROW or not len(head) or not (np.diff(latest[-_IN_A_ROW:]) > 0).all():
            return None
        first, last = float(head[0]), float(latest[-1])
        return (first, last) if last - first > _TENFOLD * abs(first) else None

    @functools.cached_property
    def updates(self) -> Updates | None:
        """How far each step moves the layers."""
        return updates(self.evidence)

    @functools.cached_property
    def death(self) -> Death | None:
        """Which layers are dead; None where that was not measured."""
        return death(self.evidence, self.usual("step/rows"))

    @functools.cached_property
    def saturation(self) -> Saturation | None:
        """Which layers are saturated."""
        return saturation(self.evidence)

    @functools.cached_property
    def hardly(self) -> bool:
        """Whether the run has learned nothing, or hardly anything, for long: by a loss that is known to be there to fall.

        What has come down from a first loss far above that of guessing has learned something, also where it is not below yet.
        """
        if self.loss is None or self.is_of_another_kind or self.loss.count < self._patience:
            return False
        return self.slow or (self.stuck and not (self.starts_high and self.loss.learns))

    @property
    def _patience(self) -> float:
        """Losses before which a standstill may be the beginning of a sound training (Saxe et al., ICLR 2014: plateaus)."""
        total = self.evidence.started.total_steps if self.evidence.started else None
        return min(_PATIENCE * total, _LONG) if total else _LONG

    @functools.cached_property
    def stuck(self) -> bool:
        """Whether the run has learned nothing so far: its loss is not below where it started, or stays as good as guessing."""
        if self.loss is None or self.loss.count < _ENOUGH:
            return False
        if self.chance is not None and self.loss.now < _UNTAUGHT * self.chance.loss:  # clearly better than guessing
            return False
        guesses = self.chance is not None and self.chance.as_guessing(self.loss.now)
        return not self.loss.learns or (guesses and not self.loss.falls)

    @functools.cached_property
    def hopeless(self) -> bool:
        """Whether the run is lost or learns nothing: the harm that makes critical what else is a warning."""
        if self.lost or self.hardly:
            return True
        if self.loss is None or self.chance is None or self.is_of_another_kind or self.loss.count < self._patience:
            return False
        out_of_reach = self.starts_high and self.at_the_end > self.chance.loss
        stands = self.loss.count >= _LONG and not self.loss.falls and self.loss.now > _MUCH * self.chance.loss
        return out_of_reach or stands or self._loses_it or self.useless

    @property
    def at_the_end(self) -> float:
        """Where the loss gets at its present pace by the end of the run; where that is not known, in as many steps again."""
        loss, total = self.loss, self.evidence.started.total_steps if self.evidence.started else None
        if loss is None:
            return math.nan
        longer = max(total / max(self.step, 1) - 1, 0.0) if total else 1.0
        return loss.now - max(loss.recent, 0.0) * 4 * longer  # `recent` is what a quarter of the run has brought

    @property
    def _loses_it(self) -> bool:
        """Whether the loss climbs, and has taken back half of what was learned."""
        loss = self.loss
        return loss is not None and loss.rises and loss.now - loss.best - 2 * loss.noise > _HALF * (loss.start - loss.best)

    @property
    def useless(self) -> bool:
        """Whether what is learned is worse than guessing on other data, after it was better than that."""
        found = self.validation
        if found is None or self.chance is None or not self.chance.known or self._guesses_better(self.usual("accuracy/val", 3)):
            return False
        return found.now > self.chance.loss > found.best and found.rise > SURE * found.error

    @functools.cached_property
    def suffers(self) -> bool:
        """Whether the run learns nothing, gets worse, or has stopped falling while much of the loss is left.

        Nothing can be said of a loss that is none of those that are known, as a policy's or a critic's: it need not fall.
        """
        loss = self.loss
        if loss is None or loss.count < _ENOUGH:
            return False
        if self.is_of_another_kind:
            return False
        return self.stuck or loss.rises or (not loss.falls and loss.share < 0.5)

    @functools.cached_property
    def is_of_another_kind(self) -> bool:
        """Whether the trained loss was looked for and is none of those that are known."""
        return self.aim is None and self.evidence.trace("aim/squares") is not None

    @functools.cached_property
    def slow(self) -> bool:
        """Whether a model that knew nothing has come hardly any further."""
        return self.began_with_nothing and self.loss is not None and self.loss.count >= _ENOUGH and self.loss.share < _SOME

    @functools.cached_property
    def began_with_nothing(self) -> bool:
        """Whether the first losses are those of a model that knows nothing; False where that cannot be said."""
        return self.loss is not None and self.chance is not None and self.loss.start > _UNTAUGHT * self.chance.loss

    @functools.cached_property
    def starts_high(self) -> bool:
        """Whether the first loss is far above that of guessing, and the loss is not below that yet; False if not known."""
        if self.loss is None or self.chance is None or self.loss.now < self.chance.loss:  # by then that is made good
            return False
        first, guessing = (self.aim.first, self.aim.alike) if self.aim is not None else (math.nan, math.nan)
        first = first if math.isfinite(first) else self.loss.first
        return first > _HIGH * (guessing if math.isfinite(guessing) else self.chance.loss)

    @property
    def guesses_better(self) -> bool:
        """Whether a validation accuracy was ever clearly above guessing; False where none is logged."""
        return self._guesses_better(self.most("accuracy/val"))

    def _guesses_better(self, accuracy: float) -> bool:
        classes = self.chance.classes if self.chance else 0
        commonest = max(self.usual("aim/top_class_fraction"), 1 / classes) if classes > 1 else math.nan
        return accuracy > _BETTER * commonest

    @functools.cached_property
    def shrunk(self) -> float:
        """The norm of all weights, as a share of what it was at the first sample; NaN without samples."""
        weights = self.evidence.panel("weight_norm")
        if len(weights.thinned) < 2:
            return math.nan
        then, now = (float(np.sqrt(np.nansum(np.square(row)))) for row in (weights.thinned[0], weights.last))
        return now / then if then > 0 else math.nan

    @property
    def rate_share(self) -> float:
        """The learning rate, as a share of the greatest so far; 1 where it is not logged."""
        trace = self.evidence.trace("lr")
        if trace is None or not trace.count:
            return 1.0
        highest = float(np.fmax.reduce(np.concatenate([trace.head, trace.stretches, trace.recent])))
        return trace.last / highest if highest > 0 else 1.0

    @property
    def starts_with_norm(self) -> bool:
        """Whether the first layer normalizes its input."""
        infos = self.evidence.infos
        return bool(infos) and infos[0] is not None and "Norm" in infos[0].type

    @property
    def is_warming_up(self) -> bool:
        """Whether the learning rate still rises."""
        trace = self.evidence.trace("lr")
        return trace is not None and len(trace.recent) > 1 and trace.recent[-1] > trace.recent[len(trace.recent) // 2]
