"""Rules about how far each step goes: the rate, its schedule, and limits on the gradient."""

from __future__ import annotations

import math

import numpy as np

from tuimon.diagnosis.look import NOTHING, SHRUNK, Look
from tuimon.diagnosis.measures.updates import SAMPLES, USUAL
from tuimon.diagnosis.panel import lengths
from tuimon.diagnosis.remedies import has_learned, remedies, reset, revived, rewound, scaled_rate, together
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.log.records import Remedy

_FAR = 3 * USUAL[1]  # beyond the usual band: the first steps of an adaptive optimizer reach its end
_THIRD = 0.3  # of a rate: clearly less, and of its order
_NEW = 10 * _FAR  # a third of the weights: three such steps, and nothing is left of what was learned
_SHOWN = 1.15  # a climb is one of two quarters of the run, and units are dead over a window of samples
_LOST = 0.1  # of what was gained
_AT_ZERO = 0.05  # of the run that such a rate has lasted
_LEFT = 0.1  # of the run that is still to come
_SAME = 0.01  # by which the norm of clipped gradients differs: by rounding
_DECAYED = 0.1  # of the greatest rate: it is the schedule that makes the steps short
_SHORT = 1e-3  # of the weights: what a usual step moves them by
_CUT = 10.0  # times the limit: less than a tenth of the gradient is left
_SAMPLES = 5
_LONG = 100  # losses before a standstill is one
_TURNS = 8  # gradients that are compared with the one before
_BACK = 0.2  # a cosine below minus this is no accident of many dimensions
_OFTEN = 0.25  # of the gradients
_ALONG = 0.5  # of a cosine: within 60 degrees of one line
_MOSTLY = 0.5  # of the gradients
_REST = 0.1  # of the loss of guessing: there is something left to learn


def _too_high(look: Look) -> Verdict:
    updates = look.updates
    if updates is None:
        return Abstains("updates were not sampled")
    if look.lost:
        return _lost_by_it(look)
    if updates.count < SAMPLES and not updates.first > _NEW:
        return Abstains("too few updates were sampled")
    if look.shrunk < SHRUNK:
        return None  # of weights that are drawn to nothing each step is a large share
    if look.loss is None:
        return Abstains("too few training losses are logged to see whether the run suffers")
    first = updates.first if look.stuck and not look.is_of_another_kind else 0.0
    ratio = max(updates.middle, first if first > _NEW else 0.0)  # one such step is enough to lose a model
    overshoots = ratio > _FAR and (look.stuck or look.loss.rises or _turns_back(look) or updates.middle > _NEW)
    climbs, killed = _climbs(look), _kills(look)
    if not (overshoots and look.suffers) and not climbs and not killed:
        return None
    ratio = updates.first if killed and not updates.middle > _FAR else ratio
    text = (
        f"the learning rate is too high: {'each step moves' if ratio == updates.middle else 'the first steps moved'} the "
        f"weights by {ratio:.2g} of their size (usual are {USUAL[0]:g} to {USUAL[1]:g}), and "
        + (killed if killed and not (look.suffers or climbs) else _what_the_loss_does(look))
    )
    evidence = {"update_ratio": ratio, "first": look.loss.start, "now": look.loss.now, "noise": look.loss.noise}
    slower = scaled_rate(look.evidence, _shorter(ratio), "steps of a usual share of the weights")
    from_start = scaled_rate(look.evidence, _shorter(updates.later if updates.later > 0 else ratio), "")
    back = together("from the weights before such steps, with usual ones", rewound(look.evidence), from_start)
    lost = not has_learned(look.evidence) or look.hopeless  # then there is nothing to keep of what the long steps made
    some = scaled_rate(look.evidence, 0.1, "a tenth of each step")
    cures = remedies(back, slower, some) if lost else remedies(slower, some, back)
    if killed and not climbs:
        anew = revived(look.evidence, "")
        start = together("from the weights before such steps, as units died by them", rewound(look.evidence, True), from_start)
        cures = remedies(
            start, together("new weights for the dead units, and steps that do not kill them", anew, slower), *cures
        )
    return Symptom(
        text,
        updates.step,
        evidence,
        remedies=cures,
        severity="critical" if overshoots and look.loss.rises and look.chance else None,
        holds=_SHOWN if (climbs or killed) and look.loss.count >= _LONG else None,
    )


