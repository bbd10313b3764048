"""Rules about the units of a layer: dead, saturated."""

from __future__ import annotations

from tuimon.diagnosis.look import Look
from tuimon.diagnosis.measures.death import HALF, MOSTLY, WHOLE
from tuimon.diagnosis.measures.since import column_since
from tuimon.diagnosis.measures.updates import USUAL
from tuimon.diagnosis.remedies import leaky, rectified, remedies, renewed, revived, rewound, scaled_rate, together
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.diagnosis.trace import Floats
from tuimon.log.records import Remedy, Severity

_SAMPLES = 3
_ALIKE = 0.999  # mean cosine of the weights of two units: 2.6 degrees apart
_INPUTS = 3  # weights of a unit, its bias among them, of which two directions can be told apart
_RECTIFIERS = ("ReLU", "ReLU6")


def _dead(look: Look) -> Verdict:
    if look.death is None:
        return Abstains("dead units were not measured")
    layers, latest = look.death.columns, look.death.fractions
    stands = look.loss is not None and not look.loss.falls and not look.is_of_another_kind
    if not layers or not (look.suffers or stands):
        return None
    worst = float(max(latest[i] for i in layers))
    first = layers[0]
    names = [look.evidence.names[i] for i in layers]
    step = column_since(look.evidence.panel("dead_fraction"), first, HALF)
    cures = _awake(look, names)
    more = f" (and of {len(names) - 1} more layers)" if len(names) > 1 else ""
    text = f"{names[0]}: {latest[first]:.0%} of units{more} have been dead since step {step}"
    partly: Severity | None = None if worst > WHOLE else "warning"  # what is left can learn
    return Symptom(text, step, {"dead_fraction": worst, "layers": float(len(layers))}, names[0], cures, severity=partly)


def _awake(look: Look, names: list[str]) -> tuple[Remedy, ...]:
    """Where the first steps were so long that they killed them, it is the rate that has to change; else the units."""
    anew = revived(look.evidence, "new weights for the dead units, so that they learn again")
    other = leaky(look.evidence, names, "leaky ReLU lets dead units learn again")
    slower = scaled_rate(look.evidence, 0.1, "a lower learning rate keeps others from dying")
    killed = look.updates is not None and look.updates.first > 10 * USUAL[1]
    if killed:
        back = together(
            "back to the weights before the steps that killed them, and a tenth of each", rewound(look.evidence), slower
        )
        return remedies(
            back, together("new weights for dead units, and a tenth of each step", anew, slower), anew, other, slower
        )
    both = together("new weights for dead units, and a tenth of each step, which may have killed them", anew, slower)
    back = together(
        "back to the weights of the start, and a tenth of each step, which may have killed them", rewound(look.evidence), slower
    )
    return remedies(anew, back, both, other, scaled_rate(look.evidence, 0.5, "a lower learning rate keeps others from dying"))


def _negative(look: Look) -> Verdict:
    """Layers that pass on hardly anything of what they get, though some of it to each unit."""
    panel = look.evidence.panel("negative_fraction")
    if panel.count < _SAMPLES:
        return Abstains("what arrives at activations was not sampled")
    infos, latest = look.evidence.infos, panel.lowest(_SAMPLES)
    rectified = [i for i, info in enumerate(infos[: len(latest)]) if info is not None and info.activation in _RECTIFIERS]
    layers = [i for i in rectified if latest[i] > MOSTLY]
    if not layers or not (look.suffers or look.slow):
        return None
    name, share = look.evidence.names[layers[0]], float(latest[layers[0]])
    text = (
        f"{name}: {share:.0%} of what arrives at its {infos[layers[0]].activation} is negative, and is set to zero: hardly "  # type: ignore[union-attr]
        "anything passes, and units will die. Initialize biases at zero, normalize what comes in, or lower the rate"
    )
    cures = remedies(leaky(look.evidence, [name], "leaky ReLU lets a part of it pass"))
    evidence = {"negative_fraction": share, "layers": float(len(layers))}
    step = column_since(panel, layers[0], MOSTLY)
    return Symptom(text, step, evidence, name, cures, severity="warning" if look.hardly else None)


