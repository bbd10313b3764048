"""The places by name, as `--on` takes them and the log has them."""

from __future__ import annotations

import re

from tuimon.base.errors import TuimonError
from tuimon.launcher.places.local import HERE, Local
from tuimon.launcher.places.place import Place
from tuimon.launcher.places.ray_cluster import Ray, ray_named
from tuimon.launcher.places.slurm import Slurm, slurm_named

_HINT = (
    "local: this machine, at once. local:N: once fewer than N of your runs train on the device. slurm[:PARTITION]: a job of "
    "Slurm. ray[:ADDRESS]: an actor of Ray. user@host[:FOLDER]: over ssh."
)


def place_named(text: str, memory_bytes: int = 0) -> Place:
    """The place that `--on` names.

    Args:
        text: `local`, `local:N`, `slurm`, `slurm:PARTITION,time=2h`, `ray`, `ray:ADDRESS`.
        memory_bytes: how much memory each run needs; 0: not known.

    Raises:
        TuimonError: there is no such place.
    """
    if re.match(r"ray(:|,|$)", text):
        return ray_named(text, memory_bytes)
    if re.match(r"slurm(:|,|$)", text):
        return slurm_named(text, memory_bytes)
    found = re.fullmatch(r"local(?::([1-9]\d{0,3}))?", text)
    if not found:
        raise TuimonError(f"Cannot train on {text!r}: there is no such place.", _HINT)
    return Local(int(found[1] or 0), memory_bytes)


def holder(on: str) -> Place:
    """The place that holds a run, by the name in its log: `local`, `slurm/42`, `ray/ACTOR`."""
    engine, _, job = on.partition("/")
    if engine == "slurm" and re.fullmatch(r"\d{1,18}(_\d{1,9})?", job, re.ASCII):
        return Slurm(job=job)
    if engine == "ray" and re.fullmatch(r"tuimon-[0-9a-f]{32}", job):
        return Ray(actor=job)
    return HERE