def _what_the_loss_does(look: Look) -> str:
    rises = look.loss is not None and look.loss.rises
    return f"the loss {'has not fallen' if look.stuck else 'climbs again' if rises else 'jumps instead of settling'}"


def _kills(look: Look) -> str:
    """What such steps have killed, where the loss stands with something left to learn; empty if nothing."""
    loss, updates, chance, death = look.loss, look.updates, look.chance, look.death
    if loss is None or updates is None or chance is None or death is None or not death.killed or look.is_of_another_kind:
        return ""
    if loss.falls or not max(updates.first, updates.middle) > _NEW or not loss.now > _REST * chance.loss:
        return ""
    if look.evidence.applied.get("lr_scale") is not None:
        return ""  # steps are others by now: those that died before stay so at any rate
    first = death.killed[0]
    return f"{death.fractions[first]:.0%} of the units of {look.evidence.names[first]} have died"


def _climbs(look: Look) -> bool:
    """Whether steps beyond the usual have taken back a tenth of what the training loss had gained, and go on doing so."""
    loss, updates = look.loss, look.updates
    if loss is None or updates is None or look.is_of_another_kind or not (loss.rises and updates.middle > USUAL[1]):
        return False
    return loss.now - loss.best > _LOST * (loss.start - loss.best)


def _shorter(ratio: float) -> float:
    """A factor that makes steps of such a share of the weights usual ones; at most a third, as they are too long."""
    return float(f"{min(USUAL[1] / ratio, _THIRD):.2g}")


def _lost_by_it(look: Look) -> Symptom | None:
    """The loss grew from step to step until it was no number any more, and the steps were far too long."""
    ratio = look.updates.first if look.updates else 0.0
    if not ratio > _FAR or look.diverged is None:
        return None
    text = f"the learning rate is too high: the first steps moved the weights by {ratio:.2g} of their size, and the loss grew"
    slower = scaled_rate(look.evidence, 0.1, "a tenth of each step, from a checkpoint before")
    cures = remedies(together("from the weights before such steps, with a tenth of each", rewound(look.evidence), slower))
    return Symptom(text, look.step, {"update_ratio": ratio}, remedies=cures, severity="critical", at_once=True)


def _too_low(look: Look) -> Verdict:
    updates = look.updates
    if updates is None:
        return Abstains("updates were not sampled")
    if look.loss is None or look.loss.count < 2 * _SAMPLES:
        return Abstains("too few training losses are logged to see whether the run suffers")
    if updates.count < SAMPLES:
        return Abstains("too few updates were sampled")
    if not 0 < updates.middle < USUAL[0] or not look.slow or look.is_warming_up or look.rate_share < _DECAYED:
        return None
    text = (
        f"the learning rate is too low: each step moves the weights by {updates.middle:.1g} of their size "
        f"(usual are {USUAL[0]:g} to {USUAL[1]:g}), and {max(look.loss.share, 0):.1%} of the loss is gone by now"
    )
    evidence = {"update_ratio": updates.middle, "first": look.loss.start, "now": look.loss.now}
    factor = float(f"{USUAL[1] / updates.middle:.2g}")
    cures = remedies(
        scaled_rate(look.evidence, factor, "steps of a usual share of the weights"),
        scaled_rate(look.evidence, 10.0, "ten times each step"),
    )
    return Symptom(text, updates.step, evidence, remedies=cures)