def _saturated(look: Look) -> Verdict:
    found = look.saturation
    if found is None:
        return Abstains("no activation with an asymptote was sampled")
    if not found.columns or not (look.suffers or look.slow or look.starts_high):
        return None
    first, name = found.columns[0], look.evidence.names[found.columns[0]]
    more = f" (and of {len(found.columns) - 1} more layers)" if len(found.columns) > 1 else ""
    cures = remedies(
        renewed(look.evidence, "new weights of a size that leaves units in the middle of their range"),
        rectified(look.evidence, "a rectifier has no ends to sit at"),
    )
    text = f"{name}: units{more} are saturated: {found.words[0]}; almost no gradient passes them"
    text += "" if cures else "; initialize the weights smaller, or normalize the inputs"
    evidence = {"saturation": found.values[0], "layers": float(len(found.columns))}
    return Symptom(text, found.step, evidence, look.evidence.names[first], cures)


def _symmetric(look: Look) -> Verdict:
    panel, similarity = look.evidence.panel("identical_fraction"), look.evidence.panel("unit_similarity")
    if panel.count < _SAMPLES:
        return Abstains("units were not compared")
    lowest, alike = (
        panel.lowest(_SAMPLES),
        similarity.lowest(_SAMPLES),
    )  # zeros at first, as of a last layer, differ after a step
    layers = [i for i in range(len(lowest)) if _copies(look, i, lowest, alike)]
    if not layers:
        return None
    first = layers[0]
    name = look.evidence.names[first]
    share = f"{lowest[first]:.0%} of" if lowest[first] > HALF else "its"
    text = (
        f"{name}: {share} units have the same weights as others, so they compute and learn the same; initialize them at random"
    )
    evidence = {"identical_fraction": float(lowest[first]), "layers": float(len(layers))}
    step = column_since(panel, first, HALF) if lowest[first] > HALF else int(panel.thinned_steps[0])
    cures = remedies(renewed(look.evidence, "new weights that differ from unit to unit"))
    return Symptom(text, step, evidence, name, cures)


def _copies(look: Look, column: int, lowest: Floats, alike: Floats) -> bool:
    """Whether the units of a layer are copies of each other, but for rounding; those of one input are alike in any case."""
    info = look.evidence.infos[column]
    if info is None or not info.trainable or (info.units and info.parameters <= _INPUTS * info.units):
        return False
    if not info.units:  # a recurrent layer: alike is what has the same weights and gets the same gradient
        return bool(lowest[column] > HALF)
    last = column == len(look.evidence.infos) - 1
    return bool(lowest[column] > HALF) or (not last and column < len(alike) and bool(alike[column] > _ALIKE))


RULES = (
    Rule(
        "symmetric-units",
        "warning",
        "Units of a layer that start with equal weights get equal gradients, so they stay copies of one unit. "
        "The layer can tell no more than that one: initial weights must be random.",
        ("identical_fraction/<layer>", "unit_similarity/<layer>", "loss/train"),
        "Goodfellow et al., Deep Learning, 8.4: initial parameters need to break symmetry",
        _symmetric,
    ),
    Rule(
        "dead-units",
        "warning",
        "Units of a ReLU layer give zero for every input, so they get no gradient and never change again. "
        "Leaky ReLU, a lower learning rate or another initialization keeps them alive.",
        ("dead_fraction/<layer>", "loss/train"),
        "Lu et al., Dying ReLU and Initialization, arXiv:1903.06733",
        _dead,
    ),
    Rule(
        "mostly-negative",
        "hint",
        "Nearly all that arrives at a ReLU is negative, so that it passes on zeros and hardly any gradient comes back. "
        "Biases that start far below zero, inputs that are not normalized and long steps do that; leaky ReLU passes a part.",
        ("negative_fraction/<layer>", "loss/train"),
        "Glorot, Bordes and Bengio, AISTATS 2011: half of the units are zero at first, up to nine tenths in a sparse layer",
        _negative,
        general=True,  # units that have died by it say more
    ),
    Rule(
        "saturated-units",
        "warning",
        "Units sit at an end of their activation's range for nearly every input, where its slope is almost zero. "
        "Hardly any gradient passes them: smaller initial weights, normalized inputs or ReLU help.",
        ("saturated_fraction/<layer>", "activation_mean/<layer>", "activation_std/<layer>", "loss/train"),
        "Glorot and Bengio, AISTATS 2010",
        _saturated,
    ),
)
