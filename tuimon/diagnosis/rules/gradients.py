"""Rules about gradients on their way back through the layers."""

from __future__ import annotations

import numpy as np

from tuimon.diagnosis.look import SHRUNK, Look
from tuimon.diagnosis.measures.depth import growth
from tuimon.diagnosis.measures.updates import USUAL
from tuimon.diagnosis.remedies import clipped, rectified, remedies, renewed, rewound, scaled_rate, together
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.log.records import Remedy, Severity

HALVED = 0.3  # decades a layer: less than half of the gradient passes each layer, or more than twice
WIDE = 4.0  # decades between the ends, of however many layers: the first ones move a ten-thousandth as far
SPAN = 2.0  # decades between the ends: the layers at one end move a hundredth as far as at the other
_BEYOND = 10.0  # of activations, where a sound start gives about 1
_LARGE = 1.5  # decades between the ends, thirtyfold, with half of its size more at each layer
_GROWING = 0.18  # decades a layer: by half of its size each, where a sound start keeps it
_GROWN = 100.0  # times its own upper quartile so far
_FEW = 3  # samples
_DEAD = 0.5  # of a layer's units
_LONG = 100  # losses
_SAMPLES = 10  # before which a gradient has no usual norm


def _vanishing(look: Look) -> Verdict:
    depth = look.depth
    if look.loss is None:
        return Abstains("too few training losses are logged to see whether the run suffers")
    if found := _through_time(look):
        return found
    if depth is None:
        return Abstains("no gradients of three or more layers were sampled")
    if look.shrunk < SHRUNK or bool((look.evidence.panel("dead_fraction").usual(_FEW) > _DEAD).any()):
        return None  # weights that are drawn to nothing, or units that are dead: not the way back is what is lost
    if (
        depth.zero
        or depth.cut
        or not ((depth.slope < -HALVED and depth.span < -SPAN) or depth.span < -WIDE)
        or not (look.suffers or look.slow)
    ):
        return None
    first, last = depth.names[0], depth.names[-1]
    text = (
        f"gradient vanishes on its way back: it shrinks {10**-depth.slope:.2g}-fold at each layer, "
        f"to {depth.norms[0]:.1e} at {first} from {depth.norms[-1]:.1e} at {last}"
    )
    if look.chance and look.stuck:
        text += f"; the loss is {look.chance.words}"
    evidence = {"decades_per_layer": depth.slope, "decades": depth.span, "layers": float(len(depth.names))}
    cures = remedies(
        rectified(look.evidence, "a rectifier passes the gradient as it is, a squashing function a part of it"),
        renewed(look.evidence, "new weights of a size that keeps the gradient's from layer to layer"),
    )
    text += "" if cures else "; ReLU, normalization, residual connections or other initial weights keep its size"
    return Symptom(text, depth.step, evidence, first, cures)


def _through_time(look: Look) -> Symptom | None:
    """A plain recurrent network that learns nothing, although its weights move as usual: what lies many steps back is lost.

    No norm of a layer shows that, for its gradient is the sum over all time steps, and the last of them suffice.
    """
    names = [info.name for info in look.evidence.infos if info is not None and info.type == "RNN"]
    updates, loss = look.updates, look.loss
    if not names or updates is None or loss is None or loss.count < _LONG or look.chance is None:
        return None
    if not look.stuck or loss.worse or not USUAL[0] < updates.middle < USUAL[1]:
        return None
    text = (
        f"gradient vanishes through time: {names[0]} moves as usual, and the loss is {look.chance.words} ({loss.count} steps); "
        "what matters may lie too many time steps back for a plain recurrent layer: an LSTM or a GRU keeps it"
    )
    evidence = {"update_ratio": updates.middle, "loss": loss.now, "guessing": look.chance.loss}
    return Symptom(text, look.step, evidence, names[0])


def _exploding(look: Look) -> Verdict:
    if not look.evidence.panel("grad_norm").count:
        return Abstains("no gradients were sampled")
    return _grows_through_layers(look) or _signal_grows(look) or _grows_through_time(look)


def _grows_through_layers(look: Look) -> Symptom | None:
    depth = look.depth_at_first
    if depth is None or not (depth.slope > _GROWING and depth.span > _LARGE) or not _harms(look):
        return None
    first, last = depth.names[0], depth.names[-1]
    text = (
        f"gradient explodes on its way back: it grows {10**depth.slope:.2g}-fold at each layer, "
        f"to {depth.norms[0]:.1e} at {first} from {depth.norms[-1]:.1e} at {last}"
    )
    evidence = {"decades_per_layer": depth.slope, "decades": depth.span, "layers": float(len(depth.names))}
    return Symptom(text, look.evidence.first_step, evidence, first, _shorter(look), _mildly(look), at_once=look.lost)