def _ended(look: Look) -> Verdict:
    trace, started = look.evidence.trace("lr"), look.evidence.started
    if trace is None or trace.count < _SAMPLES:
        return Abstains("the learning rate is not logged")
    total = started.total_steps if started else None
    if total and look.step > (1 - _LEFT) * total:
        return None
    moved = look.evidence.applied.get("lr_scale")
    own = trace.recent_steps > (moved.step if moved else -1)  # what a lever has done, no schedule has
    earlier = [trace.head, trace.stretches] if moved is None else []
    if not own.any():
        return None
    highest = float(np.fmax.reduce(np.concatenate([*earlier, trace.recent[own]])))
    at_zero = (trace.recent < NOTHING * highest) & own
    lasted = int(np.argmin(at_zero[::-1])) if not at_zero.all() else len(at_zero)
    if not at_zero[-1] or lasted < max(_SAMPLES, min(_AT_ZERO * (total or trace.count), len(at_zero))):
        return None
    since = int(trace.recent_steps[-lasted])
    left = f" with {total - look.step} steps to come" if total else ""
    text = (
        f"the schedule has ended too early: the rate is {trace.last:.1g} since step {since}, after {highest:.2g}{left}; "
        "nothing is learned any more. Is it called for each step, though it is meant for epochs?"
    )
    evidence = {"rate": trace.last, "highest": highest}
    factor = _THIRD * highest / trace.last if trace.last > 0 else 0.0
    cures = remedies(
        _held(look), scaled_rate(look.evidence, factor, "a third of the rate that it had, as long as the schedule stays")
    )
    return Symptom(text, since, evidence, remedies=cures)


def _held(look: Look) -> Remedy | None:
    """Holds a rate of the order of the schedule's own highest."""
    trace, scale = look.evidence.trace("lr"), look.evidence.levers.get("lr_scale")
    if trace is None or scale is None or not isinstance(scale.value, float | int):
        return None
    highest = float(np.fmax.reduce(np.concatenate([trace.head, trace.stretches, trace.recent]))) / max(float(scale.value), 1.0)
    why = "a third of the rate that it had, held"
    hold = reset(look.evidence, "lr_constant", float(f"{_THIRD * highest:.3g}"), why)
    return hold if scale.value == 1.0 else together(why, reset(look.evidence, "lr_scale", 1.0, why), hold)


def _clipped(look: Look) -> Verdict:
    panel = look.evidence.panel("grad_norm")
    if panel.count < _SAMPLES:
        return Abstains("too few gradients were sampled")
    totals = lengths(panel.recent[-12:])
    lever = look.evidence.levers.get("clip_norm")
    limit = float(lever.value) if lever and lever.enabled and isinstance(lever.value, float | int) else 0.0
    if not (totals > 0).all() or not np.isfinite(totals).all() or not (look.slow or look.suffers):
        return None
    if limit > 0 and (totals > _CUT * limit).all():
        factor, by = float(np.median(totals)) / limit, f"its limit of {limit:g}"
    elif (spread := float(totals.max() / totals.min()) - 1) < _SAME and len(totals) >= _SAMPLES and _batches_differ(look):
        limit, factor, by = (
            float(np.median(totals)),
            math.nan,
            f"{np.median(totals):.3g}, in all samples alike (to {spread:.1g})",
        )
    else:
        return None
    longer = f", {factor:.0f} times shorter than it is" if math.isfinite(factor) else ""
    text = f"clipping cuts every gradient: its norm is held at {by}{longer}, so that steps are short wherever the loss is steep"
    cures = remedies(
        reset(look.evidence, "clip_norm", float(f"{2 * np.median(totals):.2g}"), "a limit above the usual gradient")
    )
    some = cures if math.isfinite(factor) else remedies(_longer(look))
    return Symptom(text, int(panel.recent_steps[0]), {"limit": limit}, remedies=some)


def _batches_differ(look: Look) -> bool:
    """Whether losses differ from step to step, as those of other samples do; else gradients are alike by themselves."""
    return look.loss is not None and look.loss.noise > _SAME * abs(look.loss.now)


def _longer(look: Look) -> Remedy | None:
    """Longer steps, where the script itself holds the gradient short: as long as usual ones."""
    if look.updates is None or not 0 < look.updates.middle < _SHORT:
        return None
    factor = float(f"{USUAL[1] / look.updates.middle:.2g}")
    return scaled_rate(
        look.evidence, factor, "a higher rate makes up for short gradients: steps of a usual share of the weights"
    )


