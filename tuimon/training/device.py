"""The device of a run, its number of CPU threads, and the precision of the forward pass."""

from __future__ import annotations

import contextlib
import os

import torch
from torch import nn

from tuimon.base.errors import TuimonError

# Multiply-adds per step. Measured on two cores: at 115 million, a second thread made a perceptron 1.6 times as fast and a CNN
# 1.1 times; at 460 million, both 1.6 times; below 10 million it cost more than it saved. Threads that wait for each other also
# suffer most from other programs, so they are used only where they clearly help.
_WORTH_A_THREAD = 150e6


def choose_device(text: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda`, `cuda:N` or `mps` in this process; auto prefers a GPU.

    Raises:
        TuimonError: this machine has no such device.
    """
    if text == "auto":
        text = "cuda" if torch.cuda.is_available() else "cpu"
    if text.startswith("cuda"):
        index = int(text.partition(":")[2] or 0)  # torch's own parser wraps at 128
        _check_cuda(text, index)
        return torch.device("cuda", index)
    device = torch.device(text)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise TuimonError("training.device = 'mps': torch finds no Apple GPU", "Use device=cpu.")
    return device


def use_threads(model: nn.Module, batch_size: int, device: torch.device) -> int:
    """Sets and returns torch's number of CPU threads, unless OMP_NUM_THREADS is set; TUIMON_THREADS is the most it may be."""
    if device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        worth = 1 + int(_multiply_adds(model) * batch_size / _WORTH_A_THREAD)
        share = os.environ.get("TUIMON_THREADS", "")
        most = min(torch.get_num_threads(), int(share)) if share.isdecimal() and int(share) else torch.get_num_threads()
        torch.set_num_threads(min(worth, most))
    return torch.get_num_threads()


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[object]:
    """A context for one forward pass in the given precision."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _multiply_adds(model: nn.Module) -> int:
    """Estimate for one example: a weight is used once forward and twice backward, in a convolution at about 64 positions."""
    total = 0
    for module in model.modules():
        own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        total += 3 * own * (64 if isinstance(module, nn.modules.conv._ConvNd) else 1)
    return total


def _check_cuda(text: str, index: int) -> None:
    hint = "Use device=cpu, or run `tuimon doctor`."
    if not torch.cuda.is_available():
        why = "is built without CUDA" if torch.version.cuda is None else "finds no NVIDIA GPU or driver"
        raise TuimonError(f"training.device = {text!r}: torch {torch.__version__} {why}", hint)
    if index >= torch.cuda.device_count():
        raise TuimonError(
            f"training.device = {text!r}: torch finds only {torch.cuda.device_count()} GPU(s), starting at cuda:0", hint
        )
