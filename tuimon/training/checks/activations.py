"""Activations of each layer before training: in the useful range of their function, and different for each example."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from tuimon.base import format
from tuimon.training.checks.subject import Subject
from tuimon.training.checks.watching import HIDDEN, Activation, activations_of
from tuimon.training.checks.words import judge, line
from tuimon.training.report import Line, Verdict

_EXAMPLES = 256
_LIMITS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
_MARGIN = 0.05  # distance from an asymptote that counts as saturated
_MOST_LINES = 12  # for activations that pass


def check_activations(subject: Subject) -> Iterator[Line]:
    """One line for each activation function of a forward pass; if many pass, they share one line."""
    seen, outputs = activations_of(subject.fresh(), subject.sample(_EXAMPLES).inputs)
    hidden = [found for found in seen if found.kind in HIDDEN and not found.is_output(outputs)]
    if not hidden:
        yield Line("activations", "pass", "none", "the model has no activation function outside recurrent layers")
        return
    yield from merged("activations", [_line(found) for found in hidden])


def merged(what: str, lines: list[Line]) -> Iterator[Line]:
    """Yields all lines, but only one for all that passed if they are many."""
    passed = [found for found in lines if found.verdict == "pass"]
    if len(passed) <= _MOST_LINES:
        yield from lines
        return
    yield from (found for found in lines if found.verdict != "pass")
    yield Line(what, "pass", f"{len(passed)} of {len(lines)}", "are in their useful range")


def _line(found: Activation) -> Line:
    values = found.by_unit.float()
    name, mean, spread = f"activation {found.name}", float(values.mean()), float(values.std(0, correction=0).mean())
    if not values.isfinite().all():
        return Line(name, "fail", "not finite", "NaN or infinite before training. Initialize with smaller weights.")
    number = f"{format.number(mean)} ± {format.number(spread)}"
    for verdict, text in (_dead(found, values), _saturated(found, values), _same(values, spread), _large(found, values)):
        if verdict != "pass":
            return Line(name, verdict, number, text)
    return line(name, "pass", number, "", f"{found.kind}: mean ± standard deviation over examples")


def _dead(found: Activation, values: Tensor) -> tuple[Verdict, str]:
    """Units whose ReLU is zero for every example."""
    if found.kind != "relu":
        return "pass", ""
    share = float((values == 0).all(0).float().mean())
    cure = "Try init.bias=positive, init.name=kaiming_normal, or activation=leaky_relu"
    if values.shape[1] > 1 and bool((values == values[:, :1]).all()):
        cure = "All its units are copies of one: initialize at random (init.name=default)"
    return judge(share, 0.25, 0.6), f"{share:.0%} of its units are dead: zero for every example. {cure}."


def _saturated(found: Activation, values: Tensor) -> tuple[Verdict, str]:
    """Values near an asymptote, where the slope is close to zero."""
    if found.kind not in _LIMITS:
        return "pass", ""
    low, high = _LIMITS[found.kind]
    share = float(((values < low + _MARGIN) | (values > high - _MARGIN)).float().mean())
    cure = "Try smaller initial weights (init.name=xavier_normal), scaled inputs (data.scale), or model.norm=batch"
    return judge(share, 0.3, 0.6), f"{share:.0%} of its values are saturated, where the slope is close to zero. {cure}."


def _same(values: Tensor, spread: float) -> tuple[Verdict, str]:
    """Units with almost the same value for every example, which tell later layers nothing."""
    size = float(values.square().mean().sqrt())
    share = spread / size if size else 0.0
    cure = "Try activation=relu, an initialization that fits the activation (init.name), or model.norm=batch"
    text = f"Its units are almost the same for every example: the input signal fades. {cure}."
    return judge(1 / max(share, 1e-12), 1 / 5e-3, 1 / 1e-5), text


def _large(found: Activation, values: Tensor) -> tuple[Verdict, str]:
    """Values that have grown or shrunk from layer to layer."""
    size = float(values.square().mean().sqrt())
    what, cure = ("grow", "smaller") if size > 1 else ("shrink", "larger")
    text = (
        f"Values {what} from layer to layer, here to about {format.number(size)}. Try {cure} initial weights or a model.norm."
    )
    return judge(max(size, 1e-4 / max(size, 1e-30)), 30.0, 1000.0), text