def _turns_back(look: Look) -> bool:
    """Whether the gradients lie along one line, to and fro: what is mere noise has many directions, and cosines near zero."""
    cosine = look.evidence.trace("grad_cosine")
    if cosine is None or cosine.count < _TURNS:
        return False
    latest = cosine.recent[cosine.recent_steps > look.step / 2][-3 * _TURNS :]  # those of before tell of another place
    if len(latest) < _TURNS:
        return False
    return float((latest < -_BACK).mean()) > _OFTEN and float((np.abs(latest) > _ALONG).mean()) > _MOSTLY


def _plateau(look: Look) -> Verdict:
    loss, updates, cosine = look.loss, look.updates, look.evidence.trace("grad_cosine")
    if updates is None or cosine is None or cosine.count < _TURNS:
        return Abstains("too few gradients were sampled")
    if loss is None or loss.count < _LONG:
        return Abstains("too few training losses are logged")
    back = float((cosine.recent[-3 * _TURNS :] < -_BACK).mean())
    if look.stuck or loss.falls:
        return None
    proven = _turns_back(look) and updates.middle > USUAL[1] / 2
    rest = look.chance is None or loss.now > _REST * look.chance.loss
    if not proven and not (updates.middle > _FAR and look.chance and rest):
        return None
    why = (
        f"{back:.0%} of the gradients point back against the one before: steps go to and fro, and a lower rate would"
        if proven
        else f"steps move the weights by {updates.middle:.2g} of their size (at most {USUAL[1]:g} is usual): a lower rate may"
    )
    text = f"plateau: the loss no longer falls below {loss.now:.3g}, and {why} let the loss fall further"
    evidence = {"turning_back": back, "update_ratio": updates.middle, "noise": loss.noise}
    cure = scaled_rate(look.evidence, 0.1, "a tenth of the rate ends the to and fro")
    return Symptom(text, look.step, evidence, remedies=remedies(cure), severity="warning" if proven and rest else "hint")


RULES = (
    Rule(
        "rate-too-high",
        "warning",
        "Each step overshoots, so the loss jumps up and down instead of settling. "
        "A lower learning rate, or a warm-up, lets it fall.",
        ("update_ratio/<layer>", "loss/train"),
        "Karpathy, CS231n: updates are about 1e-3 of the weights; Zhang et al., AUTOTRAINER, ICSE 2021 (oscillating loss)",
        _too_high,
        general=True,
        beside=("diverging-loss",),
        holds=1.5,  # the first steps of a sound training may be long, too
    ),
    Rule(
        "rate-too-low",
        "warning",
        "The steps are so small that the loss hardly moves. "
        "A higher learning rate gets to the same place in a fraction of the time.",
        ("update_ratio/<layer>", "loss/train"),
        "Karpathy, CS231n: updates are about 1e-3 of the weights; Zhang et al., AUTOTRAINER, ICSE 2021 (slow convergence)",
        _too_low,
        general=True,
    ),
    Rule(
        "schedule-ended",
        "warning",
        "The learning rate has decayed to nothing while much of the training is still to come. "
        "The remaining steps change nothing: stretch the schedule, or call it once an epoch.",
        ("lr",),
        "PyTorch's manual, torch.optim: how to adjust the learning rate",
        _ended,
    ),
    Rule(
        "always-clipped",
        "warning",
        "Every gradient is longer than the limit, so all steps have the same small length. "
        "A limit is meant for rare spikes: set it above the usual norm.",
        ("grad_norm/<layer>", "loss/train"),
        "Pascanu et al., ICML 2013: the threshold is a multiple of the average norm",
        _clipped,
    ),
    Rule(
        "plateau",
        "warning",
        "The loss has stopped falling because each step undoes part of the one before. "
        "It is the noise of the rate that holds it up: a lower rate, or a schedule that ends low, goes on from here.",
        ("grad_cosine", "update_ratio/<layer>", "loss/train"),
        "Goodfellow et al., Deep Learning, 8.3.1: the noise of stochastic gradients does not vanish at a minimum",
        _plateau,
        general=True,
    ),
)