def _signal_grows(look: Look) -> Symptom | None:
    """Activations that grow from layer to layer: so do the gradients of weights, which are products of both."""
    grown = growth(look.evidence)
    if grown is None or not (grown[0] > _GROWING and grown[1] > SPAN / 2 and grown[2] > _BEYOND) or not _harms(look):
        return None
    norms = look.evidence.panel("grad_norm").thinned[0]
    total = float(np.sqrt(np.nansum(np.square(norms))))
    text = (
        f"signals explode: activations grow {10 ** grown[0]:.2g}-fold at each layer, and the weights' gradient with them, "
        f"to a norm of {total:.1e} at first; initialize the weights smaller"
    )
    evidence = {"decades_per_layer": grown[0], "decades": grown[1], "grad_norm": total}
    first, step = look.evidence.names[0], look.evidence.first_step
    return Symptom(text, step, evidence, first, _shorter(look), _mildly(look), at_once=look.lost)


def _harms(look: Look) -> bool:
    """Whether a start with such gradients costs the run something."""
    return look.lost or look.suffers or look.starts_high or (look.loss is not None and look.loss.worse)


def _mildly(look: Look) -> Severity | None:
    """It costs, and is no loss of the run, where clipping already keeps the steps short and the loss falls."""
    lever = look.evidence.levers.get("clip_norm")
    clips = lever is not None and lever.enabled and bool(lever.value)
    return "warning" if clips and not look.lost and look.loss is not None and not look.loss.worse else None


def _shorter(look: Look) -> tuple[Remedy, ...]:
    clip = clipped(look.evidence, 1.0, "a step is at most as long as a usual one, in the same direction")
    slower, back = scaled_rate(look.evidence, 0.1, "smaller steps"), rewound(look.evidence)
    return remedies(
        renewed(look.evidence, "new weights of a size that keeps the gradient's from layer to layer"),
        together("back to the weights of the start, from where no step is longer than a usual one", back, clip),
        together("back to the weights of the start, and smaller steps", back, slower),
        clip,
        slower,
    )


def _grows_through_time(look: Look) -> Symptom | None:
    panel = look.evidence.panel("grad_norm")
    if panel.count < _SAMPLES or look.loss is None or not (look.loss.rises or look.loss.worse):
        return None
    latest = panel.usual(3)
    ordered = np.sort(panel.thinned, axis=0)  # NaN last
    usual = ordered[3 * len(ordered) // 4]
    with np.errstate(invalid="ignore"):
        grown = np.flatnonzero((latest > _GROWN * usual) & (usual > 0))
    if not len(grown):
        return None
    at = int(grown[0])
    layer, norm, before = look.evidence.names[at], float(latest[at]), float(usual[at])
    text = f"{layer}: gradient norm {norm:.1e} is {norm / before:.0f} times its usual value; clipping limits it"
    clip = clipped(look.evidence, 5 * before, "steps stay as long as they were before")
    back = together("back to before it grew, and steps stay as long as they were", rewound(look.evidence), clip)
    cures = remedies(back, clip, scaled_rate(look.evidence, 0.5, "smaller steps"))
    return Symptom(text, int(panel.recent_steps[-1]), {"grad_norm": norm, "usual": before}, layer, cures, severity="warning")


RULES = (
    Rule(
        "exploding-gradient",
        "critical",
        "The gradient grows from layer to layer, or from step to step, until single steps throw the weights far off. "
        "Clip its norm, lower the learning rate, or initialize the weights smaller.",
        ("grad_norm/<layer>", "loss/train"),
        "Pascanu et al., ICML 2013 (clipping); He et al., ICCV 2015 (initial weights that keep the scale)",
        _exploding,
    ),
    Rule(
        "vanishing-gradient",
        "warning",
        "The gradient shrinks from layer to layer on its way back, so the first layers hardly learn. "
        "ReLU-like activations, normalization, residual connections or a better initialization keep its size.",
        ("grad_norm/<layer>", "loss/train"),
        "Glorot and Bengio, AISTATS 2010: a sigmoid passes at most a quarter; Bengio et al., 1994 (through time)",
        _vanishing,
        general=True,  # dead or saturated units say it better
    ),
)
