"""The command that a user types to start a run like this one: never the one that tuimon itself starts."""

from __future__ import annotations

import shlex
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.log.records import Launched
from tuimon.spec import SPEC_FILE
from tuimon.spec.loading import overrides_for, parse_spec


def retyped(run: Path, launched: Launched) -> str:
    """`tuimon run digits-mlp lr=0.01`, by its spec; by the file in its folder if its preset is gone.

    A program's is its own words; that of a log without spec and words is the command as it was started.
    """
    if launched.spec:
        return shlex.join(("tuimon", "run", *_of_spec(run, launched.spec)))
    return shlex.join(("tuimon", "run", *launched.words) if launched.words else launched.command)


def _of_spec(run: Path, settings: dict[str, object]) -> list[str]:
    try:
        spec = parse_spec(settings)
        return [spec.preset, *overrides_for(spec)] if spec.preset else [str(run / SPEC_FILE)]
    except TuimonError:
        return [str(run / SPEC_FILE)]
