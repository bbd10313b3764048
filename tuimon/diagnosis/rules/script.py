"""Rules about the script: what it forgets to call, to whom it gives the parameters, what it keeps."""

from __future__ import annotations

import math

import numpy as np

from tuimon.diagnosis.look import NOTHING, Look
from tuimon.diagnosis.measures.noise import noise_scale
from tuimon.diagnosis.measures.updates import USUAL
from tuimon.diagnosis.remedies import has_learned, remedies, rewound, scaled_rate, together
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.log.records import Severity

_SAMPLES = 3
_NOT_LISTED = "get a gradient, but the optimizer does not move them: does it have their parameters?"
_FEW = 4  # samples in a batch
_NOISY = 20.0  # times a batch: its noise is twenty times, in square, what all samples together say
_LONG = 100  # losses
_LEAK_POINTS = 4
_FEW_POINTS = 6  # below which only much counts
_LEAK, _MUCH_LEAK = 1.1, 1.25  # times the memory at first
_STEADY = 0.8  # of the readings that were higher than the one before


def _zero_grad(look: Look) -> Verdict:
    trace = look.evidence.trace("step/grad_before")
    if trace is None or trace.count < _SAMPLES:
        return Abstains("it was not sampled whether gradients are zero before they are computed")
    if not (trace.recent[-_SAMPLES:] > 0).all() or _has_others(look):
        return None
    step = int(trace.recent_steps[0])
    text = "gradients add up: those of the step before are still there when the next are computed; call optimizer.zero_grad()"
    lost: Severity | None = "critical" if look.stuck or (look.loss and look.loss.rises) else None
    return Symptom(text, step, {"grad_before": trace.last}, severity=lost)


def _has_others(look: Look) -> bool:
    """Whether layers get a gradient that the optimizer does not have, and never sets to zero: it may be theirs that adds up."""
    if not look.evidence.panel("update_ratio").count or not look.evidence.panel("grad_norm").count:
        return False
    return any(why == _NOT_LISTED for _, why in _still(look)[0])


def _not_trained(look: Look) -> Verdict:
    ratios, weights = look.evidence.panel("update_ratio"), look.evidence.panel("weight_norm")
    if ratios.count < _SAMPLES or weights.count < _SAMPLES:
        return Abstains("too few updates were sampled")
    if look.loss is None:
        return Abstains("too few training losses are logged to see whether the run suffers")
    still, moving = _still(look)
    if not still or not moving or not look.began_with_nothing or look.rate_share < NOTHING:  # at such a rate nothing trains
        return None
    shown = ", ".join(look.evidence.names[i] for i, _ in still[:3]) + (f" and {len(still) - 3} more" if len(still) > 3 else "")
    reasons = {why for _, why in still}
    text = f"layers do not train: {shown} {'; '.join(sorted(reasons))}"
    first = look.evidence.names[still[0][0]]
    evidence = {"still": float(len(still)), "moving": float(moving)}
    return Symptom(text, int(ratios.thinned_steps[0]), evidence, first)


def _still(look: Look) -> tuple[list[tuple[int, str]], int]:
    """The columns of layers whose weights stay as they are, each with the reason; and how many layers move."""
    moves = np.fmax.reduce(look.evidence.panel("update_ratio").recent[-_SAMPLES:], axis=0)
    gradients = look.evidence.panel("grad_norm").recent[-_SAMPLES:]
    found: list[tuple[int, str]] = []
    moving = 0
    for i, info in enumerate(look.evidence.infos):
        if info is None or not info.parameters or "Norm" in info.type or i >= len(moves):
            continue
        if moves[i] > 0:
            moving += 1
        elif not info.trainable:
            found.append((i, "are frozen (requires_grad is False)"))
        elif i >= gradients.shape[1] or np.isnan(gradients[:, i]).all():
            found.append((i, "get no gradient: is their output detached?"))
        elif (gradients[:, i] > 0).all():
            found.append((i, _NOT_LISTED))
    return found, moving


def _evaluating(look: Look) -> Verdict:
    trace = look.evidence.trace("model/training")
    if trace is None:
        return Abstains("the model has no layer that differs between training and evaluation, or its mode was not sampled")
    latest = trace.recent[-_SAMPLES:]
    if len(latest) < _SAMPLES or latest.any():
        return None
    modes = np.flatnonzero(trace.recent > 0)
    step = int(trace.recent_steps[modes[-1] + 1]) if len(modes) else int(trace.recent_steps[0])
    text = (
        f"the model trains in evaluation mode since step {step}: dropout is off, batch norms do not follow; call model.train()"
    )
    return Symptom(text, step, {"training": 0.0})


def _tiny_batch_norm(look: Look) -> Verdict:
    rows = look.usual("step/rows")
    if not math.isfinite(rows):
        return Abstains("the size of a batch was not sampled")
    norms = [info.name for info in look.evidence.infos if info is not None and "BatchNorm" in info.type]
    if not norms or rows > _FEW:
        return None
    text = (
        f"batch norm over {rows:.0f} samples: mean and variance of so few are mostly noise, and not those of evaluation; "
        "use larger batches, or group or layer norm"
    )
    return Symptom(text, look.step, {"rows": rows}, norms[0])


