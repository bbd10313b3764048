"""Lever settings as people write them, and answers as people read them."""

from __future__ import annotations

import pytest

from tuimon.base.errors import TuimonError
from tuimon.launcher.steering.commands import describe, parse_setting
from tuimon.log.records import Applied, Refused


@pytest.mark.parametrize(
    ("text", "lever", "op", "value"),
    [
        ("lr_scale=0.5", "lr_scale", "set", 0.5),
        ("lr_scale=*0.5", "lr_scale", "multiply", 0.5),
        ("l2 = 1e-4", "l2", "set", 1e-4),
        ("dropout=off", "dropout", "off", None),
        ("dropout=on", "dropout", "on", None),
        ("regularization=toggle", "regularization", "toggle", None),
        ("l1=default", "l1", "default", None),
        ("mine=true", "mine", "set", True),
        ("mine=relu", "mine", "set", "relu"),
        ("checkpoint", "checkpoint", "do", None),
        ("pause", "paused", "on", None),
        ("resume", "paused", "off", None),
    ],
)
def test_a_setting_is_a_command(text: str, lever: str, op: str, value: object) -> None:
    """Each form, with an id so that a repeated send is harmless, and who asks."""
    command = parse_setting(text)
    assert (command.lever, command.op, command.value) == (lever, op, value)
    assert command.by and len(command.id) == 32
    assert command.id != parse_setting(text).id


@pytest.mark.parametrize("text", ["", "=1", "lr_scale=", "lr_scale=nan", "lr_scale=inf", "lr_scale=*", "lr_scale=*x", "l=*nan"])
def test_what_is_no_setting_is_an_error_with_examples(text: str) -> None:
    """Nothing is sent, and the user sees how it is written."""
    with pytest.raises(TuimonError) as error:
        parse_setting(text)
    assert "lr_scale=*0.5" in error.value.hint


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (
            Applied(1204, "lr_scale", 1.0, 0.5, note="lr 0.001 → 0.0005"),
            "applied at step 1 204: lr_scale 1 → 0.5 (lr 0.001 → 0.0005)",
        ),
        (Applied(3, "paused", False, True), "applied at step 3: paused off → on"),
        (Applied(3, "l2", 1e-4, 1e-4, new_enabled=False), "applied at step 3: l2 0.0001 → 0.0001 (off)"),
        (Applied(3, "checkpoint", note="checkpoints/step-3.pt"), "applied at step 3: checkpoint (checkpoints/step-3.pt)"),
        (Refused(3, "lr_scale", -1.0, "must be above 0"), "refused at step 3: lr_scale=-1: must be above 0"),
        (Refused(3, "undo", None, "nothing to undo"), "refused at step 3: undo: nothing to undo"),
    ],
)
def test_an_answer_is_one_line(answer: Applied | Refused, line: str) -> None:
    """What was applied, when, from what to what; or why not."""
    assert describe(answer) == line
