"""Describes a run for the log's first record: what runs, on what, from which code.

Everything here is quick and answers something even where the truth cannot be had.
"""

from __future__ import annotations

import functools
import getpass
import os
import platform
import reprlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import nn

from tuimon.base.repository import has_uncommitted_changes
from tuimon.log.records import LayerInfo
from tuimon.log.writer import jsonable
from tuimon.monitor.probe.layers import Layer, following_activations

_HASH_LENGTH = 40
_GIT_PATIENCE_S = 0.25  # before the first step
_MOST_BYTES = 20_000  # of one value of a config: the description is written anew whenever it changes


def device_of(model: nn.Module) -> str:
    """The device of a model's first parameter, as `cpu` or `cuda:0`."""
    return next((str(p.device) for p in model.parameters()), "cpu")


def device_name(device: str) -> str:
    """A device's name, as `NVIDIA H200`; empty where it is not told."""
    if device.startswith("cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_name(device)
    if device != "cpu":
        return ""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.machine()
    found = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return found or platform.machine()  # platform.processor would start a process


def processes_together() -> int:
    """How many processes train one model together, as `torch.distributed` knows."""
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def layer_infos(model: nn.Module, layers: list[Layer]) -> tuple[LayerInfo, ...]:
    """The layers as the log tells of them, with the activations that a `Sequential` writes after them."""
    following = following_activations(model)
    return tuple(layer.info(following.get(layer.module, "")) for layer in layers)


def named(config: object) -> dict[str, Any]:
    """A config's values by name; of a large array, and of what holds itself, only what `repr` says, and not all of that."""
    items = config.items() if isinstance(config, Mapping) else vars(config).items()
    return {str(name): value if _is_small(value) else reprlib.repr(value) for name, value in items}


def _is_small(value: object) -> bool:
    try:
        return len(msgspec.json.encode(value, enc_hook=jsonable)) <= _MOST_BYTES
    except UnicodeEncodeError:  # which the writer knows how to write
        return True
    except Exception:
        return False


def command_line() -> tuple[str, ...]:
    """The command that this process was started with, interpreter and options included."""
    return tuple(sys.orig_argv)


def user_name() -> str:
    """Who runs it; the number of a user without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def versions() -> dict[str, str]:
    """Of what shapes a training run's results."""
    from tuimon.base.version import __version__

    found = {"python": platform.python_version(), "tuimon": __version__, "torch": str(torch.__version__)}
    if torch.version.cuda:
        found["cuda"] = torch.version.cuda
    numpy = sys.modules.get("numpy")
    return found | ({"numpy": str(numpy.__version__)} if numpy else {})


def git_commit(start: Path) -> str:
    """The commit checked out around a folder, read from git's own files; empty outside a repository."""
    try:
        git = _git_folder(start)
        return _resolve(git) if git else ""
    except (OSError, ValueError):
        return ""


def uncommitted(start: Path) -> bool | None:
    """Whether tracked files differ from that commit; None outside a repository, or where git does not say so in time.

    Asks once in a process: its code was read at its start. A git that was asked has ended when this returns, so that a script
    that waits for its children never meets one that is not its own.
    """
    return _asked(start) if git_commit(start) else None


@functools.cache
def _asked(start: Path) -> bool | None:
    return has_uncommitted_changes(start, _GIT_PATIENCE_S)


def _git_folder(start: Path) -> Path | None:
    for folder in (start, *start.parents):
        found = folder / ".git"
        if found.is_dir():
            return found
        if found.is_file():  # a linked worktree, or a submodule
            return folder / found.read_text().removeprefix("gitdir:").strip()
    return None


def _resolve(git: Path) -> str:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head[:_HASH_LENGTH]
    ref = head.removeprefix("ref:").strip()
    common = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
    for folder in (git, common):
        if (folder / ref).is_file():
            return (folder / ref).read_text().strip()
    packed = (common / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {ref}")), "")
