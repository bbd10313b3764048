"""Rules that compare training with validation."""

from __future__ import annotations

import numpy as np

from tuimon.diagnosis.evidence import LOSS, VALIDATION
from tuimon.diagnosis.look import SHRUNK, Look
from tuimon.diagnosis.remedies import REWIND, more_decay, remedies, reset, scaled_rate, together
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.log.records import Remedy, Severity

_RISE = 0.1  # of the way that the validation loss had come down: that much of what was learned is lost again; or of the best
_NOTICED = 0.02  # of the best: what is less costs nothing
_LEAST = 0.01  # of that way: likewise, where the best is nearly nothing
_LONG = 100  # losses before a training can be said to have fitted all that it can
_MUCH = 0.5  # of the loss of guessing: more than half is left
_RESTLESS = 0.03  # of the weights in one step: there the rate holds the loss up
_DROPPED = 0.8
_IN_A_ROW = 3  # validations above the best


def _over_fitting(look: Look) -> Verdict:
    found = look.validation
    if found is None:
        return Abstains("fewer than four validation losses are logged")
    if look.stuck:
        return None  # nothing is fitted yet
    if found.after < _IN_A_ROW or not found.rise > max(3 * found.error, _LEAST * found.fall) or not found.training_falls:
        return None
    much = found.rise > max(_RISE * found.fall, _NOTICED * abs(found.best))
    if not much and not found.rise > _RISE * abs(found.best):
        return None
    text = f"overfitting: validation loss rose from {found.best:.3g} to {found.now:.3g} while training loss fell"
    epoch = look.epoch(found.best_step)
    if epoch:
        text += f"; best after epoch {epoch}"
    evidence = {"best": found.best, "now": found.now, "noise": found.error, "best_step": float(found.best_step)}
    decay, slower = more_decay(look.evidence, "smaller weights fit the noise less"), scaled_rate(look.evidence, 0.1, "")
    best = Remedy({REWIND: "best"}) if look.evidence.checkpoint is not None and REWIND in look.evidence.levers else None
    cures = remedies(
        together(
            "back to the best model, and from there smaller steps and smaller weights, which fit the noise less",
            best,
            slower,
            decay,
        ),
        together("back to the best model, and from there smaller steps", best, slower),
        decay,
        _dropout(look),
    )
    return Symptom(text, found.best_step, evidence, remedies=cures, severity=_harm(look) if much else "hint")


def _harm(look: Look) -> Severity:
    """A training loss that stands is none of its harms: that is noise which cannot be learned."""
    return "critical" if look.useless else "warning"


def _dropout(look: Look) -> Remedy | None:
    """Raises dropout, where the model has some."""
    lever = look.evidence.levers.get("dropout")
    if lever is None or isinstance(lever.value, bool) or not isinstance(lever.value, float | int) or lever.value >= 0.5:
        return None
    return Remedy({"dropout": float(np.round(min(0.5, lever.value + 0.2), 3))}, "units that drop out cannot rely on each other")


def _under_fitting(look: Look) -> Verdict:
    loss, chance = look.loss, look.chance
    if loss is None or chance is None:
        return Abstains("it is not known what guessing would get")
    bound = _bound(look)
    if loss.count < _LONG or not look.began_with_nothing or not look.at_the_end > _MUCH * chance.loss:
        return None
    if not bound or (look.updates is not None and look.updates.middle > _RESTLESS and not look.shrunk < SHRUNK):
        return None
    text = (
        f"under-fitting: the training loss stays at {loss.now:.3g}, guessing gets {chance.loss:.3g}, and it falls too slowly: "
        f"{bound}"
    )
    cures = remedies(_less(look), _less_dropout(look))
    return Symptom(text, look.step, {"loss": loss.now, "guessing": chance.loss}, remedies=cures)


def _less(look: Look) -> Remedy | None:
    """Takes the regularizers off, where there are some in force that shrink the weights."""
    levers = look.evidence.levers
    on = [name for name in ("l1", "l2", "weight_decay") if name in levers and levers[name].enabled and levers[name].value]
    if not on or not look.shrunk < SHRUNK:
        return None
    return reset(look.evidence, "regularization", False, "without regularizers the weights may be as large as they need to be")


def _less_dropout(look: Look) -> Remedy | None:
    lever = look.evidence.levers.get("dropout")
    if lever is None or not lever.enabled or not isinstance(lever.value, float) or lever.value < _DROPPED:
        return None
    return reset(look.evidence, "dropout", 0.5, "half of the units are left, in place of a few")


def _bound(look: Look) -> str:
    """What keeps the model from fitting more; empty if nothing does that shows."""
    classes = look.chance.classes if look.chance else 0
    hidden = [(info.units, info.name) for info in look.evidence.infos[:-1] if info is not None and info.units]
    if hidden and min(hidden)[0] <= max(classes // 4, 1):
        units, name = min(hidden)
        return f"all that the model knows passes the {units} unit{'s' if units > 1 else ''} of {name}"
    if look.shrunk < SHRUNK:
        return f"regularization has shrunk the weights to {look.shrunk:.0%} of what they were"
    lever = look.evidence.levers.get("dropout")
    if lever and lever.enabled and isinstance(lever.value, float) and lever.value >= _DROPPED:
        return f"dropout leaves {1 - lever.value:.0%} of the units"
    return ""


RULES = (
    Rule(
        "over-fitting",
        "warning",
        "The model still improves on the data it trains on, but gets worse on data it has not seen: it learns them by heart. "
        "The best model is the one of the step named here; regularization, augmentation or more data help.",
        (LOSS, VALIDATION),
        "Prechelt, Early Stopping - But When?, 1998: a rise that outlasts the noise, as a share of the lowest validation loss",
        _over_fitting,
    ),
    Rule(
        "under-fitting",
        "warning",
        "The model cannot even fit the data that it trains on: it is too small, or regularized too much. "
        "More units, or less regularization, let the training loss fall further.",
        ("loss/train", "weight_norm/<layer>", "aim/cross_entropy"),
        "Goodfellow et al., Deep Learning, 5.2 (capacity)",
        _under_fitting,
        general=True,
    ),
)
