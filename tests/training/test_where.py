"""Devices, threads, precision, out-of-memory errors, and stop signals."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from torch import nn

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec
from tuimon.training.device import autocast, choose_device, use_threads
from tuimon.training.memory import memory_explained
from tuimon.training.signals import StopSignals

CPU = torch.device("cpu")
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a machine with a GPU")


@no_gpu
def test_auto_is_the_cpu_without_a_gpu():
    """The error about a requested GPU says what torch is missing."""
    assert choose_device("auto") == CPU
    with pytest.raises(TuimonError, match=r"training.device = 'cuda:1': torch .* (is built without CUDA|finds no NVIDIA GPU)"):
        choose_device("cuda:1")
    with pytest.raises(TuimonError, match="torch finds no Apple GPU"):
        choose_device("mps")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_auto_is_the_gpu_if_there_is_one():
    """A number that is too high is an error."""
    assert choose_device("auto") == torch.device("cuda", 0)
    with pytest.raises(TuimonError, match="torch finds only"):
        choose_device("cuda:99")


def test_small_models_use_one_thread(monkeypatch: pytest.MonkeyPatch):
    """Unless the user sets the number; large models use all threads."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert use_threads(nn.Linear(4000, 4000), 64, CPU) == 2
        assert use_threads(nn.Linear(64, 64), 64, CPU) == 1
        torch.set_num_threads(2)
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert use_threads(nn.Linear(64, 64), 64, CPU) == 2
    finally:
        torch.set_num_threads(before)


def test_bfloat16_is_for_the_forward_pass_only():
    """Weights and gradients stay float32."""
    layer = nn.Linear(4, 4)
    with autocast(CPU, "bfloat16"):
        outputs = layer(torch.ones(1, 4))
    assert outputs.dtype == torch.bfloat16
    outputs.sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    with autocast(CPU, "float32"):
        assert layer(torch.ones(1, 4)).dtype == torch.float32


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "Out of memory: MemoryError"),
        (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate 9 bytes"), "Out of memory: .*can't allocate 9 bytes"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried 9 GiB"), "Out of GPU memory: CUDA out of memory"),
    ],
)
def test_running_out_of_memory_says_what_to_make_smaller(error: BaseException, message: str):
    """For all of torch's different errors."""
    with pytest.raises(TuimonError, match=message) as raised, memory_explained(load_spec("digits-mlp")):
        raise error
    assert "batch_size (now 8)" in raised.value.hint


def test_torch_really_says_so_when_memory_runs_out():
    """The expected text really is torch's."""
    with pytest.raises(TuimonError, match="Out of memory"), memory_explained(load_spec("digits-mlp")):
        torch.empty(2**60, dtype=torch.uint8)


def test_other_errors_pass_unchanged():
    """Their traceback is more useful than a guess."""
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(load_spec("digits-mlp")):
        raise RuntimeError("shapes")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_stops_at_once(number: signal.Signals):
    """Afterwards, the previous handlers are back."""
    before = signal.getsignal(number)
    with StopSignals() as signals:
        assert not signals.asked
        os.kill(os.getpid(), number)
        assert signals.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
