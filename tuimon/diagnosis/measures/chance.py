"""What guessing gives: the loss of a classifier that knows nothing but how many classes there are.

Cross-entropy of K classes is ln K, in nats, when all are predicted alike. K is the number of units of the last layer;
whether the loss is a cross-entropy at all is told by the run's own description, or else by a first loss that lies near ln K, as
that of a network does which was initialized to predict nothing yet (Karpathy, "A Recipe for Training Neural Networks", 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuimon.diagnosis.evidence import Evidence
from tuimon.diagnosis.measures.progress import Progress

_NEAR = 0.15  # of ln K: a first loss counts as that of guessing
_GUESSING = 0.95  # of ln K: what lies above is as good as guessing
_CROSS_ENTROPY = frozenset(("cross_entropy", "cross-entropy", "nll"))


@dataclass(frozen=True, slots=True)
class Chance:
    """Guessing among classes.

    Attributes:
        classes: how many there are.
        loss: the cross-entropy of guessing, in nats.
        told: whether the run says that its loss is a cross-entropy; else that is concluded from its first loss.
    """

    classes: int
    loss: float
    told: bool

    def as_guessing(self, loss: float) -> bool:
        """Whether a loss is hardly below that of guessing."""
        return loss > _GUESSING * self.loss

    @property
    def words(self) -> str:
        """What guessing gets right, in words."""
        return f"as good as guessing: {1 / self.classes:.0%} for {self.classes} classes"


def chance(evidence: Evidence, loss: Progress | None) -> Chance | None:
    """What guessing gives in this run; None where it is no classification, or that is not known."""
    classes = _units_of_output(evidence)
    if classes < 2 or loss is None:
        return None
    expected = math.log(classes)
    if _says_cross_entropy(evidence):
        return Chance(classes, expected, told=True)
    return Chance(classes, expected, told=False) if abs(loss.first - expected) < _NEAR * expected else None


def _units_of_output(evidence: Evidence) -> int:
    """Units of the last layer that has any."""
    infos = [info for info in evidence.infos if info is not None and info.units and "Norm" not in info.type]
    return infos[-1].units if infos else 0


def _says_cross_entropy(evidence: Evidence) -> bool:
    spec = evidence.started.spec if evidence.started else None
    training = spec.get("train") if isinstance(spec, dict) else None
    loss = training.get("loss") if isinstance(training, dict) else None
    name = loss.get("name") if isinstance(loss, dict) else loss
    return isinstance(name, str) and name in _CROSS_ENTROPY
