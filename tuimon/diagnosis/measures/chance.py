"""What guessing gets: the loss of the best answer that looks at no input.

Known where the trained loss is (see `aim`). Elsewhere a classification is concluded from a first loss near ln K, in nats, where
K is the number of units of the last layer: that is what a network has which was initialized to predict nothing yet (Karpathy,
"A Recipe for Training Neural Networks", 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuimon.diagnosis.evidence import Evidence
from tuimon.diagnosis.measures.aim import Aim
from tuimon.diagnosis.measures.progress import Progress

_NEAR = 0.15  # of ln K: a first loss counts as that of guessing
_GUESSING = 0.95  # of it: what lies above is as good as guessing


@dataclass(frozen=True, slots=True)
class Chance:
    """Guessing.

    Attributes:
        loss: the loss of guessing.
        classes: how many there are; 0 of numbers.
        known: whether the trained loss is known; else that is concluded from the first loss.
    """

    loss: float
    classes: int
    known: bool

    def as_guessing(self, loss: float) -> bool:
        """Whether a loss is hardly below that of guessing."""
        return loss > _GUESSING * self.loss

    @property
    def words(self) -> str:
        """What guessing is, in words."""
        if self.classes > 1:
            return f"as good as guessing: {1 / self.classes:.0%} for {self.classes} classes"
        return "as good as always answering the mean"


def chance(evidence: Evidence, loss: Progress | None, aim: Aim | None) -> Chance | None:
    """What guessing gets in this run; None where that is not known."""
    if aim is not None and aim.guessing > 0:
        return Chance(aim.guessing, aim.classes, known=True)
    classes = outputs_of(evidence)
    if classes < 2 or loss is None or evidence.trace("aim/squares") is not None:  # a loss that was looked for and is another
        return None
    expected = math.log(classes)
    return Chance(expected, classes, known=False) if abs(loss.first - expected) < _NEAR * expected else None


def outputs_of(evidence: Evidence) -> int:
    """Units of the last layer that has any; 0 if not known."""
    infos = [info for info in evidence.infos if info is not None and info.units and "Norm" not in info.type]
    return infos[-1].units if infos else 0
