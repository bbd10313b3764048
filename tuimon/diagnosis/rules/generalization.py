"""Rules that compare training with validation."""

from __future__ import annotations

import numpy as np

from tuimon.diagnosis.evidence import LOSS, VALIDATION
from tuimon.diagnosis.look import Look
from tuimon.diagnosis.measures.validation import validation
from tuimon.diagnosis.remedies import more_decay, remedies
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.log.records import Remedy

_RISE = 0.1  # of the way that the validation loss had come down: a tenth of what was learned is lost again
_IN_A_ROW = 3  # validations above the best


def _over_fitting(look: Look) -> Verdict:
    found = validation(look.evidence.trace(VALIDATION), look.evidence.trace(LOSS))
    if found is None:
        return Abstains("fewer than four validation losses are logged")
    if found.after < _IN_A_ROW or not found.rise > max(3 * found.error, _RISE * found.fall) or not found.training_falls:
        return None
    text = f"overfitting: validation loss rose from {found.best:.3g} to {found.now:.3g} while training loss fell"
    epoch = look.epoch(found.best_step)
    if epoch:
        text += f"; best after epoch {epoch}"
    evidence = {"best": found.best, "now": found.now, "noise": found.error, "best_step": float(found.best_step)}
    cures = remedies(more_decay(look.evidence, "smaller weights fit the noise less"), _dropout(look))
    return Symptom(text, found.best_step, evidence, remedies=cures)


def _dropout(look: Look) -> Remedy | None:
    """Raises dropout, where the model has some."""
    lever = look.evidence.levers.get("dropout")
    if lever is None or isinstance(lever.value, bool) or not isinstance(lever.value, float | int) or lever.value >= 0.5:
        return None
    return Remedy({"dropout": float(np.round(min(0.5, lever.value + 0.2), 3))}, "units that drop out cannot rely on each other")


RULES = (
    Rule(
        "over-fitting",
        "warning",
        "The model still improves on the data it trains on, but gets worse on data it has not seen: it learns them by heart. "
        "The best model is the one of the step named here; regularization, augmentation or more data help.",
        (LOSS, VALIDATION),
        "Prechelt, Early Stopping - But When?, 1998: a rise that outlasts the noise of the validation loss",
        _over_fitting,
    ),
)
