"""Meters: what a driver says, what it cannot say, and a driver that is not there."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

import tuimon
from conftest import wait_until
from tuimon.base.process import this_process
from tuimon.log.records import RunStarted
from tuimon.log.writer import LogWriter
from tuimon.monitor.meters.meters import Meters
from tuimon.monitor.meters.nvml import Gpus


def error(code: int) -> pynvml.NVMLError:
    return pynvml.NVMLError(code)


class Driver:
    """Answers as a driver with two cards does; `answers` may be replaced by an error for any call."""

    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU
    NVMLError = pynvml.NVMLError

    def __init__(self, **answers: Any) -> None:
        self.shut = False
        self.refused: tuple[int, ...] = ()  # cards that this user may not ask
        self.answers = {
            "nvmlDeviceGetName": "NVIDIA H200",
            "nvmlDeviceGetMigMode": error(pynvml.NVML_ERROR_NOT_SUPPORTED),
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=87, memory=30),
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=150 << 30, free=138 << 30, used=12 << 30),
            "nvmlDeviceGetPowerUsage": 412_345,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetComputeRunningProcesses": [SimpleNamespace(pid=os.getpid(), usedGpuMemory=11 << 30)],
            **answers,
        }

    def nvmlInit(self) -> None:
        self._answer("nvmlInit")

    def nvmlShutdown(self) -> None:
        self.shut = True

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index in self.refused:
            raise error(pynvml.NVML_ERROR_NO_PERMISSION)
        return index

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> Any:
        return self._answer("nvmlDeviceGetTemperature")

    def __getattr__(self, name: str) -> Any:
        return lambda _handle: self._answer(name)

    def _answer(self, name: str) -> Any:
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("absent", [2**32 - 1, 2**64 - 1])
def test_a_value_that_the_driver_does_not_have_is_missing_and_no_number(absent: int) -> None:
    """NVML answers the largest number of the type, without an error; 4,294,967 W would be drawn."""
    driver = Driver(
        nvmlDeviceGetUtilizationRates=SimpleNamespace(gpu=absent, memory=absent),
        nvmlDeviceGetMemoryInfo=SimpleNamespace(total=150 << 30, free=absent, used=absent),
        nvmlDeviceGetPowerUsage=absent,
        nvmlDeviceGetTemperature=absent,
        nvmlDeviceGetComputeRunningProcesses=[SimpleNamespace(pid=os.getpid(), usedGpuMemory=absent)],
    )
    reading = Gpus(driver).read()[0]
    assert reading.values == {"memory_total_bytes": float(150 << 30), "power_limit_w": 700.0}
    assert set(reading.missing) == {"utilization_percent", "memory_used_bytes", "power_w", "temperature_c"}
    assert set(reading.missing.values()) == {"not available"} and reading.processes[0].memory_bytes is None


def test_a_card_is_read_in_base_units() -> None:
    """Watts, bytes, percent, degrees; every process with its memory."""
    first, second = Gpus(Driver()).read()
    assert (first.index, second.index, first.name) == (0, 1, "NVIDIA H200")
    assert first.values == {
        "utilization_percent": 87.0,
        "memory_used_bytes": float(12 << 30),
        "memory_total_bytes": float(150 << 30),
        "power_w": 412.345,
        "power_limit_w": 700.0,
        "temperature_c": 61.0,
    }
    assert first.missing == {}
    assert [(p.pid, p.memory_bytes) for p in first.processes] == [(os.getpid(), 11 << 30)]


def test_what_the_driver_cannot_tell_is_missing_with_the_reason() -> None:
    """Under MIG utilization is not supported and memory not permitted; the rest is there. Old drivers answer in bytes."""
    driver = Driver(
        nvmlDeviceGetName=b"NVIDIA A100",
        nvmlDeviceGetMigMode=[1, 1],
        nvmlDeviceGetUtilizationRates=error(pynvml.NVML_ERROR_NOT_SUPPORTED),
        nvmlDeviceGetMemoryInfo=error(pynvml.NVML_ERROR_NO_PERMISSION),
        nvmlDeviceGetComputeRunningProcesses=[SimpleNamespace(pid=7, usedGpuMemory=None)],
    )
    reading = Gpus(driver).read()[0]
    assert reading.name == "NVIDIA A100"
    assert set(reading.values) == {"power_w", "power_limit_w", "temperature_c"}
    assert reading.missing == {
        "utilization_percent": "Not Supported (MIG mode is on)",
        "memory_used_bytes": "Insufficient Permissions (MIG mode is on)",
        "memory_total_bytes": "Insufficient Permissions (MIG mode is on)",
    }
    assert reading.processes[0].memory_bytes is None


def test_a_card_that_may_not_be_asked_hides_no_other() -> None:
    """NVML counts the cards of other users too; where all are refused the reason is told."""
    driver = Driver()
    driver.refused = (0,)
    gpus = Gpus(driver)
    assert [reading.index for reading in gpus.read()] == [1] and not gpus.reason
    driver.refused = (0, 1)
    gpus = Gpus(driver)
    assert gpus.read() == [] and "Insufficient Permissions" in gpus.reason and driver.shut


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
def test_no_driver_is_one_sentence(code: int) -> None:
    """Neither library nor module: no GPUs, and why."""
    gpus = Gpus(Driver(nvmlInit=error(code)))
    assert gpus.read() == []
    assert gpus.reason == f"no NVIDIA GPU found: {error(code)}"


def test_the_real_module_fits_the_protocol() -> None:
    """Every call that is made exists in `pynvml`, and asking the real driver raises nothing, whatever this machine has."""
    gpus = Gpus()
    assert bool(gpus.reason) != bool(gpus.read())
    gpus.close()
    calls = [name for name in Driver().answers if name.startswith("nvml")]
    assert all(callable(getattr(pynvml, name)) for name in [*calls, "nvmlInit", "nvmlShutdown", "nvmlDeviceGetHandleByIndex"])


def metered(tmp_path: Path, driver: Driver) -> tuple[LogWriter, Meters, list[BaseException]]:
    errors: list[BaseException] = []
    writer = LogWriter(tmp_path, "run")
    writer.event(RunStarted("metered", this_process()))  # of such a log several readings of one step are kept
    return writer, Meters(writer, lambda: 5, lambda _, e: errors.append(e), lambda: Gpus(driver), period_s=0.05), errors


def test_readings_are_logged_under_their_tags(tmp_path: Path) -> None:
    """GPU, host and process by tag; names, users and reasons as JSON, once while they do not change."""
    driver = Driver()
    writer, meters, errors = metered(tmp_path, driver)
    wait_until(lambda: len(tuimon.read_run(tmp_path).series.get("system/gpu1/power_w", [])) >= 5)
    meters.close()
    writer.close()
    store = tuimon.read_run(tmp_path)
    assert store["system/gpu0/temperature_c"].values[0] == 61.0
    assert store["system/host/memory_total_bytes"].values[0] > 0
    assert store["system/gpu0/power_w"].steps[0] == 5
    texts = [json.loads(record.text) for record in store.texts["tuimon/gpu"]]
    assert len(texts) == 1
    gpu = texts[0]["gpus"][0]
    assert (texts[0]["reason"], gpu["name"], gpu["missing"]) == ("", "NVIDIA H200", {})
    assert gpu["processes"][0]["pid"] == os.getpid() and gpu["processes"][0]["user"]
    assert driver.shut and errors == []


def test_a_card_that_falls_off_the_bus_does_not_end_the_meters(tmp_path: Path) -> None:
    """GPU is lost: its values are missing from then on, the host's go on."""
    driver = Driver()
    writer, meters, errors = metered(tmp_path, driver)

    def count(tag: str) -> int:
        return len(tuimon.read_run(tmp_path).series.get(tag, []))

    wait_until(lambda: count("system/gpu0/power_w"))
    driver.answers = {name: error(pynvml.NVML_ERROR_GPU_IS_LOST) for name in driver.answers}
    at = count("system/host/cpu_percent")
    wait_until(lambda: count("system/host/cpu_percent") > at + 5)
    assert count("system/gpu0/power_w") < count("system/host/cpu_percent")
    meters.close()
    writer.close()
    assert errors == []


def test_no_driver_is_said_once_and_the_host_is_shown(tmp_path: Path) -> None:
    """A laptop without a GPU."""
    writer, meters, _ = metered(tmp_path, Driver(nvmlInit=error(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)))
    wait_until(lambda: len(tuimon.read_run(tmp_path).series.get("system/host/cpu_percent", [])) >= 3)
    meters.close()
    writer.close()
    texts = tuimon.read_run(tmp_path).texts["tuimon/gpu"]
    reason = "no NVIDIA GPU found: NVML Shared Library Not Found"
    assert [json.loads(t.text) for t in texts] == [{"reason": reason, "gpus": []}]
