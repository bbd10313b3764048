"""A store's layers and devices in the form that panels show. Reads the store, keeps nothing."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from tuimon.log.store import Store
from tuimon.viewer.draw.layers import Layer

DEAD_UNITS_TAG = "tuimon/dead_units"
GPU_TAG = "tuimon/gpu"
_GPU = re.compile(r"system/gpu(\d+)/")


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
    units = _json(texts[-1].text).get(layer)
    return [int(unit) for unit in units] if isinstance(units, list) else []


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
    said = {int(gpu["index"]): gpu for gpu in _said(store).get("gpus", []) if "index" in gpu}
    readings: dict[int, dict[str, float]] = {}
    for tag in store.series:
        if match := _GPU.match(tag):
            readings.setdefault(int(match[1]), {})[tag[match.end() :]] = store.last(tag)
    return [_gpu(index, said.get(index, {}), readings.get(index, {})) for index in sorted(said.keys() | readings)]


def no_gpu_reason(store: Store) -> str:
    """Why there are no GPU meters; empty if the run does not say."""
    return str(_said(store).get("reason", ""))


def _said(store: Store) -> dict[str, Any]:
    texts = store.texts.get(GPU_TAG)
    return _json(texts[-1].text) if texts else {}


def _gpu(index: int, said: dict[str, Any], readings: dict[str, float]) -> GpuFacts:
    processes = tuple(
        GpuProcess(int(one.get("pid", 0)), str(one.get("user") or ""), _float(one.get("memory_bytes")))
        for one in said.get("processes", [])
    )
    reasons = {str(name): str(reason) for name, reason in (said.get("missing") or {}).items()}
    return GpuFacts(index, str(said.get("name", "")), readings, reasons, processes)


def _float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
