"""The loss before the first step, compared with chance: ln C for cross-entropy over C classes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from tuimon.base import format
from tuimon.training.checks import fitting
from tuimon.training.checks.subject import Subject
from tuimon.training.checks.words import judge, line
from tuimon.training.report import Line

_EXAMPLES = 512


@torch.no_grad()
def check_first_loss(subject: Subject) -> Iterator[Line]:
    """Warns above 2 times the loss of chance, fails above 4 times, and warns below half of it."""
    batch = subject.sample(_EXAMPLES)
    outputs = subject.fresh()(batch.inputs)
    found = float(subject.loss(outputs, batch.targets))
    if subject.task == "quadratic":
        verdict = judge(abs(found), math.inf, math.inf)
        yield line("first loss", verdict, format.number(found), "The value is not finite.", "initial value of the function")
        return
    expected = fitting.chance(subject, batch)
    number = f"{format.number(found)}, chance {format.number(expected)}"
    if found < 0.5 * expected:
        text = "Far better than chance before training. Do the inputs contain the targets, or is the model already trained?"
        yield Line("first loss", "warn", number, text)
        return
    text = (
        "The untrained model is confident and wrong: its outputs are too large. Try smaller initial weights or scaled inputs."
    )
    silent = float(subject.loss(torch.zeros_like(outputs), batch.targets))  # may be larger, if all targets have one sign
    yield line("first loss", judge(found / max(expected, silent), 2.0, 4.0), number, text, _told(subject))


def _told(subject: Subject) -> str:
    match subject.loss_name:
        case "cross_entropy":
            return f"chance: ln {subject.outputs}"
        case "mse":
            return "chance: all outputs zero" if subject.has_classes else "chance: the mean target"
    return "chance: all outputs zero"
