"""The choice of a device, with and without GPUs."""

from __future__ import annotations

import pynvml
import pytest

from tuimon.base.errors import TuimonError
from tuimon.launcher.start import devices
from tuimon.launcher.start.devices import Gpu, choose_device, gpus

BUSY, ROOMY = Gpu(0, "H200", 10, 100, "0"), Gpu(1, "H200", 90, 100, "1")


@pytest.fixture(autouse=True)
def cuda_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that could use a GPU."""
    monkeypatch.setattr(devices, "torch_version", lambda: "2.13.0+cu130")


@pytest.mark.parametrize(
    ("text", "device", "label", "visible"),
    [
        ("auto", "cuda", "cuda:1", "1"),
        ("cuda", "cuda", "cuda:1", "1"),
        ("cuda:0", "cuda", "cuda:0", "0"),
        ("cpu", "cpu", "cpu", None),
        ("mps", "mps", "mps", None),
    ],
)
def test_the_choice_among_two_gpus(text: str, device: str, label: str, visible: str | None) -> None:
    """Auto takes the most free memory; the trainer sees only its own GPU, counted as NVML counts."""
    choice = choose_device(text, [BUSY, ROOMY])
    assert (choice.device, choice.label) == (device, label)
    assert choice.environment.get("CUDA_VISIBLE_DEVICES") == visible
    assert choice.environment.get("CUDA_DEVICE_ORDER") == (visible and "PCI_BUS_ID")


@pytest.mark.parametrize(
    ("free", "starting", "label"),
    [
        ((90, 90), [], "cuda:0"),
        ((90, 90), ["cuda:0"], "cuda:1"),
        ((90, 90), ["cuda:0", "cuda:1"], "cuda:0"),
        ((90, 80), ["cuda:0", "cpu"], "cuda:1"),
        ((90, 10), ["cuda:0"], "cuda:0"),
        ((None, None), ["cuda:0"], "cuda:1"),
    ],
)
@pytest.mark.parametrize("text", ["auto", "cuda"])
def test_what_is_starting_will_take_its_share(text: str, free: tuple[int | None, ...], starting: list[str], label: str) -> None:
    """Its memory is still free when the next run looks; a card that is full is no better for that."""
    cards = [Gpu(index, "H200", bytes_free, 100, str(index)) for index, bytes_free in enumerate(free)]
    assert choose_device(text, cards, lambda: starting).label == label


def test_auto_without_a_gpu_is_the_cpu() -> None:
    """No driver is no error."""
    assert choose_device("auto", []).device == "cpu"


def test_auto_with_a_torch_built_for_the_cpu_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU that the installed torch cannot use is no reason to fail; asked for by name, it is."""
    monkeypatch.setattr(devices, "torch_version", lambda: "2.13.0+cpu")
    assert choose_device("auto", [ROOMY]).device == "cpu"
    with pytest.raises(TuimonError, match="built for the CPU only"):
        choose_device("cuda", [ROOMY])


@pytest.mark.parametrize(
    ("text", "available", "reason"),
    [
        ("cuda", [], "no NVIDIA driver answers"),
        ("cuda:2", [BUSY, ROOMY], r"this machine has cuda:0 \(H200\), cuda:1 \(H200\)"),
        ("gpu", [BUSY], "Unknown device 'gpu'"),
        ("cuda:x", [BUSY], "Unknown device"),
    ],
)
def test_a_device_that_is_not_there_is_refused(text: str, available: list[Gpu], reason: str) -> None:
    """With the reason, and with what there is."""
    with pytest.raises(TuimonError, match=reason):
        choose_device(text, available)


class FakeMemory:
    """What NVML says of a GPU's memory."""

    free, total = 5, 10


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver with four cards."""
    for name, value in {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 4,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetName": lambda handle: f"gpu {handle}",
        "nvmlDeviceGetMemoryInfo": lambda handle: FakeMemory,
    }.items():
        monkeypatch.setattr(pynvml, name, value)


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, ["0", "1", "2", "3"]),
        ({"CUDA_VISIBLE_DEVICES": "2,1"}, ["2", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-abc,MIG-def"}, ["GPU-abc", "MIG-def"]),
        ({"CUDA_VISIBLE_DEVICES": "1,9,0"}, ["1"]),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
    ],
)
def test_a_schedulers_allocation_is_obeyed(driver: None, environment: dict[str, str], names: list[str]) -> None:
    """Only the visible GPUs are seen, in the order given, ending where CUDA's own list would."""
    found = gpus(environment)
    assert [gpu.name_for_cuda for gpu in found] == names
    assert [gpu.index for gpu in found] == list(range(len(names)))
    assert all(gpu.memory_free_bytes == 5 for gpu in found)


@pytest.mark.parametrize(
    ("environment", "ordered"),
    [
        ({}, True),
        ({"CUDA_VISIBLE_DEVICES": "1"}, False),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, True),
        ({"CUDA_VISIBLE_DEVICES": "GPU-abc"}, True),
    ],
)
def test_numbers_of_an_allocation_keep_the_order_that_they_were_meant_in(
    driver: None, environment: dict[str, str], ordered: bool
) -> None:
    """On a machine with different cards another order would mean a card that was not allotted."""
    assert ("CUDA_DEVICE_ORDER" in choose_device("cuda", gpus(environment)).environment) == ordered
