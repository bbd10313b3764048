"""What rules see at one look: the evidence, and the measures of it, each made once and only if a rule asks."""

from __future__ import annotations

import functools

from tuimon.diagnosis.evidence import LOSS, VALIDATION, Evidence
from tuimon.diagnosis.measures.chance import Chance, chance
from tuimon.diagnosis.measures.depth import Depth, depth
from tuimon.diagnosis.measures.progress import Progress, progress
from tuimon.diagnosis.measures.updates import Updates, updates

_ENOUGH = 20  # losses before a run can be said to have learned nothing


class Look:
    """One look at a run. Only for the moment: the evidence changes."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    @property
    def step(self) -> int:
        """The run's step."""
        return self.evidence.step

    @functools.cached_property
    def loss(self) -> Progress | None:
        """How the training loss has come along; None if too little is known of it."""
        return progress(self.evidence.trace(LOSS))

    @functools.cached_property
    def validation(self) -> Progress | None:
        """How the validation loss has come along."""
        return progress(self.evidence.trace(VALIDATION))

    @functools.cached_property
    def chance(self) -> Chance | None:
        """What guessing gives; None where that is not known."""
        return chance(self.evidence, self.loss)

    @functools.cached_property
    def depth(self) -> Depth | None:
        """How the gradient changes from layer to layer."""
        return depth(self.evidence)

    @functools.cached_property
    def updates(self) -> Updates | None:
        """How far each step moves the layers."""
        return updates(self.evidence)

    def epoch(self, step: int) -> int | None:
        """The epoch that a step belongs to, from 1; None where their length is unknown."""
        length = self.evidence.started.steps_per_epoch if self.evidence.started else None
        return -(-step // length) if length else None

    @functools.cached_property
    def stuck(self) -> bool:
        """Whether the run has learned nothing so far: its loss is not below where it started, or is as good as guessing."""
        if self.loss is None or self.loss.count < _ENOUGH:
            return False
        return not self.loss.learns or (self.chance is not None and self.chance.as_guessing(self.loss.now))

    @functools.cached_property
    def suffers(self) -> bool:
        """Whether the run learns nothing, gets worse, or has stopped falling while much of the loss is left."""
        loss = self.loss
        if loss is None or loss.count < _ENOUGH:
            return False
        return self.stuck or loss.rises or (not loss.falls and loss.share < 0.5)
