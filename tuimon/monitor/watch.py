"""`watch`: one line that makes a training script's run visible and steerable. Training thread."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from tuimon.base import given
from tuimon.base.bounds import bounds_of
from tuimon.base.process import this_process
from tuimon.log.records import RunStarted
from tuimon.monitor import arguments, describe, ending
from tuimon.monitor.folder import announce, keep, lock_of, new_run_folder
from tuimon.monitor.monitor import Monitor
from tuimon.monitor.probe.layers import unwrapped
from tuimon.monitor.warned import memory_kept


@memory_kept()
def watch(
    model: nn.Module,
    optimizer: Optimizer,
    *,
    name: str | None = None,
    runs_dir: str | Path | None = None,
    run_dir: Path | None = None,
    spec: dict[str, Any] | None = None,
    config: object = None,
    total_steps: int | None = None,
    steps_per_epoch: int | None = None,
    settings: Mapping[str, float] | None = None,
    budget: float = 0.01,
    meters: bool = True,
    serve: bool = True,
    diagnose: bool = True,
    autopilot: bool | str | None = None,
    seed: int | None = None,
    device: str = "",
) -> Monitor:
    """Watches a model while an optimizer trains it.

    Args:
        model: the model, on its device.
        optimizer: what trains it; its steps are the run's steps. Of one that accelerate has wrapped, the one inside.
        name: the run's name; the script's name and the time when left out.
        runs_dir: where runs live; `$TUIMON_RUNS`, else `./runs`, when left out.
        run_dir: the run's own folder, where it is known already; `name` and `runs_dir` do not matter then.
        spec: the whole description of the run, if there is one.
        config: anything that should be kept with the run: a mapping, or an object with attributes such as argparse's.
        total_steps: how many steps there will be, for progress.
        steps_per_epoch: how many make an epoch.
        settings: starting values of the levers `l1`, `l2`, `clip_norm` and `clip_value`.
        budget: largest share of the time that layer statistics may take; 0 for none.
        meters: whether to read GPU, host and process meters.
        serve: whether to open the socket that viewers connect to.
        diagnose: whether to look for problems while it trains, on a thread of its own, and log them.
        autopilot: whether remedies of what is found are applied at once; its bounds as text, where they are not the defaults:
            `most=6,every=20,levers=lr_scale+clip_norm`. When left out: as `tuimon run --autopilot` says. The lever of this name
            switches it while the run trains.
        seed: the seed, to be kept with the run.
        device: the device as asked for; the model's own when left out.

    Raises:
        TuimonError: something else was given than what is asked for, the run's folder or log cannot be made, or another
            process trains in that folder. Nothing that happens later raises.

    The first run of a script that `tuimon run` has started gets the folder that was made for it, whatever it asks for; further
    ones are announced in that run's log.
    An optimizer is watched by one monitor, and a folder holds one training at a time: a second `watch` closes the first. A run
    that is never closed ends with the process, or when nobody has its monitor, model and optimizer any more.
    """
    optimizer = arguments.innermost(optimizer)
    arguments.check(model, optimizer, config, settings or {}, budget)
    wanted = given.autopilot() if autopilot is None else autopilot
    bounds = bounds_of(wanted if isinstance(wanted, str) else "") if wanted else None
    total_steps = arguments.whole("total_steps", total_steps)
    steps_per_epoch = arguments.whole("steps_per_epoch", steps_per_epoch)
    seed = arguments.whole("seed", seed)
    if ending.still_open():
        gc.collect()  # ends the runs whose model is gone, as a notebook's or a search's
    first = given.given()
    folder = given.take() or (Path(run_dir) if run_dir is not None else new_run_folder(runs_dir, name and str(name)))
    for other in ending.still_open():
        if isinstance(other, Monitor) and (other.watches(optimizer) or other.is_in(folder)):  # a notebook's cell run again
            other.close("stopped", f"watched anew as {folder.name}")
    lock = keep(folder) if folder == first else lock_of(folder)
    try:
        monitor = Monitor(model, optimizer, folder, lock, settings or {}, budget, bounds)
    except BaseException:
        lock.release()
        raise
    device = str(device or describe.device_of(model))
    monitor.start(
        RunStarted(
            name=folder.name,
            process=this_process(),
            command=describe.command_line(),
            cwd=str(Path.cwd()),
            user=describe.user_name(),
            device=device,
            device_name=describe.device_name(device),
            model=type(unwrapped(model)).__name__,
            optimizer=type(optimizer).__name__,
            total_steps=total_steps,
            steps_per_epoch=steps_per_epoch,
            spec=spec,
            config=describe.named(config) if config is not None else None,
            versions=describe.versions(),
            git_commit=describe.git_commit(Path.cwd()),
            uncommitted=None if folder == first else describe.uncommitted(Path.cwd()),
            seed=seed,
        ),
        serve,
        meters,
        diagnose,
    )
    if first is not None and folder != first:
        announce(folder, first)
    return monitor
