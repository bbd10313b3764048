"""The loss before the first step, against that of a model that sees nothing: ln C for cross-entropy over C classes."""

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
    """Warns above 2 times what chance predicts, fails above 4 times; warns where it is far below."""
    batch = subject.sample(_EXAMPLES)
    outputs = subject.fresh()(batch.inputs)
    found = float(subject.loss(outputs, batch.targets))
    if subject.task == "quadratic":
        verdict = judge(abs(found), math.inf, math.inf)
        yield line("first loss", verdict, format.number(found), "It is not finite.", "the function's value at the start")
        return
    expected = fitting.chance(subject, batch)
    number = f"{format.number(found)}, chance {format.number(expected)}"
    if found < 0.5 * expected:
        text = "Far better than chance before any training: do the inputs hold the answer, or was it trained before?"
        yield Line("first loss", "warn", number, text)
        return
    text = "The model starts sure of wrong answers: its outputs are too large. Use smaller weights, prepare the inputs."
    silent = float(subject.loss(torch.zeros_like(outputs), batch.targets))  # may be more, where targets are all of one sign
    yield line("first loss", judge(found / max(expected, silent), 2.0, 4.0), number, text, _told(subject))


def _told(subject: Subject) -> str:
    match subject.loss_name:
        case "cross_entropy":
            return f"chance is ln {subject.outputs}"
        case "mse":
            return "chance is the mean target" if not subject.has_classes else "chance is to say nothing"
    return "chance is to say nothing"