def _batch_noise(look: Look) -> Verdict:
    rows = look.usual("step/rows")
    if not math.isfinite(rows) or look.updates is None:
        return Abstains("the size of a batch was not sampled")
    if not look.suffers or not look.updates.middle > USUAL[1]:
        return None
    if rows > _FEW:
        return _mostly_noise(look, rows)
    text = (
        f"batches of {rows:.0f} at a rate for larger ones: each step moves the weights by {look.updates.middle:.1g} of their "
        "size in the direction of a few samples; use larger batches, or a lower rate"
    )
    slower = scaled_rate(look.evidence, 0.1, "a tenth of each step averages over more samples")
    lost = look.hopeless  # what single batches seem to have learned then is luck
    back = together("from the start, with a tenth of each step", rewound(look.evidence, lost), slower)
    cures = remedies(slower) if has_learned(look.evidence) and not lost else remedies(back, slower)
    return Symptom(text, look.step, {"rows": rows, "update_ratio": look.updates.middle}, remedies=cures)


def _mostly_noise(look: Look, rows: float) -> Symptom | None:
    """Batches of more than a few samples are too small where their noise is far larger than what they say."""
    scale = noise_scale(look.evidence, rows)
    if look.updates is None or look.loss is None or look.loss.count < _LONG or not scale > _NOISY * rows:
        return None
    text = (
        f"gradients are mostly noise: a batch has {rows:.0f} samples, and it takes about {scale:.0f} for as much gradient as "
        f"noise; each step moves the weights by {look.updates.middle:.1g} of their size: use larger batches, or a lower rate"
    )
    evidence = {"rows": rows, "noise_scale": scale, "update_ratio": look.updates.middle}
    return Symptom(text, look.step, evidence, severity="hint")


def _leak(look: Look) -> Verdict:
    trace = look.evidence.trace("system/process/memory_bytes")
    if trace is None or trace.count < _LEAK_POINTS:
        return Abstains("too few readings of the process's memory")
    levels = trace.stretches[-128:]
    later = levels[len(levels) // 3 :]  # at first, caches fill
    rising = float((np.diff(later) > 0).mean()) if len(later) > 2 else 0.0
    grown = float(later[-1] / later[0])
    if not (rising >= _STEADY and grown > (_LEAK if trace.count >= _FEW_POINTS else _MUCH_LEAK)):
        return None
    gained = float(later[-1] - later[0])
    text = (
        f"memory grows steadily, by {gained / 2**20:.0f} MiB since a third of the run: does the script keep losses or outputs "
        "with their graphs? loss.item() or .detach() lets them go"
    )
    return Symptom(text, int(trace.recent_steps[0]), {"grown": grown, "gained_bytes": gained})


RULES = (
    Rule(
        "missing-zero-grad",
        "warning",
        "Each step uses the sum of all gradients so far, because nobody sets them back to zero. "
        "Call optimizer.zero_grad() before each backward.",
        ("step/grad_before",),
        "PyTorch's manual, Optimizer.zero_grad; NeuraLint, TOSEM 2021",
        _zero_grad,
    ),
    Rule(
        "layers-not-trained",
        "warning",
        "Some layers keep their first weights while others learn: they are frozen, cut off, or not in the optimizer. "
        "If they have learned nothing elsewhere, they pass on noise.",
        ("update_ratio/<layer>", "grad_norm/<layer>", "weight_norm/<layer>", "loss/train"),
        "Ben Braiek and Khomh, TheDeepChecker, TOSEM 2023 (frozen parameters)",
        _not_trained,
    ),
    Rule(
        "eval-mode",
        "warning",
        "The model was put into evaluation mode, for a validation say, and never back. "
        "Without dropout it learns by heart, and batch norms use old statistics.",
        ("model/training",),
        "PyTorch's manual, Module.eval and Module.train",
        _evaluating,
    ),
    Rule(
        "tiny-batch-norm",
        "warning",
        "Batch norm takes mean and variance from the batch, and these few samples say little of all. "
        "The model trains on noise and is evaluated on other statistics than it was trained with.",
        ("step/rows",),
        "Wu and He, Group Normalization, ECCV 2018: the error rises below eight samples; Ioffe, NIPS 2017",
        _tiny_batch_norm,
    ),
    Rule(
        "batch-noise",
        "warning",
        "Each step follows a few samples, and goes too far for that. "
        "Larger batches average the noise out; a lower rate averages it over steps.",
        ("step/rows", "update_ratio/<layer>", "grad_cosine", "loss/train"),
        "McCandlish et al., An Empirical Model of Large-Batch Training, 2018",
        _batch_noise,
    ),
    Rule(
        "leak",
        "warning",
        "The process needs more memory from step to step, so it will be killed in the end. "
        "Usually a list keeps losses or outputs together with all that led to them.",
        ("system/process/memory_bytes",),
        "PyTorch's FAQ: don't accumulate history across your training loop",
        _leak,
        costs="resources",
    ),
)
