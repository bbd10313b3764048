"""A store's layers and devices in the form that panels show. Reads the store, keeps nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from tuimon.base.outside import json_decoder
from tuimon.log.batch import TextRecord
from tuimon.log.store import Store
from tuimon.viewer.draw.layers import Layer

DEAD_UNITS_TAG = "tuimon/dead_units"
GPU_TAG = "tuimon/gpu"
T = TypeVar("T")
_GPU = re.compile(r"system/gpu([0-9]{1,9})/")


def layer_names(store: Store) -> list[str]:
    """The layers declared by the run, in the model's order, then layers that appear only in tags."""
    declared = [layer.name for layer in store.started.layers] if store.started else []
    tagged = {tag.partition("/")[2] for tag in store.series if tag.startswith("grad_norm/")}
    tagged |= {tag.partition("/")[2] for tag in store.histograms if tag.startswith(("gradient/", "activation/"))}
    return declared + sorted(tagged.difference(declared))


def layers(store: Store) -> list[Layer]:
    """One entry per layer, with the latest values."""
    declared = {layer.name: layer for layer in store.started.layers} if store.started else {}
    found = []
    for name in layer_names(store):
        info = declared.get(name)
        gradient = store.histograms.get(f"gradient/{name}")
        found.append(
            Layer(
                name,
                info.type if info else "",
                store.last(f"grad_norm/{name}"),
                gradient.counts[-1] if gradient else None,
                store.last(f"dead_units/{name}"),
                info.units if info else 0,
                store.last(f"saturated_fraction/{name}"),
                store.last(f"update_ratio/{name}"),
                info.trainable if info else True,
            )
        )
    return found


def dead_units(store: Store, layer: str) -> list[int] | None:
    """The indices of a layer's dead units, from the latest sample (possibly only the first of many); None if there is none."""
    texts = store.texts.get(DEAD_UNITS_TAG)
    if not texts:
        return None
    nothing: dict[str, list[int]] = {}
    return _decoded(_decode_units, texts, nothing).get(layer, [])


@dataclass(frozen=True)
class GpuProcess:
    """A process on a GPU; `memory_bytes` is NaN if the driver does not report it."""

    pid: int
    user: str = ""
    memory_bytes: float = math.nan


@dataclass(frozen=True)
class GpuFacts:
    """One GPU: its latest readings (NaN: not available), and why some are missing."""

    index: int
    name: str = ""
    readings: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    processes: tuple[GpuProcess, ...] = ()

    def reading(self, name: str) -> float:
        """A reading by the last part of its tag; NaN if there is none."""
        return self.readings.get(name, math.nan)


def gpus(store: Store) -> list[GpuFacts]:
    """The GPUs that the run's meters report."""
    said = {gpu.index: gpu for gpu in _said(store).gpus}
    readings: dict[int, dict[str, float]] = {}
    for tag in store.series:
        if match := _GPU.match(tag):
            readings.setdefault(int(match[1]), {})[tag[match.end() :]] = store.last(tag)
    return [_gpu(said.get(index, _Gpu(index)), readings.get(index, {})) for index in sorted(said.keys() | readings)]


def no_gpu_reason(store: Store) -> str:
    """Why there are no GPU meters; empty if the run does not say."""
    return _said(store).reason


class _GpuProcess(msgspec.Struct):
    pid: int = 0
    user: str | None = None
    memory_bytes: float | None = None


class _Gpu(msgspec.Struct):
    index: int
    name: str = ""
    missing: dict[str, str] | None = None
    processes: list[_GpuProcess] = []


class _Gpus(msgspec.Struct):
    """What the meters log about GPUs, besides numbers."""

    reason: str = ""
    gpus: list[_Gpu] = []


_decode_gpus: Callable[[str | bytes], _Gpus] = json_decoder(_Gpus)
_decode_units: Callable[[str | bytes], dict[str, list[int]]] = json_decoder(dict[str, list[int]])


def _said(store: Store) -> _Gpus:
    return _decoded(_decode_gpus, store.texts.get(GPU_TAG), _Gpus())


def _gpu(said: _Gpu, readings: dict[str, float]) -> GpuFacts:
    processes = tuple(
        GpuProcess(one.pid, one.user or "", math.nan if one.memory_bytes is None else one.memory_bytes)
        for one in said.processes
    )
    return GpuFacts(said.index, said.name, readings, said.missing or {}, processes)


def _decoded(decode: Callable[[str], T], texts: Sequence[TextRecord] | None, nothing: T) -> T:
    """The latest text, decoded; `nothing` if there is none or it cannot be decoded."""
    try:
        return decode(texts[-1].text) if texts else nothing
    except ValueError:
        return nothing
